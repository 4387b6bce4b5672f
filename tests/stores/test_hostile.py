"""Directories into which somebody has put what is no object: links, pipes, sockets, devices. Never followed, never
waited for, never deleted elsewhere."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from elastic_spawner.checkpoint import Repository
from elastic_spawner.errors import CorruptChunk, StoreNotFound, StoreURLError
from elastic_spawner.stores import DirectoryStore
from elastic_spawner.stores.directory import TEMPORARY, TRASH

KEY = bytes(range(32))
DATA = b"data that matters"


def link(path: Path) -> None:
    """A link to a file with the right bytes."""
    (path.parent.parent / "elsewhere").write_bytes(DATA)
    path.symlink_to(path.parent.parent / "elsewhere")


def unix_socket(path: Path) -> None:
    """A socket; bound by a short name, for those of sockets are limited."""
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name[:40])
    finally:
        os.chdir(here)
    os.rename(path.parent / path.name[:40], path)


IMPOSTORS: list[Callable[[Path], None]] = [link, os.mkfifo, unix_socket, lambda path: path.symlink_to("/dev/zero")]


@pytest.mark.parametrize("make", IMPOSTORS)
def test_impostor_of_an_object(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """It is told apart, does not show in listings, does not hang a reader, and the next put replaces it."""
    root = tmp_path / "store"
    store = DirectoryStore(root)
    store.put("chunks/x", DATA)
    (root / "chunks" / "x").unlink()
    make(root / "chunks" / "x")
    assert store.stat("chunks/x") is None
    assert list(store.list()) == [] or [entry.key for entry in store.list()] == ["elsewhere"]
    with pytest.raises(StoreNotFound, match="no regular file"):
        store.get("chunks/x")
    with pytest.raises(StoreNotFound, match="no regular file"):
        store.get_into("chunks/x", memoryview(bytearray(100)))
    store.put("chunks/x", b"new")
    assert store.get("chunks/x") == b"new"
    assert not (root / "elsewhere").exists() or (root / "elsewhere").read_bytes() == DATA


@pytest.mark.parametrize("make", [*IMPOSTORS, os.mkdir])
def test_impostor_of_a_chunk(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A restore is told that the chunk is missing, and the next save stores it again where that can be done."""
    with Repository(DirectoryStore(tmp_path / "store"), KEY) as repository:
        (ref,) = repository.put(DATA)
        repository.commit("s", {"ref": ref})
        path = tmp_path / "store" / ref.key
        path.unlink()
        make(path)
        with pytest.raises((CorruptChunk, StoreURLError)):
            repository.read([ref])
        if make is not os.mkdir:
            assert repository.missing([ref]) == [ref]
            repository.commit("s", {"ref": repository.put(DATA)})
            assert repository.verify("s").ok


@pytest.mark.parametrize("make", [*IMPOSTORS, os.mkdir])
def test_impostor_of_a_manifest(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """The number that it takes is passed over: a commit neither hangs nor overwrites."""
    with Repository(DirectoryStore(tmp_path / "store"), KEY) as repository:
        repository.commit("s", {"n": 1})
        make(tmp_path / "store" / "manifests" / "s" / "00000002.json")
        assert repository.commit("s", {"n": 2}) == 3
        found = repository.latest("s")
        assert found is not None and found["n"] == 2
        repository.gc(keep=1, grace_s=0)
        assert repository.latest("s") == found


@pytest.mark.parametrize("name", [TEMPORARY, TRASH, "chunks", "manifests", "manifests/s"])
def test_link_in_the_place_of_a_directory(tmp_path: Path, name: str) -> None:
    """A collector with more rights than whoever placed it deletes nothing through it, and no writer writes through
    it."""
    victim = tmp_path / "victim"
    (victim / "ab").mkdir(parents=True)
    for file in ("a", "00000001.json", "ab/ab" + 62 * "0", "chunks%x"):
        (victim / file).write_bytes(b"precious")
        os.utime(victim / file, (0, 0))
    before = sorted(victim.rglob("*"))
    root = tmp_path / "store"
    (root / name).parent.mkdir(parents=True)
    (root / name).symlink_to(victim)
    with Repository(DirectoryStore(root), KEY) as repository:
        with pytest.raises(StoreURLError):
            repository.commit("s", {"refs": repository.put(DATA)})
            repository.gc(keep=1, grace_s=0)
    assert sorted(victim.rglob("*")) == before


def test_store_that_is_a_link_itself(tmp_path: Path) -> None:
    """An admin's choice: it is used."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    with Repository(DirectoryStore(tmp_path / "store"), KEY) as repository:
        repository.commit("s", {"refs": repository.put(DATA)})
        repository.gc(keep=1, grace_s=0)
        assert repository.verify("s").ok
    assert (tmp_path / "disk" / "manifests").is_dir()


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/passwd", "a//b", ".tmp/x", "a/.hidden", "", "a\0b", "a\n"])
def test_keys_do_not_lead_out(tmp_path: Path, key: str) -> None:
    """Refused by every method, before the file system is asked."""
    store = DirectoryStore(tmp_path / "store")
    for call in (
        store.get,
        store.stat,
        store.delete,
        store.touch,
        lambda key: store.put(key, b""),
        lambda key: store.create(key, b""),
        lambda key: store.stage(key, b""),
        lambda key: store.evict(key, 1e12),
    ):
        with pytest.raises(StoreURLError):
            call(key)


def test_strange_names_in_the_trash(tmp_path: Path) -> None:
    """What did not come from an eviction is left alone, and stops no collection."""
    store = DirectoryStore(tmp_path)
    (tmp_path / TRASH).mkdir()
    for name in ("..%..%x", ".hidden", "a b"):
        (tmp_path / TRASH / name).write_bytes(b"")
    store.recover()
    assert len(os.listdir(tmp_path / TRASH)) == 3

"""Directory stores on real file systems: full ones, forbidden ones, and after a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from elastic_spawner.errors import StoreDenied, StoreError, StoreFull
from elastic_spawner.stores import DirectoryStore
from elastic_spawner.stores.directory import TEMPORARY, TRASH

MiB = 1 << 20


def files(path: Path) -> list[str]:
    """Every file below, relative."""
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


@pytest.mark.parametrize("method", ["put", "create", "stage"])
def test_full_disk(small_disk: Path, method: str) -> None:
    """The error names the directory and the room left, and no half-written file takes that room."""
    store = DirectoryStore(small_disk / "store")
    store.put("before", bytes(MiB))
    with pytest.raises(StoreFull, match=r"store: the disk is full \(\d+\.\d MB of 4\.2 MB free\)"):
        getattr(store, method)("new", bytes(8 * MiB))
    assert files(small_disk / "store") == ["before"]
    getattr(store, method)("new", bytes(2 * MiB))
    store.flush()
    assert store.get("new") == bytes(2 * MiB)


def test_file_size_limit(tmp_path: Path) -> None:
    """A limit of the process (RLIMIT_FSIZE) is a full store too. In a process of its own, for the limit cannot be
    undone."""
    code = (
        "import resource, signal, sys\n"
        "from elastic_spawner.errors import StoreFull\n"
        "from elastic_spawner.stores import DirectoryStore\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000000, 1000000))\n"
        "store = DirectoryStore(sys.argv[1])\n"
        "try:\n"
        "    store.put('x', bytes(2000000))\n"
        "except StoreFull as error:\n"
        "    assert 'size limit' in str(error), error\n"
        "    print('full')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("full\n", "")
    assert files(tmp_path) == []


def test_directory_that_may_not_be_written(tmp_path: Path) -> None:
    """Denied, with the uid that would need the right. Root may write everywhere, so root becomes nobody."""
    denied = tmp_path / "denied"
    denied.mkdir()
    denied.chmod(0o555)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o555)
    code = (
        "import os, sys\n"
        "from elastic_spawner.errors import StoreDenied\n"
        "from elastic_spawner.stores import DirectoryStore\n"
        "import elastic_spawner.stores.errors\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n"
        "    DirectoryStore(sys.argv[1]).put('x', b'')\n"
        "except StoreDenied as error:\n"
        "    assert f'writable for uid {os.geteuid()}' in str(error), error\n"
        "    print('denied')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(denied)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("denied\n", "")


def test_read_only_file_system(small_disk: Path) -> None:
    """The same for a file system that is mounted read-only."""
    store = DirectoryStore(small_disk / "store")
    store.put("x", b"before")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreDenied, match="Read-only"):
        store.put("x", b"after")
    assert store.get("x") == b"before"


def test_staged_objects_are_not_visible_before_they_are_durable(tmp_path: Path) -> None:
    """Under its name an object is whole: what a crash leaves is a temporary file, which `sweep` removes."""
    store = DirectoryStore(tmp_path)
    store.stage("chunk", b"data")
    other = DirectoryStore(tmp_path)
    assert not other.exists("chunk")
    assert len(files(tmp_path)) == 1
    assert other.sweep(other.now() - 60) == 0
    assert other.sweep(other.now()) == 1
    assert files(tmp_path) == []
    with pytest.raises(StoreError, match="vanished"):
        store.flush()


def test_close_drops_what_was_not_flushed(tmp_path: Path) -> None:
    """And closes its files."""
    store = DirectoryStore(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(5):
        store.stage(f"c/{number}", b"data")
    store.close()
    assert files(tmp_path) == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_open_files_are_bounded(tmp_path: Path) -> None:
    """However much is staged, a user's limit of open files is not reached."""
    store = DirectoryStore(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(200):
        store.stage(f"c/{number}", b"data")
        assert len(os.listdir("/proc/self/fd")) - before <= 33
    store.flush()
    assert len(files(tmp_path)) == 200


def test_object_in_the_trash_is_found(tmp_path: Path) -> None:
    """A collector killed between the two steps of an eviction loses nothing."""
    store = DirectoryStore(tmp_path)
    for key in ("chunks/a", "chunks/b"):
        store.put(key, b"data")
    (tmp_path / TRASH).mkdir()
    for name in ("a", "b"):
        os.rename(tmp_path / "chunks" / name, tmp_path / TRASH / f"chunks%{name}")
    assert store.get("chunks/a") == b"data"
    store.recover()
    assert files(tmp_path) == ["chunks/a", "chunks/b"]


def test_touched_in_the_middle_of_an_eviction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that reuses the object after the collector looked at it, and before it moved it, keeps it."""
    store = DirectoryStore(tmp_path)
    store.put("x", b"data")
    os.utime(tmp_path / "x", (0, 0))
    rename = os.rename

    def late(source: str, target: str) -> None:
        monkeypatch.setattr(os, "rename", rename)
        assert store.touch("x")
        rename(source, target)

    monkeypatch.setattr(os, "rename", late)
    assert store.evict("x", 1000.0) is False
    assert store.get("x") == b"data"
    assert files(tmp_path) == ["x"]


@pytest.mark.parametrize("held", [False, True])
def test_create_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: bool) -> None:
    """Where a file system has no links (the refusal is a fake, for none is at hand) a lock file keeps creators
    apart."""

    def no_links(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    store = DirectoryStore(tmp_path)
    if held:
        store.put("other", b"")
        (tmp_path / TEMPORARY / "lock%m%1").touch()
        assert store.create("m/1", b"late") is False
        assert not store.exists("m/1")
    else:
        assert store.create("m/1", b"first") is True
        assert store.create("m/1", b"second") is False
        assert store.get("m/1") == b"first"
        assert files(tmp_path) == ["m/1"]


def test_directory_emptied_under_the_store(tmp_path: Path) -> None:
    """Somebody who cleans up does not break the next save."""
    store = DirectoryStore(tmp_path / "store")
    store.put("a/b", b"1")
    subprocess.run(["rm", "-r", str(tmp_path / "store")], check=True)
    store.put("a/b", b"2")
    assert store.create("c/d", b"3")
    assert store.get("a/b") == b"2"

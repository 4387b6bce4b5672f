"""What every store must do, tried on each kind: a directory, S3 with keys, and S3 by pre-signed requests."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from elastic_spawner.errors import StoreNotFound, StoreURLError
from elastic_spawner.stores import DirectoryStore, PresignedStore, Store
from tests.conftest_s3 import S3Server


@pytest.fixture(params=["directory", "s3", "presigned"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    if request.param == "directory":
        opened: Store = DirectoryStore(tmp_path / "store")
    else:
        server: S3Server = request.getfixturevalue("s3_server")
        opened = server.store(request.getfixturevalue("bucket"), "hub/ada")
        if request.param == "presigned":
            opened = PresignedStore(opened.sign, opened.url)  # type: ignore[attr-defined]
    yield opened
    opened.close()


@pytest.mark.parametrize("data", [b"", b"x", os.urandom(100_000)], ids=["empty", "one", "many"])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_put_then_get(store: Store, data: bytes, kind: type) -> None:
    """What was put comes back, whatever kind of buffer it was."""
    store.put("a/b.c", kind(data))
    assert store.get("a/b.c") == data
    assert store.exists("a/b.c")


def test_put_overwrites(store: Store) -> None:
    """The last one wins."""
    store.put("a", b"long before")
    store.put("a", b"after")
    assert store.get("a") == b"after"


def test_what_is_absent(store: Store) -> None:
    """Reading says so; deleting does not mind."""
    with pytest.raises(StoreNotFound, match="no-such"):
        store.get("no-such")
    with pytest.raises(StoreNotFound):
        store.get_into("no-such", memoryview(bytearray(3)))
    assert store.stat("no-such") is None
    assert not store.exists("no-such")
    assert store.touch("no-such") is False
    assert store.evict("no-such", time.time()) is False
    store.delete("no-such")


@pytest.mark.parametrize("room", [0, 4, 5, 9])
def test_get_into_tells_when_the_size_is_not_the_buffers(store: Store, room: int) -> None:
    """It fills what there is and returns the true size."""
    store.put("five", b"12345")
    buffer = bytearray(b"." * room)
    assert store.get_into("five", memoryview(buffer)) == 5
    assert bytes(buffer) == (b"12345" + b"....")[:room]


def test_create_never_overwrites(store: Store) -> None:
    """The second one is told."""
    assert store.create("m/1", b"first") is True
    assert store.create("m/1", b"second") is False
    assert store.get("m/1") == b"first"


def test_of_many_creators_one_wins(store: Store) -> None:
    """However many try at once, and the others know that they did not."""
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: store.create("m/1", b"%d" % n), range(8)))
    assert sum(won) == 1
    assert store.get("m/1") == b"%d" % won.index(True)


def test_list_is_ordered_and_by_prefix(store: Store) -> None:
    """A prefix is one of text, not of folders; sizes and times are there."""
    keys = ["a/1", "a/2", "ab", "b/c/d", "b/c/e"]
    for key in reversed(keys):
        store.put(key, key.encode())
    assert [entry.key for entry in store.list()] == sorted(keys)
    assert [entry.key for entry in store.list("a")] == ["a/1", "a/2", "ab"]
    assert [entry.key for entry in store.list("a/")] == ["a/1", "a/2"]
    assert [entry.key for entry in store.list("b/c/d")] == ["b/c/d"]
    assert list(store.list("none/")) == []
    entry = next(store.list("b/c/e"))
    assert entry.size == 5
    assert entry == store.stat("b/c/e")
    assert abs(entry.modified - store.now()) < 60


def test_delete(store: Store) -> None:
    """It is gone, and only it."""
    store.put("a/1", b"1")
    store.put("a/2", b"2")
    store.delete("a/1")
    assert [entry.key for entry in store.list()] == ["a/2"]


def test_stage_is_there_after_flush(store: Store) -> None:
    """Many together."""
    for number in range(70):
        store.stage(f"s/{number:02}", b"%d" % number)
    store.flush()
    assert len(list(store.list("s/"))) == 70
    assert store.get("s/69") == b"69"


def test_evict_spares_the_young(store: Store) -> None:
    """What is newer than the limit stays."""
    store.put("x", b"x")
    modified = store.stat("x").modified  # type: ignore[union-attr]
    assert store.evict("x", modified - 1) is False
    assert store.get("x") == b"x"
    assert store.evict("x", modified) is True
    assert not store.exists("x")


def test_touch_makes_young(store: Store) -> None:
    """The date is a new one, even on servers where copying an object onto itself does not change it."""
    store.put("x", b"content")
    before = store.stat("x").modified  # type: ignore[union-attr]
    time.sleep(8)  # servers date in whole seconds, and a copy 5 s old passes for a fresh one
    assert store.touch("x") is True
    assert store.stat("x").modified > before  # type: ignore[union-attr]
    assert store.get("x") == b"content"


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", ".", ".hidden", "a b", "ä", "a\0", "a%2e"])
def test_bad_keys_are_refused(store: Store, key: str) -> None:
    """Nothing outside the store can be named."""
    for call in (store.get, store.stat, store.delete):
        with pytest.raises(StoreURLError):
            call(key)
    with pytest.raises(StoreURLError):
        store.put(key, b"")

"""Kills a save, or a collection, by SIGKILL before every single system call that changes the store; run by
test_crash_points.py.

    python crash_points.py WHAT DIRECTORY

Every point is tried: the n-th call for n = 1, 2, ... until the child lives to its end. Each write is also tried
half-done. A save and a collection beside each other are tried in all orders in which one of them runs as a whole
between two calls of the other, which then goes on or is killed. Prints the number of points; an AssertionError says at
which one something was lost or left.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elastic_spawner.checkpoint import ChunkRef, Repository, chunks
from elastic_spawner.stores import DirectoryStore

KEY = bytes(range(32))
HOUR = 3600
CALLS = ("open", "write", "fsync", "rename", "link", "unlink", "mkdir", "utime")
"""All that the store changes the disk with. Of the first only those count that make a file."""

OLD = [b"old %d " % n * 2000 for n in range(3)]
NEW = [OLD[1], b"new " * 5000, bytes(9000)]
GARBAGE = b"garbage " * 1000


def many_quick_calls() -> None:
    """Set this process up, which is there for the trial alone: many chunks from little data, and an fsync that is only
    counted and not waited for. (What was written outlives a kill without it; test_durability.py looks at its order.)
    """
    chunks.CHUNK_BYTES = 4096
    os.fsync = lambda _fd: None


def open_repository(directory: Path) -> Repository:
    """One thread, so that the n-th call is always the same one."""
    store = DirectoryStore(directory)
    store.parallel = 1
    return Repository(store, KEY)


def save(repository: Repository, datas: list[bytes]) -> int:
    """Put and commit."""
    return repository.commit("s", {"items": [repository.put(data) for data in datas]})


def prepare(directory: Path) -> None:
    """Two generations and garbage, all of it old."""
    shutil.rmtree(directory, ignore_errors=True)
    with open_repository(directory) as repository:
        repository.put(GARBAGE)
        save(repository, [b"oldest"])
        save(repository, OLD)
    for file in directory.rglob("*"):
        if file.is_file():
            os.utime(file, (0, file.stat().st_mtime - 2 * HOUR))


def die() -> None:
    """The end, as the kernel's out-of-memory killer makes it."""
    os.kill(os.getpid(), signal.SIGKILL)


def at_point(point: int, act: Callable[[], None]) -> None:
    """Act before the point-th call from now; a write is half-done then, every second time."""
    count = 0

    def wrap(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            if name == "open" and not arguments[1] & os.O_CREAT:
                return real(*arguments, **options)
            count += 1
            if count == point:
                if name == "write":
                    half = len(arguments[1]) // 2
                    written = real(arguments[0], memoryview(arguments[1])[:half])
                    act()
                    return written + real(arguments[0], memoryview(arguments[1])[half:])
                act()
            result = real(*arguments, **options)
            if name == "write":
                count += 1
                if count == point:
                    act()
            return result

        return call

    for name in CALLS:
        setattr(os, name, wrap(getattr(os, name), name))


def in_child(point: int, work: Callable[[], None], act: Callable[[], None] = die) -> bool:
    """Do the work in a forked child that acts at the point, once; returns whether it came to that."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        tell = os.write

        def told() -> None:
            tell(write, b".")
            act()

        try:
            at_point(point, told)
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(write)
    acted = bool(os.read(read, 1))
    os.close(read)
    status = os.waitpid(pid, 0)[1]
    assert status in (0, signal.SIGKILL), f"point {point}: the child failed by itself ({status})"
    return acted


def meanwhile(work: Callable[[], object], then: Callable[[], None] | None = None) -> Callable[[], None]:
    """Another process does all of this work while we stand still; then we go on, or end."""

    def act() -> None:
        assert not in_child(0, lambda: print(work(), file=sys.stderr))
        if then is not None:
            then()

    return act


def check(directory: Path, expected: list[list[bytes]], point: int) -> None:
    """The newest generation loads and is one of `expected`; then a save and a collection leave only what they must."""
    with open_repository(directory) as repository:
        found = repository.latest("s")
        assert found is not None, f"point {point}: no generation left"
        datas = [bytes(repository.read([ChunkRef.from_json(r) for r in refs])) for refs in found["items"]]
        assert datas in expected, f"point {point}: generation {found['generation']} is not what was saved"
        assert repository.verify("s").ok
        assert save(repository, NEW) == found["generation"] + 1
        assert repository.verify("s").ok
        repository.gc(keep=1, grace_s=0)
        assert repository.verify("s").ok
        needed = {ref.key for refs in repository.latest("s")["items"] for ref in map(ChunkRef.from_json, refs)}  # type: ignore[index]
        left = {str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file()}
        assert left == needed | {f"manifests/s/{found['generation'] + 1:08d}.json"}, (
            f"point {point}: left behind {left}"
        )


def killed_save(directory: Path, point: int) -> bool:
    """The save of NEW after OLD."""
    prepare(directory)
    repository = open_repository(directory)
    died = in_child(point, lambda: print(save(repository, NEW), file=sys.stderr))
    check(directory, [OLD, NEW] if died else [NEW], point)
    return died


def killed_collection(directory: Path, point: int) -> bool:
    """A collection that deletes a generation, its chunk, and garbage."""
    prepare(directory)
    repository = open_repository(directory)
    died = in_child(point, lambda: print(repository.gc(keep=1, grace_s=HOUR), file=sys.stderr))
    check(directory, [OLD], point)
    return died


def killed_collection_beside_a_writer(directory: Path, point: int) -> bool:
    """The writer reuses garbage just before the collection, and more of it just after."""
    prepare(directory)
    collector, writer = open_repository(directory), open_repository(directory)
    first = writer.put(GARBAGE)
    died = in_child(point, lambda: print(collector.gc(keep=1, grace_s=HOUR), file=sys.stderr))
    items = [first, writer.put(b"oldest")]
    writer.commit("s", {"items": items})
    writer.close()
    check(directory, [[GARBAGE, b"oldest"]], point)
    return died


REUSING = [GARBAGE, b"oldest", b"new " * 5000]
"""A save that uses again what a collection beside it is about to delete."""


def collect(directory: Path) -> object:
    """A collection that would delete what `REUSING` needs."""
    return open_repository(directory).gc(keep=1, grace_s=HOUR)


def collection_within_a_save(then: Callable[[], None] | None) -> Callable[[Path, int], bool]:
    """A whole collection between two calls of a save, which goes on or dies."""

    def trial(directory: Path, point: int) -> bool:
        prepare(directory)
        repository = open_repository(directory)
        act = meanwhile(lambda: collect(directory), then)
        acted = in_child(point, lambda: print(save(repository, REUSING), file=sys.stderr), act)
        check(directory, [OLD, REUSING] if then else [REUSING], point)
        return acted

    return trial


def save_within_a_collection(then: Callable[[], None] | None) -> Callable[[Path, int], bool]:
    """A whole save between two calls of a collection, which goes on or dies."""

    def trial(directory: Path, point: int) -> bool:
        prepare(directory)
        act = meanwhile(lambda: save(open_repository(directory), REUSING), then)
        acted = in_child(point, lambda: print(collect(directory), file=sys.stderr), act)
        if acted:
            check(directory, [REUSING], point)
        return acted

    return trial


TRIALS = {
    "save": killed_save,
    "collect": killed_collection,
    "collect_beside_a_writer": killed_collection_beside_a_writer,
    "collection_within_a_save": collection_within_a_save(None),
    "collection_within_a_killed_save": collection_within_a_save(die),
    "save_within_a_collection": save_within_a_collection(None),
    "save_within_a_killed_collection": save_within_a_collection(die),
}


def main(what: str, directory: Path) -> None:
    """Try all points."""
    many_quick_calls()
    trial = TRIALS[what]
    point = 1
    while trial(directory, point):
        point += 1
    print(point - 1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

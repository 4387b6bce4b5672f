"""Kills a save, or a collection, by SIGKILL before every single system call that changes the store; run by
test_crash_points.py.

    python crash_points.py save|collect|collect_beside_a_writer DIRECTORY

Every point is tried: the n-th call for n = 1, 2, ... until the child lives to its end. Each write is also tried
half-done. Prints the number of points; an AssertionError says at which one something was lost or left.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elastic_spawner.checkpoint import ChunkRef, Repository, chunks
from elastic_spawner.stores import DirectoryStore

KEY = bytes(range(32))
HOUR = 3600
CALLS = ("open", "write", "fsync", "rename", "link", "unlink", "mkdir", "utime", "close")

chunks.CHUNK_BYTES = 4096  # many chunks from little data

OLD = [b"old %d " % n * 2000 for n in range(3)]
NEW = [OLD[1], b"new " * 5000, bytes(9000)]
GARBAGE = b"garbage " * 1000


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


def die_at(point: int) -> None:
    """Make the point-th call from now the last thing this process does; a write is half-done then, every second
    time."""
    count = 0

    def wrap(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == point:
                if name == "write":
                    real(arguments[0], memoryview(arguments[1])[: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*arguments, **options)
            if name == "write":
                count += 1
                if count == point:
                    os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for name in CALLS:
        setattr(os, name, wrap(getattr(os, name), name))


def in_child(point: int, work: Callable[[], None]) -> bool:
    """Do the work in a forked child that dies at the point; returns whether it died."""
    pid = os.fork()
    if pid == 0:
        try:
            die_at(point)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(pid, 0)[1]
    assert status in (0, signal.SIGKILL), f"point {point}: the child failed by itself ({status})"
    return bool(status)


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


def main(what: str, directory: Path) -> None:
    """Try all points."""
    trial = {
        "save": killed_save,
        "collect": killed_collection,
        "collect_beside_a_writer": killed_collection_beside_a_writer,
    }[what]
    point = 1
    while trial(directory, point):
        point += 1
    print(point - 1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

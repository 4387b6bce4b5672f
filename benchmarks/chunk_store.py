"""What a checkpoint's storage costs beside writing the same bytes to one file and reading them back."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elastic_spawner.checkpoint import ChunkRef, Repository
from elastic_spawner.stores import open_store

STEPS = {
    "plain write": "open, write, fsync, close of one file",
    "put": "cut, hash, write, fsync, signed manifest",
    "again": "the same data a second time",
    "changed": "with one byte in a hundred megabytes changed",
    "plain read": "one file, whole",
    "read": "read and verify the newest generation",
}


def seconds(function: Callable[..., Any], *arguments: Any) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def write_plain(path: Path, data: bytearray) -> None:
    """Write one file durably."""
    with path.open("wb", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) or 0 :]
        os.fsync(file.fileno())


def read_plain(path: Path, size: int) -> None:
    """Read one file whole."""
    with path.open("rb", buffering=0) as file:
        buffer = memoryview(bytearray(size))
        while buffer:
            buffer = buffer[file.readinto(buffer) or len(buffer) :]


def save(repository: Repository, data: bytearray) -> None:
    """Put and commit."""
    repository.commit("benchmark", {"data": repository.put(data)})


def load(repository: Repository) -> None:
    """Verify and read the newest generation."""
    found = repository.latest("benchmark")
    assert found is not None
    repository.read([ChunkRef.from_json(ref) for ref in found["data"]])


def one_round(directory: Path, data: bytearray, times: dict[str, list[float]]) -> None:
    """Measure everything once, in a fresh directory."""
    work = Path(tempfile.mkdtemp(dir=directory))
    try:
        os.sync()
        times["plain write"].append(seconds(write_plain, work / "plain", data))
        os.sync()
        with Repository(open_store(str(work / "store")), bytes(32)) as repository:
            times["put"].append(seconds(save, repository, data))
            times["plain read"].append(seconds(read_plain, work / "plain", len(data)))
            times["read"].append(seconds(load, repository))
            times["again"].append(seconds(save, repository, data))
            for at in range(0, len(data), 100 << 20):
                data[at] ^= 1
            times["changed"].append(seconds(save, repository, data))
    finally:
        shutil.rmtree(work)


def measure(megabytes: int, directory: Path, rounds: int) -> dict[str, Any]:
    """Store ``megabytes`` that cannot be compressed, ``rounds`` times; wall seconds of each step, one for each round.

    The rounds alternate between the steps. Reading is measured from the page cache, which is the hard case for whoever
    hashes.
    """
    data = bytearray(megabytes << 20)
    noise = os.urandom(1 << 20)
    for at in range(0, len(data), len(noise)):  # every megabyte differs, and none can be compressed
        data[at : at + len(noise)] = noise
        data[at : at + 8] = at.to_bytes(8, "little")
    times: dict[str, list[float]] = {step: [] for step in STEPS}
    for _ in range(rounds):
        one_round(directory, data, times)
    return {"megabytes": megabytes, "seconds": times}

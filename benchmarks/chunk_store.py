"""What a checkpoint's storage costs beside writing the same bytes to one file and reading them back.

    python benchmarks/chunk_store.py [--megabytes 1024] [--directory DIR] [--rounds 5]

Prints seconds and ratios: `plain` is open, write, fsync, close of one file; `put` is Repository.put and commit (cut,
hash, write, fsync, signed manifest); `again` is the same data a second time; `changed` with one byte in a hundred
megabytes changed. Reading is measured from the page cache, which is the hard case for whoever hashes. Every figure is
the median of the rounds, which alternate.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elastic_spawner.checkpoint import ChunkRef, Repository
from elastic_spawner.stores import open_store


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


def peak_memory() -> int:
    """The most bytes that this process has had in memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def one_round(directory: Path, data: bytearray, times: dict[str, list[float]]) -> int:
    """Measure everything once, in a fresh directory; returns the peak memory after the first save."""
    work = Path(tempfile.mkdtemp(dir=directory))
    try:
        os.sync()
        times["plain write"].append(seconds(write_plain, work / "plain", data))
        os.sync()
        with Repository(open_store(str(work / "store")), bytes(32)) as repository:
            times["put"].append(seconds(save, repository, data))
            peak = peak_memory()
            times["plain read"].append(seconds(read_plain, work / "plain", len(data)))
            times["read"].append(seconds(load, repository))
            times["again"].append(seconds(save, repository, data))
            for at in range(0, len(data), 100 << 20):
                data[at] ^= 1
            times["changed"].append(seconds(save, repository, data))
            return peak
    finally:
        shutil.rmtree(work)


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    data = bytearray(arguments.megabytes << 20)
    noise = os.urandom(1 << 20)
    for at in range(0, len(data), len(noise)):  # every megabyte differs, and none can be compressed
        data[at : at + len(noise)] = noise
        data[at : at + 8] = at.to_bytes(8, "little")
    before = peak_memory()
    times: dict[str, list[float]] = {
        name: [] for name in ("plain write", "put", "again", "changed", "plain read", "read")
    }
    peaks = [one_round(arguments.directory, data, times) for _ in range(arguments.rounds)]
    middle = {name: statistics.median(values) for name, values in times.items()}
    print(f"{arguments.megabytes} MiB that cannot be compressed, median of {arguments.rounds} rounds")
    for name, base in [(n, "plain read" if "read" in n else "plain write") for n in middle]:
        low, high = min(times[name]), max(times[name])
        print(
            f"{name:12} {middle[name]:7.3f} s  ({low:.3f} to {high:.3f})  {middle[name] / middle[base]:6.2f} x {base}"
        )
    print(f"memory that the first save took: {(peaks[0] - before) / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()

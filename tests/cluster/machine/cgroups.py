"""The cgroups that hold a node's pods, one below the root of each hierarchy of cgroup v1."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def hierarchies() -> list[Path]:
    """The mounted hierarchies of cgroup v1; none on a machine that has only v2."""
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup" and Path(where).parent == _ROOT:
            found.append(Path(where))
    return found


def _everywhere() -> list[Path]:
    """The hierarchies, and the one of v2 beside them, in which a container runtime makes cgroups of the same name."""
    return [*hierarchies(), _ROOT / "unified"]


def make(name: str) -> None:
    for hierarchy in hierarchies():
        folder = hierarchy / name
        folder.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            file = folder / setting
            if file.exists() and not file.read_text().strip():
                file.write_text((hierarchy / setting).read_text())


def pod_processes(uid: str) -> Iterator[int]:
    """The processes of a pod's containers, its pause container among them."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and uid in entry.joinpath("cgroup").read_text().replace("_", "-"):
                yield int(entry.name)


def processes(name: str) -> Iterator[int]:
    """All processes in the cgroups of this name and below."""
    for hierarchy in _everywhere():
        for file in (hierarchy / name).rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                yield from map(int, file.read_text().split())


def remove(name: str) -> None:
    """Remove the empty cgroups of this name; the kernel may need a moment after the last process ended."""
    for hierarchy in _everywhere():
        top = hierarchy / name
        for _ in range(50):
            if not top.exists():
                break
            folders = sorted((path for path in top.rglob("*") if path.is_dir()), key=lambda p: -len(p.parts))
            for folder in (*folders, top):
                with contextlib.suppress(OSError):
                    folder.rmdir()
            if top.exists():
                time.sleep(0.1)

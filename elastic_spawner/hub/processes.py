"""Server processes, told apart and found again by a hub that was killed.

The child itself, between fork and exec, writes down who it is. So there is no moment at which a server runs that no hub
knows of: not even when the hub is killed between starting it and saying so in its database.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


def start_time(pid: int) -> int | None:
    """Return when a process was started, in the kernel's clock ticks; None when it does not run (a zombie does not).

    Together with its number this tells a process from any other one, before or after it. Without /proc it is 0.
    """
    if not _PROC.joinpath("self").exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return 0
    try:
        stat = _PROC.joinpath(str(pid), "stat").read_text()
    except (OSError, ValueError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def descendants(pid: int) -> Iterator[int]:
    """Yield a process and all processes that come from it."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                fields = entry.joinpath("stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    waiting = [pid]
    while waiting:
        current = waiting.pop()
        yield current
        waiting += children.get(current, [])


@dataclass(frozen=True)
class LaunchRecord:
    """Which process a launch of a server became."""

    launch: str
    pid: int
    started: int

    @property
    def alive(self) -> bool:
        return start_time(self.pid) == self.started


def write_launch(path: Path, launch: str) -> None:
    """Note that this process is that launch. For a child between fork and exec, still with the hub's rights."""
    pid = os.getpid()
    data = json.dumps({"launch": launch, "pid": pid, "started": start_time(pid)}).encode()
    temporary = path.with_name(f".{path.name}.{pid}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
    os.replace(temporary, path)


def read_launch(path: Path) -> LaunchRecord | None:
    """Return what the last launch noted, or None when there was none."""
    try:
        data = json.loads(path.read_text())
        return LaunchRecord(data["launch"], data["pid"], data["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None

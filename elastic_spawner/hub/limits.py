"""Limits of memory and CPU for a process and all that it starts, by what every Linux has: rlimits and CPU affinity.

Memory is limited by RLIMIT_DATA, which counts what a process has for itself to write on (the heap, anonymous mappings,
thread stacks). A program that wants more gets a MemoryError, and goes on. RLIMIT_AS would count address space too,
which libraries reserve by the gigabyte without using it (thread arenas, CUDA, mapped files), so that a program would
fail long before its time. Neither counts shared memory. The limit holds for each process: the server, and each of its
kernels.
"""

from __future__ import annotations

import hashlib
import math
import os
import resource
import sys
from collections.abc import Iterable
from pathlib import Path

SUPPORTED = sys.platform.startswith("linux")
"""Elsewhere RLIMIT_DATA is no limit on memory, and there is no CPU affinity."""


def usable_cpus() -> list[int]:
    """Return the numbers of the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def total_memory() -> int | None:
    """Return the machine's memory in bytes, or what a control group leaves of it; None when unknown."""
    amounts = []
    try:
        amounts.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError):
        pass
    try:
        amounts.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (ValueError, OSError):
        pass
    return min(amounts, default=None)


def choose_cpus(cpus: float | None, name: str, usable: Iterable[int]) -> set[int] | None:
    """Return the CPUs for a server, whole ones, rounded up; None when it may use all.

    Servers of different names begin at different CPUs, so that small ones do not crowd on the first.
    """
    available = sorted(usable)
    if cpus is None or math.ceil(cpus) >= len(available):
        return None
    first = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % len(available)
    return {available[(first + i) % len(available)] for i in range(max(1, math.ceil(cpus)))}


def limit_this_process(memory: int | None, cpus: set[int] | None) -> None:
    """Limit this process and those that it will start. For a child between fork and exec; cannot be taken back."""
    if not SUPPORTED:
        return
    if cpus:
        os.sched_setaffinity(0, cpus)
    if memory:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def limit_running(pids: Iterable[int], memory: int | None, cpus: set[int]) -> None:
    """Change the limits of running processes.

    Raises OSError, such as PermissionError for a limit that was lower and may only be raised by root.
    """
    for pid in pids:
        try:
            amount = memory or resource.RLIM_INFINITY
            resource.prlimit(pid, resource.RLIMIT_DATA, (amount, amount))
            for thread in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(thread), cpus)
        except (ProcessLookupError, FileNotFoundError):
            continue  # it has ended meanwhile

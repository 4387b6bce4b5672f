"""Part of a save's work done before it, while no cell runs: what is not large is serialised and loaded on trial, so
that a save need not, and what cannot be stored is known when the user can still act.
"""

from __future__ import annotations

from collections.abc import Iterator

from .cache import Cache
from .components import Serialiser
from .session import SessionView

_RESIDENT = 512 << 20
"""Bytes of memory of a process that can be forked between cells: each page takes time then, and once more when the
session writes to it next."""


def steps(view: SessionView, cache: Cache) -> Iterator[None]:
    """Find out what is not known yet, in steps of a few milliseconds. Nothing is written, and nothing is kept but the
    findings. What is large is left to the save; nothing is done where forking would take long.

    The values must not change until it is closed. While it is not, a child of this process may be there.
    """
    if _resident() <= _RESIDENT:
        groups = (tuple(sorted(n for n in group if n in view.walks)) for group in view.groups)
        yield from Serialiser(view, cache).ahead(g for g in groups if g)


def _resident() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) << 12
    except (OSError, ValueError, IndexError):
        return 0

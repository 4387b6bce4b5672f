"""What the interpreter's counts say of objects that one container holds, and nothing else."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Sequence
from typing import Any


def _held_once() -> int:
    """What sys.getrefcount says of an object that one container holds beside the list of those that are asked about."""
    container = [[object()]]
    members = [container[0]]
    return max(map(sys.getrefcount, members))


HELD_ONCE = _held_once() if getattr(sys, "_is_gil_enabled", lambda: True)() else 0
"""What sys.getrefcount says so. 0: without the lock of the interpreter the counts do not tell."""


def are_held_once(members: Sequence[Any]) -> bool:
    """Whether each is held by its container, and by this list, alone."""
    return max(map(sys.getrefcount, members), default=0) <= HELD_ONCE


def shared_among(cls: type, members: Sequence[Any]) -> list[int]:
    """Positions of the members, all of this class, that may be met again, or be reached from elsewhere.

    What a single container holds can be neither; of a million small objects that is nearly all.
    """
    if not HELD_ONCE:
        return list(range(len(members)))
    counts = list(map(sys.getrefcount, members))
    shared = [] if max(counts, default=0) <= HELD_ONCE else [i for i, n in enumerate(counts) if n > HELD_ONCE]
    if cls.__weakrefoffset__ and any(weak := list(map(weakref.getweakrefcount, members))):
        shared = sorted({*shared, *(i for i, n in enumerate(weak) if n)})
    return shared

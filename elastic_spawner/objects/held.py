"""What the interpreter's counts say of objects that one container holds, and nothing else."""

from __future__ import annotations

import sys
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

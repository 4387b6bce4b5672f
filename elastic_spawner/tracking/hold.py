"""Holding the session's own threads back while several values are read that have to belong together.

Python hands its lock over every few milliseconds, so a thread that appends to a list changes it between a walk of the
list and its serialisation. For as long as a save reads, the lock is asked for less often. Whoever holds it may keep it
for `HOLD_S`: long enough to read what is small, short enough that a thread which only computes is not waited for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .activity import foreign_threads

HOLD_S = 0.2

_interval: float | None = None
"""The session's own interval in seconds while another is set."""


def switch_interval() -> float:
    """The interval in seconds that the session has set."""
    return sys.getswitchinterval() if _interval is None else _interval


@contextmanager
def threads_held() -> Iterator[bool]:
    """Let threads of the session wait while this runs and does not wait itself; yields whether there are any."""
    global _interval
    if _interval is not None or not foreign_threads():
        yield _interval is not None
        return
    _interval = sys.getswitchinterval()
    sys.setswitchinterval(max(HOLD_S, _interval))
    try:
        yield True
    finally:
        sys.setswitchinterval(_interval)
        _interval = None

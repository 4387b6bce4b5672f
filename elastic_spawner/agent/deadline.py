"""Points in time until which something may take."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Deadline:
    """A point in time on this machine's monotonic clock (seconds)."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds)

    def later(self, seconds: float) -> Deadline:
        """The deadline that many seconds after this one (before it, if negative)."""
        return Deadline(self.at + seconds)

    @property
    def left(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - time.monotonic())

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self.at

    @property
    def epoch(self) -> float:
        """The same point in time as seconds since 1970, to be told to another process."""
        return time.time() + self.at - time.monotonic()

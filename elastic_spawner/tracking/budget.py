"""How long comparing may take after a cell."""

from __future__ import annotations

from time import perf_counter

SECONDS = 0.003
SHARE = 0.005
"""Comparing after a cell may take SECONDS, or this share of the time that the cell itself took."""
SAVED_SHARE = 0.0075
"""This share of the time of all cells, as far as it was not used, may be spent on what a cell has made: of what was
never seen in full it cannot be told later that it did not change."""
LONGER = 0.5
"""By so much of its own time may savings make a cell longer."""
_SEALED_SECONDS = 0.001


class Budget:
    """The deadlines (of time.perf_counter) of one cell after the other."""

    def __init__(self) -> None:
        self._savings = 0.0
        self._started = 0.0
        self._extra = 0.0
        self._made_is_seen = False
        self.deadline = 0.0
        """For what the cell may have changed."""

    def begin(self, seconds: float) -> None:
        """A cell that took so many seconds has ended."""
        self._started = perf_counter()
        self._made_is_seen = False
        self._savings += SAVED_SHARE * seconds
        own = max(SECONDS, SHARE * seconds)
        self._extra = max(0.0, min(self._savings, LONGER * seconds) - own)
        self.deadline = self._started + own

    @property
    def for_made(self) -> float:
        """The deadline for what the cell has made, which comes first."""
        return self.deadline + self._extra

    def made_is_seen(self) -> None:
        """What the cell has made has been looked at: the others have their own time still, if that took savings."""
        if self._made_is_seen:
            return
        self._made_is_seen = True
        used = min(perf_counter() - self._started, self._extra)
        self.deadline += used
        self._extra -= used

    @property
    def for_sealed(self) -> float:
        """The deadline for finding out what is shared with nothing."""
        return max(self.for_made, perf_counter() + _SEALED_SECONDS)

    def end(self) -> None:
        """All has been looked at that could be."""
        self._savings = max(0.0, self._savings - (perf_counter() - self._started))


def at_once() -> float:
    """The deadline for a look outside of any cell."""
    return perf_counter() + SECONDS

"""How long watching may take, and so comparing after a cell."""

from __future__ import annotations

from time import perf_counter

SECONDS = 0.001
"""Comparing after a cell may always take so long; with what is done for every cell a user does not notice it."""
SHARE = 0.005
"""All that watching does is to take no more than this share of the time of all cells. What was not used is saved up."""
START = 0.005
"""Savings at first, in seconds: the values that a session begins with are often used by all of its cells."""
MOST = 1.0
"""Savings never become more than this: nobody is to wait for longer after a cell."""
DEBT = 0.05
"""Nor are more seconds than this made up for, of what many short cells took too much."""
SPARED = 0.003
OWN_SHARE = 0.02
"""Savings are spent on finding out what a cell has changed up to this share of its own time, or up to SPARED seconds:
what a short cell only read is to be known at once, for until it was idle it counts as changed."""
LONGER = 0.5
"""And up to this share on what it has made: of what was never seen in full it cannot be told later that it did not
change."""
_SEALED_SECONDS = 0.001


class Budget:
    """The deadlines (of time.perf_counter) of one cell after the other."""

    def __init__(self) -> None:
        self._savings = START
        self._started = 0.0
        self._extra = 0.0
        self._made_is_seen = False
        self.deadline = 0.0
        """For what the cell may have changed."""

    def take(self, seconds: float) -> None:
        """Watching took so many seconds."""
        self._savings = max(-DEBT, self._savings - seconds)

    def begin(self, seconds: float) -> None:
        """A cell that took so many seconds has ended; comparing begins."""
        self._started = perf_counter()
        self._made_is_seen = False
        self._savings = min(MOST, self._savings + SHARE * seconds)
        own = max(SECONDS, min(self._savings, max(SPARED, OWN_SHARE * seconds)))
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

    def for_sealed(self) -> float:
        """The deadline for finding out, from now on, what is shared with nothing."""
        return max(self.for_made, perf_counter() + _SEALED_SECONDS)


def at_once() -> float:
    """The deadline for a look outside of any cell."""
    return perf_counter() + SPARED

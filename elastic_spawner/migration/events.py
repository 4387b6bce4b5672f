"""What the driver tells the machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Event:
    serial: int
    """The action that this answers."""
    at: float = 0.0
    """When, in seconds since the epoch."""


@dataclass(frozen=True)
class SizeAccepted(Event):
    """The size can be had, as far as one can know beforehand."""

    notes: tuple[str, ...] = ()
    """What the one who asked should know of how it will be had."""


@dataclass(frozen=True)
class SizeRefused(Event):
    reason: str = ""


@dataclass(frozen=True)
class ResizedInPlace(Event):
    """The running server got the new size without a move."""


@dataclass(frozen=True)
class Saved(Event):
    """A checkpoint is committed and durable."""

    generation: int = 0
    kernels: tuple[str, ...] = ()


@dataclass(frozen=True)
class SaveFailed(Event):
    """No new checkpoint; the server runs as before."""

    reason: str = ""


@dataclass(frozen=True)
class ServerGone(Event):
    """The server under consideration has ended by itself."""

    reason: str = ""


@dataclass(frozen=True)
class Stopped(Event):
    """Nothing is left of the server of before."""


@dataclass(frozen=True)
class StopFailed(Event):
    """It still runs."""

    reason: str = ""


@dataclass(frozen=True)
class Started(Event):
    """The server answers."""


@dataclass(frozen=True)
class StartFailed(Event):
    """It does not answer; something of it may be left."""

    reason: str = ""


@dataclass(frozen=True)
class Restored(Event):
    """All that the checkpoint holds is back."""

    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RestoreFailed(Event):
    """Something that the checkpoint holds is not back."""

    reason: str = ""


@dataclass(frozen=True)
class Discarded(Event):
    """Nothing is left of what this move has started."""


@dataclass(frozen=True)
class DiscardFailed(Event):
    reason: str = ""


@dataclass(frozen=True)
class TimedOut(Event):
    """The action took too long, and is not waited for any longer; its effect may have happened, or may yet."""

    reason: str = ""


class Running(str, Enum):
    """Which server of the user's runs, as found by looking."""

    NONE = "none"
    BEFORE = "before"
    """The one from before the move."""
    LAUNCHED = "launched"
    """One that the move has started."""


@dataclass(frozen=True)
class HubRestarted(Event):
    """The driver lost its memory of what it was doing, and has looked. Answers nothing; ``serial`` does not count."""

    running: Running = Running.NONE


@dataclass(frozen=True)
class Cancelled(Event):
    """Somebody stops the server. Answers nothing; ``serial`` does not count."""

    reason: str = ""

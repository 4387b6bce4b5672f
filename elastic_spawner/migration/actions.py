"""What the machine asks its driver to do. Each carries the serial number that its answer must bear."""

from __future__ import annotations

from dataclasses import dataclass

from .model import BusyPolicy, LossPolicy, Size


@dataclass(frozen=True)
class Action:
    serial: int


@dataclass(frozen=True)
class CheckSize(Action):
    """Find out whether a server of this size can be had and would hold the session, without touching the running one.

    Answers: SizeAccepted, SizeRefused, ResizedInPlace, ServerGone.
    """

    size: Size


@dataclass(frozen=True)
class Save(Action):
    """Commit a checkpoint of all kernels. The server goes on whatever comes of it.

    Answers: Saved, SaveFailed, ServerGone.
    """

    deadline_s: float
    on_busy: BusyPolicy
    on_loss: LossPolicy = "refuse"
    unless_fewer_than: tuple[str, ...] = ()
    """Kernels that an earlier checkpoint of this move (``generation``) holds. When some of them have vanished, the
    server was already going down: keep that checkpoint, do not overwrite it with less, and answer Saved with it."""
    generation: int | None = None


@dataclass(frozen=True)
class Stop(Action):
    """Stop the server that ran before the move; its checkpoint is committed.

    Answers: Stopped (nothing of it is left), StopFailed.
    """

    force: bool = False


@dataclass(frozen=True)
class Start(Action):
    """Start a server of this size and wait until it answers. None is running.

    Answers: Started, StartFailed, ServerGone.
    """

    size: Size


@dataclass(frozen=True)
class AwaitRestore(Action):
    """Send the traffic to the server that was started, and wait until its kernels are restored.

    Answers: Restored, RestoreFailed, ServerGone.
    """


@dataclass(frozen=True)
class Discard(Action):
    """Remove whatever this move has started, if anything, unsaved: the committed checkpoint must stay the latest.

    Answers: Discarded (nothing of it is left), DiscardFailed.
    """

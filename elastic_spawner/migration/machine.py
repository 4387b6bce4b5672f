"""The transitions of a move.

What always holds:

- a server is stopped only after a checkpoint of it was committed in this move;
- a server is started only after the one before it was seen to be gone, so there are never two;
- a server that the move started is saved by nobody before its restore has ended well, so that a half-restored session
  never replaces a good checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .actions import Action, AwaitRestore, CheckSize, Discard, Save, Start, Stop
from .events import (
    Cancelled,
    Discarded,
    DiscardFailed,
    Event,
    HubRestarted,
    ResizedInPlace,
    Restored,
    RestoreFailed,
    Running,
    Saved,
    SaveFailed,
    ServerGone,
    SizeAccepted,
    SizeRefused,
    Started,
    StartFailed,
    StopFailed,
    Stopped,
    TimedOut,
)
from .model import Move, Step

Outcome = tuple[Move, tuple[Action, ...]]

STOP_ATTEMPTS = 2
STOP_TIMEOUTS = 5
DISCARD_ATTEMPTS = 3
RETURN_ATTEMPTS = 2


def begin(move: Move, now: float) -> Outcome:
    """Start a move that was just asked for."""
    return _check(replace(move, step=Step.REQUESTED, story=()), now)


def step(move: Move, event: Event) -> Outcome:
    """Return the state after an event, and what to do next.

    A stale event (one that answers an earlier action) and any event after the end change nothing. There is never
    more than one action, and none only when the event was ignored or the move is at an end.
    """
    if move.step.final:
        return move, ()
    if isinstance(event, Cancelled):
        return _end(move, Step.CANCELLED, event.at, event.reason, interrupted_in=move.step)
    if isinstance(event, HubRestarted):
        return _RESTARTS[move.step](move, event)
    if event.serial != move.serial:
        return move, ()
    return _ANSWERS[move.step](move, event)


# -- what to do at each step -------------------------------------------------------------------------------------------


def _check(move: Move, now: float) -> Outcome:
    move = move.at(Step.REQUESTED, now)
    return move, (CheckSize(move.serial, move.new),)


def _save(move: Move, now: float) -> Outcome:
    move = move.at(Step.SAVING, now)
    return move, (Save(move.serial, move.deadline_s, move.on_busy, move.on_loss, move.kernels, move.generation),)


def _stop(move: Move, now: float, attempts: int = 0) -> Outcome:
    move = move.at(Step.STOPPING, now, attempts=attempts)
    return move, (Stop(move.serial, force=attempts > 0),)


def _start(move: Move, now: float) -> Outcome:
    move = move.at(Step.STARTING, now, attempts=0)
    return move, (Start(move.serial, move.new),)


def _restore(move: Move, now: float, where: Step = Step.RESTORING) -> Outcome:
    move = move.at(where, now)
    return move, (AwaitRestore(move.serial),)


def _discard(move: Move, now: float, then: Step, attempts: int = 0) -> Outcome:
    move = move.at(Step.DISCARDING, now, then=then, attempts=attempts)
    return move, (Discard(move.serial),)


def _return(move: Move, now: float) -> Outcome:
    move = move.at(Step.RETURNING, now, attempts=0)
    return move, (Start(move.serial, move.old),)


def _end(move: Move, where: Step, now: float, reason: str = "", interrupted_in: Step | None = None) -> Outcome:
    move = move.at(where, now, interrupted_in=interrupted_in)
    return replace(move, reason=_join(move.reason, reason)), ()


def _join(first: str, second: str) -> str:
    return "; ".join(dict.fromkeys(part for part in (first, second) if part))


def _give_back(move: Move, now: float, reason: str) -> Outcome:
    """The new size cannot be had: remove what was started, then start with the old one."""
    return _discard(replace(move, reason=_join(move.reason, reason)), now, Step.RETURNING)


def _return_failed(move: Move, now: float, reason: str) -> Outcome:
    """Even the old size did not come back: try once more, then leave it to the next start by the user."""
    move = replace(move, returns=move.returns + 1, reason=_join(move.reason, reason))
    return _discard(move, now, Step.RETURNING if move.returns < RETURN_ATTEMPTS else Step.FAILED)


def _after_discard(move: Move, now: float) -> Outcome:
    if move.then is Step.STARTING:
        return _start(move, now)
    if move.then is Step.FAILED:
        return _end(move, Step.FAILED, now)
    return _return(move, now)


def _lost_while_saving(move: Move, now: float, reason: str) -> Outcome:
    """The server ended by itself (out of memory, say), so there is nothing to stop: go on from its last checkpoint."""
    note = "the server ended before it could be saved: its last committed checkpoint is used" + (
        f" ({reason})" if reason else ""
    )
    return _start(replace(move, notes=(*move.notes, note)), now)


# -- answers to the actions --------------------------------------------------------------------------------------------


def _requested(move: Move, event: Event) -> Outcome:
    match event:
        case SizeAccepted(notes=notes):
            return _save(replace(move, notes=(*move.notes, *notes)), event.at)
        case ResizedInPlace():
            return _end(move, Step.DONE, event.at)
        case SizeRefused(reason=reason) | TimedOut(reason=reason):
            return _end(move, Step.REFUSED, event.at, reason)
        case ServerGone(reason=reason):
            return _end(move, Step.FAILED, event.at, reason or "the server ended before the move began")
    return move, ()


def _saving(move: Move, event: Event) -> Outcome:
    match event:
        case Saved(generation=generation, kernels=kernels):
            return _stop(replace(move, generation=generation, kernels=kernels), event.at)
        case SaveFailed(reason=reason) | TimedOut(reason=reason):
            return _end(move, Step.REFUSED, event.at, reason or "the session could not be saved in time")
        case ServerGone(reason=reason):
            return _lost_while_saving(move, event.at, reason)
    return move, ()


def _stopping(move: Move, event: Event) -> Outcome:
    match event:
        case Stopped() | ServerGone():
            return _start(move, event.at)
        case StopFailed(reason=reason):
            attempts = move.attempts + 1
            if attempts < STOP_ATTEMPTS:
                return _stop(move, event.at, attempts)
            return _end(move, Step.UNDONE, event.at, reason or "the server could not be stopped")
        case TimedOut(reason=reason):
            # It may be gone by now, so nobody can say that it runs as before: stop it again, until someone has looked.
            attempts = move.attempts + 1
            if attempts < STOP_TIMEOUTS:
                return _stop(move, event.at, attempts)
            return _end(move, Step.FAILED, event.at, reason or "the server did not stop in time")
    return move, ()


def _starting(move: Move, event: Event) -> Outcome:
    match event:
        case Started():
            return _restore(move, event.at)
        case StartFailed(reason=reason) | TimedOut(reason=reason) | ServerGone(reason=reason):
            return _give_back(move, event.at, reason or "the server did not start with the new size")
    return move, ()


def _restoring(move: Move, event: Event) -> Outcome:
    match event:
        case Restored(notes=notes):
            return _end(replace(move, notes=(*move.notes, *notes)), Step.DONE, event.at)
        case TimedOut(reason=reason):
            # Long cells may be re-run; going back would only begin them again.
            note = reason or "kernels are still being restored"
            return _end(replace(move, notes=(*move.notes, note)), Step.DONE, event.at)
        case RestoreFailed(reason=reason) | ServerGone(reason=reason):
            return _give_back(move, event.at, reason or "the session could not be restored with the new size")
    return move, ()


def _discarding(move: Move, event: Event) -> Outcome:
    match event:
        case Discarded() | ServerGone():
            return _after_discard(move, event.at)
        case DiscardFailed(reason=reason) | TimedOut(reason=reason):
            attempts = move.attempts + 1
            if attempts < DISCARD_ATTEMPTS:
                return _discard(move, event.at, move.then or Step.RETURNING, attempts)
            # It can be neither used nor removed; starting another one beside it is the one thing that must not happen.
            return _end(move, Step.FAILED, event.at, reason or "a server that did not start could not be removed")
    return move, ()


def _returning(move: Move, event: Event) -> Outcome:
    match event:
        case Started():
            return _restore(move, event.at, Step.RESTORING_OLD)
        case StartFailed(reason=reason) | TimedOut(reason=reason) | ServerGone(reason=reason):
            return _return_failed(move, event.at, reason or "the server did not start with the old size either")
    return move, ()


def _restoring_old(move: Move, event: Event) -> Outcome:
    match event:
        case Restored(notes=notes):
            return _end(replace(move, notes=(*move.notes, *notes)), Step.UNDONE, event.at)
        case RestoreFailed(reason=reason) | TimedOut(reason=reason):
            # There is nothing better to go back to: the user is told, and the checkpoint stays.
            return _end(move, Step.UNDONE, event.at, reason)
        case ServerGone(reason=reason):
            return _return_failed(move, event.at, reason or "the server of the old size ended")
    return move, ()


# -- after a restart of the hub ----------------------------------------------------------------------------------------


def _restart_requested(move: Move, event: HubRestarted) -> Outcome:
    if event.running is Running.NONE:
        return _end(move, Step.FAILED, event.at, "the server ended before the move began")
    return _check(move, event.at)


def _restart_saving(move: Move, event: HubRestarted) -> Outcome:
    if event.running is Running.NONE:
        return _lost_while_saving(move, event.at, "")
    return _save(move, event.at)


def _restart_stopping(move: Move, event: HubRestarted) -> Outcome:
    if event.running is Running.NONE:
        return _start(move, event.at)
    # Nobody knows whether the stop had begun. If it had not, cells may have run since, and must be saved.
    return _save(move, event.at)


def _restart_starting(move: Move, event: HubRestarted) -> Outcome:
    if event.running is Running.NONE:
        return _start(move, event.at)
    if event.running is Running.BEFORE:
        return _save(move, event.at)
    # No user has reached it yet, so nothing is lost by beginning again.
    return _discard(move, event.at, Step.STARTING)


def _restart_restoring(move: Move, event: HubRestarted) -> Outcome:
    if event.running is Running.NONE:
        return _give_back(move, event.at, "the server of the new size ended while it was being restored")
    return _restore(move, event.at)


def _restart_discarding(move: Move, event: HubRestarted) -> Outcome:
    if event.running is Running.NONE:
        return _after_discard(move, event.at)
    return _discard(move, event.at, move.then or Step.RETURNING)


def _restart_returning(move: Move, event: HubRestarted) -> Outcome:
    if event.running is Running.NONE:
        return _return(move, event.at)
    return _discard(move, event.at, Step.RETURNING)


def _restart_restoring_old(move: Move, event: HubRestarted) -> Outcome:
    if event.running is Running.NONE:
        return _return_failed(move, event.at, "the server of the old size ended while it was being restored")
    return _restore(move, event.at, Step.RESTORING_OLD)


_ANSWERS: dict[Step, Callable[[Move, Event], Outcome]] = {
    Step.REQUESTED: _requested,
    Step.SAVING: _saving,
    Step.STOPPING: _stopping,
    Step.STARTING: _starting,
    Step.RESTORING: _restoring,
    Step.DISCARDING: _discarding,
    Step.RETURNING: _returning,
    Step.RESTORING_OLD: _restoring_old,
}

_RESTARTS: dict[Step, Callable[[Move, HubRestarted], Outcome]] = {
    Step.REQUESTED: _restart_requested,
    Step.SAVING: _restart_saving,
    Step.STOPPING: _restart_stopping,
    Step.STARTING: _restart_starting,
    Step.RESTORING: _restart_restoring,
    Step.DISCARDING: _restart_discarding,
    Step.RETURNING: _restart_returning,
    Step.RESTORING_OLD: _restart_restoring_old,
}

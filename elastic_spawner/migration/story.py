"""A move in words, for the people who watch it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .model import Move, Step

_PERCENT = {
    Step.REQUESTED: 2,
    Step.SAVING: 10,
    Step.STOPPING: 40,
    Step.STARTING: 55,
    Step.RESTORING: 80,
    Step.DISCARDING: 60,
    Step.RETURNING: 65,
    Step.RESTORING_OLD: 85,
}

_MESSAGE = {
    Step.REQUESTED: "Checking the size",
    Step.SAVING: "Saving the kernels",
    Step.STOPPING: "The checkpoint is committed; stopping the server",
    Step.STARTING: "Starting the server with its new size",
    Step.RESTORING: "The server is back; restoring the kernels",
    Step.DISCARDING: "Removing the server that is no good",
    Step.RETURNING: "Starting the server with its old size again",
    Step.RESTORING_OLD: "The server is back with its old size; restoring the kernels",
    Step.DONE: "Done: the server runs with its new size",
    Step.REFUSED: "Refused: the server runs as before",
    Step.UNDONE: "Undone: the server runs with its old size",
    Step.FAILED: "Failed: the server is stopped, and its checkpoint is kept for the next start",
    Step.CANCELLED: "Cancelled: the server was stopped meanwhile",
}


@dataclass(frozen=True)
class Progress:
    """One line of what people see."""

    step: str
    message: str
    progress: int
    """Per cent."""
    seconds: float
    """Since the move was asked for."""
    failed: bool
    """The move has ended otherwise than asked."""
    done: bool
    """The move has ended."""

    def to_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "message": self.message,
            "progress": self.progress,
            "seconds": round(self.seconds, 3),
            "failed": self.failed,
            "done": self.done,
        }


def progress(move: Move, now: float | None = None, detail: str = "") -> Progress:
    """Describe where a move is; ``now`` (seconds since the epoch) counts for a move that has not ended.

    ``detail`` says it in the place of the step's own words.
    """
    message = detail or _MESSAGE[move.step]
    details = "; ".join(part for part in (move.reason, *move.notes) if part)
    if details:
        message += f" ({details})"
    if move.story:
        end = move.story[-1].at if move.step.final or now is None else now
        seconds = max(0.0, end - move.story[0].at)
    else:
        seconds = 0.0
    return Progress(
        step=move.step.value,
        message=message,
        progress=100 if move.step.final else _PERCENT[move.step],
        seconds=seconds,
        failed=move.step.final and move.step is not Step.DONE,
        done=move.step.final,
    )


def seconds_per_step(move: Move) -> dict[str, float]:
    """Return how long each step took, in order; a step taken twice counts its times together."""
    seconds: dict[str, float] = {}
    for moment, following in zip(move.story, move.story[1:], strict=False):
        seconds[moment.step.value] = seconds.get(moment.step.value, 0.0) + max(0.0, following.at - moment.at)
    return seconds

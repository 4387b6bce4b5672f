"""The state of one move: frozen, and made of what JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal

BusyPolicy = Literal["refuse", "interrupt"]
"""What happens to a cell that is still running at the deadline."""

LossPolicy = Literal["refuse", "accept"]
"""What happens when a variable can be neither stored nor recomputed."""


@dataclass(frozen=True)
class Size:
    """What one server may use."""

    memory: int | None = None
    """Bytes; None: unlimited."""
    cpus: float | None = None
    """Number of CPUs; None: all of them."""

    def to_json(self) -> dict[str, Any]:
        return {"memory": self.memory, "cpus": self.cpus}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Size:
        return cls(memory=data.get("memory"), cpus=data.get("cpus"))


class Step(str, Enum):
    """Where a move is. The last five are ends."""

    REQUESTED = "requested"
    """The size is being checked; the server runs untouched."""
    SAVING = "saving"
    """The kernels are being saved; the server runs untouched."""
    STOPPING = "stopping"
    """A checkpoint is committed; the server is being stopped."""
    STARTING = "starting"
    """No server of the old size runs any more; one of the new size is being started."""
    RESTORING = "restoring"
    """The server of the new size answers; its kernels are being restored."""
    DISCARDING = "discarding"
    """A server that this move started is being removed, unsaved: it is no good, or nobody knows whether it is."""
    RETURNING = "returning"
    """The new size could not be had; a server of the old size is being started."""
    RESTORING_OLD = "restoring_old"
    """The server of the old size answers again; its kernels are being restored."""

    DONE = "done"
    """The server runs with the new size."""
    REFUSED = "refused"
    """Nothing happened; the server runs as it did before."""
    UNDONE = "undone"
    """The server runs with the old size again."""
    FAILED = "failed"
    """No server runs; the checkpoint is committed, and the next start restores it."""
    CANCELLED = "cancelled"
    """Somebody stopped the server meanwhile, and has taken over."""

    @property
    def final(self) -> bool:
        return self in _FINAL

    @property
    def before_stop(self) -> bool:
        """The server of before the move runs, and nothing has been done to it."""
        return self in (Step.REQUESTED, Step.SAVING)


_FINAL = frozenset({Step.DONE, Step.REFUSED, Step.UNDONE, Step.FAILED, Step.CANCELLED})


@dataclass(frozen=True)
class Moment:
    """When a step began."""

    step: Step
    at: float
    """Seconds since the epoch."""


@dataclass(frozen=True)
class Move:
    """One move of one server: what was asked for, and how far it has come."""

    id: str
    old: Size
    new: Size
    deadline_s: float = 60.0
    """Seconds which the kernels have to be saved in."""
    on_busy: BusyPolicy = "refuse"
    on_loss: LossPolicy = "refuse"
    step: Step = Step.REQUESTED
    serial: int = 0
    """Number of the action under way. An event that answers another one is stale, and ignored."""
    attempts: int = 0
    """How often stopping or discarding has been tried without success."""
    returns: int = 0
    """How often starting with the old size has been tried without success."""
    then: Step | None = None
    """The step that follows DISCARDING."""
    generation: int | None = None
    """The checkpoint that this move committed; None before that."""
    kernels: tuple[str, ...] = ()
    """Ids of the kernels in that checkpoint."""
    reason: str = ""
    """Why the move did not end as asked, in words for the one who asked; empty while all goes well."""
    notes: tuple[str, ...] = ()
    """What the one who asked should know besides."""
    interrupted_in: Step | None = None
    """The step at which a CANCELLED move was."""
    story: tuple[Moment, ...] = ()
    """Each step and when it began."""

    def at(self, step: Step, now: float, **changes: Any) -> Move:
        """Return this move at another step (or at the same one again), with a new serial number."""
        story = self.story
        if not story or story[-1].step is not step:
            story = (*story, Moment(step, now))
        return replace(self, step=step, serial=self.serial + 1, story=story, **changes)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "old": self.old.to_json(),
            "new": self.new.to_json(),
            "deadline_s": self.deadline_s,
            "on_busy": self.on_busy,
            "on_loss": self.on_loss,
            "step": self.step.value,
            "serial": self.serial,
            "attempts": self.attempts,
            "returns": self.returns,
            "then": self.then.value if self.then else None,
            "generation": self.generation,
            "kernels": list(self.kernels),
            "reason": self.reason,
            "notes": list(self.notes),
            "interrupted_in": self.interrupted_in.value if self.interrupted_in else None,
            "story": [[moment.step.value, moment.at] for moment in self.story],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Move:
        """Read what ``to_json`` wrote.

        Raises KeyError or ValueError for anything else.
        """
        return cls(
            id=data["id"],
            old=Size.from_json(data["old"]),
            new=Size.from_json(data["new"]),
            deadline_s=data["deadline_s"],
            on_busy=data["on_busy"],
            on_loss=data.get("on_loss", "refuse"),  # not in what the first versions wrote
            step=Step(data["step"]),
            serial=data["serial"],
            attempts=data["attempts"],
            returns=data["returns"],
            then=Step(data["then"]) if data["then"] else None,
            generation=data["generation"],
            kernels=tuple(data["kernels"]),
            reason=data["reason"],
            notes=tuple(data["notes"]),
            interrupted_in=Step(data["interrupted_in"]) if data["interrupted_in"] else None,
            story=tuple(Moment(Step(name), at) for name, at in data["story"]),
        )

"""The agent's plans and restore reports, made fit to be shown.

They come from a server that belongs to its user, who can make it answer anything. So each field is taken only if it
is of the kind that it should be, long texts are cut, and what is left out leaves a gap rather than an error. Escaping
is the templates' business.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_ITEMS = 2000
"""Variables, and cells, that are shown of one kernel."""
MAX_TEXT = 20_000
"""Characters of one text, such as a cell's source."""

FATES = ("loaded", "pending", "recomputed", "lost")


@dataclass(frozen=True)
class Stored:
    name: str
    type: str
    bytes: float | None
    seconds: float | None


@dataclass(frozen=True)
class Rerun:
    cell: str
    source: str
    seconds: float | None


@dataclass(frozen=True)
class Recomputed:
    name: str
    cells: str
    why: str


@dataclass(frozen=True)
class Lost:
    name: str
    reason: str
    cell: str
    cure: str


@dataclass(frozen=True)
class KernelPlan:
    """What a move would do with one kernel."""

    label: str
    error: str = ""
    stored: tuple[Stored, ...] = ()
    rerun: tuple[Rerun, ...] = ()
    recomputed: tuple[Recomputed, ...] = ()
    lost: tuple[Lost, ...] = ()
    bytes: float = 0.0
    store_seconds: float = 0.0
    restore_seconds: float = 0.0

    @property
    def empty(self) -> bool:
        return not (self.stored or self.rerun or self.recomputed or self.lost)


@dataclass(frozen=True)
class Fate:
    name: str
    status: str
    """One of FATES."""
    compared: bool
    """Whether the value was compared with what it was before."""
    reason: str
    cell: str
    cure: str


@dataclass(frozen=True)
class KernelOutcome:
    """What a restore brought back into one kernel."""

    label: str
    status: str
    """``restored``, ``restoring``, ``empty`` or ``failed``."""
    reason: str
    notes: tuple[str, ...]
    fates: tuple[Fate, ...]
    seconds: float | None

    def count(self, status: str) -> int:
        return sum(fate.status == status for fate in self.fates)


def kernel_plans(answer: Any) -> list[KernelPlan]:
    """Read the agent's answer to ``plan``."""
    return [_plan(kernel) for kernel in _dicts(answer, "kernels")]


def kernel_outcomes(answer: Any) -> list[KernelOutcome]:
    """Read the restore reports in the agent's answer to ``status``; kernels that were not restored are left out."""
    return [_outcome(kernel, kernel["restore"]) for kernel in _dicts(answer, "kernels") if _is(kernel.get("restore"))]


def _plan(kernel: dict[str, Any]) -> KernelPlan:
    label, plan = _label(kernel), kernel.get("plan")
    if not isinstance(plan, dict):
        return KernelPlan(label, error=_text(kernel.get("error")) or "there is no plan for this kernel")
    return KernelPlan(
        label,
        stored=tuple(sorted(map(_stored, _dicts(plan, "store")), key=lambda item: -(item.bytes or 0.0))),
        rerun=tuple(
            Rerun(_text(item.get("cell")), _text(item.get("source")), _number(item.get("seconds")))
            for item in _dicts(plan, "rerun")
        ),
        recomputed=tuple(
            Recomputed(_text(item.get("name")), _joined(item.get("cells")), _text(item.get("why")))
            for item in _dicts(plan, "recomputed")
        ),
        lost=tuple(
            Lost(*(_text(item.get(name)) for name in ("name", "reason", "cell", "cure")))
            for item in _dicts(plan, "lost")
        ),
        bytes=_number(plan.get("bytes")) or 0.0,
        store_seconds=_number(plan.get("store_seconds")) or 0.0,
        restore_seconds=_number(plan.get("restore_seconds")) or 0.0,
    )


def _stored(item: dict[str, Any]) -> Stored:
    return Stored(
        _text(item.get("name")), _text(item.get("type")), _number(item.get("bytes")), _number(item.get("seconds"))
    )


def _outcome(kernel: dict[str, Any], restore: dict[str, Any]) -> KernelOutcome:
    variables = restore.get("variables")
    items = list(variables.items())[:MAX_ITEMS] if isinstance(variables, dict) else []
    fates = [
        Fate(
            _text(name),
            fate["status"],
            fate.get("verified") is True,
            *(_text(fate.get(field)) for field in ("reason", "cell", "cure")),
        )
        for name, fate in items
        if isinstance(fate, dict) and fate.get("status") in FATES
    ]
    # What needs attention comes first.
    fates.sort(key=lambda fate: (-FATES.index(fate.status), fate.name))
    notes, seconds = restore.get("notes"), restore.get("seconds")
    return KernelOutcome(
        _label(kernel),
        _text(restore.get("status")),
        _text(restore.get("reason")),
        tuple(_text(note) for note in notes[:20]) if isinstance(notes, list) else (),
        tuple(fates),
        _number(seconds.get("total") if isinstance(seconds, dict) else seconds),
    )


def _label(kernel: dict[str, Any]) -> str:
    return _text(kernel.get("path")) or f"kernel {_text(kernel.get('id'))[:8]}"


def _is(value: Any) -> bool:
    return isinstance(value, dict)


def _dicts(holder: Any, name: str) -> Iterator[dict[str, Any]]:
    found = holder.get(name) if isinstance(holder, dict) else None
    return filter(_is, found[:MAX_ITEMS]) if isinstance(found, list) else iter(())


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = str(value)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + " ..."


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _joined(value: Any) -> str:
    return ", ".join(filter(None, map(_text, value[:50]))) if isinstance(value, list) else ""

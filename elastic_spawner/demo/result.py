"""What the demo found, and what of it is not as it should be."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Cell:
    """One cell as it was run before the move."""

    number: int
    source: str
    seconds: float
    status: str


@dataclass(frozen=True)
class Variable:
    """What became of one variable."""

    name: str
    type: str
    plan: str
    """store, rerun or lost: what the plan said before the move; empty when it said nothing."""
    fate: str
    """loaded, recomputed or lost: what the restore reported; empty when it reported nothing."""
    value: str
    """same, different, or gone: as the demo itself found it."""
    before: str
    after: str
    reason: str
    bytes: int | None = None


@dataclass
class Result:
    """Everything that a run of the demo found out."""

    notebook: str
    cells: list[Cell] = field(default_factory=list)
    steps: list[tuple[str, float]] = field(default_factory=list)
    """What the demo did, with its seconds."""
    story: list[dict[str, Any]] = field(default_factory=list)
    """The move's steps as the service told them; ``seconds`` since it was asked for."""
    plan: dict[str, Any] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    restored: dict[str, Any] = field(default_factory=dict)
    checkpoint: dict[str, Any] = field(default_factory=dict)
    size_before: dict[str, Any] = field(default_factory=dict)
    size_after: dict[str, Any] = field(default_factory=dict)
    count_before: int = 0
    count_after: int = 0
    outage_s: float = 0.0
    fatal: list[int] = field(default_factory=list)

    @property
    def variables(self) -> list[Variable]:
        """All variables that the session had before the move, and those that it has had since."""
        before, after = self.before["variables"], self.after["variables"]
        reported = self.restored.get("variables", {})
        planned = {v["name"]: ("store", v.get("reason") or "", v.get("bytes")) for v in self.plan.get("store", [])}
        planned |= {
            v["name"]: ("rerun", v.get("why") or _cells(v.get("cells")), None) for v in self.plan.get("recomputed", [])
        }
        planned |= {v["name"]: ("lost", v.get("reason") or "", None) for v in self.plan.get("lost", [])}
        found = []
        for name in sorted(before | after):
            plan, why, size = planned.get(name, ("", "", None))
            report = reported.get(name, {})
            then, now = before.get(name), after.get(name)
            value = "gone" if now is None else "new" if then is None else _compare(then, now)
            found.append(
                Variable(
                    name,
                    (then or now or {})["type"],
                    plan,
                    report.get("status", ""),
                    value,
                    (then or {}).get("shown", ""),
                    (now or {}).get("shown", ""),
                    report.get("reason") or why,
                    size,
                )
            )
        return found

    @property
    def step_seconds(self) -> list[tuple[str, float]]:
        """(step of the move, seconds it took)"""
        return [(a["step"], b["seconds"] - a["seconds"]) for a, b in zip(self.story, self.story[1:])]

    @property
    def broken(self) -> list[str]:
        """What may not happen: a value that is silently another one, a tab that would have noticed."""
        wrong = [
            f"{v.name} was {v.before!r} and is {v.after or 'gone'!r}, and nothing was said about it"
            for v in self.variables
            if v.value != "same" and v.fate != "lost"
        ]
        lost = {v.name for v in self.variables if v.fate == "lost"}
        for group in self.before["shared"]:
            if not any(set(group) - lost <= set(now) for now in self.after["shared"]) and len(set(group) - lost) > 1:
                wrong.append(f"{' and '.join(group)} shared one array's memory and do so no longer")
        if self.fatal:
            wrong.append(f"an open tab would have seen {self.fatal} and given its kernel up")
        if self.count_after != self.count_before + 1:
            wrong.append(f"the cell after number {self.count_before} got number {self.count_after}")
        return wrong

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "variables": [asdict(v) for v in self.variables],
            "step_seconds": self.step_seconds,
            "broken": self.broken,
        }


def _compare(then: dict[str, Any], now: dict[str, Any]) -> str:
    return "same" if then["digest"] == now["digest"] else "different"


def _cells(numbers: list[int] | None) -> str:
    return f"re-run of {', '.join(f'[{n}]' for n in numbers)}" if numbers else ""

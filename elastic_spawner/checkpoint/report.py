"""What a restore brought back, for programs, terminals and notebooks."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

LOADED, RECOMPUTED, LOST = "loaded", "recomputed", "lost"
PENDING = "pending"
"""It is still coming: whoever needs it waits for it."""


@dataclass(frozen=True)
class Fate:
    """What became of one variable."""

    status: str
    """``loaded``, ``recomputed``, ``lost``, or ``pending`` as long as it is still coming."""
    reason: str = ""
    """Why it was recomputed or lost."""
    cell: int | None = None
    """The ``n`` of the ``In [n]`` that made it."""
    verified: bool = False
    """Whether its fingerprint was compared with the one taken before."""
    type: str = ""
    remedy: str = ""
    """What helps with a lost one, where it is not to run its cell again."""

    def cure(self) -> str:
        """What the user can do about a lost one."""
        if self.remedy:
            return self.remedy
        return f"run In [{self.cell}] again" if self.cell is not None else "make it again"


@dataclass
class RestoreReport:
    """The outcome of one restore."""

    session: str
    generation: int
    created: float
    variables: dict[str, Fate] = field(default_factory=dict)
    rerun: list[dict[str, Any]] = field(default_factory=list)
    """The cells that were run again: {"cell", "source", "seconds", "error"}."""
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    bytes: int = 0

    def names(self, status: str) -> list[str]:
        """The variables with this status."""
        return sorted(n for n, f in self.variables.items() if f.status == status)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "session": self.session,
            "generation": self.generation,
            "created": self.created,
            "variables": {
                n: {
                    "status": f.status,
                    "reason": f.reason,
                    "cell": f.cell,
                    "verified": f.verified,
                    "type": f.type,
                    **({"cure": f.cure()} if f.status == LOST else {}),
                }
                for n, f in sorted(self.variables.items())
            },  # fmt: skip
            "rerun": self.rerun,
            "notes": self.notes,
            "seconds": self.seconds,
            "bytes": self.bytes,
            "pending": len(self.names(PENDING)),
        }

    def headline(self) -> str:
        """One line."""
        counts = {s: len(self.names(s)) for s in (LOADED, RECOMPUTED, LOST, PENDING)}
        parts = [f"{counts[LOADED]} variable{'s' if counts[LOADED] != 1 else ''} loaded"]
        if counts[RECOMPUTED]:
            cells = ", ".join(f"In [{r['cell']}]" for r in self.rerun)
            parts.append(f"{counts[RECOMPUTED]} recomputed by running {cells} again")
        if counts[LOST]:
            parts.append(f"{counts[LOST]} lost")
        if counts[PENDING]:
            parts.append(f"{counts[PENDING]} still coming")
        return f"Session restored in {self.seconds.get('total', 0.0):.2f} s: {', '.join(parts)}."

    def __str__(self) -> str:
        lines = [self.headline()]
        alike: dict[tuple[str, str], list[str]] = {}
        for name in self.names(LOST):
            fate = self.variables[name]
            alike.setdefault((fate.reason, fate.cure()), []).append(f"{name} ({fate.type})")
        for (reason, cure), names in alike.items():
            them = "it" if len(names) == 1 else "them"
            lines.append(f"  lost: {', '.join(names)}: {reason}. To have {them} back, {cure}.")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = []
        colours = {LOST: "#b3261e", RECOMPUTED: "#8a6100", PENDING: "#5f6368", LOADED: "#1b6e3c"}
        for status, colour in colours.items():
            for name in self.names(status):
                fate = self.variables[name]
                said = fate.reason + (f". To have it back, {fate.cure()}." if status == LOST else "")
                cell = f"In&nbsp;[{fate.cell}]" if fate.cell is not None else ""
                shown = f"<b style='color:{colour}'>{status}</b>"
                cells = (f"<code>{html.escape(name)}</code>", html.escape(fate.type), shown, cell, html.escape(said))
                rows.append(
                    "<tr>"
                    + "".join(f"<td style='text-align:left;vertical-align:top'>{c}</td>" for c in cells)
                    + "</tr>"
                )
        notes = "".join(f"<p>{html.escape(n)}</p>" for n in self.notes)
        head = "".join(
            f"<th style='text-align:left;white-space:nowrap'>{h}</th>"
            for h in ("variable", "type", "status", "made by", "remark")
        )
        return f"<p>{html.escape(self.headline())}</p>{notes}<table><tr>{head}</tr>{''.join(rows)}</table>"

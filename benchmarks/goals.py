"""What the figures should be, and which of a run's figures is compared with which goal."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from .overhead import added


@dataclass(frozen=True)
class Goal:
    """At most ``limit`` is wanted of the figure ``key``."""

    key: str
    title: str
    limit: float
    unit: str = "x"
    computing_only: bool = False
    """Holds for sessions whose cells compute, and may be run again."""

    def met(self, value: float) -> bool:
        """Whether the figure, as far as tables show it, is what is wanted."""
        return round(value, 2 if self.unit == "x" else 4) <= self.limit

    def text(self, value: float | None) -> str:
        """The figure for a table: bold where the goal is missed, a dash where there is none."""
        if value is None:
            return "–"
        shown = f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
        if self.unit == "%":
            shown = f"{100 * value:.2f} %" if abs(value) < 1 else f"{100 * value:.0f} %"
        elif self.unit != "x":
            shown += f" {self.unit}"
        return shown if self.met(value) else f"**{shown}**"

    @property
    def wanted(self) -> str:
        """The goal for a table."""
        if self.unit == "%":
            return f"≤ {100 * self.limit:g} %"
        return f"≤ {self.limit:g}" if self.unit == "x" else f"≤ {self.limit:g} {self.unit}"


SAVING = (
    Goal("checkpoint / raw, at once", "checkpoint / raw, right after a cell", 1.15),
    Goal("checkpoint / raw, after a pause", "checkpoint / raw, after a pause", 1.15),
    Goal("stored / raw bytes", "bytes stored / raw", 1.0),
    Goal("second / first checkpoint", "second / first checkpoint", 0.1),
    Goal("save memory above largest component, MB", "memory of a save above the largest component", 64, "MB"),
)
RESTORING = (
    Goal("restore / re-running", "restore / re-running", 0.10, computing_only=True),
    Goal("restore / raw load", "restore / raw load", 1.15),
    Goal("first cell / re-running", "first small cell / re-running", 0.06, computing_only=True),
)
WATCHING = (
    Goal("added to run time by hooks", "run time added", 0.01, "%", computing_only=True),
    Goal("memory added, MB", "memory added", 60, "MB"),
)
TRIVIAL = Goal("x = 1", "`x = 1` takes longer", 2, "ms")
IMPORT = Goal("import", "import of the kernel part", 150, "ms")
LOOP = Goal("loop", "loop at Python level, with / without us", 1.0)
PLANNING = Goal("planning", "planning 2,000 cells and 500 variables", 100, "ms")
HISTORY = Goal("history", "history of 5,000 cells saved", 50, "ms")


def single(figures: dict[str, Any]) -> list[tuple[Goal, str, float]]:
    """Goal, what it was measured on, and the figure, for all that is not about one session."""
    found: list[tuple[Goal, str, float]] = []
    overhead = figures.get("overhead", {})
    for state, one in overhead.get("states", {}).items():
        found.append((TRIVIAL, f"beside {state}, median of {len(one['plain_s'])} pairs", 1000 * added(one)))
        cpu = 1000 * one["hooks"]["cpu"] / len(one["plain_s"])
        found.append((TRIVIAL, f"beside {state}, CPU time of our hooks", cpu))
    if imports := overhead.get("imports"):
        found.append((IMPORT, f"{imports['modules']} modules, median", 1000 * statistics.median(imports["warm_s"])))
        found.append((IMPORT, "nothing compiled yet, median", 1000 * statistics.median(imports["uncompiled_s"])))
    if loop := overhead.get("loops"):
        found.append((LOOP, "CPU time, best of each", min(loop["watched_s"]) / min(loop["plain_s"])))
    if many := overhead.get("many_cells"):
        growth = [(many[k][-1] - many[k][1]) / 1e6 for k in ("watched", "plain")]
        goal = Goal("growth", f"memory grown over {many['cells']:,} cells, more than without us", 60, "MB")
        found.append((goal, f"with us {growth[0]:.1f} MB, without {growth[1]:.1f} MB", growth[0] - growth[1]))
    for row in figures.get("planning", {}).get("shapes", []):
        found.append((PLANNING, f"{row['shape']}, CPU time, best", min(row["ms"])))
    if history := figures.get("planning", {}).get("history"):
        found.append((HISTORY, "CPU time, best", min(history["save_ms"])))
    return found

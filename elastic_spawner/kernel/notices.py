"""Telling the user at once, in one quiet line under the cell, what no plan can carry over.

What a cell made is suspected by what the walk of it found; that costs nothing. Only then, and when the cell has ended,
serialising the value is tried, and the planner asked whether it can be recomputed.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from typing import Any

from ..tracking.tracker import Tracker
from .shell import ShellStage

_BYTES = 1 << 20
"""Larger values are not serialised just to find out."""
_STYLE = "color: var(--jp-ui-font-color2, gray); font-size: smaller"


class Notices:
    """What is suspected and what was said already; ``quiet`` says nothing."""

    def __init__(self, stage: ShellStage, tracker: Tracker, costs: Any) -> None:
        self.quiet = False
        self._stage = stage
        self._tracker = tracker
        self._costs = costs
        self._suspects: dict[str, tuple[int, Any]] = {}
        self._judged: dict[str, int] = {}

    def suspect(self, names: Iterable[str]) -> None:
        """A cell wrote these: keep those that may be lost, with the message that ran the cell."""
        for name in names:
            state = self._tracker.states.get(name)
            walk = state.walk if state is not None else None
            if state is None or walk is None or not (walk.opaque or walk.channels or walk.custom):
                continue
            if self._judged.get(name) != state.key and walk.bytes <= _BYTES:
                self._suspects[name] = (state.key, self._stage.parent())

    def steps(self) -> Iterator[None]:
        """Judge one suspect after the other, and say what is lost."""
        if self._suspects:
            self._judged = {n: k for n, k in self._judged.items() if n in self._tracker.states}
        found: list[tuple[str, Any]] = []
        while self._suspects:
            name, (key, parent) = self._suspects.popitem()
            state = self._tracker.states.get(name)
            if state is not None and state.key == key and not self.quiet:
                self._judged[name] = key
                text = self._loss(name)
                if text is not None:
                    found.append((text, parent))
                yield
        for text, parent in reversed(found):
            styled = f'<span style="{_STYLE}">{html.escape(text).replace("`", "")}</span>'
            self._stage.show({"text/plain": text, "text/html": styled}, parent)

    def _loss(self, name: str) -> str | None:
        """What is to be said about the name, or None when it can be stored or recomputed."""
        from ..checkpoint.cache import Cache
        from ..checkpoint.components import Component, Probe, Serialiser
        from ..checkpoint.prepare import ALPHA
        from ..checkpoint.problem import build
        from ..planning import solve
        from .glance import glance

        tracker, view = self._tracker, glance(self._stage, self._tracker)
        walks, groups = view.walks, view.groups
        if name not in walks:
            return None
        reason = Serialiser(view, Cache()).refusal(name)
        if reason is None:
            return None
        # all else is taken as storable: what is lost for its sake is not this cell's matter
        others = [tuple(sorted(n for n in g if n in walks and n != name)) for g in groups]
        probe = Probe([Component(g) for g in others if g], {name: reason})
        plan = solve(build(view, probe, self._costs(), ALPHA, None))
        if name not in plan.lost:
            return None
        cell = tracker.history.cells.get(tracker.history.active.get(name, 0))
        where = f" (cell {cell.execution_count})" if cell is not None and cell.execution_count is not None else ""
        why = "it is a live connection" if walks[name].channels else reason
        return f"`{name}`{where} will be lost on a move: {why}"

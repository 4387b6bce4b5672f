"""Planning a save: what can be stored, what it costs, and what is stored, run again, or lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..objects.kinds import type_name
from ..planning import CostModel, Plan, solve
from . import problem as problems
from .cache import Cache
from .components import Probe, Serialiser
from .session import SessionView

ALPHA = 0.1
"""Restoring weighs more than storing: nobody can work while it lasts, and most of a save is done beforehand."""


@dataclass
class Prepared:
    """A session that has been planned, and nothing written yet."""

    view: SessionView
    probe: Probe
    plan: Plan
    serialiser: Serialiser
    ancestry: problems.Ancestry
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def cache(self) -> Cache:
        """What is known from one save to the next."""
        return self.serialiser.cache

    def plan_again(self, costs: CostModel, deadline_s: float | None, stored: set[str]) -> None:
        """Make another plan, after more was found that cannot be stored; what is ``stored`` already costs nothing."""
        problem = problems.build(self.view, self.probe, costs, ALPHA, deadline_s, self.ancestry, stored)
        self.plan = solve(problem)

    def summary(self) -> dict[str, Any]:
        """What is stored, re-run, recomputed and lost, as plain JSON for people and programs."""
        history, walks = self.view.history, self.view.walks
        sizes = {n: walks[n].bytes for n in self.plan.stored}
        rerun = sum(1 << i for i in self.plan.rerun)
        return {
            "store": [
                {"name": n, "type": type_name(self.view.values[n]), "bytes": sizes[n]}
                for n in sorted(self.plan.stored, key=lambda n: (-sizes[n], n))
            ],
            "rerun": [
                {"cell": c.execution_count, "source": c.source, "seconds": c.seconds}
                for c in (history.cells[i] for i in self.plan.rerun)
            ],
            "recomputed": [
                {"name": n, "type": type_name(self.view.values[n]), "cells": self._cells_of(n, rerun), "why": why}
                for n, why in sorted(self.reasons().items())
            ],
            "lost": [
                {"name": n, "type": type_name(self.view.values[n]), **self._loss(n)} for n in sorted(self.plan.lost)
            ],
            "bytes": sum(sizes.values()),
            "store_seconds": self.plan.store_seconds,
            "restore_seconds": self.plan.restore_seconds,
        }

    def _label(self, number: int) -> str:
        cell = self.view.history.cells.get(number)
        return cell.label() if cell is not None else "a cell before the history began"

    def _cells_of(self, name: str, rerun: int) -> list[int | None]:
        cells = problems.numbers(self.ancestry.cells(name) & rerun)
        return [self.view.history.cells[c].execution_count for c in cells]

    def reasons(self) -> dict[str, str]:
        """For each recomputed name why it is."""
        refused, found = self.probe.refused, {}
        forced = [(self.ancestry.cells(n), n) for n in sorted(self.plan.recomputed & refused.keys())]
        for name in self.plan.recomputed:
            mine = self.ancestry.cells(name)
            if name in refused:
                found[name] = refused[name]
                continue
            other = next((n for cells, n in forced if not mine & ~cells), None)
            found[name] = (
                f"its cell is run again anyway, for {other}"
                if other is not None
                else "re-running its cells takes less time than storing and loading it"
            )
        return found

    def _loss(self, name: str) -> dict[str, Any]:
        """Why the name is lost, which cell made it, and what helps."""
        number = self.view.history.active.get(name)
        cell = self.view.history.cells.get(number) if number is not None else None
        count = cell.execution_count if cell is not None else self.view.made_by.get(name)
        cure = f"run In [{count}] again" if count is not None else "make it again"
        return {"reason": self.plan.lost[name].describe(self._label), "cell": count, "cure": cure}


def prepare(
    view: SessionView,
    costs: CostModel,
    deadline_s: float | None = None,
    cache: Cache | None = None,
    url: str = "",
    gives_way: Callable[[], bool] | None = None,
) -> Prepared:
    """Make the replication plan. Nothing is written; large values are not even serialised yet.

    ``cache`` is what is known from the saves before; what is in the store at ``url`` by it costs nothing to store.
    Raises GaveWay soon after ``gives_way`` has become true.
    """
    started = time.perf_counter()
    cache = Cache() if cache is None else cache
    serialiser = Serialiser(view, cache)
    walked = [{n for n in group if n in view.walks} for group in view.groups]
    probe = serialiser.probe((g for g in walked if g), gives_way)
    probed = time.perf_counter()
    clean = {n for c in probe.components if c.known is not None and url in c.known.stored for n in c.names}
    ancestry = problems.Ancestry(view)
    plan = solve(problems.build(view, probe, costs, ALPHA, deadline_s, ancestry, clean))
    seconds = {"serialise": probed - started, "plan": time.perf_counter() - probed}
    return Prepared(view, probe, plan, serialiser, ancestry, seconds)

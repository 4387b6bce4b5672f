"""Saving a session: plan, serialise what the plan stores, write the chunks, commit the manifest."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .. import __version__
from ..errors import SaveError
from ..objects.kinds import type_name
from ..planning import CostModel, Plan, solve
from . import problem as problems
from .components import Component, Probe, Serialiser
from .repository import Repository
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
    seconds: dict[str, float] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """What is stored, re-run, recomputed and lost, as plain JSON for people and programs."""
        history = self.view.history
        sizes = {n: self.view.walks[n].bytes for n in self.plan.stored}
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
                {"name": n, "type": type_name(self.view.values[n]), "cells": self._cells_of(n), "why": self._why(n)}
                for n in sorted(self.plan.recomputed)
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

    def _cells_of(self, name: str) -> list[int | None]:
        cells, _ = problems.lineage(self.view, name)
        return [self.view.history.cells[c].execution_count for c in sorted(cells & set(self.plan.rerun))]

    def _why(self, name: str) -> str:
        if name in self.probe.refused:
            return self.probe.refused[name]
        mine, _ = problems.lineage(self.view, name)
        for other in sorted(self.plan.recomputed & self.probe.refused.keys()):
            if mine <= problems.lineage(self.view, other)[0]:
                return f"its cell is run again anyway, for {other}"
        return "re-running its cells takes less time than storing and loading it"

    def _loss(self, name: str) -> dict[str, Any]:
        """Why the name is lost, which cell made it, and what helps."""
        number = self.view.history.active.get(name)
        cell = self.view.history.cells.get(number) if number is not None else None
        count = cell.execution_count if cell is not None else self.view.made_by.get(name)
        cure = f"run In [{count}] again" if count is not None else "make it again"
        return {"reason": self.plan.lost[name].describe(self._label), "cell": count, "cure": cure}


def prepare(view: SessionView, costs: CostModel, deadline_s: float | None = None) -> Prepared:
    """Make the replication plan. Nothing is written; large values are not even serialised yet."""
    started = time.perf_counter()
    serialiser = Serialiser(view.namespace, view.values, view.walks)
    walked = [{n for n in group if n in view.walks} for group in view.groups]
    probe = serialiser.probe(g for g in walked if g)
    probed = time.perf_counter()
    plan = solve(problems.build(view, probe, costs, ALPHA, deadline_s))
    seconds = {"serialise": probed - started, "plan": time.perf_counter() - probed}
    return Prepared(view, probe, plan, serialiser, seconds)


def save(
    prepared: Prepared, repository: Repository, session: str, costs: CostModel, deadline_s: float | None = None
) -> dict[str, Any]:
    """Write a prepared session and commit it; returns {"generation", "bytes", "bytes_written", "seconds", "plan"}.

    Raises SaveError when the deadline (seconds from the start of preparing) passes, StoreError from the store; in
    either case the previous checkpoint is as it was.
    """
    started = time.perf_counter()
    ends = None if deadline_s is None else started + deadline_s - sum(prepared.seconds.values())
    stored = _serialise(prepared, costs, deadline_s)
    written_before = repository.stats.bytes_written
    entries, total = [], 0
    for component in stored:
        _check(ends, prepared)
        payload = component.payload
        assert payload is not None
        began = time.perf_counter()
        entries.append(
            {
                "names": list(component.names),
                "codec": payload.codec,
                "payload": [r.to_json() for r in repository.put(payload.stream)],
                "buffers": [[r.to_json() for r in repository.put(b)] for b in payload.buffers],
                "bytes": payload.bytes,
            }
        )
        total += payload.bytes
        if payload.bytes > 1 << 20:
            costs.observe_write(payload.bytes, time.perf_counter() - began)
        component.payload = None  # the bytes are safe: let go of them before the next one
    _check(ends, prepared)
    manifest = _manifest(prepared, repository, entries, stored)
    generation = repository.commit(session, manifest)
    written = time.perf_counter()
    return {
        "generation": generation,
        "bytes": total,
        "bytes_written": repository.stats.bytes_written - written_before,
        "seconds": sum(prepared.seconds.values()) + written - started,
        "plan": prepared.summary(),
    }


def _check(ends: float | None, prepared: Prepared) -> None:
    if ends is not None and time.perf_counter() > ends:
        raise SaveError(
            "the save was not finished before the deadline; nothing was committed and the previous checkpoint holds. "
            "Give it more time, or free what you do not need"
        )


def _serialise(prepared: Prepared, costs: CostModel, deadline_s: float | None) -> list[Component]:
    """The components as the plan stores them; plans again when one that was put off turns out not to serialise."""
    view = prepared.view
    while True:
        plan, ready = prepared.plan, []
        failed = False
        for component in prepared.probe.components:
            names = tuple(n for n in component.names if n in plan.stored)
            if not names:
                continue
            chosen = component if names == component.names else Component(names)
            if chosen.payload is None:
                problem = prepared.serialiser.complete(chosen)
                if problem is not None:
                    prepared.probe.refused.update(dict.fromkeys(names, problem))
                    rest = tuple(n for n in component.names if n not in names)
                    prepared.probe.components.remove(component)
                    if rest:
                        prepared.probe.components.append(Component(rest))
                    failed = True
                    break
            ready.append(chosen)
        if not failed:
            return ready
        prepared.plan = solve(problems.build(view, prepared.probe, costs, ALPHA, deadline_s))


def _manifest(
    prepared: Prepared, repository: Repository, entries: list[Any], stored: Iterable[Component]
) -> dict[str, Any]:
    view, plan = prepared.view, prepared.plan
    summary = prepared.summary()
    lost = {e["name"]: e for e in summary["lost"]}
    digests = {n: d for c in stored for n, d in c.loaded_digests.items()}
    variables = {}
    for name, value in view.values.items():
        walk = view.walks.get(name)
        number = view.history.active.get(name)
        cell = view.history.cells.get(number) if number is not None else None
        where = "store" if name in plan.stored else "rerun" if name in plan.recomputed else "lost"
        variables[name] = {
            "plan": where,
            "type": type_name(value),
            "bytes": walk.bytes if walk is not None else 0,
            "fingerprint": "" if walk is None or walk.uncertain else digests.get(name, walk.digest),
            "cell": cell.execution_count if cell is not None else view.made_by.get(name),
            "reason": lost[name]["reason"] if where == "lost" else prepared._why(name) if where == "rerun" else "",
        }
    history = json.dumps(view.history.to_json(), separators=(",", ":")).encode()
    return {
        "kind": "kernel",
        "elastic_spawner": __version__,
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "machine": platform.machine(),
        "libraries": _libraries(),
        "history": [r.to_json() for r in repository.put(history)],
        "components": entries,
        "variables": variables,
        "rerun": summary["rerun"],
        "rerun_cells": list(plan.rerun),
        "hidden": dict(view.hidden),
        "extras": dict(view.extras),
        "report": {
            "seconds": prepared.seconds,
            "plan": {k: summary[k] for k in ("bytes", "store_seconds", "restore_seconds")},
        },
    }


def _libraries() -> dict[str, str]:
    """Versions of the installed distributions whose modules the session has imported."""
    found: dict[str, str] = {}
    for name in (
        "numpy",
        "pandas",
        "scipy",
        "sklearn",
        "torch",
        "polars",
        "pyarrow",
        "matplotlib",
        "networkx",
        "xgboost",
        "lightgbm",
    ):
        if name in sys.modules:
            version = getattr(sys.modules[name], "__version__", None)
            if isinstance(version, str):
                found[name] = version
    for name in ("ipykernel", "IPython"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found

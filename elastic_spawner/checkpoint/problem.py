"""From a session to the planner's question: what each variable would cost to store, each cell to run again, and which
variables are bound to one another."""

from __future__ import annotations

import math

from ..history import CellExecution, Rerun
from ..planning import Cell, CostModel, Problem, Variable
from .components import Probe
from .session import SessionView

RERUN_SECONDS = 0.05
"""What a re-run is taken to cost beside the cell's own time: setting the scene, compiling, comparing; and being the
less certain of the two ways."""
_BUFFERS = 4096
_DOUBT_FACTOR, _DOUBT_SECONDS = 20.0, 10.0


def rerun_seconds(cell: CellExecution, view: SessionView) -> tuple[float, str]:
    """Seconds to run the cell again (infinite when it must not be), and why."""
    if cell.rerun is Rerun.FORBIDDEN:
        return math.inf, "; ".join(cell.reasons)
    changed = [f.path for f in cell.files if view.files_changed(f)]
    if changed:
        return math.inf, f"it read {changed[0]}, which has changed since"
    if cell.rerun is Rerun.DOUBTFUL:
        return cell.seconds * _DOUBT_FACTOR + _DOUBT_SECONDS, ""
    return cell.seconds + RERUN_SECONDS, ""


def build(view: SessionView, probe: Probe, costs: CostModel, alpha: float, deadline_s: float | None) -> Problem:
    """The problem of carrying this session over."""
    history = view.history
    cells = {}
    for number, cell in history.cells.items():
        seconds, reason = rerun_seconds(cell, view)
        outputs = frozenset((name, number) for name in cell.writes)
        cells[number] = Cell(number, seconds, cell.reads, outputs, reason)
    sizes = _sizes(view, probe)
    variables = []
    for name in view.values:
        # what no cell made (attributes of modules) has no snapshot: it is stored or lost
        snapshot = (name, history.active.get(name, 0))
        reason = probe.refused.get(name, "" if name in sizes else "it could not be looked at")
        if reason:
            variables.append(Variable(name, snapshot, math.inf, math.inf, reason))
        else:
            nbytes, codec = sizes[name]
            variables.append(Variable(name, snapshot, costs.store_seconds(nbytes, codec), costs.load_seconds(nbytes)))
    linked, derived = _bonds(view)
    return Problem(cells, tuple(variables), tuple(linked), tuple(derived), alpha, deadline_s)


def _sizes(view: SessionView, probe: Probe) -> dict[str, tuple[int, str]]:
    """Bytes and codec of each name that can be stored; a component's bytes are shared out among its names."""
    found = {}
    for component in probe.components:
        estimates = {n: view.walks[n].bytes for n in component.names}
        total = sum(estimates.values()) or 1
        payload = component.payload
        for name, estimate in estimates.items():
            nbytes = estimate if payload is None else round(payload.bytes * estimate / total)
            if payload is not None and payload.codec in ("cloudpickle", "dill"):
                codec = payload.codec
            else:
                # many bytes in few objects are buffers, which go out as they are
                codec = "buffers" if estimate > _BUFFERS * view.walks[name].nodes else "pickle5"
            found[name] = (nbytes, codec)
    return found


def _bonds(view: SessionView) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs that must be stored or recomputed together, and pairs (x, y) where x may be recomputed from a stored y."""
    linked, derived = [], []
    lineages: dict[str, tuple[frozenset[int], frozenset[str]]] = {}
    for group in view.groups:
        if len(group) < 2:
            continue
        for name in group:
            lineages[name] = lineage(view, name)
        for one in sorted(group):
            for other in sorted(view.neighbours(one) & group):
                if other <= one:
                    continue
                if _derived(view, one, other, lineages):
                    derived.append((one, other))
                elif _derived(view, other, one, lineages):
                    derived.append((other, one))
                else:
                    linked.append((one, other))
    return linked, derived


def lineage(view: SessionView, name: str) -> tuple[frozenset[int], frozenset[str]]:
    """The cells that recomputing ``name`` re-runs when all other variables are there, and which of them it reads."""
    history = view.history
    pending = [history.active[name]] if name in history.active else []
    cells: set[int] = set()
    reads: set[str] = set()
    while pending:
        number = pending.pop()
        cell = history.cells.get(number)
        if number in cells or cell is None:
            continue
        cells.add(number)
        for source, version in cell.reads:
            if history.active.get(source) == version and source != name:
                reads.add(source)
            else:
                pending.append(version)
    return frozenset(cells), frozenset(reads)


def _derived(
    view: SessionView, built: str, origin: str, lineages: dict[str, tuple[frozenset[int], frozenset[str]]]
) -> bool:
    """Whether re-running what made ``built`` from the present ``origin`` makes the same sharing between them.

    So it is when ``origin`` was there, as it is now, before the first of those cells ran, and they read it.
    """
    cells, reads = lineages[built]
    version = view.history.active.get(origin)
    return version is not None and bool(cells) and origin in reads and min(cells) > version

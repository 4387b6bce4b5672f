"""From a session to the planner's question: what each variable would cost to store, each cell to run again, and which
variables are bound to one another."""

from __future__ import annotations

import math
from collections.abc import Collection

from ..history import CellExecution, Rerun
from ..planning import Cell, CostModel, Problem, Variable
from .components import Probe
from .session import SessionView

RERUN_SECONDS = 0.05
"""What a re-run is taken to cost beside the cell's own time: setting the scene, compiling, comparing; and being the
less certain of the two ways."""
_BUFFERS = 4096
_DOUBT_FACTOR, _DOUBT_SECONDS = 20.0, 10.0
_TRUST_SECONDS = 0.02
"""What cannot be told from the code of a cell may still make it differ: where it is re-run anyway, what takes no longer
than this is stored all the same."""


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


def build(
    view: SessionView,
    probe: Probe,
    costs: CostModel,
    alpha: float,
    deadline_s: float | None = None,
    ancestry: Ancestry | None = None,
    clean: Collection[str] = (),
) -> Problem:
    """The problem of carrying this session over; ``clean`` are the names that are in the store already."""
    history = view.history
    ancestry = ancestry or Ancestry(view)
    doubtful = sum(1 << n for n, cell in history.cells.items() if cell.rerun is Rerun.DOUBTFUL)
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
            store_seconds = costs.store_seconds(nbytes, codec, name in clean)
            distrust = _DOUBT_SECONDS if ancestry.cells(name) & doubtful else _TRUST_SECONDS
            variables.append(Variable(name, snapshot, store_seconds, costs.load_seconds(nbytes, codec), "", distrust))
    # what no cell made and nothing can store is lost whatever is done: it binds nobody
    lost = frozenset(probe.refused.keys() - history.active.keys())
    linked, derived = _bonds(view, ancestry, lost)
    return Problem(cells, tuple(variables), tuple(linked), tuple(derived), alpha, deadline_s)


def _sizes(view: SessionView, probe: Probe) -> dict[str, tuple[int, str]]:
    """Bytes and codec of each name that can be stored; a component's bytes are shared out among its names."""
    found = {}
    for component in probe.components:
        estimates = {n: view.walks[n].bytes for n in component.names}
        total = sum(estimates.values()) or 1
        known = component.known
        for name, estimate in estimates.items():
            nbytes = estimate if known is None else round(known.bytes * estimate / total)
            if known is not None and known.codec in ("cloudpickle", "dill"):
                codec = known.codec
            else:
                # many bytes in few objects are buffers, which go out as they are
                codec = "buffers" if estimate > _BUFFERS * view.walks[name].nodes else "pickle5"
            found[name] = (nbytes, codec)
    return found


def _bonds(
    view: SessionView, ancestry: Ancestry, lost: frozenset[str]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs that must be stored or recomputed together, and pairs (x, y) where x may be recomputed from a stored y."""
    linked, derived = [], []
    for group in view.groups:
        if len(group) < 2:
            continue
        for one in sorted(group - lost):
            for other in sorted(view.neighbours(one) & group - lost):
                if other <= one:
                    continue
                if ancestry.derived(one, other):
                    derived.append((one, other))
                elif ancestry.derived(other, one):
                    derived.append((other, one))
                else:
                    linked.append((one, other))
    return linked, derived


class Ancestry:
    """For each variable: the cells that recomputing it re-runs when all other variables are there, and which of them
    those cells read.

    Sets are integers, a bit for each cell or name: a set for each of 500 variables in a history of 2,000 cells is made
    in one pass over the history.
    """

    def __init__(self, view: SessionView) -> None:
        history = view.history
        self._active = history.active
        self._names = {name: 1 << i for i, name in enumerate(history.active)}
        self._cells: dict[int, int] = {}
        self._reads: dict[int, int] = {}
        for number in sorted(history.cells):
            cells, reads = 1 << number, 0
            for source, version in history.cells[number].reads:
                if history.active.get(source) == version:
                    reads |= self._names[source]
                elif version in self._cells:
                    cells |= self._cells[version]
                    reads |= self._reads[version]
            self._cells[number], self._reads[number] = cells, reads

    def cells(self, name: str) -> int:
        """The cells of a name, as bits: 1 << number."""
        return self._cells.get(self._active.get(name, -1), 0)

    def derived(self, built: str, origin: str) -> bool:
        """Whether re-running what made ``built`` from the present ``origin`` makes the same sharing between them.

        So it is when ``origin`` was there, as it is now, before the first of those cells ran, and they read it.
        """
        version, cells = self._active.get(origin), self.cells(built)
        if version is None or not cells or not self._reads[self._active[built]] & self._names[origin]:
            return False
        first = (cells & -cells).bit_length() - 1
        return first > version


def numbers(cells: int) -> list[int]:
    """The cells of a set of bits, in order."""
    return [i for i, bit in enumerate(reversed(f"{cells:b}")) if bit == "1"]

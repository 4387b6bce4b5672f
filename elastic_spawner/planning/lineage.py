"""What can be recomputed from what, what is lost, and which cells a recomputation needs.

Nothing here weighs costs: this is the part of planning that has only one right answer.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from ..errors import PlanError
from .model import Problem, Reason, Snapshot, Variable, Why

_Node = TypeVar("_Node", int, str)


class Lineage:
    """The application history graph of a problem, with snapshots replaced by the cells that made them."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.variables: dict[str, Variable] = {v.name: v for v in problem.variables}
        self.order: list[int] = sorted(problem.cells)
        self.producer: dict[str, int | None] = {v.name: self._writer(v.snapshot) for v in problem.variables}
        self.needs: dict[int, set[int]] = {}
        """Cell -> the cells that made those of its inputs that are not active any more."""
        self.reads: dict[int, list[str]] = {}
        """Cell -> the active variables that it reads."""
        self.missing: dict[int, str] = {}
        """Cell -> name of an input of which no recorded cell made the version that it read."""
        self.implied: dict[str, set[str]] = {}
        """Variable -> the variables that must be recomputed when it is."""
        self._connect()

    def _writer(self, snapshot: Snapshot) -> int | None:
        cell = self.problem.cells.get(snapshot[1])
        return snapshot[1] if cell is not None and snapshot in cell.outputs else None

    def _connect(self) -> None:
        active = {v.snapshot: v.name for v in self.variables.values()}
        for number in self.order:
            needs = self.needs[number] = set()
            reads = self.reads[number] = []
            for snapshot in self.problem.cells[number].inputs:
                if snapshot in active:
                    reads.append(active[snapshot])
                elif (writer := self._writer(snapshot)) is not None:
                    needs.add(writer)
                else:  # the smallest name, so that the same history always gives the same reason
                    self.missing[number] = min(self.missing.get(number, snapshot[0]), snapshot[0])
            reads.sort()
        for one, other in self.problem.linked:
            self._imply(one, other)
            self._imply(other, one)
        for built, origin in self.problem.derived:
            self._imply(origin, built)

    def _imply(self, cause: str, effect: str) -> None:
        if cause in self.variables and effect in self.variables and cause != effect:
            self.implied.setdefault(cause, set()).add(effect)

    def together(self, names: Iterable[str]) -> frozenset[str]:
        """``names`` and all that must be recomputed when they are."""
        return frozenset(reachable(names, self.implied))

    def cells_for(self, names: Iterable[str]) -> tuple[int, ...]:
        """The cells to re-run, in order, to recompute ``names`` when every other active variable is there.

        The names must be recomputable.
        """
        starts = {cell for name in names if (cell := self.producer[name]) is not None}
        return tuple(sorted(reachable(starts, self.needs)))

    def obstacle(self, number: int) -> Reason | None:
        """Why this cell could not be re-run even if all its inputs were there that recorded cells made."""
        cell = self.problem.cells[number]
        if not math.isfinite(cell.seconds):
            return Reason(Why.FORBIDDEN, number, detail=cell.reason)
        if number in self.missing:
            return Reason(Why.UNKNOWN, number, self.missing[number])
        return None


class Feasibility:
    """Which variables are lost, and which of the others cannot be recomputed.

    A variable is recomputable when every cell of its lineage may be re-run and finds its inputs: those not active any
    more re-made by cells before it, the active ones stored or recomputed, so not lost. A variable that can be stored is
    never lost. One that cannot is lost when it is not recomputable, or when recomputing it would part it from one that
    it is linked to (or that was built from it) and that can only be stored: of the two the user can get the
    recomputable one back by running its cell. What is lost binds its partners no more, but they stay bound to each
    other.

    Each rule only ever adds to what is lost, so the order of applying them does not matter and the outcome is unique.
    """

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage
        self.lost: dict[str, Reason] = {}
        self.stuck: dict[str, Reason] = {}
        """Variable -> why it cannot be recomputed; holds the lost ones except those that would be separated."""
        self._causes: dict[str, set[str]] = {}
        for cause, effects in lineage.implied.items():
            for effect in effects:
                self._causes.setdefault(effect, set()).add(cause)
        self._pass()
        while self._separate():
            self._pass()

    def _pass(self) -> None:
        """Settle cells and variables in the order of the history, where every input comes before its reader."""
        lineage = self._lineage
        made: dict[int, list[str]] = {}
        for name, writer in lineage.producer.items():
            if writer is None:
                self._mark(name, Reason(Why.UNKNOWN, None, name))
            else:
                made.setdefault(writer, []).append(name)
        blocked: dict[int, Reason] = {}
        for number in lineage.order:
            reason = lineage.obstacle(number)
            if reason is None and not blocked.keys().isdisjoint(lineage.needs[number]):
                reason = blocked[min(blocked.keys() & lineage.needs[number])]
            if reason is None and self.lost:
                absent = next((name for name in lineage.reads[number] if name in self.lost), None)
                reason = None if absent is None else Reason(Why.LOST_INPUT, number, absent)
            if reason is not None:
                blocked[number] = reason
                for name in made.get(number, ()):
                    self._mark(name, reason)

    def _mark(self, name: str, reason: Reason) -> None:
        self.stuck.setdefault(name, reason)
        variable = self._lineage.variables[name]
        if not variable.storable:
            self.lost.setdefault(name, replace(reason, unstorable=variable.reason))

    def _separate(self) -> bool:
        """Give up what would have to be recomputed apart from a variable that can only be stored."""
        found = False
        only_stored = sorted(name for name in self.stuck if name not in self.lost)
        anchor = {name: name for name in only_stored}
        queue = only_stored
        for name in queue:  # grows while it is walked
            for cause in sorted(self._causes.get(name, ())):
                if cause not in anchor:
                    anchor[cause] = anchor[name]
                    queue.append(cause)
                    variable = self._lineage.variables[cause]
                    if not variable.storable and cause not in self.lost:
                        writer = self._lineage.producer[cause]
                        reason = Reason(Why.SEPARATED, writer, anchor[name], unstorable=variable.reason)
                        self.lost[cause] = reason
                        found = True
        return found


def together(problem: Problem, names: Iterable[str]) -> frozenset[str]:
    """``names`` and every variable that has to be recomputed when they are: linked to them, or built from them.

    Raises PlanError when one of the names is not active.
    """
    return _checked(Lineage(problem), names)


def requirements(problem: Problem, names: Iterable[str], available: Collection[str]) -> tuple[int, ...] | Reason:
    """The cells to re-run, in order, to recompute ``names`` when only ``available`` could be loaded.

    All that moves `together` with the names is recomputed with them, loaded or not. Active variables that a cell reads
    and that are not available are recomputed too. Returns the reason instead when that cannot be done. Raises PlanError
    when one of the names is not active.
    """
    lineage = Lineage(problem)
    wanted = _checked(lineage, names)
    have = set(available) - wanted
    needed: set[int] = set()
    todo: list[tuple[str, int | None]] = [(name, None) for name in sorted(wanted, reverse=True)]
    while todo:
        name, reader = todo.pop()
        writer = lineage.producer[name]
        if writer is None:
            return Reason(Why.UNKNOWN, reader, name)
        cells = [writer]
        while cells:
            number = cells.pop()
            if number in needed:
                continue
            if (reason := lineage.obstacle(number)) is not None:
                return reason
            needed.add(number)
            cells.extend(sorted(lineage.needs[number], reverse=True))
            todo.extend((read, number) for read in reversed(lineage.reads[number]) if read not in have)
    return tuple(sorted(needed))


def _checked(lineage: Lineage, names: Iterable[str]) -> frozenset[str]:
    names = tuple(names)
    unknown = sorted(name for name in names if name not in lineage.variables)
    if unknown:
        raise PlanError(f"{', '.join(map(repr, unknown))}: not among the active variables of this session")
    return lineage.together(names)


def reachable(starts: Iterable[_Node], edges: Mapping[_Node, set[_Node]]) -> set[_Node]:
    """``starts`` and all that edges lead to from there."""
    found = set(starts)
    todo = list(found)
    while todo:
        for node in edges.get(todo.pop(), ()):
            if node not in found:
                found.add(node)
                todo.append(node)
    return found

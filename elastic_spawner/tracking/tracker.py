"""Watches the namespace from cell to cell and writes the history.

Only names that the cell could have touched are compared: those its code can reach, and those linked with them through a
shared object or buffer. A comparison that would exceed the budget is left out and the name counts as changed: what is
not known is never taken as unchanged.
"""

from __future__ import annotations

import builtins
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from ..history import CellExecution, History, Rerun
from ..objects.kinds import ATOMIC
from ..objects.live import originals
from ..objects.sealed import is_sealed
from ..objects.walk import Walk
from . import determinism, magics
from .accesses import Accesses, of_source
from .activity import Activity
from .budget import Budget, at_once
from .callbacks import Callbacks
from .closure import reachable_accesses
from .effects import Effects
from .files import file_read
from .hidden import RANDOM, HiddenState, drawn, encode, first_state
from .patches import Patches
from .values import NODES_PER_SECOND, NameState, Values

HIDDEN_LETTERS = 8 << 20
"""States of random generators before the cells that drew from them are kept up to this size, the newest ones."""
_OUTPUT = re.compile(r"_{1,3}$|_\d+$|_oh$|Out$")

_ESCAPES = frozenset({"eval", "exec", "globals", "locals", "vars", "get_ipython", "breakpoint"})

_TELLING = frozenset({"register", "register_error"})

_INTERRUPTED = ("KeyboardInterrupt", "CancelledError")
"""What a cell ends in at an interrupt; the latter at an ``await``."""


@dataclass
class _Cell:
    source: str
    transformed: str
    started: float
    accesses: Accesses = field(default_factory=Accesses)
    reads: set[str] = field(default_factory=set)
    escapes: bool = False
    reasons: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    searched: set[int] = field(default_factory=set)
    """Ids of large containers that were searched for code already."""
    seconds: float = 0.0


class Tracker:
    """History of one live namespace. ``names()`` lists the user's names in it, ``shown()`` what the shell keeps as
    outputs."""

    def __init__(
        self,
        namespace: dict[str, Any],
        names: Callable[[], list[str]],
        shown: Callable[[], Iterable[Any]] = tuple,
    ) -> None:
        self.namespace = namespace
        self.names = names
        self.history = History()
        self.values = Values(namespace)
        self.states = self.values.states
        self.links = self.values.links
        self.effects = Effects()
        self.hidden = HiddenState()
        self._cell: _Cell | None = None
        self.activity = Activity(namespace)
        self.callbacks = Callbacks(namespace, self.values, shown)
        self._outward: dict[str, Walk] = {}
        self.budget = Budget()
        self.patches = Patches()
        self.attributes: set[str] = set()
        """Attributes used by cells, of those that say what else there may be to carry over."""
        self._tried: set[tuple[str, int]] = set()
        self.examined: str | None = None
        """The name whose value is being walked between cells."""
        self.disturbed = False
        """The cell touches what is being examined: that has to end, and let go of the value, before the cell runs."""
        self.pending: set[str] = set()
        """Names of a restored session whose values are still to come."""
        self.submodules: set[str] = set()
        """Dotted names that cells imported: ``import urllib.request`` binds ``urllib`` and loads more than that."""

    # -- one cell

    def begin(self, source: str, transformed: str) -> None:
        """A cell is about to run."""
        began = time.perf_counter()
        self.note_untracked()
        self.callbacks.note()
        cell = _Cell(source, transformed, time.perf_counter())
        try:
            self._analyse(cell)
        except SyntaxError:
            pass  # the cell will not run either
        self.patches.begin(cell.accesses.patches, self.namespace)
        accesses = cell.accesses
        self._disturbs(cell.reads | accesses.reads | accesses.writes | accesses.deletes, cell.escapes)
        self._cell = cell
        self.effects.start()
        cell.started = time.perf_counter()
        self.budget.take(cell.started - began)

    def end(self, error: str | None, execution_count: int | None = None) -> CellExecution | None:
        """The cell has ended, as ``In [execution_count]``; returns its execution, or None when none had begun."""
        cell, self._cell = self._cell, None
        if cell is None:
            return None
        ended = time.perf_counter()
        cell.seconds = ended - cell.started
        acts, paths = self.effects.stop()
        cell.reasons += acts
        reach = reachable_accesses(
            self._values(cell.accesses.reads | cell.accesses.writes), self.namespace, cell.accesses, cell.searched
        )
        late = reach.reads - cell.accesses.reads
        cell.reads |= late
        reach.attributes |= cell.accesses.attributes
        self.patches.end(reach.patches | cell.accesses.patches, self.namespace, originals)
        self.attributes |= _TELLING & reach.attributes
        self.submodules.update(name for name in reach.imports | cell.accesses.imports if "." in name)
        if self._is_escape(reach):
            cell.escapes = True
        cell.reasons += determinism.objections(reach, self.namespace)
        if error in _INTERRUPTED:
            cell.reasons.append("was interrupted")  # run again, it would go on for as long as nobody does that
        cell.doubts += determinism.doubts(reach)
        self.budget.begin(cell.seconds)
        writes, deletes, touched = self._compare(cell, reach)
        reads = {n for n in (self.history.active if cell.escapes else cell.reads) if n in self.history.active}
        reads |= {n for n in writes | deletes if n in self.history.active and n not in reach.writes}
        number = self.history.next_number
        hidden = self._note_hidden(cell, reach)
        files = tuple(f for f in map(file_read, paths) if f is not None)
        if "" in paths:
            cell.reasons.append("read more files than are kept in mind")
        self._judge_use(cell, touched)
        reasons = tuple(dict.fromkeys(cell.reasons or cell.doubts))
        rerun = Rerun.FORBIDDEN if cell.reasons else Rerun.DOUBTFUL if cell.doubts else Rerun.SAFE
        execution = CellExecution(
            number, cell.source, execution_count, cell.seconds, self.history.snapshots(reads), frozenset(writes),
            frozenset(deletes), error, rerun, reasons, files, hidden,
        )  # fmt: skip
        self.history.add(execution)
        if hidden:
            self.history.forget_hidden(HIDDEN_LETTERS, RANDOM)
        self.activity.note()
        self.callbacks.cell_ended(reach, cell.seconds)
        self.budget.take(time.perf_counter() - ended)
        return execution

    def _analyse(self, cell: _Cell) -> None:
        """What the cell's code names, before it runs."""
        assigned: set[str] = set()
        may_call_magics = "get_ipython" in cell.transformed
        for statement in of_source(cell.transformed):
            calls = list(magics.calls(statement.node)) if may_call_magics else []
            for call in calls:
                self._magic(cell, call)
            accesses = statement.accesses
            cell.accesses.add(accesses)
            cell.reads |= accesses.reads - assigned
            if "get_ipython" in accesses.reads and not calls:
                cell.escapes = True
            assigned |= statement.assigns - accesses.reads
        if "get_ipython" not in self.states:  # what magics do is known, and to look for code in the shell takes long
            cell.accesses.reads.discard("get_ipython")
            cell.reads.discard("get_ipython")
        # functions read what was there before, though the cell's own code may read the same name after it assigned it
        before = reachable_accesses(self._values(cell.reads), self.namespace, searched=cell.searched)
        cell.reads |= before.reads
        cell.accesses.add(before)
        if self._is_escape(cell.accesses):
            cell.escapes = True

    def _magic(self, cell: _Cell, call: magics.MagicCall | None) -> None:
        if call is None:
            cell.escapes = True
            cell.reasons.append("called a magic with arguments that cannot be known beforehand")
        elif call.name in magics.RUNS_CODE:
            try:
                for statement in of_source(call.code()):
                    cell.accesses.add(statement.accesses)
                    cell.reads |= statement.accesses.reads
            except SyntaxError:
                cell.escapes = True
        elif call.name in magics.ACTS:
            cell.escapes = True
            cell.reasons.append(f"ran %{call.name}" if call.name != "system" else "ran a command")
        elif call.name not in magics.HARMLESS:
            cell.escapes = True
            cell.doubts.append(f"ran %{call.name}")

    def _is_escape(self, accesses: Accesses) -> bool:
        return accesses.escapes or any(
            self.namespace.get(name, getattr(builtins, name, None)) is getattr(builtins, name, None)
            for name in _ESCAPES & accesses.reads
        )

    def _values(self, names: Iterable[str]) -> list[Any]:
        return [self.namespace[n] for n in names if n in self.namespace]

    # -- what changed

    def _compare(self, cell: _Cell, reach: Accesses) -> tuple[set[str], set[str], set[str]]:
        present = self.names()
        rebound = {n for n in present if n not in self.states or self.states[n].key != id(self.namespace[n])}
        deletes = self._gone(present)
        stored = reach.writes & set(present)
        named = set(present) if cell.escapes else (cell.reads | reach.reads | stored) & set(present)
        touched = self.links.closure(named | rebound) & set(present)
        touched |= self._through_outputs(cell.reads | reach.reads, present)
        self._disturbs(touched | deletes, cell.escapes)
        for name in deletes:
            self.values.forget(name)
        writes: set[str] = set()
        unknown: set[str] = set()
        for name in sorted(touched, key=lambda n: n not in rebound):
            if name not in rebound:
                self.budget.made_is_seen()
            before = self.states.get(name)
            value = self.namespace[name]
            if before is not None and before.atomic and name not in rebound:
                # an atomic value cannot change while it is the same object; stored again, it has equal value
                if name not in stored or type(value) in ATOMIC:
                    continue
            state = self.values.look(name, value, self.budget.for_made if name in rebound else self.budget.deadline)
            previous = self.history.active.get(name)
            if state.known:
                state.suspects = []
            elif state.base is not None and previous is not None:
                state.suspects = [*state.suspects, (self.history.next_number, previous)][-2:]
            if state.walk is None:
                unknown.add(name)
                writes.add(name)
            elif (
                name in rebound
                or before is None
                or before.walk is None
                or not before.walk.same(state.walk)
                or state.walk.hides
            ):
                writes.add(name)
        value = None  # nobody but the session may hold it now
        self._link_unknown(unknown, touched)
        return writes, deletes, touched

    def _through_outputs(self, reads: Iterable[str], present: Collection[str]) -> set[str]:
        """Names that hang together with outputs of earlier cells that the cell read (``_``, ``Out``)."""
        found: set[str] = set()
        for name in reads:
            if not _OUTPUT.match(name) or name in present or name not in self.namespace:
                continue
            state = self.values.look(name, self.namespace[name], self.budget.deadline)
            found |= set(present) if state.walk is None else self.links.closure([name])
            self.values.forget(name)
        return found & set(present)

    def _gone(self, present: list[str]) -> set[str]:
        return set(self.states).difference(present)

    def _link_unknown(self, unknown: set[str], touched: set[str]) -> None:
        """A value that was not walked may share objects with whatever else the cell handled, unless that is sealed."""
        others = {n for n in touched if n in self.states and not self.states[n].atomic}
        ends = self.budget.for_sealed()
        for name in others - unknown:
            state = self.states[name]
            if (unknown or self.links.suspected(name)) and state.known and not self.values.hides(state):
                # one look at a large container already takes longer than it may
                if state.nodes <= NODES_PER_SECOND * (ends - time.perf_counter()) and is_sealed(
                    self.namespace, name, ends
                ):
                    self.links.clear(name)
                    others = others - {name}
        for name in unknown:
            self.links.maybe(name, others - {name})

    def _judge_use(self, cell: _Cell, touched: set[str]) -> None:
        """A file or connection that was there before and moved on has acted on the outside without any event."""
        for name in touched:
            state = self.states.get(name)
            if state is None or state.walk is None:
                continue
            if name in self.history.active and state.walk.channels:
                cell.reasons.append(f"used {name}, a live connection")
            elif state.walk.outward and name in self.history.active and self._moved(name, state):
                cell.reasons.append(f"used {name}, which is open to the outside")
        self._outward = {n: s.walk for n, s in self.states.items() if s.walk is not None and s.walk.outward}

    def _moved(self, name: str, state: NameState) -> bool:
        before = self._outward.get(name)
        return state.walk is not None and before is not None and not before.same(state.walk)

    def _note_hidden(self, cell: _Cell, reach: Accesses) -> dict[str, str]:
        """Keep the value before of every kind of hidden state that the cell changed."""
        out = {}
        for kind, (before, now) in self.hidden.refresh().items():
            if before is None:
                before = first_state(kind, now)
            if before is not None:
                out[kind] = self.history.keep_hidden(kind, encode(before))
            elif kind in RANDOM and drawn(kind, now) and "seed" not in reach.attributes:
                cell.reasons.append("drew random numbers in the cell that imported their source")
        return out

    def abandon(self) -> None:
        """Give up on the present cell after an error of ours; what it bound is found by `note_untracked`."""
        self._cell = None
        self.effects.stop()

    def adopt(self, history: History, walks: Mapping[str, tuple[int, Walk]] | None = None) -> None:
        """Go on from a restored history; variables that did not come back, nor are `pending`, are deleted in it.

        ``walks`` are full walks of values by their names, each with the id() of the value, which are walked no more.
        """
        self.history = history
        for name in list(self.states):
            self.values.forget(name)
        present = set(self.names())
        for name in present:
            value = self.namespace[name]
            key, walk = (walks or {}).get(name, (0, None))
            if walk is not None and key == id(value):
                self.values.found(name, value, walk, type(value) in ATOMIC or isinstance(value, ModuleType))
            else:
                self.values.look(name, value, at_once())
        self.lost(set(history.active) - present - self.pending)
        unknown = present - history.active.keys()
        if unknown:
            self._add_untracked(unknown, set())
        self.hidden.refresh()

    def lost(self, names: Collection[str]) -> None:
        """These do not come back: they are deleted in the history, unless they were meanwhile."""
        gone = {n for n in names if n in self.history.active}
        if gone:
            self._add_untracked(set(), gone)

    def arrived(self, name: str) -> None:
        """A pending value is there now, which is no change to it."""
        self.values.look(name, self.namespace[name], at_once())

    # -- what happened outside of cells

    def note_untracked(self) -> None:
        """Give names that were bound outside of any recorded cell an execution of their own, which has no source."""
        present = self.names()
        bound = {n for n in present if n not in self.states or self.states[n].key != id(self.namespace[n])}
        gone = self._gone(present)
        if bound or gone:
            deadline = at_once()
            for name in gone:
                self.values.forget(name)
            for name in bound:
                self.values.look(name, self.namespace[name], deadline)
            self._add_untracked(bound, gone)
        # generators of random numbers are what moves between cells (a front end that connects, a widget); a change of
        # the rest is seen after the next cell, and taken for its own. A kernel itself draws from the first one only.
        self.hidden.refresh(RANDOM if self.activity.happened else ("random",))

    def settle(self) -> None:
        """Know every value in full: what changed outside of cells is noted, what was unknown becomes known.

        Large values that were known in full are not walked again, unless something may have changed them since.
        """
        self.note_untracked()
        self.callbacks.note()
        changed = set()
        unsteady = self._unsteady()
        for name in self.names():
            if name not in unsteady:
                continue
            before = self.states[name].walk
            state = self.values.look(name, self.namespace[name], None)
            if (
                before is not None
                and state.walk is not None
                and not (before.partial or before.links or before.same(state.walk))
            ):
                changed.add(name)
            self._take_back(name, state)
        self.hidden.refresh()
        self.conclude()
        self.activity.forget()
        if changed:
            self._add_untracked(changed, set())

    # -- what is found out while no cell runs

    def unfinished(self) -> str | None:
        """A name that was not seen in full since it was touched last, and can be."""
        if self.activity.note():
            return None  # what changes meanwhile cannot be compared
        for name, state in self.states.items():
            if not state.known and (name, state.version) not in self._tried and name in self.history.active:
                return name
        return None

    def examine(self, name: str) -> Iterator[None]:
        """Walk the name's value in full, in small steps; what a cell that did not touch it leaves is gone on with."""
        value, walker, events = self.namespace.get(name), self.values.walker(name, None), self.activity.events
        state = self.states[name]
        walk: Walk | None = None
        self.examined = name
        try:
            yield from walker.steps([value])
            walk = walker.found
        except Exception:
            pass  # as in Values.look
        finally:
            self.examined = None
        if self.states.get(name) is state and not self.activity.alive() and self.activity.events == events:
            state = self.values.found(name, value, walk)
            self._take_back(name, state)
        self._tried = {(n, v) for n, v in self._tried if n in self.states} | {(name, self.states[name].version)}

    def conclude(self) -> None:
        """Everything is known: drop suspicions without ground, and what is no longer needed."""
        self.links.resolve(self.states)
        self.values.slim()

    def _disturbs(self, names: Iterable[str], escapes: bool) -> None:
        """Let go of the value that is being examined if it is among what a cell touches."""
        if self.examined is not None and (escapes or self.examined in self.links.closure(names)):
            self.disturbed = True

    def _take_back(self, name: str, state: NameState) -> None:
        """A cell that counts as having changed the value, and is now known not to have, did not."""
        suspects, state.suspects = state.suspects, []
        if not state.unchanged or len(suspects) != 1 or self.activity.happened:
            return
        number, previous = suspects[0]
        cell = self.history.cells.get(number)
        if cell is not None and name in cell.writes and self.history.active.get(name) == number:
            self.history.unwrite(name, number, previous)

    # -- what happened outside of cells, as far as it must be looked for

    def _unsteady(self) -> set[str]:
        """Names whose values may be others than were seen last, or are walked again at no cost."""
        names = set(self.names())
        large = {n for n in names if self._is_steady(self.states[n])}
        if not large or self.activity.note():
            return names
        held = self.callbacks.look()
        reach = reachable_accesses(self._values(held), self.namespace, Accesses(reads=held))
        if self._is_escape(reach):
            return names
        return names - large | self.links.closure(reach.reads | reach.writes) & names

    @staticmethod
    def _is_steady(state: NameState) -> bool:
        walk = state.walk
        if not state.known:
            return False
        return state.atomic or not state.small and walk is not None and walk.steady and not walk.hides

    def _add_untracked(self, writes: set[str], deletes: set[str]) -> None:
        number = self.history.next_number
        self.history.add(
            CellExecution(
                number,
                "",
                None,
                0.0,
                self.history.snapshots(writes),
                frozenset(writes),
                frozenset(deletes),
                None,
                Rerun.FORBIDDEN,
                ("changed outside of any cell",),
            )  # fmt: skip
        )

"""What somebody else than the cells may touch: libraries keep functions of the session, and values they were handed.

A callback is seen by who holds it: a reference to a function, or to a large value, that is no name's. What it may touch
is remembered by name until the next save has looked at it, since a callback may be called once and then be gone.
"""

from __future__ import annotations

import gc
import inspect
import itertools
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterable
from operator import is_
from time import perf_counter
from typing import Any

from ..objects.sealed import GIL, held
from .accesses import Accesses, of_code
from .budget import SHARE
from .values import Values

_SCAN_SECONDS = 0.001
_MOVING = 1 if sys.version_info < (3, 14) else 0
"""The first generation whose collection makes objects old."""
_HALTS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class Callbacks:
    """Names that code may touch which no cell names. ``shown()`` are the values that the shell keeps as outputs."""

    def __init__(self, namespace: dict[str, Any], values: Values, shown: Callable[[], Iterable[Any]]) -> None:
        self.namespace = namespace
        self.values = values
        self.shown = shown
        self.names: set[str] = set()
        """What functions that somebody holds read or write themselves, and large values that somebody holds."""
        self._made: Accesses | None = None
        self._seconds = 0.0
        self._share = 0.0
        self._collections = _collections()
        self._scan_seconds = 0.0

    def cell_ended(self, reach: Accesses, seconds: float) -> None:
        """A cell that took so many seconds, and reached this, has ended."""
        self._made = reach if reach.makes else None
        self._seconds = seconds

    def note(self) -> None:
        """Before a cell, and before a save: remember what the cell before has given away."""
        made, self._made = self._made, None
        functions = _session_functions(self.namespace, self.namespace.values())
        if made is not None:
            if _collections() == self._collections:
                functions = _session_functions(self.namespace, functions, gc.get_objects(0), gc.get_objects(1))
            elif self._scan_seconds <= max(_SCAN_SECONDS, SHARE * self._seconds):
                functions = self._all_functions()
            else:
                self.names |= made.reads | made.writes
        self.names |= self._touched(functions)
        self._collections = _collections()

    def look(self) -> set[str]:
        """Before a save: names that may have been touched since the last one; what may be from now on stays noted."""
        if gc.get_freeze_count():
            return {*self.namespace}  # who refers to what is frozen cannot be asked for
        now = self._touched(self._all_functions())
        before, self.names = self.names, now
        return before | now

    def _touched(self, functions: list[Any]) -> set[str]:
        bound = _Bound(lambda: map(id, itertools.chain(self.namespace.values(), self.shown())))
        found: set[str] = set()
        for f, n in zip(functions, held(functions)):
            if type(f) is types.FrameType:
                code = of_code(f.f_code)
                found |= code.reads | code.writes
            elif not (n == 1 and self.namespace.get(f.__name__) is f) and n > bound.times(f) or not GIL:
                code = of_code(f.__code__)
                found |= code.reads | code.writes
        large = [n for n in self.values.large if n in self.namespace]
        for name, n in zip(large, held([self.namespace[n] for n in large])):
            if n > 1 and n > bound.times(self.namespace[name]) + self._variables_beside(name):
                found.add(name)
        return found

    def _variables_beside(self, name: str) -> int:
        """How many references to the value of ``name`` other variables surely have in something of theirs."""
        value, links, numpy = self.namespace[name], self.values.links, sys.modules.get("numpy")
        holders = {o for o in links.holders(name, id(value)) if self.namespace.get(o) is not value}
        count = links.apart(holders, name)
        if numpy is not None and type(value) is numpy.ndarray and value.base is None:
            others: list[Any] = [self.namespace.get(o) for o in links.overlapping(name) - holders]
            views = {id(o) for o in others if type(o) is numpy.ndarray and o.base is value}
            # what has its memory otherwise may share what it has of it
            count += len(views) or any(o is not value for o in others)
        return count

    def _all_functions(self) -> list[Any]:
        started = perf_counter()
        found = _session_functions(self.namespace, gc.get_referrers(self.namespace))
        self._scan_seconds = perf_counter() - started
        return found


class _Bound:
    """How often each value is a variable's or an output's own; counted when it is asked for first."""

    def __init__(self, ids: Callable[[], Iterable[int]]) -> None:
        self._ids = ids
        self._counts: Counter[int] | None = None

    def times(self, value: Any) -> int:
        """How often this one."""
        if self._counts is None:
            self._counts = Counter(self._ids())
        return self._counts[id(value)]


def _session_functions(namespace: dict[str, Any], *among: Iterable[Any]) -> list[Any]:
    """Each once, or the list would hold some of them twice; and the frames of what stands half-way through one."""
    found: dict[int, Any] = {}
    for objects in map(list, among):
        functions = itertools.compress(objects, map(is_, map(type, objects), itertools.repeat(types.FunctionType)))
        found.update((id(f), f) for f in functions if f.__globals__ is namespace)
        if sys.version_info < (3, 11):  # a generator does not hold the function that it is of
            frames = itertools.compress(objects, map(is_, map(type, objects), itertools.repeat(types.FrameType)))
            found.update((id(f), f) for f in frames if f.f_globals is namespace and f.f_code.co_flags & _HALTS)
    return [*found.values()]


def _collections() -> int:
    """How often objects have become old."""
    return sum(generation["collections"] for generation in gc.get_stats()[_MOVING:])

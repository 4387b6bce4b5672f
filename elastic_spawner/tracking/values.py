"""What is known of each name's value: the last walk of it, whether that saw everything, a number for its version."""

from __future__ import annotations

import types
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter
from typing import Any

from ..objects.kinds import ATOMIC
from ..objects.retry import while_it_changes
from ..objects.walk import OverBudget, Walk, Walker
from .links import LARGE, Links

NODES_PER_SECOND = 8e6
"""Objects that a walk with a deadline may meet for each second that it has: of the simplest it takes so many."""
_FEW = 200
SMALL_NODES = 1000
SMALL_BYTES = 1 << 20
"""Values up to this size are walked again whenever it matters, whatever is known of them: it costs nothing."""


@dataclass
class NameState:
    """What is known of a name's value since its last walk."""

    key: int
    """id() of the value. A store in the code shows that a value was replaced, so a reused id does not deceive."""
    walk: Walk | None
    """None when the value was too large to be walked."""
    atomic: bool = False
    base: Walk | None = None
    """The last walk of this very object that saw everything; without ids when there are many."""
    version: int = 0
    """Another number whenever the content may be another one."""
    sharing: int = 0
    """Another number whenever the content, or which objects make it up, may be others."""
    base_version: tuple[int, int] = (0, 0)
    """(version, sharing) at the time of ``base``."""
    suspects: list[tuple[int, int]] = field(default_factory=list)
    """(cell, writer before it) for each cell since ``base`` that counts as having changed the value unproven."""

    needs: float = 0.0
    """Seconds that a walk of this very object surely takes, by what was done of one that was given up."""
    unchanged: bool = False
    """The last walk saw everything, and the same as ``base`` before it."""

    @property
    def known(self) -> bool:
        """Whether everything was seen when the value was touched last."""
        return self.walk is not None and self.walk.complete

    @property
    def nodes(self) -> int:
        """Objects that were met in it, each as often as it was referred to."""
        return 0 if self.walk is None else self.walk.nodes

    @property
    def small(self) -> bool:
        """Whether it can be walked again at no cost."""
        return self.walk is None or (self.walk.nodes <= SMALL_NODES and self.walk.bytes <= SMALL_BYTES)


class Values:
    """The states of all names of a namespace, and what links them."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.states: dict[str, NameState] = {}
        self.links = Links()
        self.large: set[str] = set()
        """Names whose values are not walked again for nothing."""
        self._unknown: set[str] = set()
        self._versions = count(1)

    def look(self, name: str, value: Any, deadline: float | None) -> NameState:
        """Walk a value and remember what was found; without a deadline however large it is."""
        walk, atomic, started = None, type(value) in ATOMIC, perf_counter()
        before = self.states.get(name)
        needs = before.needs if before is not None and before.key == id(value) else 0.0
        if atomic:
            walk = Walker(deadline=deadline).walk([value])
        elif deadline is None or not needs or deadline - started > needs:
            walker = None

            def read() -> Walk:
                nonlocal walker
                walker = self.walker(name, deadline)
                return walker.walk([value])

            try:
                walk = while_it_changes(read)
                atomic = issubclass(type(value), types.ModuleType)
            except OverBudget:
                needs = max(2 * (perf_counter() - started), walker.needs() if walker is not None else 0.0)
            except Exception:
                # the value goes on changing under us (a thread), or its class raises when it is looked at
                pass
        state = self.found(name, value, walk, atomic)
        state.needs = needs
        return state

    def walker(self, name: str, deadline: float | None) -> Walker:
        """A walker for the name's value: with a deadline it stops at other large values, and at its budget."""
        if deadline is None:
            return Walker(namespace=self.namespace)
        boundary = {self.states[n].key: n for n in self._unknown if n != name and n in self.states}
        nodes = round(NODES_PER_SECOND * max(0.0, min(deadline - perf_counter(), 1.0)))
        return Walker(namespace=self.namespace, boundary=boundary, budget_nodes=max(_FEW, nodes), deadline=deadline)

    def found(self, name: str, value: Any, walk: Walk | None, atomic: bool = False) -> NameState:
        """Take down what a walk of the name's value found; None when it saw nothing."""
        before = self.states.get(name)
        state = NameState(id(value), walk, atomic)
        if before is not None and before.key == state.key:
            state.base, state.base_version = before.base, before.base_version
            state.suspects = before.suspects
        self._number(state)
        self.states[name] = state
        (self._unknown.add if walk is None else self._unknown.discard)(name)
        (self.large.discard if atomic or walk is not None and state.small else self.large.add)(name)
        self.links.update(name, walk)
        return state

    def _number(self, state: NameState) -> None:
        walk, base = state.walk, state.base
        fresh = next(self._versions)
        if walk is None or not walk.complete:
            state.version = state.sharing = fresh
            return
        same = base is not None and base.same(walk) and not walk.hides
        state.unchanged = same
        state.version = state.base_version[0] if same else fresh
        state.sharing = state.base_version[1] if same and base is not None and base.identity == walk.identity else fresh
        state.base, state.base_version = walk, (state.version, state.sharing)

    def versions(self, groups: Iterable[set[str]], names: Collection[str]) -> dict[str, int]:
        """A number for each of ``names`` in ``groups`` that stays while the value, and what it shares, surely stays."""
        return {
            name: state.version if len(group) == 1 else state.sharing
            for group in groups
            for name in group
            if name in names and (state := self.states[name]).known and not self.hides(state)
        }

    @staticmethod
    def hides(state: NameState) -> bool:
        """Whether the value may change unseen, or its content is not known."""
        return state.walk is None or state.walk.hides

    def forget(self, name: str) -> None:
        """The name is gone."""
        self.states.pop(name, None)
        self._unknown.discard(name)
        self.large.discard(name)
        self.links.forget(name)

    def slim(self) -> None:
        """Let go of the ids of large values: they would weigh more than what they describe."""
        for name, state in self.states.items():
            if state.walk is not None and len(state.walk.ids) > LARGE:
                state.walk.ids, state.walk.thin = set(), True  # only the digest is still needed
                self._unknown.add(name)

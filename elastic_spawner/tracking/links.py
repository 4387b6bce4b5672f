"""Which names share an object or memory, kept up to date from walk to walk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..objects.walk import Walk

if TYPE_CHECKING:
    from .values import NameState


LARGE = 20_000


class Links:
    """An index from object ids and memory ranges to the names that reach them."""

    def __init__(self) -> None:
        self._owners: dict[int, set[str]] = {}
        self._ids: dict[str, set[int]] = {}
        self._ranges: dict[str, list[tuple[int, int]]] = {}
        self._maybe: dict[str, set[str]] = {}
        self._shared: dict[str, set[str]] = {}
        """What large values were found to share; their ids are not kept."""
        self._large: dict[str, set[int]] = {}

    def update(self, name: str, walk: Walk | None) -> None:
        """Replace what is known of ``name``; None when nothing is (any longer)."""
        for key in self._ids.pop(name, ()):
            owners = self._owners.get(key)
            if owners is not None:
                owners.discard(name)
                if not owners:
                    del self._owners[key]
        self._ranges.pop(name, None)
        self._large.pop(name, None)
        if walk is None:
            return
        if len(walk.ids) > LARGE:
            self._part(self._shared, name)
            self._large[name] = walk.ids  # an index of millions of ids would weigh more than what it describes
        else:
            self._ids[name] = walk.ids
            for key in walk.ids:
                self._owners.setdefault(key, set()).add(name)
        if walk.ranges:
            self._ranges[name] = walk.ranges
        if walk.links:
            self.maybe(name, walk.links)

    def maybe(self, name: str, others: Iterable[str]) -> None:
        """Note that ``name`` may share something with each of ``others``."""
        self._join(self._maybe, name, others)

    def forget(self, name: str) -> None:
        """The name is gone; what may have shared something with it may share that among each other."""
        self.update(name, None)
        self._part(self._shared, name)
        self.clear(name)

    def clear(self, name: str) -> None:
        """``name`` shares nothing now of what it may have shared; others may share that among each other."""
        left = sorted(self._part(self._maybe, name))
        for position, other in enumerate(left):
            self.maybe(other, left[position + 1 :])

    def suspected(self, name: str) -> bool:
        """Whether ``name`` may share something, and nobody knows."""
        return name in self._maybe

    @staticmethod
    def _join(table: dict[str, set[str]], name: str, others: Iterable[str]) -> None:
        for other in others:
            table.setdefault(name, set()).add(other)
            table.setdefault(other, set()).add(name)

    @staticmethod
    def _part(table: dict[str, set[str]], name: str) -> set[str]:
        others = table.pop(name, set())
        for other in others:
            theirs = table.get(other, set())
            theirs.discard(name)
            if not theirs:
                table.pop(other, None)
        return others

    def neighbours(self, name: str) -> set[str]:
        """Names that share, or may share, something with ``name``."""
        found = {*self._maybe.get(name, ()), *self._shared.get(name, ())}
        for key in self._ids.get(name, ()):
            owners = self._owners[key]
            if len(owners) > 1:
                found |= owners
        found |= self.overlapping(name)
        found.discard(name)
        return found

    def holders(self, name: str, key: int) -> set[str]:
        """Other names that surely reach the object of this id, which is the value of ``name``."""
        return self._owners.get(key, set()) - {name}

    def apart(self, holders: Iterable[str], name: str) -> int:
        """How many of the holders of the value of ``name`` surely share nothing by which they could hold it in common.

        It is the fewest references that all of them have to the value.
        """
        inside, met, count = self._ids.get(name, set()), set[int](), 0
        for holder in holders:
            own = self._ids[holder] - inside
            count += own.isdisjoint(met)
            met |= own
        return count

    def overlapping(self, name: str) -> set[str]:
        """Other names whose memory overlaps that of ``name``."""
        mine = self._ranges.get(name, ())
        others = self._ranges.items() if mine else ()
        return {o for o, theirs in others if o != name and any(a < d and c < b for a, b in mine for c, d in theirs)}

    def closure(self, names: Iterable[str]) -> set[str]:
        """``names`` and all that hang together with them."""
        found = set(names)
        pending = list(found)
        while pending:
            new = self.neighbours(pending.pop()) - found
            found |= new
            pending += new
        return found

    def components(self, names: Iterable[str]) -> list[set[str]]:
        """``names`` grouped by what hangs together."""
        left = set(names)
        groups = []
        while left:
            group = self.closure([next(iter(left))]) & left
            left -= group
            groups.append(group)
        return groups

    def resolve(self, states: Mapping[str, NameState]) -> None:
        """Forget the suspicions about names that have been walked in full since; keep what large ones really share."""
        indexed = self._ids.keys() | self._large.keys()
        known = {n for n, s in states.items() if n in indexed and s.walk is not None and not s.walk.links}
        for name, others in list(self._maybe.items()):
            left = {o for o in others if not (o in known and name in known)}
            if left:
                self._maybe[name] = left
            else:
                del self._maybe[name]
        large = list(self._large.items())
        self._large.clear()
        for position, (name, ids) in enumerate(large):
            shared = self._owners.keys() & ids if len(self._owners) < len(ids) else ids & self._owners.keys()
            self._join(self._shared, name, {o for key in shared for o in self._owners[key]} - {name})
            self._join(self._shared, name, (o for o, theirs in large[position + 1 :] if not ids.isdisjoint(theirs)))

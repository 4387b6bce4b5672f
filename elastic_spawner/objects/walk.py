"""What an object reaches, and a digest of its structure and values, in one pass over the object graph.

The walk goes breadth first and takes all objects of one type in a level together, so that plain data is handled by C
loops: a list of a million tuples costs three passes of C code instead of a million calls. It sees what a pickler would
reach and, for the user's own classes, also what their ``__reduce__`` might leave out. It alters nothing and keeps
nothing alive.

The digest is equal for equal graphs in another process too (sets are taken in a canonical order, sharing is numbered in
order of the first visit), so that it serves for change detection as well as for checking what was restored.
"""

from __future__ import annotations

import gc
import sys
import types
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice, repeat
from time import perf_counter
from typing import Any

from . import handlers
from .digest import Digest, blocks_of_strings
from .grouping import by_kind
from .held import HELD_ONCE, shared_among
from .kinds import (
    ATOMIC,
    answers_for_pickling,
    has_default_reduce,
    importable,
    is_immutable,
    is_replaced,
    is_steady,
    is_user_class,
)
from .landmarks import landmarks
from .live import is_channel
from .made import nobody_elses

_FEW = 200
_SMALL = 1 << 16
_BLOCK = 1 << 21
_PIECE = 1024
"""Objects that are taken together. The digest depends on it."""
_COSTLY_PIECE = 64
"""The same for objects that take more than a microsecond each."""
_LARGE = 20_000
_TRIAL = 0.001
"""Seconds of a walk after which something can be said of how long it will take."""


@contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile: with millions of new objects it would come again and again, and find nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class OverBudget(Exception):
    """The object is larger than the walk was allowed to see."""


@dataclass
class Walk:
    """What one walk found."""

    digest: str = ""
    ids: set[int] = field(default_factory=set)
    """Ids of the objects that others may share with this one. Valid only while the walked objects live unchanged."""
    thin: bool = False
    """Whoever keeps this has let go of the ``ids``."""
    ranges: list[tuple[int, int]] = field(default_factory=list)
    """Memory (first byte, byte after the last) of array buffers that may be shared."""
    private: set[int] = field(default_factory=set)
    """Ids of arrays whose memory is shared only as an optimisation (pandas' copy-on-write)."""
    buffers: set[int] = field(default_factory=set)
    """Ids of the bytearrays and arrays of the array module: their memory may be that of numpy's arrays."""
    links: set[str] = field(default_factory=set)
    """Boundary names that were met (see `Walker`)."""
    nodes: int = 0
    bytes: int = 0
    """Roughly the bytes that storing it takes."""
    opaque: dict[str, int] = field(default_factory=dict)
    """Types whose content is unknown: they neither pickle by any way we know nor can be compared."""
    custom: set[str] = field(default_factory=set)
    """The user's own classes that decide themselves how they pickle, and so have to be tried."""
    outward: set[str] = field(default_factory=set)
    """Types of files and connections met through which the outside can be acted on, visibly in the digest."""
    channels: set[str] = field(default_factory=set)
    """Types of objects met that talk to somebody else, with no state to compare."""
    progress: str = ""
    """How far connections have come, where a new one would start from the beginning: not part of the digest."""
    leads_back: bool = False
    """What was walked from is met again in it."""
    uncertain: bool = False
    """The digest may differ for equal graphs in another process."""
    reaches_namespace: bool = False
    hides: bool = False
    """Holds objects whose content cannot be compared: after any use they count as changed."""
    finalizes: bool = False
    """Holds objects whose class has a ``__del__``: to drop a copy of them acts on whatever it acts on."""
    partial: bool = False
    """Large buffers were left out for want of time: what is shared is known, whether it changed is not."""
    steady: bool = True
    """Only code that reaches the value through the session's variables can change it (see `kinds.is_steady`)."""
    instances: bool = False
    """Holds instances of the user's classes."""
    functions: bool = False
    """Functions were met."""
    attributes: dict[int, set[int]] = field(default_factory=dict)
    """By the id of a class, the ids of those ``__dict__`` of its instances that others hold too, or that are
    no dict."""
    modules: set[str] = field(default_factory=set)
    """First names of the modules that made what was met; ``__main__`` is the session itself."""
    compiled: bool = False
    """Code was met, which each version of Python compiles into something else."""
    identity: int = 0
    """Which objects that others may hold were met, and where: the same digest and the same identity mean the same
    sharing."""

    landmarks: set[int] = field(default_factory=set)
    """Ids of what modules own (see `landmarks`)."""

    @property
    def complete(self) -> bool:
        """Whether the walk saw everything."""
        return not (self.partial or self.links)

    def same(self, other: Walk) -> bool:
        """Whether both walks saw the same state."""
        return self.digest == other.digest and self.progress == other.progress and not (self.partial or other.partial)


_IMMUTABLE = frozenset({tuple, frozenset, range, slice, types.CodeType, types.BuiltinFunctionType, types.ModuleType})


class Walker:
    """One walk. ``boundary`` maps ids of large objects to names: they are noted in ``links`` and not entered.

    ``budget_nodes`` bounds the walk (OverBudget is raised). After ``deadline`` (of time.perf_counter) a walk that has
    met more than a few objects is given up too, and the content of large buffers is left out (``Walk.partial``). None
    means no bound. ``ordering`` says that the walk is for putting the elements of a set in order.
    """

    def __init__(
        self,
        *,
        namespace: dict[str, Any] | None = None,
        boundary: dict[int, str] | None = None,
        budget_nodes: int | None = None,
        deadline: float | None = None,
        ordering: bool = False,
    ) -> None:
        self.found = Walk()
        self.hash = Digest()
        self.namespace = namespace
        self.boundary = boundary or {}
        self.budget_nodes = budget_nodes if budget_nodes is not None else sys.maxsize
        self.deadline = deadline
        self.ordering = ordering
        self.landmarks = landmarks()
        self.keys: dict[int, str] = {}
        """What orders the elements of sets, by their ids."""
        self.children: list[Any] = []
        self.private = self.found.private
        self.transient: set[int] = set()
        """Ids that link nothing: of what was made for the walk (others will get them), or is a library's own."""
        self.done = 0
        """How many objects were taken apart."""
        self._started = perf_counter()
        self._number: dict[int, int] = {}
        self.count = 0
        """Objects that were met, each once."""
        self._keep: list[Any] = []
        self._next: list[Iterator[Any]] = []
        self._classes: list[type] = []
        """The user's classes that were met: behind the rest of their level, so that pieces are of one kind."""
        self._class_number: dict[type, int] = {}
        self._later: list[Iterable[Any]] = []

    def walk(self, roots: Sequence[Any]) -> Walk:
        """Walk from ``roots``; raises OverBudget."""
        with collector_paused():
            for _ in self.steps(roots):
                pass
        return self.found

    def steps(self, roots: Sequence[Any]) -> Iterator[None]:
        """Walk from ``roots`` in steps of a millisecond or so; at the end `found` is complete. Raises OverBudget.

        In between nothing that is walked may change. Until it is closed, it holds references to what it has met.
        """
        self.children = list(roots)
        self._keep.append(list(roots))  # beside the walk more than one holds them
        while self.children or self._next or self._classes:
            parts = [*self._next, _drained(self.children), iter(self._classes)]
            self.found.nodes += len(self.children) + len(self._classes)
            self._next, self.children, self._classes = [], [], []
            frontier = chain.from_iterable(parts)
            while piece := list(islice(frontier, _PIECE)):
                if self.found.nodes > self.budget_nodes or (self.found.nodes > _FEW and self._is_hopeless()):
                    raise OverBudget
                self.done += len(piece)
                yield from self._piece(piece)
        self.found.digest = self.hash.text()
        self.found.ids -= self.transient
        self.found.ids -= self.private

    def needs(self) -> float:
        """Seconds that the whole walk takes at least, as far as is known when it is given up, or about to be."""
        spent = perf_counter() - self._started
        return spent * max(1.0, (self.found.nodes + len(self.children)) / max(self.done, 1))

    def _is_hopeless(self) -> bool:
        """Whether the deadline has passed, or will surely pass before the end: no use to go on until it does."""
        if self.deadline is None:
            return False
        now = perf_counter()
        return now > self.deadline or (now - self._started > _TRIAL and self._started + self.needs() > self.deadline)

    # -- what handlers call

    def push(self, objects: Iterable[Any], count: int = 0) -> None:
        """Walk these in the next level; ``count`` where they are known to be many."""
        if count <= _LARGE:
            self.children.extend(objects)
            return
        # one after the other when their time has come, rather than copied at once
        self.found.nodes += len(self.children) + count
        self._next += [_drained(self.children), iter(objects)]
        self.children = []

    def expect(self, count: int) -> None:
        """Say how many objects are about to be pushed; raises OverBudget before they are, when they are too many."""
        if self.found.nodes + len(self.children) + count > self.budget_nodes:
            raise OverBudget

    def hold(self, objects: list[Any]) -> list[Any]:
        """Tell that these were met without being held by what refers to them (weak references)."""
        self._keep.append(list(objects))
        return objects

    def keep(self, made: Any) -> Any:
        """Hold an object that was made for the walk until its end, so that its id is nobody else's."""
        self._keep.append(made)
        self.transient.add(id(made))
        return made

    def keep_parts(self, made: tuple[Any, ...], owner: Any) -> None:
        """Hold a tuple that the ``owner`` made for the walk, and tell which of the objects in it were made with it."""
        self._keep.append(made)
        self.transient |= nobody_elses(made, owner if id(owner) in self.transient else None)

    def late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and perf_counter() > self.deadline

    def note_held(self, containers: list[Any]) -> None:
        """Note which of these are held by more than the object that they were got from."""
        counts = list(map(sys.getrefcount, containers))
        if max(counts, default=0) > HELD_ONCE:
            self.found.leads_back = self.found.leads_back or any(self._number.get(id(c)) == 0 for c in containers)
            self.found.ids.update(id(c) for c, n in zip(containers, counts) if n > HELD_ONCE)

    def own_attributes(self, cls: type, attributes_of: list[Any], first: int) -> list[Any]:
        """Those of the ``__dict__`` of instances of ``cls`` that are to be taken apart here, as each has its own.

        The others were met before, or are more than a dictionary and walked as what they are. ``first`` is the number
        of the first instance.
        """
        counts = list(map(sys.getrefcount, attributes_of))
        if max(counts, default=0) <= HELD_ONCE and set(map(type, attributes_of)) <= {dict}:
            return attributes_of
        number, references = self._number, array("q", [-1]) * len(attributes_of)
        noted = [(i, d) for i, (d, n) in enumerate(zip(attributes_of, counts)) if n > HELD_ONCE or type(d) is not dict]
        self._keep.append(noted)
        for position, attributes in noted:
            if type(attributes) is not dict:
                references[position] = sys.maxsize
                self.children.append(attributes)
                continue
            own = -2 - first - position  # as good as any that nothing else has, and the same wherever it is walked
            known = number.setdefault(id(attributes), own)
            if known != own:
                references[position] = known
        ids = [id(d) for _, d in noted]
        self.found.ids.update(ids)
        self.found.attributes.setdefault(id(cls), set()).update(ids)
        self.found.identity = hash((self.found.identity, *ids))
        if max(references) == min(references) == -1:
            return list(attributes_of)
        self.hash.update(references.tobytes())
        return [d for d, known in zip(attributes_of, references) if known == -1]

    def feed(self, buffer: Any) -> None:
        """Hash a contiguous buffer, as far as the deadline allows: a large one after the others of its piece."""
        view = memoryview(buffer).cast("B")
        self.found.bytes += view.nbytes
        if view.nbytes <= _SMALL:
            self.hash.update(view)
        else:
            self.feed_later([view])

    def feed_later(self, blocks: Iterable[Any]) -> None:
        """Hash these buffers, already accounted for, one by one when the present piece has been taken apart."""
        self._later.append(blocks)

    def _feed(self) -> Iterator[None]:
        waiting, self._later = self._later, []
        for block in chain.from_iterable(waiting):
            view = memoryview(block).cast("B")
            for start in range(0, view.nbytes or 1, _BLOCK):  # an empty one is only a pause
                if self.found.partial or self.late():
                    self.found.partial = True
                    return
                self.hash.update(view[start : start + _BLOCK])
                yield

    def spend(self, nbytes: int) -> None:
        """Account for bytes that storing the object takes."""
        self.found.bytes += nbytes

    def opaque(self, obj: Any) -> None:
        """Note an object whose content nobody can tell; what it refers to is still linked with it."""
        name = f"{type(obj).__module__}.{type(obj).__qualname__}"
        self.found.hides = self.found.uncertain = True
        if is_channel(obj):
            self.found.channels.add(name)
        self.found.opaque[name] = self.found.opaque.get(name, 0) + 1
        for referent in gc.get_referents(obj):
            if isinstance(referent, (type, types.ModuleType, types.FrameType, types.CodeType)):
                continue
            if type(referent) is dict and "__builtins__" in referent:
                continue  # the globals of some module: reached by name, not by reference
            self.children.append(referent)

    # -- the walk itself

    def _piece(self, piece: list[Any]) -> Iterator[None]:
        kinds = list(map(type, piece))
        if len(set(kinds)) == 1:
            groups = {kinds[0]: piece}
        else:
            marks, groups = by_kind(piece, kinds)
            self.hash.update(marks)
        for kind, members in groups.items():
            if kind in ATOMIC:
                self._atoms(kind, members)
            elif len(members) > _COSTLY_PIECE and self._handler(kind) in handlers.COSTLY:
                while some := members[:_COSTLY_PIECE]:
                    del members[:_COSTLY_PIECE]
                    self._group(kind, some)
                    yield from self._feed()
                    yield
            else:
                self._group(kind, members)
            if self._later:
                yield from self._feed()
        yield

    def _atoms(self, cls: type, members: list[Any]) -> None:
        if cls is not str and cls is not bytes:
            self.spend(5 * len(members))
            self.hash.atoms(members)
            return
        total = sum(map(len, members))
        self.spend(total + 2 * len(members))
        if total <= _SMALL:
            self.hash.strings(members)
            return
        self.feed_later(blocks_of_strings(members))

    def _group(self, cls: type, members: list[Any]) -> None:
        self.spend(8 * len(members))
        self.found.steady = self.found.steady and is_steady(cls)
        self.found.modules.add(cls.__module__.partition(".")[0])
        if is_user_class(cls):
            self.found.instances = True
            self.found.finalizes = self.found.finalizes or hasattr(cls, "__del__")
            if cls not in self._class_number:
                self._class_number[cls] = len(self._class_number)
                self._classes.append(cls)
            self.hash.update(b"c%d" % self._class_number[cls])
        else:
            self.hash.text_of(handlers.label(cls))
            if is_replaced(cls):
                self.children.append(cls)
        members = self._fresh(cls, members)
        if members:
            self._handler(cls)(self, members)

    def _fresh(self, cls: type, members: list[Any]) -> list[Any]:
        """Number the members that are met for the first time and return them; note the others as references back."""
        shared = shared_among(cls, members)
        if not shared and not issubclass(cls, (type, types.FunctionType)):
            # no variable's, no module's, and met this once
            self.count += len(members)
            self.hash.update(b"n%d" % len(members))
            return members
        ids = list(map(id, members))
        known = self.boundary.keys() & ids if self.boundary else set()
        self.found.links.update(self.boundary[i] for i in known)
        for i in ids if not self.landmarks.keys().isdisjoint(ids) else ():
            if i in self.landmarks and i not in self.boundary:
                self.hash.text_of("{}.{}".format(*self.landmarks[i]))
                self.found.landmarks.add(i)
                known.add(i)
        if known:
            members = [o for o, i in zip(members, ids) if i not in known]
            ids = list(map(id, members))
            shared = shared_among(cls, members)
        own = [(i, ids[i]) for i in shared if ids[i] not in self.transient]
        if cls is types.FunctionType:
            self.found.functions = True
        first = self.count
        if shared:
            fresh = self._numbered(members, ids, shared)
        else:
            self.count += len(members)
            self.hash.update(b"n%d" % len(members))
            fresh = members
        if issubclass(cls, (type, types.FunctionType)):
            # what a module can be asked for is nobody's own: naming it links nothing
            self.found.ids.update(id(o) for o in fresh if not importable(o) and o.__module__ != "builtins")
        elif cls is tuple:
            # it cannot change, but what it holds can, and may be held by nothing else
            self.found.ids.update(ids[i] for i in shared if not ATOMIC.issuperset(map(type, members[i])))
        elif cls not in _IMMUTABLE and not is_immutable(cls):
            self.found.ids.update(ids[i] for i in shared)
            self.found.identity = hash((self.found.identity, first, *own))
        return fresh

    def _numbered(self, members: list[Any], ids: list[int], shared: list[int]) -> list[Any]:
        """Number the members in the order of the first visit; returns those that are met for the first time."""
        number, first = self._number, self.count
        keys = [ids[i] for i in shared]
        self._keep.append([members[i] for i in shared])
        if len(set(keys)) == len(keys) and number.keys().isdisjoint(keys):
            number.update(zip(keys, map(first.__add__, shared)))
            self.count += len(members)
            self.hash.update(b"n%d" % len(ids))
            return members
        references = array("q", [-1]) * len(members)
        gone: set[int] = set()
        for position in shared:
            known = number.get(ids[position])
            if known is None:
                number[ids[position]] = first + position - len(gone)
            else:
                references[position] = known
                gone.add(position)
                self.found.leads_back = self.found.leads_back or known == 0
        self.count += len(members) - len(gone)
        self.hash.update(references.tobytes())
        return [o for i, o in enumerate(members) if i not in gone]

    def _handler(self, cls: type) -> Callable[[Walker, list[Any]], None]:
        handler = handlers.EXACT.get(cls)
        if handler is not None:
            return handler
        for test, handler in handlers.BY_TEST:
            if test(cls):
                return handler
        if is_user_class(cls):
            return handlers.user_instances
        # pandas' arrays remember among their attributes what they were asked for, which `reduce` leaves out
        if (has_default_reduce(cls) and not cls.__module__.startswith("pandas.")) or answers_for_pickling(cls):
            return handlers.plain_instances
        return handlers.reduced_instances


def _drained(objects: list[Any]) -> Iterator[Any]:
    """The objects, each of which the list lets go of."""
    objects.reverse()
    return map(list.pop, repeat(objects, len(objects)))


def walk(obj: Any, **options: Any) -> Walk:
    """Walk one object with a new `Walker`."""
    return Walker(**options).walk([obj])


def digest(obj: Any, namespace: dict[str, Any] | None = None) -> str:
    """The digest of one object's graph."""
    return Walker(namespace=namespace).walk([obj]).digest

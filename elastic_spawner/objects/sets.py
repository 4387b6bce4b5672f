"""Sets, in an order that depends neither on the process's hash seed nor on where the elements lie."""

from __future__ import annotations

import heapq
import marshal
from collections.abc import Collection, Iterator
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

from .arrays import is_numpy_scalar
from .digest import Digest
from .kinds import ATOMIC

if TYPE_CHECKING:
    from .walk import Walker

_KEY_NODES = 200
_LARGE = 20_000
_RUN = 4096
_COST = 4
"""Elements take so many times as long as objects in a list: they have to be put in order."""
_ORDERLY = frozenset({int, str})
"""Elements that are all of one of these types are put in order as they are."""
_ORDERED = 1000
"""More objects than this are not put in order: each of them has to be walked for that."""

# values whose repr says all there is to them
_BY_REPR = frozenset({"decimal", "fractions", "uuid", "pathlib", "ipaddress"})


class _NotPlain(Exception):
    """The value is not made of atoms alone."""


def sets(walker: Walker, members: list[Any]) -> None:
    """set, frozenset: plain elements by value, then the others in the order of what they reach."""
    for s in members:
        walker.hash.update(b"s%d" % len(s))
        kinds = set(map(type, s))
        if kinds <= ATOMIC and type(NotImplemented) not in kinds:
            walker.expect(_COST * len(s))
            orderly = len(kinds) == 1 and kinds <= _ORDERLY
            if len(s) > _LARGE:
                walker.feed_later(_merged(walker, s, orderly))
            elif orderly:
                ordered = sorted(s)
                _plain_elements(walker, [_block(ordered[i : i + _RUN]) for i in range(0, len(s), _RUN)])
            else:
                _plain_elements(walker, sorted(map(marshal.dumps, s, repeat(2))))
            continue
        known: dict[int, bytes] = {}
        plain, others = [], []
        for e in s:
            try:
                plain.append(_plain(e, known))
            except (_NotPlain, RecursionError):
                others.append(e)
        plain.sort()
        _plain_elements(walker, plain)
        if others:
            _other_elements(walker, others)


def _plain_elements(walker: Walker, ordered: list[bytes]) -> None:
    """Elements that nobody can change: nothing is linked through them."""
    walker.spend(sum(map(len, ordered)))
    for e in ordered:
        walker.hash.update(e)


def _block(elements: list[Any]) -> bytes:
    """What elements of one type add to the digest, in their order."""
    return marshal.dumps(elements, 2)


def _merged(walker: Walker, elements: Collection[Any], orderly: bool) -> Iterator[bytes]:
    """The elements in order, as sorted() would give them, with pauses in between."""
    runs = []
    source = iter(elements)
    while some := list(islice(source, _RUN)):
        runs.append(sorted(some if orderly else map(marshal.dumps, some, repeat(2)), reverse=True))
        yield b""
    ordered = heapq.merge(*map(_drained, runs))
    while some := list(islice(ordered, _RUN)):
        block = _block(some) if orderly else b"".join(some)
        walker.spend(len(block))
        yield block


def _drained(run: list[Any]) -> Iterator[Any]:
    """The elements from the last to the first; none is left to be freed all at once."""
    while run:
        yield run.pop()


def _other_elements(walker: Walker, elements: Collection[Any]) -> None:
    """Elements that are objects of their own."""
    from .walk import OverBudget

    if walker.ordering:
        # the elements' own sets may hold who asks: their size has to do
        walker.hash.update(b"o%d" % len(elements))
        return
    walker.expect(len(elements))
    if len(elements) > _ORDERED:
        walker.found.uncertain = True
        walker.push(elements)
        return
    keys = []
    for position, e in enumerate(elements):
        if walker.late() and position > 50:
            raise OverBudget
        keys.append(_key(walker, e))
    if len(set(keys)) < len(keys):
        walker.found.uncertain = True
    walker.push([e for _, _, e in sorted(zip(keys, range(len(keys)), elements))])


def _key(walker: Walker, element: Any) -> str:
    """A digest of what the element reaches at first."""
    from .walk import OverBudget, Walker

    known = walker.keys.get(id(element))
    if known is not None:
        return known
    inner = Walker(namespace=walker.namespace, budget_nodes=_KEY_NODES, ordering=True)
    try:
        inner.walk([element])
    except OverBudget:
        pass
    key = walker.keys[id(element)] = inner.hash.text()
    return key


def _plain(value: Any, known: dict[int, bytes]) -> bytes:
    """Bytes of a value, the same in every process. Raises _NotPlain, or RecursionError when it is nested too deeply."""
    cls = type(value)
    if cls in ATOMIC:
        return b"NotImplemented" if value is NotImplemented else marshal.dumps(value, 2)
    if cls is not tuple and cls is not frozenset:
        if is_numpy_scalar(cls) and not value.dtype.hasobject:
            return _tagged(f"{value.dtype.str}:{value.tobytes().hex()}")
        if cls.__module__.partition(".")[0] in _BY_REPR or _is_plain_time(cls, value):
            return _tagged(f"{cls.__module__}.{value!r}")
        raise _NotPlain
    found = known.get(id(value))
    if found is None:
        parts = [_plain(e, known) for e in value]
        if cls is frozenset:
            parts.sort()
        together = Digest()
        together.atoms([cls is frozenset, *parts])
        found = known[id(value)] = _tagged(together.text())
    return found


def _is_plain_time(cls: type, value: Any) -> bool:
    if cls.__module__ != "datetime":
        return False
    zone = getattr(value, "tzinfo", None)
    return zone is None or type(zone).__module__ in ("datetime", "zoneinfo")


def _tagged(text: str) -> bytes:
    """Apart from all that marshal writes."""
    return b"*%d:" % len(text) + text.encode()

"""Whether a value is closed: nothing but one name leads to it, or to anything in it that can change.

As the garbage collector finds what is unreachable: the references from inside are counted, and where an object has
more of them than that, somebody outside holds it.
"""

from __future__ import annotations

import collections
import gc
import sys
import types
import weakref
from time import perf_counter
from typing import Any

from .kinds import ATOMIC, is_immutable, is_steady, is_user_class

_BUILTIN = frozenset(
    {
        list, tuple, dict, set, frozenset, collections.deque, collections.OrderedDict, collections.defaultdict,
        collections.Counter,
    }
)  # fmt: skip
"""Types that tell the collector of every reference they hold."""
_BASES = _BUILTIN | {object}
GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether counts of references tell anything."""
_BLOCK = 4096


def _counts(objects: list[Any]) -> list[int]:
    return list(map(sys.getrefcount, objects))


_LISTED = _counts([object()])[0]
"""What `_counts` says of an object that only its list holds; measured, as interpreters differ in it."""


def held(objects: list[Any]) -> list[int]:
    """How many references there are to each of the objects beside the list's."""
    return [n - _LISTED for n in _counts(objects)]


def is_sealed(namespace: dict[str, Any], name: str, deadline: float) -> bool:
    """Whether code reaches the name's value, and all in it that can change, through that name alone.

    False also when that cannot be told: for types that may hide references, beside weak references, and after the
    ``deadline`` (of time.perf_counter). The caller holds no reference to the value. Source: subtract_refs in
    CPython's gc.c.
    """
    if not GIL:
        return False  # the counts do not tell
    found: list[Any] = [namespace[name]]
    inside: collections.Counter[int] = collections.Counter({id(found[0]): 1})
    seen = {id(found[0])}
    followed = 0
    kinds: dict[type, bool] = {}
    if type(found[0]) not in _BUILTIN and not _is_followed(type(found[0]), kinds):
        return False
    while followed < len(found):
        if perf_counter() > deadline:
            return False
        block = found[followed : followed + _BLOCK]
        followed += len(block)
        referents = [r for r in gc.get_referents(*block) if type(r) not in ATOMIC]
        del block
        inside.update(map(id, referents))
        new = {id(r): r for r in referents}
        del referents
        for key in new.keys() - seen:
            seen.add(key)
            value = new[key]
            cls = type(value)
            if cls is tuple or cls is frozenset:
                if ATOMIC.issuperset(map(type, value)):
                    continue  # one that the compiler made once for all
            elif isinstance(value, type):
                if is_user_class(value):
                    return False
                continue
            elif is_immutable(cls):
                continue
            elif cls is types.BuiltinFunctionType:
                if value.__self__ is None or type(value.__self__) is types.ModuleType:
                    continue
            elif not _is_followed(cls, kinds):
                return False
            found.append(value)
        value = None
        del new
    if any(type(o).__weakrefoffset__ and weakref.getweakrefcount(o) for o in found):
        return False
    return all(n == _LISTED + inside[id(o)] for o, n in zip(found, _counts(found)))


def _is_followed(cls: type, kinds: dict[type, bool]) -> bool:
    """Whether the instances tell of every reference they hold, and nobody but their holders changes them."""
    known = kinds.get(cls)
    if known is None:
        known = kinds[cls] = cls in _BUILTIN or (
            is_steady(cls) and not is_user_class(cls) and all(b in _BASES or _is_python(b) for b in cls.__mro__)
        )
    return known


def _is_python(cls: type) -> bool:
    """Whether a ``class`` statement made it: extensions may keep references that the collector is not told of."""
    return any(type(v) in (types.FunctionType, classmethod, property) for v in vars(cls).values())

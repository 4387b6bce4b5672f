"""Large containers of many objects of one kind, serialised by columns: a list of records as the list of their numbers
and the list of their names.

Taken apart one by one, a million small objects take a pickler seconds, and longer to make again. What is folded here
must be reached through its container alone, because the pickler does not see it and cannot tell that it was met
before; the interpreter's counts of references say so. Everything else, and what the columns end in, is the pickler's
as ever.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any

from ..objects.handlers import common_keys
from ..objects.held import are_held_once, shared_among
from ..objects.kinds import ATOMIC, has_default_reduce, slot_names
from ..objects.walk import Walk
from . import rebuild

LEAST = 1000
"""Containers of fewer objects are not folded."""
_DEEP = 6
_ROWS = frozenset({list, tuple})
_WIDE = 64
_HEAP_TYPE = 1 << 9

Folded = Any
"""A plain list of objects, or a tuple that `rebuild.unfold` makes such a list of."""


class Columns:
    """Stands for a list in the stream, or for a dictionary with these keys."""

    def __init__(self, keys: list[Any] | None, objects: Folded) -> None:
        self.keys, self.objects = keys, objects

    def __reduce__(self) -> Any:
        return rebuild.folded, (self.keys, self.objects)


def fold(values: Mapping[str, Any], walks: Sequence[Walk], is_usual: Callable[[type], bool]) -> dict[str, Any]:
    """The values of a component, those that can be in columns as such.

    ``is_usual`` tells of a user's class whether its instances are pickled by their attributes and nothing else. Nothing
    may run beside it.
    """
    found = dict(values)
    for position, (name, value) in enumerate(values.items()):
        if type(value) not in (list, dict) or len(value) < LEAST or not _is_met_once(position, value, walks):
            continue
        if sum(v is value for v in values.values()) > 1:
            continue
        keys = list(value) if type(value) is dict else None
        objects = _fold(list(value.values() if type(value) is dict else value), is_usual, _DEEP)
        if type(objects) is tuple and ATOMIC.issuperset(map(type, keys or ())):
            found[name] = Columns(keys, objects)
    return found


def _is_met_once(position: int, value: Any, walks: Sequence[Walk]) -> bool:
    """Whether nothing in the component leads to the value but its own name."""
    own = walks[position]
    others = [w for i, w in enumerate(walks) if i != position]
    if not all(w.complete for w in walks) or own.leads_back:
        return False
    return not any(w.thin or id(value) in w.ids for w in others)


def _fold(members: list[Any], is_usual: Callable[[type], bool], depth: int) -> Folded:
    """The objects by columns; as they are when they cannot be."""
    cls = type(members[0]) if members else None
    if cls is None or cls in ATOMIC or not depth or len(set(map(type, members))) > 1:
        return members
    if shared_among(cls, members):
        return members
    if cls in _ROWS:
        if not _are_of_one_length(members):
            return members
        columns = [_fold(list(map(itemgetter(i), members)), is_usual, depth - 1) for i in range(len(members[0]))]
        return cls.__name__, len(members), None, columns
    if cls is dict:
        dicts, what = members, None
    elif _is_made_of_attributes(cls) and is_usual(cls):
        dicts, what = list(map(object.__getattribute__, members, repeat("__dict__"))), cls
        if set(map(type, dicts)) != {dict} or not are_held_once(dicts):
            return members
    else:
        return members
    keys = common_keys(dicts) if _are_of_one_length(dicts) else None
    if keys is None:
        return members
    columns = [_fold(list(map(dict.__getitem__, dicts, repeat(key))), is_usual, depth - 1) for key in keys]
    return "dict" if what is None else "instances", len(members), (what, keys), columns


def _are_of_one_length(members: list[Any]) -> bool:
    lengths = array("q", map(len, members))
    return 0 < lengths[0] <= _WIDE and lengths.count(lengths[0]) == len(lengths)


def _is_made_of_attributes(cls: type) -> bool:
    """Whether unpickling an instance means to make an empty one and to set its attributes."""
    return (
        type(cls) is type
        and vars(object)["__new__"] is cls.__new__
        and cls.__dictoffset__ != 0
        and all(base is object or base.__flags__ & _HEAP_TYPE for base in cls.__mro__)
        and has_default_reduce(cls)
        and not hasattr(cls, "__setstate__")
        and not hasattr(cls, "__del__")
        and not list(slot_names(cls))
    )


__all__ = ["Columns", "fold"]

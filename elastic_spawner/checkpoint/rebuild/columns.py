"""Making containers of many objects again from columns (see `checkpoint.columns`)."""

from __future__ import annotations

import sys
from collections import deque
from itertools import repeat
from typing import Any

_BLOCK = 1024
"""So many instances are made at a time: what was just made is still at hand to be given its attributes."""


def folded(keys: list[Any] | None, objects: Any) -> Any:
    """A list, or a dictionary with these keys."""
    return unfold(objects) if keys is None else dict(zip(keys, unfold(objects)))


def unfold(objects: Any) -> list[Any]:
    """The objects of one column."""
    if type(objects) is list:
        return objects
    kind, count, what, columns = objects
    columns = [unfold(column) for column in columns]
    if kind == "tuple":
        return list(zip(*columns))
    if kind == "list":
        return list(map(list, zip(*columns)))
    cls, keys = what
    if kind == "dict":
        return [dict(zip(keys, row)) for row in zip(*columns)]
    if kind != "instances":
        raise ValueError(f"columns of {kind!r} are not known here")
    keys = tuple(map(sys.intern, keys))
    put = setattr if cls.__setattr__ is vars(object)["__setattr__"] else object.__setattr__
    hidden = {k for k in keys if any(_answers_for_setting(vars(base).get(k)) for base in cls.__mro__)}
    made: list[Any] = []
    for start in range(0, count, _BLOCK):
        some = list(map(object.__new__, repeat(cls, min(_BLOCK, count - start))))
        for key, column in zip(keys, columns):
            values = column[start : start + _BLOCK]
            if key in hidden:  # past a property of that name
                deque((one.__dict__.__setitem__(key, value) for one, value in zip(some, values)), 0)  # noqa: B023
            else:
                deque(map(put, some, repeat(key), values), 0)
        made += some
    return made


def _answers_for_setting(member: Any) -> bool:
    """Whether a member of a class, as a property does, takes what is set under its name."""
    return hasattr(type(member), "__set__") or hasattr(type(member), "__delete__")

"""Making containers of many objects again from columns (see `checkpoint.columns`)."""

from __future__ import annotations

import sys
from collections import deque
from itertools import repeat
from typing import Any


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
    made = list(map(object.__new__, repeat(cls, count)))
    for key, column in zip(map(sys.intern, keys), columns):
        if any(hasattr(type(vars(base).get(key)), "__set__") for base in cls.__mro__):
            for one, value in zip(made, column):  # past a property of that name
                one.__dict__[key] = value
        else:
            deque(map(object.__setattr__, made, repeat(key), column), 0)
    return made

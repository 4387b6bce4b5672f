"""What a library made only to hand it out, and nobody else has: it links nothing, and is another one the next time."""

from __future__ import annotations

import gc
import sys
from typing import Any

_FEW = 200


def _alone() -> int:
    """What sys.getrefcount says of an object that only a container holds; measured, as interpreters differ in it."""
    for part in [object()]:
        return sys.getrefcount(part)
    raise AssertionError


_ALONE = _alone()


def nobody_elses(made: tuple[Any, ...], owner: Any = None) -> set[int]:
    """The ids of the objects in ``made`` that nothing else holds; ``owner``, which nobody else has either, may."""
    found: set[int] = set()
    inside = {} if owner is None else _own(owner)
    pending: list[Any] = [made]
    while pending:
        container = pending.pop()
        for part in container.values() if type(container) is dict else container:
            held = inside[id(part)] = inside.get(id(part), 0) + 1
            if sys.getrefcount(part) < _ALONE + held:
                found.add(id(part))
                if type(part) in (list, tuple, dict) and len(part) <= _FEW:
                    pending.append(part)
    return found


def _own(owner: Any) -> dict[int, int]:
    """How often the object itself holds each of its parts, by their ids."""
    counts: dict[int, int] = {}
    for part in gc.get_referents(owner):
        if type(part) is dict and sys.getrefcount(part) == _ALONE + 1:  # its attributes, which only it has
            for value in gc.get_referents(part):
                counts[id(value)] = counts.get(id(value), 0) + 1
        else:
            counts[id(part)] = counts.get(id(part), 0) + 1
    return counts

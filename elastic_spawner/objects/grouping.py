"""Sorting objects by their types at C speed."""

from __future__ import annotations

from array import array
from itertools import compress
from typing import Any

_FEW = 8
_MANY = 256
_IS = [bytes(n == i for n in range(_MANY)) for i in range(_FEW)]
"""To tell with `bytes.translate` where the i-th kind is."""


def by_kind(piece: list[Any], kinds: list[type]) -> tuple[bytes, dict[type, list[Any]]]:
    """The objects of a ``piece`` by their ``kinds``, in their order, and bytes that say which was of which.

    The piece is empty afterwards: nothing but the groups holds the objects.
    """
    order = {kind: i for i, kind in enumerate(dict.fromkeys(kinds))}
    groups: dict[type, list[Any]]
    if len(order) > _MANY:
        marks = array("I", map(order.__getitem__, kinds)).tobytes()
        groups = _one_by_one(piece, kinds, order)
    else:
        marks = bytes(map(order.__getitem__, kinds))
        starts = [*map(marks.find, range(len(order))), len(marks)]
        if all(marks.count(i) == starts[i + 1] - starts[i] for i in range(len(order))):  # one after the other
            groups = {kind: piece[starts[i] : starts[i + 1]] for kind, i in order.items()}
        elif len(order) <= _FEW:
            groups = {kind: list(compress(piece, marks.translate(_IS[i]))) for kind, i in order.items()}
        else:
            groups = _one_by_one(piece, kinds, order)
    piece.clear()
    return marks, groups


def _one_by_one(piece: list[Any], kinds: list[type], order: dict[type, int]) -> dict[type, list[Any]]:
    groups: dict[type, list[Any]] = {kind: [] for kind in order}
    for kind, obj in zip(kinds, piece):
        groups[kind].append(obj)
    return groups

"""How far the iterators of itertools have come. From Python 3.14 on they do not tell when they are pickled.

The collector shows the objects that one holds; the numbers beside them are read from its memory, and only where all the
pointers in it are to these objects: then it is laid out as it is known here.
"""

from __future__ import annotations

import gc
import itertools
import math
from collections.abc import Callable
from typing import Any

_HEAD = 2
"""Words that every object begins with: its references counted, and its type."""
_END = object()

# the words of each; pointers to objects begin with a star, to other memory with an ampersand
_LAYOUTS = {
    "accumulate": ("*total", "*it", "*function", "*initial", "&"),
    "batched": ("*it", "size", "strict"),
    "chain": ("*source", "*active"),
    "combinations": ("*pool", "&indices", "*result", "length", "stopped"),
    "combinations_with_replacement": ("*pool", "&indices", "*result", "length", "stopped"),
    "compress": ("*data", "*selectors"),
    "count": ("number", "*next", "*step"),
    "cycle": ("*it", "*saved", "index"),
    "dropwhile": ("*function", "*it", "passing"),
    "filterfalse": ("*function", "*it"),
    "islice": ("*it", "next", "stop", "step", "done"),
    "pairwise": ("*it", "*old", "*result"),
    "permutations": ("*pool", "&indices", "&cycles", "*result", "length", "stopped"),
    "product": ("*pools", "&indices", "*result", "stopped"),
    "repeat": ("*element", "times"),
    "starmap": ("*function", "*it"),
    "takewhile": ("*function", "*it", "stopped"),
}  # fmt: skip
ALIKE = frozenset({itertools.count, itertools.repeat})
"""Those that consist of the same parts when they are made again; the others only go on as they would have."""


def is_silent(cls: type) -> bool:
    """Whether the class is of itertools, and its instances do not tell how far they have come."""
    return cls.__module__ == "itertools" and "__reduce__" not in vars(cls)


def parts(iterator: Any) -> tuple[Any, ...] | None:
    """What `checkpoint.rebuild.iterator` makes a silent iterator again from; None where that cannot be told."""
    name = type(iterator).__name__
    held = _fields(iterator, _LAYOUTS[name]) if name in _LAYOUTS else None
    return None if held is None else _PARTS[name](held)


def _fields(iterator: Any, layout: tuple[str, ...]) -> dict[str, Any] | None:
    """The words of the object by their names, in place of pointers the objects, `_END` for a null pointer."""
    import ctypes

    size = ctypes.sizeof(ctypes.c_ssize_t)
    cls = type(iterator)
    if object.__basicsize__ != _HEAD * size or cls.__basicsize__ != (_HEAD + len(layout)) * size:
        return None
    words = (ctypes.c_ssize_t * len(layout)).from_address(id(iterator) + _HEAD * size)[:]
    known = {id(r): r for r in gc.get_referents(iterator)}
    found: dict[str, Any] = {}
    for name, word in zip(layout, words):
        if name[0] == "*":
            if word and word not in known:
                return None
            found[name[1:]] = known[word] if word else _END
        else:
            found[name] = word
    if found.get("&indices"):
        several = found["pools"] if "pools" in found else found["pool"]
        count = found["length"] if cls.__name__.startswith("comb") else len(several)
        found["indices"] = (ctypes.c_ssize_t * count).from_address(found["&indices"])[:]
    return found


def _count(f: dict[str, Any]) -> tuple[Any, ...]:
    return (f["number"] if f["next"] is _END else f["next"], f["step"])


def _islice(f: dict[str, Any]) -> tuple[Any, ...]:
    if f["it"] is _END:
        return ()
    left = None if f["stop"] < 0 else max(f["stop"] - f["done"], 0)
    return f["it"], max(f["next"] - f["done"], 0), left, f["step"]


def _cycle(f: dict[str, Any]) -> tuple[Any, ...]:
    if f["it"] is not _END:
        return list(f["saved"]), f["it"]
    return [], f["saved"][f["index"] :] + f["saved"][: f["index"]]


def _all(*names: str) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """The objects of these names; none of them once one is gone, because the end was reached."""

    def taken(f: dict[str, Any]) -> tuple[Any, ...]:
        values = tuple(f[n] for n in names)
        return () if f.get("stopped") or any(v is _END for v in values) else values

    return taken


def _or_end(*names: str) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """The objects of these names, as many as there are from the first on."""
    return lambda f: tuple(itertools.takewhile(lambda v: v is not _END, (f[n] for n in names)))


def _accumulate(f: dict[str, Any]) -> tuple[Any, ...]:
    begun = () if f["total"] is _END else (f["total"],)
    initial = None if f["initial"] is _END else f["initial"]
    return f["it"], None if f["function"] is _END else f["function"], initial, begun


def _ranked(rank: Callable[[list[int], Any, int], int]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """The pools, the length, and how many were handed out: their own order says that of the last."""

    def taken(f: dict[str, Any]) -> tuple[Any, ...]:
        pool, length = f.get("pools", f.get("pool")), f.get("length", 0)
        if f["stopped"] & 0xFFFFFFFF:
            return ()
        return pool, length, 0 if f["result"] is _END else rank(f["indices"], pool, length) + 1

    return taken


def _product(indices: list[int], pools: Any, _length: int) -> int:
    found = 0
    for index, pool in zip(indices, pools):
        found = found * len(pool) + index
    return found


def _permutation(indices: list[int], pool: Any, length: int) -> int:
    smaller = [sum(other < index for other in indices[at + 1 :]) for at, index in enumerate(indices[:length])]
    return sum(n * math.perm(len(pool) - at - 1, length - at - 1) for at, n in enumerate(smaller))


def _combination(indices: list[int], pool: Any, length: int, size: int | None = None) -> int:
    size, first, found = len(pool) if size is None else size, 0, 0
    for at, index in enumerate(indices):
        found += sum(math.comb(size - skipped - 1, length - at - 1) for skipped in range(first, index))
        first = index + 1
    return found


def _with_replacement(indices: list[int], pool: Any, length: int) -> int:
    return _combination([i + at for at, i in enumerate(indices)], pool, length, len(pool) + length - 1)


_PARTS: dict[str, Callable[[dict[str, Any]], tuple[Any, ...]]] = {
    "accumulate": _accumulate,
    "batched": lambda f: () if f["it"] is _END else (f["it"], f["size"], bool(f["strict"] & 0xFF)),
    "chain": _or_end("source", "active"),
    "combinations": _ranked(_combination),
    "combinations_with_replacement": _ranked(_with_replacement),
    "compress": _all("data", "selectors"),
    "count": _count,
    "cycle": _cycle,
    "dropwhile": lambda f: (f["function"], f["it"], bool(f["passing"])),
    "filterfalse": _all("function", "it"),
    "islice": _islice,
    "pairwise": _or_end("it", "old"),
    "permutations": _ranked(_permutation),
    "product": _ranked(_product),
    "repeat": lambda f: (f["element"], None if f["times"] < 0 else f["times"]),
    "starmap": _all("function", "it"),
    "takewhile": _all("function", "it"),
}

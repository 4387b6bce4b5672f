"""From the values that a cell names to all the code that it may run through them, and so to all names it may touch."""

from __future__ import annotations

import collections
import functools
import gc
import types
from collections.abc import Collection, Iterable
from itertools import chain
from typing import Any

from ..objects.grouping import by_kind
from ..objects.kinds import ATOMIC, is_user_class, module_of
from .accesses import Accesses, of_code

_ELEMENTS = 500
_OBJECTS = 5000
_TOGETHER = 50_000
_LISTED = (list, tuple, collections.deque)
_SIZED = frozenset({list, tuple, set, frozenset, dict})


def reachable_accesses(
    roots: list[Any], namespace: dict[str, Any], extra: Accesses | None = None, searched: set[int] | None = None
) -> Accesses:
    """Accesses to ``namespace`` by code reachable from ``roots``.

    Names found in functions are looked up in turn until nothing new appears. Code of installed libraries is not
    followed: it cannot name the session's variables, and what it is handed is reachable by itself. ``searched``
    collects the ids of large containers that were searched; those in it are passed over.
    """
    searched = set() if searched is None else searched
    found = Accesses()
    if extra is not None:
        found.add(extra)
    seen: set[int] = set()
    names_done: set[str] = set()
    pending = list(roots)
    keep: list[Any] = []
    budget = _OBJECTS
    while True:
        while pending and budget > 0:
            fresh = _fresh(pending, seen)
            found.unsure = found.unsure or len(fresh) > budget
            del fresh[budget:]
            budget -= len(fresh)
            keep.append(list(fresh))
            pending = []
            for cls, members in by_kind(fresh, list(map(type, fresh)))[1].items():
                parts = [members] if cls in _SIZED else [[member] for member in members]
                for part in parts:
                    try:
                        pending += (_held if cls in _SIZED else _inside)(part, namespace, searched, found)
                    except Exception:
                        found.escapes = True  # its class raises when it is looked at: what it runs cannot be known
        new = found.reads - names_done
        names_done |= new
        pending += [namespace[n] for n in new if n in namespace]
        if not pending or budget <= 0:
            found.unsure = found.unsure or bool(pending)
            return found


def _fresh(values: list[Any], seen: set[int]) -> list[Any]:
    """Those of the values that may lead to code and were not met before."""
    values = [v for v in values if type(v) not in ATOMIC]
    fresh = [v for i, v in dict(zip(map(id, values), values)).items() if i not in seen]
    seen.update(map(id, fresh))
    return [v for v in fresh if not issubclass(type(v), types.ModuleType)]


def _held(containers: list[Any], namespace: dict[str, Any], searched: set[int], found: Accesses) -> list[Any]:
    """What plain containers of one type hold that may carry code."""
    cls = type(containers[0])
    if cls is dict:
        # what the collector does not look after holds neither functions nor instances of anybody's classes
        containers = [d for d in filter(gc.is_tracked, containers) if d is not namespace and "__builtins__" not in d]
    small = [c for c in containers if len(c) <= _ELEMENTS]
    inside = _union(map(dict.values, small) if cls is dict else small, sum(map(len, small)), found)
    for large in [c for c in containers if len(c) > _ELEMENTS] if len(small) < len(containers) else ():
        if id(large) in searched:
            found.unsure = True
            continue
        searched.add(id(large))
        inside += _some(large.values() if cls is dict else large, found)
    return inside


def _union(small: Iterable[Collection[Any]], total: int, found: Accesses) -> list[Any]:
    """The elements of containers, together ``total``, but for those that cannot lead to code where they are many."""
    if total <= _TOGETHER:
        held = list(chain.from_iterable(small))
        return [] if ATOMIC.issuperset(map(type, held)) else held
    some: list[Any] = []
    for values in small:
        if not ATOMIC.issuperset(map(type, values)):
            some += values
        if len(some) > _TOGETHER:
            found.unsure = True
            break
    return some


def _inside(values: list[Any], namespace: dict[str, Any], _searched: set[int], found: Accesses) -> list[Any]:
    """Objects reachable from one value that may carry code; code met is added to ``found``.

    Types are asked for by type(): isinstance() would run the user's ``__class__`` property or ``__getattribute__``.
    """
    (value,) = values
    cls = type(value)
    if cls is types.FunctionType:
        return _function(value, namespace, found)
    if cls is types.MethodType:
        return [value.__func__, value.__self__]
    if issubclass(cls, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if issubclass(cls, type):
        return _class(value)
    if issubclass(cls, (staticmethod, classmethod)):
        return [value.__func__]
    if issubclass(cls, property):
        return [f for f in (value.fget, value.fset, value.fdel) if f is not None]
    if cls is types.CellType:
        try:
            return [value.cell_contents]
        except ValueError:
            return []
    if cls in (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType):
        return _generator(value, namespace, found)
    wrapped = [getattr(value, "__wrapped__", None)] if issubclass(cls, functools._lru_cache_wrapper) else []
    inside = [cls, *_slots(value)] if is_user_class(cls) else wrapped
    if issubclass(cls, dict):
        inside += _some(dict.values(value), found)
    elif issubclass(cls, _LISTED):
        base: Any = next(b for b in _LISTED if issubclass(cls, b))
        inside += _some(list(base.__iter__(value)), found)
    try:
        attributes = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return inside
    return inside + (_some(attributes.values(), found) if isinstance(attributes, dict) else [])


def _slots(value: Any) -> list[Any]:
    """What is in the slots of a user's instance."""
    inside = []
    for cls in type(value).__mro__:
        for member in vars(cls).values() if is_user_class(cls) and "__slots__" in vars(cls) else ():
            if type(member) is types.MemberDescriptorType:
                try:
                    inside.append(member.__get__(value))
                except AttributeError:
                    continue
    return inside


def _function(f: types.FunctionType, namespace: dict[str, Any], found: Accesses) -> list[Any]:
    if f.__globals__ is namespace:
        found.add(of_code(f.__code__))
    elif f.__module__ != "__main__" and module_of(f.__module__) is not None:
        if f.__closure__ is None and not hasattr(f, "__wrapped__"):
            return []
    return [
        *(f.__closure__ or ()),
        *(f.__defaults__ or ()),
        *(f.__kwdefaults__ or {}).values(),
        getattr(f, "__annotate__", None),  # whoever asks for the annotations runs it
        *f.__dict__.values(),
    ]


def _class(cls: type) -> list[Any]:
    return [v for c in cls.__mro__ if is_user_class(c) for v in c.__dict__.values()] + (
        [type(cls)] if is_user_class(type(cls)) else []
    )


def _generator(g: Any, namespace: dict[str, Any], found: Accesses) -> list[Any]:
    prefix = next(p for p in ("gi", "cr", "ag") if hasattr(g, f"{p}_code"))
    found.add(of_code(getattr(g, f"{prefix}_code")))
    frame = getattr(g, f"{prefix}_frame")
    if frame is None or frame.f_locals is namespace:
        return []
    return list(frame.f_locals.values())


def _some(values: Collection[Any], found: Accesses) -> list[Any]:
    """Elements that may carry code: all of a small container; of a large one the functions and one of each type."""
    kinds = set(map(type, values))
    if kinds <= ATOMIC:
        return []
    if len(values) <= _ELEMENTS:
        return [v for v in values if type(v) not in ATOMIC]
    found.unsure = True
    chosen: list[Any] = []
    for kind in kinds - ATOMIC:
        if kind in (types.FunctionType, types.MethodType):
            chosen += [v for v in values if type(v) is kind]
        else:
            chosen.append(next(v for v in values if type(v) is kind))
    return chosen

"""From the values that a cell names to all the code that it may run through them, and so to all names it may touch."""

from __future__ import annotations

import collections
import functools
import types
from collections.abc import Collection
from typing import Any

from ..objects.kinds import ATOMIC, is_user_class, module_of
from .accesses import Accesses, of_code

_ELEMENTS = 500
_OBJECTS = 5000
_LISTED = (list, tuple, collections.deque)
_CONTAINERS = (list, tuple, set, frozenset)
_SIZED = frozenset({*_CONTAINERS, dict})


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
            value = pending.pop()
            cls = type(value)
            if cls in ATOMIC or id(value) in seen or issubclass(cls, types.ModuleType):
                continue
            seen.add(id(value))
            budget -= 1
            keep.append(value)
            if cls in _SIZED and len(value) > _ELEMENTS:
                if id(value) in searched:
                    found.unsure = True
                    continue
                searched.add(id(value))
            try:
                pending += _inside(value, namespace, found)
            except Exception:
                found.escapes = True  # its class raises when it is looked at: what it runs cannot be known
        new = found.reads - names_done
        names_done |= new
        pending += [namespace[n] for n in new if n in namespace]
        if not pending or budget <= 0:
            found.unsure = found.unsure or bool(pending)
            return found


def _inside(value: Any, namespace: dict[str, Any], found: Accesses) -> list[Any]:
    """Objects reachable from ``value`` that may carry code; code met is added to ``found``.

    Types are asked for by type(): isinstance() would run the user's ``__class__`` property or ``__getattribute__``.
    """
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
    if cls is dict:
        return [] if value is namespace or "__builtins__" in value else _some(value.values(), found)
    if cls in _CONTAINERS:
        return _some(value, found)
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

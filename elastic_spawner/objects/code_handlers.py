"""How the walk takes apart code: functions, classes, and what stands half-way through its code."""

from __future__ import annotations

import abc
import enum
import gc
import types
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from . import annotated
from .kinds import ENUM_NOISE, importable, is_user_class
from .live import cache_entries, originals

if TYPE_CHECKING:
    from .walk import Walker

EMPTY_CELL = "<empty cell>"

# what a class gets by itself, or what other machinery caches on it
_CLASS_NOISE = frozenset(
    {
        "__dict__",
        "__weakref__",
        "__module__",
        "__slotnames__",
        "__firstlineno__",
        "__static_attributes__",
        "_abc_impl",
    }
)


def functions(walker: Walker, members: list[Any]) -> None:
    """Python functions: those of modules by name, others by code, defaults, closure and attributes."""
    for f in members:
        walker.hash.text_of(f.__qualname__)
        if importable(f) or originals and originals.get((f.__module__, f.__qualname__)) is f:
            walker.hash.text_of(f.__module__)
            walker.found.modules.add(f.__module__.partition(".")[0])
            continue
        hash_code(walker, f.__code__)
        for text in annotated.described(f):
            walker.hash.text_of(text)
        parts = [f.__defaults__, f.__kwdefaults__, f.__dict__, getattr(f, "__annotate__", None)]
        scope = f.__globals__
        if scope is not walker.namespace and "__name__" not in scope and "__builtins__" in scope:
            # a dictionary of the user's that code was run in
            walker.found.ids.add(id(scope))
            parts += (v for k, v in scope.items() if k != "__builtins__")
        walker.push(walker.keep(parts))
        for held in annotated.closure(f).values() if f.__closure__ else ():
            walker.push(held.values() if type(held) is dict else (held,))


def hash_code(walker: Walker, code: types.CodeType) -> None:
    """What a code object does, without where it came from."""
    walker.found.compiled = True
    shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    names = (*code.co_names, "|", *code.co_varnames, "|", *code.co_freevars, "|", *code.co_cellvars)
    walker.hash.atoms([code.co_name, code.co_code, *shape, *names])
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            hash_code(walker, const)
        elif isinstance(const, frozenset):  # its order depends on the hash seed
            walker.hash.atoms(sorted(map(repr, const)))
        else:
            walker.hash.text_of(repr(const))


def codes(walker: Walker, members: list[Any]) -> None:
    """Code objects on their own."""
    for c in members:
        hash_code(walker, c)


def builtin_functions(walker: Walker, members: list[Any]) -> None:
    """``len`` by name, ``[].append`` by its object too."""
    for f in members:
        walker.hash.text_of(f.__qualname__)
        owner = getattr(f, "__self__", None)
        if owner is not None and not isinstance(owner, types.ModuleType):
            walker.children.append(owner)


def methods(walker: Walker, members: list[Any]) -> None:
    """Bound methods: the function and the object."""
    walker.push(chain.from_iterable((m.__func__, m.__self__) for m in members))


def cells(walker: Walker, members: list[Any]) -> None:
    """Closure cells."""
    for c in members:
        try:
            walker.children.append(c.cell_contents)
        except ValueError:
            walker.hash.text_of(EMPTY_CELL)


def partials(walker: Walker, members: list[Any]) -> None:
    """functools.partial."""
    walker.push(walker.keep([x for p in members for x in (p.func, p.args, p.keywords, p.__dict__)]))


def wrappers(walker: Walker, members: list[Any]) -> None:
    """staticmethod, classmethod."""
    walker.push([w.__func__ for w in members])


def proxies(walker: Walker, members: list[Any]) -> None:
    """types.MappingProxyType: the mapping behind it; of a class's attributes, the class."""
    for p in members:
        own = p.get("__dict__", p.get("__weakref__"))
        if isinstance(own, types.GetSetDescriptorType):
            walker.children.append(own.__objclass__)
        else:
            walker.push(gc.get_referents(p))


def properties(walker: Walker, members: list[Any]) -> None:
    """property."""
    walker.push([f for p in members for f in (p.fget, p.fset, p.fdel, p.__doc__)])


def caches(walker: Walker, members: list[Any]) -> None:
    """functools.lru_cache: the function; what it remembers is state that the collector's view shows."""
    for c in members:
        walker.push([c.__wrapped__, c.__dict__])
        info = c.cache_info()
        walker.hash.atoms([info.maxsize, info.currsize])
        walker.push(walker.keep([[*args, *words, *words.values(), result] for args, words, result in cache_entries(c)]))


def classes(walker: Walker, members: list[Any]) -> None:
    """Classes: those of modules by name, others by bases and attributes."""
    for c in members:
        walker.hash.text_of(c.__qualname__)
        if importable(c) or c.__module__ == "builtins" and not is_user_class(c):
            walker.hash.text_of(c.__module__)
            walker.found.modules.add(c.__module__.partition(".")[0])
            continue
        walker.found.compiled = True
        parts: list[Any] = [type(c), *c.__bases__]
        noise = _CLASS_NOISE
        if isinstance(c, enum.EnumMeta):
            noise = _CLASS_NOISE | ENUM_NOISE | set(c.__members__)
            members_of: dict[str, Any] = dict(c.__members__)
            parts += [(n, m._value_) for n, m in members_of.items()]
        if isinstance(c, abc.ABCMeta):
            registry = abc._get_dump(c)[0]  # type: ignore[attr-defined]
            registered = [r() for r in registry]
            parts += sorted((r for r in registered if r is not None), key=lambda r: r.__qualname__)
            walker.hold(registered)
        for key in sorted(k for k in c.__dict__ if k not in noise):
            value = c.__dict__[key]
            if key in annotated.OF_CLASS and not value:
                continue  # somebody has asked a class that has none
            walker.hash.text_of(key)
            if not isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType)):
                parts.append(value)
        walker.push(walker.keep(parts))


def generators(walker: Walker, members: list[Any]) -> None:
    """A generator or coroutine: where it stands, its local variables, and what it is iterating over."""
    for g in members:
        walker.found.opaque["generator"] = walker.found.opaque.get("generator", 0) + 1
        prefix = next(p for p in ("gi", "cr", "ag") if hasattr(g, f"{p}_code"))
        frame = getattr(g, f"{prefix}_frame")
        hash_code(walker, getattr(g, f"{prefix}_code"))
        if frame is None:
            walker.hash.update(b"finished")
            continue
        walker.hash.atoms([frame.f_lasti])
        local = frame.f_locals
        if local is not walker.namespace:
            names = sorted(local)  # their own order is that in which somebody looked at the frame before 3.13
            walker.push(walker.keep([*names, *map(local.__getitem__, names)]))
        # of `for` and `yield from` only the frame's stack knows
        walker.push([r for r in gc.get_referents(frame) if isinstance(r, Iterator)])

"""Methods that the standard library generates without a source: on another Python version they are generated anew."""

from __future__ import annotations

import collections
import copy
import dataclasses
import sys
import types
import typing
from typing import Any

_MARK = "<elastic stand-in>"
_standing_in: dict[int, types.FunctionType] = {}


def stand_in(name: str, freevars: tuple[str, ...]) -> types.CodeType:
    """Code that stands for one whose source did not come along."""

    def template() -> None:
        raise NotImplementedError

    return template.__code__.replace(co_name=name, co_filename=_MARK, co_freevars=freevars)


def note(f: types.FunctionType) -> None:
    """A function was made; one that only stands in has to be replaced."""
    if f.__code__.co_filename == _MARK:
        _standing_in[id(f)] = f


def forget() -> None:
    """Begin a new stream."""
    _standing_in.clear()


def check() -> None:
    """Raise ValueError when a function that only stands in was not replaced."""
    names = sorted({f.__code__.co_name for f in _standing_in.values()})
    _standing_in.clear()
    if names:
        raise ValueError(f"{', '.join(names)} was compiled by another Python version and came without its source")


def complete(cls: type, state: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a class with the generated methods made anew, where they only stand in."""
    if "__dataclass_params__" in state and hasattr(dataclasses, "_replace"):  # from Python 3.13 on
        state = {**state, "__replace__": dataclasses._replace}
    waiting = {n: v for n, v in state.items() if _stands_in(v)}
    if not waiting:
        return state
    made: dict[str, Any] = {}
    if "__dataclass_params__" in state:
        made = _dataclass(cls, state)
    elif "_fields" in state and issubclass(cls, tuple):
        defaults = state.get("_field_defaults", {})
        fields = state["_fields"]
        values = [defaults[f] for f in fields if f in defaults]
        again: Any = collections.namedtuple(cls.__name__, fields, defaults=values)  # type: ignore[misc]
        made = dict(again.__dict__)
    replaced = {}
    for name, old in waiting.items():
        if name in made:
            replaced[name] = made[name]
            drop(old)
            new = _plain(made[name])
            new.__module__, new.__qualname__ = _plain(old).__module__, f"{cls.__qualname__}.{name}"
    return {**state, **replaced}


def complete_protocol(cls: Any) -> None:
    """Give a protocol what `isinstance` asks for from Python 3.12 on, and an older version has not put there."""
    attributes = getattr(typing, "_get_protocol_attrs", None)
    if attributes is None or sys.version_info < (3, 12) or not cls.__dict__.get("_is_protocol"):
        return
    if "__protocol_attrs__" not in cls.__dict__:
        cls.__protocol_attrs__ = attributes(cls)
        cls.__callable_proto_members_only__ = all(callable(getattr(cls, n, None)) for n in cls.__protocol_attrs__)
    if cls.__dict__.get("_is_runtime_protocol") and "__non_callable_proto_members__" not in cls.__dict__:
        names = cls.__protocol_attrs__
        cls.__non_callable_proto_members__ = {n for n in names if not callable(getattr(cls, n, None))}


def _plain(value: Any) -> Any:
    return value.__func__ if isinstance(value, (classmethod, staticmethod)) else value


def _stands_in(value: Any) -> bool:
    f = _plain(value)
    while isinstance(f, types.FunctionType):
        if id(f) in _standing_in:
            return True
        f = f.__dict__.get("__wrapped__")
    return False


def drop(value: Any) -> None:
    """A function, or what is wrapped in it, is not needed: nothing has to replace it."""
    f = _plain(value)
    while isinstance(f, types.FunctionType):
        _standing_in.pop(id(f), None)
        for cell in f.__closure__ or ():
            if cell != types.CellType() and isinstance(cell.cell_contents, types.FunctionType):
                _standing_in.pop(id(cell.cell_contents), None)
        f = f.__dict__.get("__wrapped__")


def _dataclass(cls: type, state: dict[str, Any]) -> dict[str, Any]:
    """What dataclasses generates for these fields and options, on a class that is thrown away."""
    given = state["__dataclass_params__"]
    options = {n: getattr(given, n) for n in ("init", "repr", "eq", "order", "unsafe_hash", "frozen")}
    fields = [
        (f.name, f.type, _field(f))
        for f in state["__dataclass_fields__"].values()
        if f._field_type is not dataclasses._FIELD_CLASSVAR  # type: ignore[attr-defined]
    ]
    own = {"__post_init__": lambda self: None} if hasattr(cls, "__post_init__") or "__post_init__" in state else {}
    scratch = dataclasses.make_dataclass(cls.__name__, fields, namespace=own, **options)
    for value in scratch.__dict__.values():
        for cell in getattr(_plain(value), "__closure__", None) or ():
            if cell.cell_contents is scratch:
                cell.cell_contents = cls
    return dict(scratch.__dict__)


def _field(f: Any) -> Any:
    again = copy.copy(f)
    again._field_type = again.name = again.type = None
    return again

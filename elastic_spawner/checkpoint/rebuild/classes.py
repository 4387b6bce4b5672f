"""Classes of the session, and their instances past the classes' own code."""

from __future__ import annotations

import abc
from typing import Any

from . import annotated, generated


def skeleton(meta: type, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
    """A class without its attributes, made past the user's own ``__new__`` and ``__init_subclass__``.

    Those ran when the class was made; what they did is in the attributes that follow, or in other variables.
    """
    hushed = []
    for base in dict.fromkeys(b for c in bases for b in c.__mro__):
        hook = base.__dict__.get("__init_subclass__")
        if hook is not None and base.__module__ == "__main__":
            hushed.append((base, hook))
            type.__delattr__(base, "__init_subclass__")
    # bases that only stand for others (typing.Generic[T]) were resolved already
    try:
        made: type = type.__new__(meta, name, bases, dict(body))
    finally:
        for base, hook in hushed:
            type.__setattr__(base, "__init_subclass__", hook)
    return made


def set_class(cls: type, state: dict[str, Any]) -> None:
    """Give a class its attributes."""
    registered = state.pop("__elastic_registered__", ())
    state = generated.complete(cls, annotated.of_class(cls, state))
    for name, value in state.items():
        try:
            type.__setattr__(cls, name, value)
        except (AttributeError, TypeError):
            continue
    generated.complete_protocol(cls)
    if isinstance(cls, abc.ABCMeta):
        abstract = state.get("__abstractmethods__")
        abc._abc_init(cls)  # type: ignore[attr-defined]
        if abstract is not None:
            cls.__abstractmethods__ = abstract
        for subclass in registered:
            abc.ABCMeta.register(cls, subclass)


def set_options(obj: Any, state: dict[str, Any]) -> None:
    """Give what dataclasses keeps of a class or field its attributes: those that this Python version knows."""
    defaults = {"match_args": True, "kw_only": False, "slots": False, "weakref_slot": False, "doc": None}
    for name in type(obj).__slots__:
        if name in state or name in defaults:
            setattr(obj, name, state.get(name, defaults.get(name)))


def enumeration(
    meta: Any, name: str, bases: tuple[type, ...], members: dict[str, Any], module_name: str, qualname: str
) -> Any:
    """An Enum class with its members."""
    body = meta.__prepare__(name, bases)
    for key, value in members.items():
        body[key] = value
    body["__module__"] = module_name
    body["__qualname__"] = qualname
    return meta.__new__(meta, name, bases, body)


_MEMBERS_OWN = frozenset({"_value_", "_name_", "__objclass__", "_sort_order_"})


def set_enumeration(cls: Any, state: tuple[dict[str, Any], dict[str, dict[str, Any]]]) -> None:
    """Give an Enum class its methods, and its members their own attributes."""
    attributes, members = state
    for name, value in annotated.of_class(cls, attributes).items():
        type.__setattr__(cls, name, value)
    for name, values in members.items():
        made = cls.__members__[name].__dict__
        # what the machinery of Enum keeps is None here; another version of Python may not have it
        given = {k: made.pop(k) if k in made else v for k, v in values.items() if k in made or k not in _MEMBERS_OWN}
        given.update(made)
        made.clear()
        made.update(given)


def raw(cls: type, content: Any) -> Any:
    """An instance of a user's class past its own ``__new__``, ``__init__`` and ``__setstate__``."""
    mutables: tuple[Any, ...] = (dict, list, set)
    for mutable in mutables:
        if issubclass(cls, mutable):
            return mutable.__new__(cls)  # its content is part of its state
    bases: tuple[Any, ...] = (tuple, frozenset, str, int, float, bytes)
    for immutable in bases:
        if issubclass(cls, immutable):
            return immutable.__new__(cls, content)
    if issubclass(cls, BaseException):
        return cls.__new__(cls, *content)
    return object.__new__(cls)


def set_raw(obj: Any, state: tuple[Any, ...]) -> None:
    """Give an instance its content, attributes and slots past its own ``__setattr__`` and the like."""
    attributes, slots, *content = state
    if attributes:
        object.__getattribute__(obj, "__dict__").update(attributes)
    for name, value in slots.items():
        object.__setattr__(obj, name, value)
    for held in content:
        if isinstance(obj, list):
            list.extend(obj, held)
        else:
            (dict.update if isinstance(obj, dict) else set.update)(obj, held)


def set_shared(obj: Any, state: tuple[Any, ...]) -> None:
    """As `set_raw`, with the very dictionary that holds the attributes: other objects hold it too."""
    attributes, *rest = state
    try:
        object.__setattr__(obj, "__dict__", attributes)
    except AttributeError:  # its class does not let it be replaced
        object.__getattribute__(obj, "__dict__").update(attributes)
    set_raw(obj, (None, *rest))

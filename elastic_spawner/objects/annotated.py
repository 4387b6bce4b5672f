"""Annotations that Python 3.14 and later evaluate when they are asked for, looked at without asking.

Asking would run the user's code, which may fail as yet (``def f(x: DefinedLater)``), and its result stays with the
function. What has them evaluated is a function of its own, ``__annotate__``.
"""

from __future__ import annotations

import gc
import types
from collections.abc import Iterator
from typing import Any

from .kinds import ATOMIC

NAME = "__annotate__"
"""What the compiler calls the functions that evaluate annotations."""
BODY = "__classdict__"
"""The variable by which an annotation in a class knows the whole body of the class."""

OF_CLASS = ("__annotate_func__", "__annotations_cache__")
"""Where a class has what makes its annotations, and those that were asked for. Both are empty or missing by turns."""


def evaluated(f: Any) -> dict[str, Any] | None:
    """A function's annotations; None where nobody has asked for them yet."""
    if getattr(f, "__annotate__", None) is None:
        had: dict[str, Any] = f.__annotations__
        return had
    others = (f.__globals__, f.__builtins__, f.__kwdefaults__, f.__dict__)
    return next((r for r in gc.get_referents(f) if type(r) is dict and all(r is not o for o in others)), None)


def described(f: types.FunctionType) -> list[str]:
    """A function's annotations, as far as names tell: what they refer to is no part of the function.

    None of those that ``__annotate__`` makes: whether somebody has asked for them is no change.
    """
    if getattr(f, "__annotate__", None) is not None:
        return []
    return [_text(part) for item in dict.items(f.__annotations__) for part in item]


def _text(annotation: Any) -> str:
    """The same in every process; none of the user's code runs for it."""
    cls = type(annotation)
    if cls in ATOMIC:
        return repr(annotation)
    if issubclass(cls, type):
        names = [type.__getattribute__(annotation, name) for name in ("__module__", "__qualname__")]
        return ".".join(name for name in names if type(name) is str)
    found = f"{cls.__module__}.{cls.__qualname__}"
    if cls.__module__ != "typing" and cls not in (types.GenericAlias, types.UnionType):
        return found
    known = [getattr(annotation, name, None) for name in ("__name__", "__forward_arg__", "__origin__")]
    parts = [_text(part) for part in (*known, *getattr(annotation, "__args__", ()))]
    # typing has one object for all that are equal, and so whichever order came first
    return f"{found}[{', '.join(sorted(parts) if 'Union' in cls.__qualname__ else parts)}]"


def closure(f: types.FunctionType) -> dict[str, Any]:
    """The cells of a function's closure by their names; in place of that of a class body what it may ask for of that.

    The rest of that namespace is nobody's any more: the class has a copy of its own.
    """
    found: dict[str, Any] = dict(zip(f.__code__.co_freevars, f.__closure__ or ()))
    body = found[BODY].cell_contents if BODY in found else None
    if isinstance(body, dict):
        asked = sorted(set(_names(f.__code__)))
        found[BODY] = {n: dict.__getitem__(body, n) for n in asked if dict.__contains__(body, n)}
    return found


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from _names(const)

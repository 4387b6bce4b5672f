"""Modules, code, functions, and what hangs on them."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import linecache
import marshal
import sys
import types
import typing
from typing import Any

from ...objects.annotated import NAME
from .. import sources
from . import annotated, generated


def namespace() -> dict[str, Any]:
    """The live namespace of the session: what the globals of the user's functions are."""
    return vars(sys.modules["__main__"])


def shell() -> Any:
    """The IPython shell of this process."""
    from IPython.core.getipython import get_ipython

    return get_ipython()


def module(name: str) -> types.ModuleType:
    """A module by its name."""
    if name == "__main__":
        return sys.modules["__main__"]
    return importlib.import_module(name)


def attribute(module_name: str, name: str) -> Any:
    """An object that its module keeps under a name."""
    found: Any = module(module_name)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def code(
    data: bytes,
    magic: bytes,
    name: str,
    line: int,
    filename: str,
    source: str | None,
    place: tuple[Any, ...] | None = None,
    module_name: str | None = None,
    freevars: tuple[str, ...] | None = None,
    flags: int = 0,
) -> types.CodeType:
    """A code object: the compiled one, or on another Python version the one compiled anew from the source.

    Without a source it is one that only stands for it: `generated` must replace it, or `check_code` raises.
    """
    if source is not None and filename not in linecache.cache:
        # so that tracebacks and inspect.getsource show it as before
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    if magic == importlib.util.MAGIC_NUMBER:
        made: types.CodeType = marshal.loads(data)
        return made
    if name == NAME and source is not None and not annotated.LAZY:
        return annotated.texts(source, line, freevars or ())
    where = None if place is None else sources.Place(*place)
    if module_name is not None and where is not None:
        found = sources.find_in_module(module_name, where, freevars or ())
        if found is not None:
            return found
    if source is None:
        return generated.stand_in(name, freevars or ())
    made = sources.find(source, name, line, where, flags, filename)
    if freevars is not None and made.co_freevars != freevars:
        raise ValueError(f"{name} refers to other variables when it is compiled by this Python version")
    return made


def cell() -> types.CellType:
    """An empty closure cell."""
    return types.CellType()


def set_cell(target: types.CellType, state: tuple[Any, ...]) -> None:
    """Fill a closure cell; ``state`` is empty for one that was never assigned."""
    if state:
        target.cell_contents = state[0]


def function(code_: types.CodeType, globals_: dict[str, Any], name: str, closure: tuple[Any, ...] | None) -> Any:
    """A function without its attributes."""
    if globals_ is not namespace():
        globals_.setdefault("__builtins__", __builtins__)
    made = types.FunctionType(code_, globals_, name, None, closure)
    generated.note(made)
    return made


def set_function(f: Any, state: dict[str, Any]) -> None:
    """Give a function its attributes."""
    attributes = state.pop("__dict__", None)
    if attributes:
        f.__dict__.update(attributes)
    annotate, known = state.pop("__annotate__", None), state.pop("__annotations__", None)
    for name, value in state.items():
        try:
            setattr(f, name, value)
        except (AttributeError, TypeError):  # of another Python version
            continue
    annotated.set_of_function(f, annotate, known)


class Replay:
    """Answers calls with what they gave before, to fill a cache; then passes them on."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.answers: list[Any] | None = []

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        if self.answers is None:
            return self.function(*args, **keywords)
        return self.answers.pop()


def cached(maxsize: int | None, typed: bool, f: Any) -> Any:
    """A functools.lru_cache around ``f``, to be filled by `set_cached`."""
    return functools.lru_cache(maxsize, typed)(Replay(f))


def set_cached(wrapper: Any, state: tuple[dict[str, Any], list[tuple[Any, dict[str, Any], Any]]]) -> None:
    """Give a cache its attributes and what it remembers."""
    attributes, entries = state
    replay = wrapper.__wrapped__
    for args, keywords, result in entries:
        replay.answers.append(result)
        wrapper(*args, **keywords)
    replay.answers = None
    wrapper.__dict__.update(attributes)


def type_variable(
    name: str, constraints: Any, bound: Any, covariant: bool, contravariant: bool, module_name: str
) -> Any:
    """typing.TypeVar."""
    made = typing.TypeVar(name, *constraints, bound=bound, covariant=covariant, contravariant=contravariant)  # type: ignore[misc]
    made.__module__ = module_name
    return made


def new_type(name: str, supertype: Any, module_name: str) -> Any:
    """typing.NewType."""
    made = typing.NewType(name, supertype)  # type: ignore[misc]
    made.__module__ = module_name
    return made

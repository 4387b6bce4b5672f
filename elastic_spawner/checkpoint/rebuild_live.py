"""Making live objects again, for `reduce_live`. The functions' names are part of the checkpoint format."""

from __future__ import annotations

import importlib
import os
import sys
import types
from typing import Any

from ..objects.live import kernel_streams, originals

notes: list[str] = []
"""What the user has to be told about what was made; whoever loads takes them out."""


def sqlite(
    path: str, image: Any, isolation_level: Any, row_factory: Any, text_factory: Any, in_transaction: bool = False
) -> Any:
    """A sqlite3 connection: to the same file, or to a database in memory with the same content.

    A transaction that was open is over: what it changed is there, and cannot be rolled back. Raises OSError when the
    file is gone: connecting would make an empty one.
    """
    import sqlite3

    if path:
        if not os.path.exists(path):
            raise FileNotFoundError(f"the database {path} is gone")
        made = sqlite3.connect(path)
    else:
        made = sqlite3.connect(":memory:")
        if isinstance(image, str):
            made.executescript(image)
        elif image is not None:
            made.deserialize(bytes(image))  # type: ignore[attr-defined]  # from 3.11; a dump is text before that
    made.isolation_level = isolation_level
    made.row_factory = row_factory
    made.text_factory = text_factory
    if in_transaction:
        notes.append("a database in memory has what its open transaction changed, which can no longer be rolled back")
    return made


def context_variable(name: str, default: tuple[Any, ...], value: tuple[Any, ...]) -> Any:
    """A context variable, with its default and its value in the session's context, each as a tuple of one or none."""
    import contextvars

    made: Any = contextvars.ContextVar(name, default=default[0]) if default else contextvars.ContextVar(name)
    if value:
        made.set(value[0])
    return made


def stream(name: str) -> Any:
    """The kernel's own ``stdout`` or ``stderr``, whatever ``sys`` has under that name by now."""
    return kernel_streams[name]


def original(module: str, name: str) -> Any:
    """What a module had under a name before the session put something else there."""
    if (module, name) in originals:
        return originals[module, name]
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def dynamic_module(name: str) -> Any:
    """A module that no file stands behind, still empty."""
    return types.ModuleType(name)


def set_dynamic_module(made: Any, state: tuple[dict[str, Any], list[str]]) -> None:
    """Give it its attributes, and the names under which ``sys.modules`` has it."""
    attributes, names = state
    vars(made).clear()
    vars(made).update(attributes)
    for name in names:
        sys.modules[name] = made


def finalizer(parts: tuple[Any, ...] | None, at_exit: bool) -> Any:
    """A weakref.finalize that waits for the end of an object, or one that has run (``parts`` None)."""
    import weakref

    if parts is None:
        return weakref.finalize(lambda: None, int)  # what it waits for is gone at once
    watched, function, args, keywords = parts
    made = weakref.finalize(watched, function, *args, **(keywords or {}))
    made.atexit = at_exit
    return made


def finished(code: types.CodeType) -> Any:
    """A generator or coroutine of this code that has come to its end."""
    cells = tuple(types.CellType() for _ in code.co_freevars)
    function = types.FunctionType(code, {}, closure=cells)
    parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    keywords = dict.fromkeys(parameters[code.co_argcount :])
    made = function(*parameters[: code.co_argcount], **keywords)
    made.close()
    return made


def set_figure(figure: Any, parts: tuple[dict[str, Any], int | None, list[int]]) -> None:
    """Give a figure of matplotlib its state, and its number in pyplot if it had one."""
    state, number, order = parts
    figure.__setstate__(state)
    if number is None:
        return
    import matplotlib.pyplot as plt
    from matplotlib._pylab_helpers import Gcf

    Gcf._set_new_active_manager(plt._get_backend_mod().new_figure_manager_given_figure(number, figure))
    for known in order:
        if known in Gcf.figs:
            Gcf.figs.move_to_end(known)

"""Finding a function's code again in the source that it was compiled from, on whatever version of Python.

A code object is known by the functions and classes around it, by its first line, and, where several have these (lambdas
of one line), by its turn among them. Comprehensions do not count as functions: from Python 3.12 on they are none.
"""

from __future__ import annotations

import ast
import importlib
import linecache
import os
import sys
import types
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
FUTURES = 0x1FF0000
"""The flags of a code object that ``from __future__`` sets; the compiler knows them by the same numbers."""


class Place(NamedTuple):
    """Where a code object is in its source."""

    path: tuple[str, ...]
    """Names of the functions and classes around it, and its own."""
    turn: int
    """Its place among those with the same path and line, equal ones counted once."""
    among: int
    """How many those are."""


def _normal(name: str) -> bool:
    return name not in ("<listcomp>", "<dictcomp>", "<setcomp>") and not name.startswith("<generic parameters")


def _nested(code: types.CodeType, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], types.CodeType]]:
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            inner = (*path, const.co_name) if _normal(const.co_name) else path
            if inner is not path:
                yield inner, const
            yield from _nested(const, inner)


def _does(code: types.CodeType) -> Any:
    """What tells code apart that stands in the same line."""
    consts = tuple(_does(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts)
    return code.co_code, consts, code.co_names, code.co_varnames, code.co_freevars


@lru_cache(maxsize=64)
def _compiled(source: str, futures: int) -> list[tuple[tuple[str, ...], types.CodeType]]:
    return list(_nested(compile(source, "<cell>", "exec", _FLAGS | futures, dont_inherit=True), ()))


def _distinct(codes: list[types.CodeType]) -> list[types.CodeType]:
    first: dict[Any, types.CodeType] = {}
    for code in codes:
        first.setdefault(_does(code), code)
    return list(first.values())


def locate(code: types.CodeType, source: str) -> Place | None:
    """Where ``code`` is in its source; None when it is not there, or the source does not compile."""
    try:
        known = _compiled(source, code.co_flags & FUTURES)
    except (SyntaxError, ValueError, RecursionError):
        return None
    wanted = _does(code)
    for path, candidate in known:
        if candidate.co_firstlineno == code.co_firstlineno and _does(candidate) == wanted:
            peers = _distinct([c for p, c in known if p == path and c.co_firstlineno == code.co_firstlineno])
            return Place(path, [_does(c) for c in peers].index(wanted), len(peers))
    return None


def find(source: str, name: str, line: int, place: Place | None, flags: int, filename: str) -> types.CodeType:
    """Compile the source and take from it the code of this name, line and place. Raises ValueError, SyntaxError."""
    whole = compile(source, filename, "exec", _FLAGS | flags & FUTURES, dont_inherit=True)
    known = list(_nested(whole, ()))
    if place is None:
        peers = _distinct([c for p, c in known if p[-1] == name and c.co_firstlineno == line])
        turn, among = 0, 1
    else:
        peers = _distinct([c for p, c in known if p == place.path and c.co_firstlineno == line])
        turn, among = place.turn, place.among
    if len(peers) != among:
        raise ValueError(f"{name} is not to be found for certain in the source it came with")
    return peers[turn]


def module_of(filename: str) -> str | None:
    """The module of an installation that a file belongs to."""
    for name, module in list(sys.modules.items()):
        if name != "__main__" and getattr(module, "__file__", None) == filename:
            return name
    return None


def find_in_module(module: str, place: Place, freevars: tuple[str, ...]) -> types.CodeType | None:
    """The code at this place of a library's module, as it is here; None where that is another one.

    Raises ImportError.
    """
    filename = getattr(importlib.import_module(module), "__file__", None) or ""
    source = "".join(linecache.getlines(filename))
    whole = compile(source, filename, "exec", dont_inherit=True)
    peers = [c for p, c in _nested(whole, ()) if p == place.path]
    if len(peers) != 1 or place.among != 1 or peers[0].co_freevars != freevars:
        return None
    return peers[0]


def source_of(filename: str) -> tuple[str | None, bool]:
    """The source of a cell or file, and whether it is a file's; None where there is none."""
    lines = linecache.cache.get(filename)
    if lines is not None and len(lines) == 4 and isinstance(lines[2], list):
        return "".join(lines[2]), os.path.isfile(filename)
    text = "".join(linecache.getlines(filename)) if os.path.isfile(filename) else ""
    return (text or None), bool(text)

"""Whether a cell may touch certain names, told before it runs. In doubt it does."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Set
from typing import Any

from .accesses import Accesses, of_source
from .closure import reachable_accesses

_ANYWHERE = frozenset(
    {"eval", "exec", "globals", "locals", "vars", "dir", "breakpoint", "get_ipython", "__import__", "__main__",
     "__builtins__", "compile"}
)  # fmt: skip
"""Names by which code may reach any other name."""
_LOOKING = frozenset(
    {"f_globals", "f_locals", "f_back", "__globals__", "__builtins__", "modules", "user_ns", "user_global_ns",
     "run_cell", "run_code", "ex", "ev", "eval", "exec", "globals", "locals", "vars", "import_module", "query",
     "evaluate", "sql", "execute", "formula", "ols", "from_formula", "dmatrix", "dmatrices", "set_trace", "interact",
     "testmod", "dump_session", "dump_module", "getmembers", "currentframe", "_getframe", "stack", "run_path",
     "run_module", "settrace", "get_objects", "get_referrers"}
)  # fmt: skip
"""The same for attributes. Some take code, queries or formulas as text, and find variables by their names in it."""
_WORD = re.compile(r"\w+")
_LETTERS = 1 << 16
"""Texts longer than this are not searched for names: they count as naming them."""
_TEXTS = 500


def may_touch(transformed: str, names: Set[str], namespace: dict[str, Any]) -> set[str]:
    """Those of ``names`` that a transformed cell may read, bind or delete: all of them if that cannot be known.

    A cell that does not compile touches none: it does not run.
    """
    try:
        statements = of_source(transformed)
    except SyntaxError:
        return set()
    except ValueError:
        return set(names)
    found = Accesses()
    for statement in statements:
        if isinstance(statement.node, ast.ImportFrom) and any(a.name == "*" for a in statement.node.names):
            return set(names)
        found.add(statement.accesses)
    if _looks_anywhere(found, namespace):
        return set(names)
    named = found.reads | found.writes
    roots = [namespace[n] for n in named if n in namespace]
    found.add(reachable_accesses(roots, namespace))
    if _looks_anywhere(found, namespace):
        return set(names)
    touched = names & (found.reads | found.writes | found.deletes | found.attributes)
    for text in [transformed, *_texts(namespace[n] for n in found.reads if n in namespace)]:
        if len(text) > _LETTERS and text is not transformed:
            return set(names)
        touched |= names & set(_WORD.findall(text))
    return set(touched)


def may_reach(values: list[Any], names: Set[str], namespace: dict[str, Any]) -> bool:
    """Whether code that is reached from the values may touch one of the names."""
    found = reachable_accesses(values, namespace)
    return _looks_anywhere(found, namespace) or not names.isdisjoint(
        found.reads | found.writes | found.deletes | found.attributes
    )


def _looks_anywhere(found: Accesses, namespace: dict[str, Any]) -> bool:
    if found.escapes or found.unsure or "__main__" in found.imports:
        return True
    if not (_ANYWHERE.isdisjoint(found.reads) and _LOOKING.isdisjoint(found.attributes)):
        return True
    # under another name
    return any(id(namespace[n]) in _BUILTINS for n in found.reads if n in namespace)


_BUILTINS = {id(getattr(builtins, name)) for name in _ANYWHERE if hasattr(builtins, name)}


def _texts(values: Iterable[Any]) -> Iterable[str]:
    """Texts among values, and in containers of them: a formula may be kept in a variable."""
    for value in values:
        if type(value) is str:
            yield value
        elif type(value) in (list, tuple, set, frozenset, dict) and len(value) <= _TEXTS:
            members = (*value, *value.values()) if type(value) is dict else tuple(value)
            yield from (v for v in members if type(v) is str)

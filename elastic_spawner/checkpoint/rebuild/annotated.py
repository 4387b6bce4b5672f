"""The annotations of functions and classes, evaluated or not as they were.

Before Python 3.14 there is nothing that is not evaluated yet: there, what a later version has not evaluated is taken
from the source, and evaluated as soon as its names are bound. What cannot be is left as text, as ``from __future__
import annotations`` leaves it.
"""

from __future__ import annotations

import ast
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from ...objects.annotated import BODY
from . import generated

LAZY = "__annotate__" in vars(types.FunctionType)
"""Whether this Python evaluates annotations when they are asked for."""
_MARK = "<elastic annotations>"
_waiting: list[tuple[Any, types.FunctionType]] = []


def _hand_out(format: int, known: dict[str, Any]) -> dict[str, Any]:
    return known


def set_of_function(f: types.FunctionType, annotate: Any, known: dict[str, Any] | None) -> None:
    """Give a function what evaluates its annotations, and what came of it."""
    if not LAZY or type(annotate) is not types.FunctionType:
        if known is not None:
            f.__annotations__ = known
        elif LAZY and annotate is not None:
            f.__annotate__ = annotate  # type: ignore[attr-defined]
        if not LAZY and annotate is not None:
            _wait(f, annotate, known)
        return
    f.__annotate__ = annotate  # type: ignore[attr-defined]
    if known is None:
        return
    # to set them would drop what evaluates them: so it is asked while it hands out what is known
    code, defaults = annotate.__code__, annotate.__defaults__
    annotate.__code__ = _hand_out.__code__.replace(co_freevars=code.co_freevars)
    annotate.__defaults__ = (known,)
    try:
        f.__annotations__  # noqa: B018
    finally:
        annotate.__code__, annotate.__defaults__ = code, defaults


def of_class(cls: type, state: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a class with its annotations where this Python has them."""
    if LAZY:
        return state
    state = dict(state)
    annotate, known = state.pop("__annotate_func__", None), state.pop("__annotations_cache__", None)
    if known is not None:
        state["__annotations__"] = known
    if annotate is not None:
        _wait(cls, annotate, known)
    return state


def _wait(target: Any, annotate: Any, known: dict[str, Any] | None) -> None:
    generated.drop(annotate)
    if known is None and type(annotate) is types.FunctionType:
        _waiting.append((target, annotate))


def forget() -> None:
    """Begin a new session."""
    _waiting.clear()


def settle() -> None:
    """Evaluate what waits for it, now that some names are bound; what needs more than these goes on waiting."""
    for target, annotate in list(_waiting):
        made: dict[str, Any] = {}
        for base in getattr(target, "__orig_bases__", ()) if typing.is_typeddict(target) else ():
            made.update(getattr(base, "__annotations__", {}))
        closure = _closure(annotate)
        left: list[str] = []
        for part in (annotate, *closure.values()):
            if type(part) is types.FunctionType and part.__code__.co_filename == _MARK:
                made.update(_evaluated(part, target, left))
        if isinstance(given := closure.get("types"), dict):  # of typing.NamedTuple, which has looked at some
            made.update({n: given[n] for n in given.keys() - made.keys()})
        target.__annotations__ = made
        if not left:
            _waiting.remove((target, annotate))


def _closure(f: types.FunctionType) -> dict[str, Any]:
    cells = zip(f.__code__.co_freevars, f.__closure__ or ())
    return {name: cell.cell_contents for name, cell in cells if cell != types.CellType()}


def _evaluated(annotate: types.FunctionType, target: Any, left: list[str]) -> dict[str, Any]:
    names = dict(vars(target)) if isinstance(target, type) else {}
    closure = _closure(annotate)
    names.update(closure.pop(BODY, {}))
    names.update(closure)
    made = {}
    for name, text in annotate().items():
        try:
            made[name] = eval(text, annotate.__globals__, names)
        except Exception:
            made[name] = text
            left.append(name)
    return made


def texts(source: str, line: int, freevars: tuple[str, ...]) -> types.CodeType:
    """Code that returns the text of the annotations of the function or class in this line, or of the whole source."""
    tree = ast.parse(source)
    owners = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found: ast.AST = next((n for n in ast.walk(tree) if isinstance(n, owners) and n.lineno == line), tree)
    mapping = {name: ast.unparse(node) for name, node in _annotations(found)}
    whole = compile(f"def __annotate__(): return {mapping!r}", _MARK, "exec", dont_inherit=True)
    code = next(c for c in whole.co_consts if isinstance(c, types.CodeType))
    return code.replace(co_freevars=freevars)


def _annotations(owner: Any) -> Iterator[tuple[str, ast.expr]]:
    if not isinstance(owner, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield from _assigned(owner.body)
        return
    a = owner.args
    for arg in (*a.posonlyargs, *a.args, a.vararg, *a.kwonlyargs, a.kwarg):
        if arg is not None and arg.annotation is not None:
            yield arg.arg, arg.annotation
    if owner.returns is not None:
        yield "return", owner.returns


def _assigned(body: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        if isinstance(node, ast.AnnAssign) and node.simple and isinstance(node.target, ast.Name):
            yield node.target.id, node.annotation
        elif isinstance(node, (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.ExceptHandler)):
            yield from _assigned(ast.iter_child_nodes(node))

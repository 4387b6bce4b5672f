"""Exceptions with their history."""

from __future__ import annotations

import importlib.util
import linecache
import opcode
import sys
import types
from typing import Any


def set_exception(error: BaseException, state: tuple[Any, Any, tuple[Any, Any, bool, list[Any]]]) -> None:
    """Give an exception its attributes, its cause and context, and its traceback."""
    set_state, own, (cause, context, suppress, entries) = state
    if set_state is not None:
        set_state(error, own)
    elif own is not None:
        set_own = getattr(error, "__setstate__", None)
        set_own(own) if set_own is not None else error.__dict__.update(own)
    error.__cause__, error.__context__ = cause, context
    error.__suppress_context__ = suppress
    chain = None
    for described, last, line in reversed(entries):
        chain = types.TracebackType(chain, _frame(*described), last, line)
    if chain is not None:
        error.__traceback__ = chain


def _frame(
    name: str, qualname: str, line: int, filename: str, source: str | None, lines: bytes, length: int, magic: bytes
) -> types.FrameType:
    """A frame that looks like one of the code described; its local variables are gone."""
    if source is not None and filename not in linecache.cache:
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)

    def template() -> None:
        raise

    given: dict[str, Any] = {"co_name": name, "co_filename": filename, "co_firstlineno": line}
    nothing = bytes([opcode.opmap["NOP"], 0])
    short = template.__code__.co_code
    given["co_code"] = short + nothing * ((length - len(short)) // 2)
    if magic == importlib.util.MAGIC_NUMBER:
        given["co_linetable"] = lines
        given |= {"co_qualname": qualname} if sys.version_info >= (3, 11) else {}
    scope = {"__name__": "__main__", "__builtins__": {}}
    try:
        types.FunctionType(template.__code__.replace(**given), scope)()
    except RuntimeError as e:  # there is nothing to raise again
        if e.__traceback__ is not None and e.__traceback__.tb_next is not None:
            return e.__traceback__.tb_next.tb_frame
    raise ValueError(f"no frame for {name}")

"""Pickling what is nested more deeply than the interpreter's stack allows.

Loading needs no stack: a pickle stream is a program for a machine with a stack of its own. Only writing one recurses.
From Python 3.12 on C code may recurse some thousand levels and no setting changes that, but calls from Python to Python
take no C stack: there the pickler written in Python does it. Before, the one in C does, in a thread with a large stack.
"""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

LEVELS = 1_000_000
"""Calls that may be nested while it lasts."""
STACK_BYTES = 1 << 30
"""Address space of the thread's stack; memory is only taken for as much as is used."""
_PER_LEVEL = 2048
_SHALLOW, _CALLS = 10_000, 16
"""Calls that are always allowed, and as many more for each node."""


def dump(stream: Any, values: Any, reductions: Callable[[Any], Any], aside: Callable[[Any], bool], nodes: int) -> None:
    """Pickle ``values``, which are of so many ``nodes``, with protocol 5.

    Raises RecursionError when even so it is too deep, or what they raise. What makes new objects whenever it is looked
    at (a mock has any attribute) would be pickled for ever: no graph is deeper than its nodes are many.
    """
    levels = _SHALLOW + _CALLS * nodes
    if sys.version_info >= (3, 12):
        _with_limit(min(LEVELS, levels), _in_python, stream, values, reductions, aside)
    else:
        _in_thread(min(STACK_BYTES // _PER_LEVEL, levels), _in_c, stream, values, reductions, aside)


def _in_python(stream: Any, values: Any, reductions: Callable[[Any], Any], aside: Callable[[Any], bool]) -> None:
    python_pickler: Any = vars(pickle)["_Pickler"]  # the one in Python, which the C one hides
    pickler = python_pickler(stream, 5, buffer_callback=aside)
    pickler.reducer_override = reductions
    base = python_pickler.save_reduce

    def save_reduce(
        func: Any,
        args: Any,
        state: Any = None,
        items: Any = None,
        pairs: Any = None,
        setter: Any = None,
        *,
        obj: Any = None,
    ) -> None:
        base(pickler, func, args, state, items, pairs, setter, obj=obj)

    # called with unpacked arguments: a plain function then takes no C stack, a bound method does
    pickler.save_reduce = save_reduce
    pickler.dump(values)


def _in_c(stream: Any, values: Any, reductions: Callable[[Any], Any], aside: Callable[[Any], bool]) -> None:
    class Pickler(pickle.Pickler):
        def reducer_override(self, obj: Any) -> Any:
            return reductions(obj)

    Pickler(stream, 5, buffer_callback=aside).dump(values)


def _with_limit(limit: int, call: Callable[..., None], *args: Any) -> None:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, before))
    try:
        call(*args)
    finally:
        sys.setrecursionlimit(before)


def _in_thread(levels: int, call: Callable[..., None], *args: Any) -> None:
    raised: list[BaseException] = []

    def work() -> None:
        try:
            _with_limit(levels, call, *args)
        except BaseException as e:
            raised.append(e)

    try:
        before = threading.stack_size(STACK_BYTES)
    except ValueError as e:
        raise RecursionError("no stack is large enough") from e
    try:
        thread = threading.Thread(target=work, name="elastic-spawner-deep")
        thread.start()
    except (RuntimeError, MemoryError) as e:
        raise RecursionError("there is no memory for a stack that is large enough") from e
    finally:
        threading.stack_size(before)
    thread.join()
    if raised:
        raise raised[0]

"""Objects of the standard library that another Python version made: attributes that this version expects are added.

Their classes pickle by their attributes, and a later version may have more of these: a `queue.Queue` of Python 3.12
lacks the ``is_shutdown`` that 3.13 asks for in every ``get``.
"""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Collection, Iterable
from typing import Any

MODULES = frozenset({"argparse", "asyncio", "configparser", "queue"})
"""First names of modules whose classes can be made without an argument and without an effect, and give all instances
the same attributes (a condition of `threading` has more of them for one kind of lock than for another)."""

_NOT_ENTERED = (type, types.ModuleType, types.FunctionType, types.CodeType, types.FrameType)


def complete(values: Iterable[Any], namespace: dict[str, Any], modules: Collection[str]) -> None:
    """Add what is missing to all such objects that ``values`` reach; ``modules`` are the ones that made the values."""
    if MODULES.isdisjoint(modules):
        return
    pending, seen = list(values), {id(namespace)}
    while pending:
        obj = pending.pop()
        if id(obj) in seen or isinstance(obj, _NOT_ENTERED):
            continue
        seen.add(id(obj))
        if type(obj).__module__.partition(".")[0] in MODULES:
            _complete(obj)
        pending += [o for o in gc.get_referents(obj) if gc.is_tracked(o) and not _is_scope(o)]


def _is_scope(obj: Any) -> bool:
    return type(obj) is dict and "__builtins__" in obj


def _complete(obj: Any) -> None:
    attributes = getattr(obj, "__dict__", None)
    if type(attributes) is not dict or type(obj).__module__.partition(".")[0] not in sys.stdlib_module_names:
        return
    try:
        fresh = type(obj)()
    except Exception:  # it needs arguments: nobody knows what to add
        return
    for name, value in vars(fresh).items():
        attributes.setdefault(name, value)

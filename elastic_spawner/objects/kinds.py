"""Questions about types and objects that tracking and pickling ask alike. Nothing here changes what it looks at."""

from __future__ import annotations

import collections
import copyreg
import enum
import functools
import importlib
import struct
import sys
import types
from array import array
from collections.abc import Iterator
from typing import Any

from .live import is_dynamic

ATOMIC = frozenset({int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented)})
"""Exact types whose instances hold nothing else and cannot change."""

MAIN = "__main__"

_BASE_TYPE = 1 << 10
"""Py_TPFLAGS_BASETYPE: it may have subclasses."""
_HEAP_TYPE = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: the class was made at run time."""

ENUM_NOISE = frozenset(
    {
        "_generate_next_value_", "_member_names_", "_member_map_", "_member_type_", "_value2member_map_",
        "_new_member_", "_use_args_", "__new__", "__new_member__", "_hashable_values_", "_unhashable_values_",
        "_unhashable_values_map_", "_value_repr_", "_flag_mask_", "_singles_mask_", "_all_bits_", "_boundary_",
        "_inverted_", "_sort_order_", "__reduce_ex__", "__or__", "__and__", "__xor__", "__invert__", "__ror__",
        "__rand__", "__rxor__",
    }
)  # fmt: skip
"""Attributes that the machinery of Enum puts on a class."""


def importable(obj: Any) -> bool:
    """Whether ``obj`` (a class or function) is found again by importing its module: then it is kept by name.

    What lives in ``__main__`` is never importable: the new process has an empty one.
    """
    module = getattr(obj, "__module__", None)
    name = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == MAIN or "<locals>" in name:
        return False
    found: Any = sys.modules.get(module) or _put_off(module)
    if found is None or is_dynamic(found):
        return False
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except Exception:
            return False
    return found is obj


@functools.cache
def _put_off(module: str) -> types.ModuleType | None:
    """A submodule that its package has not imported yet though it names it as the home of its classes (numpy.rec)."""
    package = module.partition(".")[0]
    if package == module or package not in sys.modules:
        return None
    try:
        return importlib.import_module(module)  # as pickle does
    except Exception:
        return None


def is_user_class(cls: type) -> bool:
    """Whether the class was made in the session itself, so that nobody vouches for how it pickles."""
    if cls.__module__ == MAIN or "<locals>" in getattr(cls, "__qualname__", ""):
        return True
    # made by code that ran in a dictionary without a name
    return cls.__module__ == "builtins" and bool(cls.__flags__ & _HEAP_TYPE) and not importable(cls)


def is_replaced(cls: type) -> bool:
    """Whether a module's class cannot be found by its name: the session made the module, has another one there now (it
    was reloaded), or has dropped it. Such a class is taken apart with its instances."""
    if not cls.__flags__ & _HEAP_TYPE or type(vars(cls).get("__module__")) is not str or importable(cls):
        return False
    found: Any = module_of(cls.__module__)
    if found is None:
        return not _BY_STATEMENT.isdisjoint(vars(cls)) and bool(cls.__flags__ & _BASE_TYPE)
    if is_dynamic(found):
        return True
    for part in cls.__qualname__.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return isinstance(found, type)


_BY_STATEMENT = frozenset({"__dict__", "__weakref__", "__slots__"})
"""Of these a ``class`` statement leaves one. What a library makes otherwise may have any name."""


_VALUE_MODULES = frozenset({"datetime", "decimal", "fractions", "uuid", "pathlib", "re", "ipaddress", "zoneinfo"})


def is_immutable(cls: type) -> bool:
    """Whether instances are values, or kept by name: no change can show that two variables hold the same one."""
    module = cls.__module__.partition(".")[0]
    if module in _VALUE_MODULES:
        return cls.__name__ != "Context"  # decimal's is no value
    if module == "logging":
        return hasattr(cls, "addHandler")  # the others are not kept by name
    if issubclass(cls, enum.Enum):
        return not is_user_class(cls)
    return module in ("numpy", "pandas") and cls.__name__.lower().endswith("dtype")


_STEADY = frozenset(
    {
        *ATOMIC, list, tuple, dict, set, frozenset, collections.deque, collections.OrderedDict, collections.defaultdict,
        collections.Counter, bytearray, array, range, slice, types.FunctionType, types.BuiltinFunctionType,
        types.MethodType, types.CellType, types.CodeType, types.ModuleType, functools.partial, property, staticmethod,
        classmethod, types.MappingProxyType,
    }
)  # fmt: skip
_STEADY_MODULES = frozenset(
    {
        *_VALUE_MODULES, "abc", "enum", "typing", "dataclasses", "numpy", "pandas", "polars", "pyarrow", "scipy",
        "torch", "sklearn", "networkx", "xgboost", "lightgbm", "elastic_spawner",
    }
)  # fmt: skip


def is_steady(cls: type) -> bool:
    """Whether instances change only by code that reaches them through the session's own variables.

    Other libraries keep objects of their types in registries of their own (figures, widgets) and change them without
    being handed them; files and connections change from outside.
    """
    if issubclass(cls, type):
        return True
    return all(
        base is object or base in _STEADY or is_user_class(base) or base.__module__.partition(".")[0] in _STEADY_MODULES
        for base in (cls.__mro__ if is_user_class(cls) else (cls,))
    )


def has_default_reduce(cls: type) -> bool:
    """Whether pickle takes instances apart by their ``__dict__`` and slots alone."""
    return (
        cls.__reduce_ex__ is object.__reduce_ex__
        and cls.__reduce__ is object.__reduce__
        and getattr(cls, "__getstate__", None) is getattr(object, "__getstate__", None)
        and not hasattr(cls, "__getnewargs__")
        and not hasattr(cls, "__getnewargs_ex__")
        and cls not in copyreg.dispatch_table
    )


def delegates(cls: type) -> bool:
    """Whether code of the class answers for attributes that are not there."""
    return any(
        n in vars(c) for c in cls.__mro__ if c.__flags__ & _HEAP_TYPE for n in ("__getattr__", "__getattribute__")
    )


def answers_for_pickling(cls: type) -> bool:
    """Whether the class's ``__getattr__`` is asked for the methods of pickling, because there are none, and all that an
    instance holds is attributes and the content of a builtin base.

    What it answers is for the user of the class (unittest.mock.call makes a new call of any name, for ever), and on
    loading there is nothing yet that it could answer with.
    """
    if not delegates(cls) or hasattr(cls, "__setstate__") or cls in copyreg.dispatch_table:
        return False
    if cls.__reduce_ex__ is not object.__reduce_ex__ or cls.__reduce__ is not object.__reduce__:
        return False
    if getattr(cls, "__getstate__", None) is not getattr(object, "__getstate__", None):
        return False
    base = next(c for c in cls.__mro__ if not c.__flags__ & _HEAP_TYPE)
    if hasattr(cls, "__getnewargs_ex__") or getattr(cls, "__getnewargs__", None) != getattr(
        base, "__getnewargs__", None
    ):
        return False
    words = bool(cls.__dictoffset__) + bool(cls.__weakrefoffset__) + len(list(slot_names(cls)))
    return base in _CONTENT and cls.__basicsize__ <= base.__basicsize__ + words * _WORD


_CONTENT = frozenset({object, dict, list, tuple, set, frozenset, str, int, float, bytes})
_WORD = struct.calcsize("P")


def slot_names(cls: type) -> Iterator[str]:
    """Attribute names of all ``__slots__`` of the class and its bases, mangled as Python stores them."""
    for klass in cls.__mro__:
        slots = klass.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else tuple(slots):
            if slot in ("__dict__", "__weakref__"):
                continue
            if slot.startswith("__") and not slot.endswith("__"):
                slot = f"_{klass.__name__.lstrip('_')}{slot}"
            yield slot


def raw_state(obj: Any) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The instance's ``__dict__`` and the slots that are set, whatever its own pickling would say."""
    slots = {}
    for name in slot_names(type(obj)):
        try:
            slots[name] = object.__getattribute__(obj, name)
        except AttributeError:
            pass
    try:
        attributes = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        attributes = None
    return attributes, slots


def traceback_entries(traceback: types.TracebackType | None) -> Iterator[tuple[types.CodeType, int, int]]:
    """(code, last instruction, line) of each entry of a traceback, the outermost first."""
    while traceback is not None:
        yield traceback.tb_frame.f_code, traceback.tb_lasti, traceback.tb_lineno
        traceback = traceback.tb_next


def module_of(name: str) -> types.ModuleType | None:
    """The module if the session has imported it: what is not imported cannot have made an object."""
    return sys.modules.get(name)


def type_name(obj: Any) -> str:
    """``pandas.core.frame.DataFrame``; without the module for builtins and the user's own classes."""
    cls = type(obj)
    module = cls.__module__
    return cls.__qualname__ if module in ("builtins", MAIN) else f"{module}.{cls.__qualname__}"

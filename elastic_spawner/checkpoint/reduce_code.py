"""How functions, classes and code of the session are taken apart for pickling.

What a module can be asked for goes by name; what lives in ``__main__`` or in another function goes by value. The
globals of the user's functions are the live namespace and are never copied: a function finds there what it found
before.
"""

from __future__ import annotations

import abc
import builtins
import enum
import functools
import gc
import importlib.util
import linecache
import marshal
import types
import typing
from typing import Any

from ..objects import annotated
from ..objects.kinds import ENUM_NOISE, importable, is_user_class
from ..objects.live import cache_entries, is_dynamic, originals
from . import rebuild, rebuild_live, sources

_FUNCTION_STATE = (
    "__qualname__",
    "__module__",
    "__doc__",
    "__defaults__",
    "__kwdefaults__",
    "__type_params__",
)
_CLASS_NOISE = frozenset(
    {
        "__dict__", "__weakref__", "_abc_impl", "__slotnames__", "__module__", "__qualname__", "__slots__",
        "__firstlineno__", "__static_attributes__",
    }
)  # fmt: skip
_ENUM_NOISE = _CLASS_NOISE | ENUM_NOISE


class CodeReducer:
    """Reductions of functions, classes and what they are made of, for one pickle stream."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self._sources: dict[str, tuple[str | None, bool]] = {}

    def reduce(self, obj: Any) -> Any:
        """A reduction, or NotImplemented for what pickles well by itself."""
        cls = type(obj)
        if originals and cls in (types.FunctionType, types.BuiltinFunctionType):
            known = next((key for key, value in originals.items() if value is obj), None)
            if known is not None:
                return rebuild_live.original, known
        if cls is types.FunctionType:
            return self._function(obj)
        if isinstance(obj, type):
            return self._class(obj)
        if cls is types.CodeType:
            return self._code(obj)
        if cls is types.CellType:
            return self._cell(obj)
        if cls is types.ModuleType or isinstance(obj, types.ModuleType):
            return self._dynamic(obj) if is_dynamic(obj) else (rebuild.module, (obj.__name__,))
        if cls is staticmethod or cls is classmethod:
            return cls, (obj.__func__,)
        if cls is property:
            return property, (obj.fget, obj.fset, obj.fdel, obj.__doc__)
        if isinstance(obj, functools._lru_cache_wrapper):
            return self._cached(obj)
        if cls is typing.NewType and not importable(obj):
            return rebuild.new_type, (obj.__name__, obj.__supertype__, obj.__module__)
        if cls is typing.TypeVar:
            options = (obj.__bound__, obj.__covariant__, obj.__contravariant__)
            return rebuild.type_variable, (obj.__name__, obj.__constraints__, *options, obj.__module__)
        if cls is types.MappingProxyType:
            return self._proxy(obj)
        if cls is types.WrapperDescriptorType or cls is types.MethodDescriptorType or cls is types.GetSetDescriptorType:
            return getattr, (obj.__objclass__, obj.__name__)
        if cls.__module__ == "dataclasses" and cls.__name__ in ("_DataclassParams", "Field"):
            state = {n: getattr(obj, n) for n in cls.__slots__}
            return object.__new__, (cls,), state, None, None, rebuild.set_options
        return NotImplemented

    def _dynamic(self, module: types.ModuleType) -> Any:
        import sys

        names = [n for n, m in list(sys.modules.items()) if m is module]
        content = {k: v for k, v in vars(module).items() if k != "__builtins__"}
        state = (content, names)
        return rebuild_live.dynamic_module, (module.__name__,), state, None, None, rebuild_live.set_dynamic_module

    def _function(self, f: types.FunctionType) -> Any:
        if importable(f):
            return NotImplemented
        state = {k: getattr(f, k) for k in _FUNCTION_STATE if getattr(f, k, None)}
        if f.__dict__:
            state["__dict__"] = f.__dict__
        known = {"__annotate__": getattr(f, "__annotate__", None), "__annotations__": annotated.evaluated(f)}
        state.update({k: v for k, v in known.items() if v})
        closure = f.__closure__
        if annotated.BODY in f.__code__.co_freevars:
            held = annotated.closure(f).values()
            closure = tuple(types.CellType(h) if type(h) is dict else h for h in held)
        args = (f.__code__, self._globals(f), f.__name__, closure)
        return rebuild.function, args, state, None, None, rebuild.set_function

    def _globals(self, f: types.FunctionType) -> Any:
        if f.__globals__ is self.namespace:
            return Namespace()
        module = f.__globals__.get("__name__")
        if isinstance(module, str) and module != "__main__":
            import sys

            loaded = sys.modules.get(module)
            if loaded is not None and vars(loaded) is f.__globals__:
                return ModuleNamespace(loaded if is_dynamic(loaded) else _Module(module))
        if f.__globals__.get("__builtins__") is vars(builtins):
            return f.__globals__  # a dictionary of the user's that code was run in
        return _own_globals(f.__globals__)  # one that only functions have, as collections.namedtuple makes it

    def _code(self, code: types.CodeType) -> Any:
        filename = code.co_filename
        if filename not in self._sources:
            self._sources[filename] = sources.source_of(filename)
        source, of_file = self._sources[filename]
        place, module = None, None
        if source is not None and (of_file or code.co_name.startswith(("<", annotated.NAME))):
            place = sources.locate(code, source)
            module = sources.module_of(filename) if of_file else None
            if module is not None or (of_file and place is None):
                source = None  # a library's own is looked for in that library; an edited file does not tell
        magic = importlib.util.MAGIC_NUMBER
        known = (marshal.dumps(code), magic, code.co_name, code.co_firstlineno, filename, source)
        return rebuild.code, (*known, place and tuple(place), module, code.co_freevars, code.co_flags)

    def frame_code(self, code: types.CodeType) -> tuple[Any, ...]:
        """What a traceback shows of a frame's code: its names and lines, and nothing of what it does."""
        filename = code.co_filename
        lines = linecache.cache.get(filename)
        known = lines is not None and len(lines) == 4 and isinstance(lines[2], list)
        source = "".join(lines[2]) if known and lines is not None else None  # type: ignore[misc]
        name, line = code.co_name, code.co_firstlineno
        qualname = getattr(code, "co_qualname", name)
        magic = importlib.util.MAGIC_NUMBER
        return name, qualname, line, filename, source, code.co_linetable, len(code.co_code), magic

    def _cell(self, cell: types.CellType) -> Any:
        try:
            state: tuple[Any, ...] = (cell.cell_contents,)
        except ValueError:
            state = ()
        return rebuild.cell, (), state, None, None, rebuild.set_cell

    def _proxy(self, proxy: Any) -> Any:
        own = proxy.get("__dict__", proxy.get("__weakref__"))
        if isinstance(own, types.GetSetDescriptorType) and vars(own.__objclass__) == proxy:
            return vars, (own.__objclass__,)
        behind = [r for r in gc.get_referents(proxy) if not isinstance(r, type)]
        return rebuild.mapping_proxy, (behind[0] if len(behind) == 1 else dict(proxy),)

    def _cached(self, wrapper: Any) -> Any:
        if importable(wrapper):
            return NotImplemented
        parameters = wrapper.cache_parameters()
        state = (wrapper.__dict__, cache_entries(wrapper))
        return (
            rebuild.cached,
            (parameters["maxsize"], parameters["typed"], wrapper.__wrapped__),
            state,
            None,
            None,
            rebuild.set_cached,
        )

    def _class(self, cls: type) -> Any:
        if importable(cls) or cls.__module__ == "builtins" and not is_user_class(cls):
            return _builtin_type(cls)
        if isinstance(cls, enum.EnumMeta):
            return self._enumeration(cls)
        body: dict[str, Any] = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
        # typing.Generic looks for the first two while the class is made; __class__ cannot be set as an attribute later
        for key in ("__orig_bases__", "__parameters__", "__class__"):
            if key in cls.__dict__:
                body[key] = cls.__dict__[key]
        if "__slots__" in cls.__dict__:
            slots = cls.__dict__["__slots__"]
            body["__slots__"] = slots if isinstance(slots, str) else tuple(slots)
        elif "__dict__" not in cls.__dict__ and not any("__dict__" in b.__dict__ for b in cls.__mro__):
            body["__slots__"] = ()
        state = {
            k: v
            for k, v in cls.__dict__.items()
            if k not in _CLASS_NOISE
            and k not in body
            and (v or k not in annotated.OF_CLASS)
            and not isinstance(v, (types.MemberDescriptorType, types.GetSetDescriptorType))
        }
        if "__dataclass_params__" in state:
            state.pop("__replace__", None)  # not every version has what it refers to: see generated.complete
        if state.get("_is_protocol"):  # what typing gives it, it gives it again: see generated.complete_protocol
            for name in ("__protocol_attrs__", "__callable_proto_members_only__", "__non_callable_proto_members__"):
                state.pop(name, None)
            for name in ("__init__", "__subclasshook__"):
                if getattr(getattr(state.get(name), "__func__", state.get(name)), "__module__", "") == "typing":
                    del state[name]
        if isinstance(cls, abc.ABCMeta):
            registry = abc._get_dump(cls)[0]  # type: ignore[attr-defined]
            state["__elastic_registered__"] = [c for c in (r() for r in registry) if c is not None]
        args = (type(cls), cls.__name__, cls.__bases__, body)
        return rebuild.skeleton, args, state, None, None, rebuild.set_class

    def _enumeration(self, cls: Any) -> Any:
        members = {name: member._value_ for name, member in cls.__members__.items()}
        attributes = {k: v for k, v in cls.__dict__.items() if k not in _ENUM_NOISE and k not in members}
        noise = {"_value_", "_name_", "__objclass__", "_sort_order_"}
        # noise too, by name: the order of a member's attributes is part of it
        own = {n: {k: None if k in noise else v for k, v in m.__dict__.items()} for n, m in cls.__members__.items()}
        args = (type(cls), cls.__name__, cls.__bases__, members, cls.__module__, cls.__qualname__)
        state = (attributes, own)
        return rebuild.enumeration, args, state, None, None, rebuild.set_enumeration


_TYPES_BY_NAME = {
    id(t): name for name, t in vars(types).items() if isinstance(t, type) and getattr(t, "__module__", "") == "builtins"
}


def _builtin_type(cls: type) -> Any:
    """Types of the interpreter that ``builtins`` does not name: function, NoneType, ellipsis."""
    if cls.__module__ == "builtins" and getattr(builtins, cls.__name__, None) is not cls:
        name = _TYPES_BY_NAME.get(id(cls))
        if name is not None:
            return rebuild.attribute, ("types", name)
        for value in (None, ..., NotImplemented):
            if cls is type(value):
                return type, (value,)
    return NotImplemented


_scopes: dict[int, dict[str, Any]] = {}


def _own_globals(scope: dict[str, Any]) -> dict[str, Any]:
    """The namespace without its builtins; one and the same object for one namespace, so that the pickle shares it."""
    known = _scopes.get(id(scope))
    if known is None:
        known = _scopes[id(scope)] = {k: v for k, v in scope.items() if k != "__builtins__"}
    return known


def forget_scopes() -> None:
    """Drop what was kept for one stream."""
    _scopes.clear()


class Namespace:
    """Stands for the live namespace in a stream."""

    def __reduce__(self) -> Any:
        return rebuild.namespace, ()


class ModuleNamespace:
    """Stands for the globals of a module."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __reduce__(self) -> Any:
        return vars, (self.module,)


class _Module:
    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> Any:
        return rebuild.module, (self.name,)

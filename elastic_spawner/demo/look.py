"""Describe every variable of a live session, so that two sessions can be compared.

The text of this file is sent into the kernel and runs there in a namespace of its own: it names nothing in the user's
namespace, changes no value, advances no generator, and needs the standard library only. It is written apart from what
takes checkpoints, so that a fault there does not hide itself here.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import sys
import threading
import types
from typing import Any

PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented), range, slice)
LOCKS = (type(threading.Lock()), type(threading.RLock()))
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Look:
    """Digests values by their structure. An object that was met before counts as "the same as there", not as equal."""

    def __init__(self) -> None:
        self.met: dict[int, tuple[str, int]] = {}
        """id -> the variable in which the object was met first, and as how manieth one there."""
        self.kept: list[Any] = []
        """Temporary objects live until the end, so that no id is used twice."""
        self.opaque = False
        """Whether something was met of which nothing but the repr can be seen."""
        self.place = ("", 0)

    def digest(self, name: str, value: Any) -> str:
        self.place, self.opaque = (name, 0), False
        return hashlib.blake2b(repr(self.walk(value)).encode(), digest_size=16).hexdigest()

    def walk(self, value: Any) -> Any:
        if isinstance(value, PLAIN) and type(value) in PLAIN:
            return (type(value).__name__, repr(value))
        if isinstance(value, types.ModuleType):
            return ("module", value.__name__)
        if isinstance(value, type):
            return self.of_class(value)
        if isinstance(value, tuple):  # immutable: two equal ones may be one object or two
            return (self.named(type(value)), *map(self.walk, value))
        if id(value) in self.met:
            return ("as", self.met[id(value)])
        self.remember(value)
        return (self.named(type(value)), self.inside(value))

    def remember(self, value: Any) -> None:
        self.met[id(value)] = self.place
        self.place = (self.place[0], self.place[1] + 1)
        self.kept.append(value)

    def inside(self, value: Any) -> Any:
        numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
        if isinstance(value, (set, frozenset)):
            return sorted(repr(Look().walk(v)) for v in value)
        if numpy and isinstance(value, numpy.ndarray):
            data = self.walk(value.tolist()) if value.dtype.hasobject else hashlib.blake2b(value.tobytes()).hexdigest()
            return (str(value.dtype), value.shape, data)
        if numpy and isinstance(value, (numpy.generic, numpy.dtype)):
            return repr(value)
        if pandas and isinstance(value, pandas.DataFrame):
            return (self.walk(value.index), [(self.walk(n), self.walk(c)) for n, c in value.items()])
        if pandas and isinstance(value, (pandas.Series, pandas.Index)):
            index = self.walk(value.index) if isinstance(value, pandas.Series) else None
            return (self.walk(value.name), str(value.dtype), index, self.walk(value.to_numpy()))
        if isinstance(value, types.FunctionType):
            cells = [c.cell_contents for c in value.__closure__ or () if c != types.CellType()]
            defaults = (value.__defaults__, value.__kwdefaults__)
            return (self.code(value.__code__), self.walk(defaults), self.walk(cells))
        if isinstance(value, types.MethodType):
            return (value.__name__, self.walk(value.__self__))
        if isinstance(value, types.GeneratorType):
            frame = value.gi_frame
            where = (frame.f_lasti, self.walk(dict(frame.f_locals))) if frame else "exhausted"
            return (self.code(value.gi_code), where)
        if isinstance(value, LOCKS):
            return "locked" if re.match(r"<locked", repr(value)) else "unlocked"
        if isinstance(value, sqlite3.Connection):
            return list(value.iterdump())
        if hasattr(value, "readable") and hasattr(value, "closed") and not isinstance(value, type):
            return self.file(value)
        return self.reduced(value)

    def reduced(self, value: Any) -> Any:
        """What the object itself says that it consists of."""
        try:
            parts = value.__reduce_ex__(4)
        except Exception:
            self.opaque = True
            return ADDRESS.sub("", repr(value))
        if isinstance(parts, str):
            return parts
        self.kept.append(parts)
        made, args, state, items, pairs = (*parts, None, None, None)[:5]
        items = None if items is None or isinstance(value, dict) else [self.walk(i) for i in items]
        pairs = None if pairs is None else [(self.walk(k), self.walk(v)) for k, v in pairs]
        return (getattr(made, "__qualname__", repr(made)), self.walk(tuple(args or ())), self.walk(state), items, pairs)

    def file(self, value: Any) -> Any:
        try:
            position = None if value.closed else value.tell()
        except (OSError, ValueError):
            position = None
        name = repr(getattr(value, "name", None))
        return (name, getattr(value, "mode", None), value.closed, position)

    def of_class(self, value: type) -> Any:
        if value.__module__ != "__main__" or id(value) in self.met:
            return ("class", self.named(value))
        self.remember(value)
        skip = {"__dict__", "__weakref__", "__doc__", "__module__", "__slotnames__"}
        skip |= {"__firstlineno__", "__static_attributes__"}
        members = [(k, self.walk(v)) for k, v in sorted(vars(value).items()) if k not in skip]
        return ("class", self.named(value), members)

    def code(self, code: types.CodeType) -> Any:
        constants = [
            self.code(c)
            if isinstance(c, types.CodeType)
            else sorted(map(repr, c))
            if isinstance(c, frozenset)
            else repr(c)
            for c in code.co_consts
        ]
        return (code.co_name, code.co_code.hex(), constants, code.co_names, code.co_varnames, code.co_freevars)

    @staticmethod
    def named(cls: type) -> str:
        return f"{cls.__module__}.{cls.__qualname__}"


def shown(value: Any, width: int = 60) -> str:
    """A short text for a person, without addresses."""
    numpy = sys.modules.get("numpy")
    if numpy and isinstance(value, numpy.ndarray):
        return f"array{value.shape} of {value.dtype}"
    if isinstance(value, types.GeneratorType):
        frame = value.gi_frame
        return "exhausted" if frame is None else f"stopped in line {frame.f_lineno} of {value.__name__}"
    text = " ".join(ADDRESS.sub("", repr(value)).split())
    return text if len(text) <= width else text[: width - 3] + "..."


def look(shell: Any) -> str:
    """JSON: {"variables": {name: {"type", "digest", "shown", "opaque"}}, "shared": [[names of one array's memory]]}"""
    names = sorted(n for n in shell.user_ns if not n.startswith("_") and n not in shell.user_ns_hidden)
    looking, variables = Look(), {}
    for name in names:
        value = shell.user_ns[name]
        variables[name] = {
            "type": type(value).__name__,
            "digest": looking.digest(name, value),
            "shown": shown(value),
            "opaque": looking.opaque,
        }
    groups: list[list[str]] = []
    if numpy := sys.modules.get("numpy"):
        arrays = {n: shell.user_ns[n] for n in names if isinstance(shell.user_ns[n], numpy.ndarray)}
        for name, array in arrays.items():
            group = next((g for g in groups if numpy.may_share_memory(arrays[g[0]], array)), None)
            group.append(name) if group else groups.append([name])
    return json.dumps({"variables": variables, "shared": [g for g in groups if len(g) > 1]})

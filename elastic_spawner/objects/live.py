"""Objects that stand for something outside the interpreter: locks, files, connections.

`live_state` describes such an object by plain values: what it is connected to and how far it has come. The tracker
compares that; the pickler rebuilds from it.
"""

from __future__ import annotations

import contextvars
import gc
import os
import re
import sys
import threading
import types
import weakref
from typing import Any

from .digest import digest_of
from .files import file_state, is_file

LockType = type(threading.Lock())
RLockType = type(threading.RLock())

kernel_streams: dict[str, Any] = {}
"""The kernel's own ``stdout`` and ``stderr``, which ``sys`` may have others in place of by now."""

originals: dict[tuple[str, str], Any] = {}
"""What a module (name) or a class in it (dotted name) had before the session put something else there."""


class Irretrievable:
    """Stands for something that is there and cannot be had; it is reported, with this reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def sqlite_state(conn: Any) -> tuple[Any, ...]:
    """(path or '' for memory, rows changed, in a transaction, schema version) of an open sqlite3 connection."""
    import sqlite3

    try:
        # a cursor of our own, past the user's row_factory
        cursor = sqlite3.Cursor(conn)
        cursor.row_factory = None
        rows = cursor.execute("PRAGMA database_list").fetchall()
        version = cursor.execute("PRAGMA schema_version").fetchone()[0]
        path = next((r[2] for r in rows if r[1] == "main"), "")
        if isinstance(path, bytes):
            path = path.decode("utf-8", "surrogateescape")
        # a database in memory has no path, or after deserialize() the name of no file
        return (path if path and os.path.isabs(path) else "", conn.total_changes, conn.in_transaction, version)
    except (sqlite3.ProgrammingError, sqlite3.OperationalError):  # closed, used in another thread, or locked
        return ("closed",)


def live_state(obj: Any) -> tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]:
    """(state, progress) of a live object, each None when there is none.

    The state is what an object made again has too; the progress is what only this very object has come to.
    """
    cls = type(obj)
    if cls is LockType:
        return ("lock", obj.locked()), None
    if cls is RLockType:
        return ("rlock", rlock_count(obj)), None
    if is_file(cls):
        return ("file", *file_state(obj)), None
    sqlite3 = sys.modules.get("sqlite3")
    if sqlite3 is not None and isinstance(obj, sqlite3.Connection):
        path, *progress = sqlite_state(obj)
        content = ""
        if path == "" and hasattr(obj, "serialize"):
            content = digest_of(obj.serialize())
        return ("sqlite", path, content), tuple(progress)
    if cls is re.Match:
        return ("match", obj.re.pattern, obj.string, obj.regs), None
    return None, None


def finalizer_parts(f: Any) -> tuple[Any, ...] | None:
    """(object, function, arguments, keywords) of a weakref.finalize of the user's that waits; None of any other.

    A library's own (that of a tempfile.TemporaryDirectory) removes what it made: after a move nothing is to be removed
    behind the user's back.
    """
    known = f.peek()
    if known is None:
        return None
    function = known[1]
    owner = getattr(function, "__self__", None)
    module = getattr(function, "__module__", None)
    librarys = module not in (None, "__main__") and (owner is None or isinstance(owner, type))
    return None if librarys else known


def proxied(proxy: Any) -> Any:
    """What a weakref.proxy stands for; None when that is gone."""
    try:
        return proxy.__reduce_ex__.__self__  # the proxy hands on everything, but a method knows its owner
    except ReferenceError:
        return None


def cache_entries(wrapper: Any) -> list[tuple[tuple[Any, ...], dict[str, Any], Any]]:
    """(arguments, keywords, result) of each call that a functools.lru_cache remembers, the oldest first.

    The collector's view of the cache tells: for a bounded one key, result and the type of the link between them, for an
    unbounded one the dictionary.
    """
    parameters = wrapper.cache_parameters()
    referents = gc.get_referents(wrapper)
    table = next(i for i, r in enumerate(referents) if type(r) is dict)
    if parameters["maxsize"] is None:
        pairs = list(referents[table].items())
    else:
        links = range(1, table - 2, 3)
        pairs = [(referents[i], referents[i + 1]) for i in links]
    mark = next((r for r in referents[table:] if type(r) is object), None)
    return [(*_arguments(key, mark, parameters["typed"]), result) for key, result in pairs]


def _arguments(key: Any, mark: Any, typed: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The call that a key of a cache stands for."""
    if type(key) is not tuple:
        return (key,), {}
    count = next((i for i, part in enumerate(key) if part is mark), None)
    if count is None:
        return key[: len(key) // 2] if typed else key, {}
    words = key[count + 1 :]
    if typed:
        words = words[: (len(words) - count) // 3 * 2]
    return key[:count], dict(zip(words[::2], words[1::2]))


def context_value(variable: contextvars.ContextVar[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The default of a context variable and its value in this context, each as a tuple of one or none."""
    nothing = object()
    own = contextvars.copy_context().get(variable, nothing)
    try:
        default = contextvars.Context().run(variable.get)
    except LookupError:
        default = nothing
    return (() if default is nothing else (default,)), (() if own is nothing else (own,))


def is_dynamic(module: Any) -> bool:
    """Whether no file or loader stands behind a module: the session made it, and it consists of what it holds."""
    if not isinstance(module, types.ModuleType):
        return False
    attributes = vars(module)
    made = attributes.get("__spec__") is None and attributes.get("__file__") is None
    return made and attributes.get("__name__") not in ("__main__", *sys.builtin_module_names)


def rlock_count(lock: Any) -> int:
    """How often the RLock is held (its repr is the only place that tells on all versions)."""
    found = re.search(r"count=(\d+)", repr(lock))
    return int(found.group(1)) if found else 0


def is_outward(obj: Any) -> bool:
    """Whether using the object acts on the outside without an audit event, in a way that `live_state` shows."""
    if is_file(type(obj)):
        return not obj.closed and obj.writable()
    sqlite3 = sys.modules.get("sqlite3")
    if sqlite3 is not None and isinstance(obj, sqlite3.Connection):
        return sqlite_state(obj)[0] != ""  # a database in memory is the session's own
    return False


def weak_callback(reference: Any) -> Any:
    """What a weak reference, method or proxy calls when that goes which it stands for; None when it calls nothing."""
    if type(reference) is not weakref.WeakMethod:
        return next(iter(gc.get_referents(reference)), None)  # a proxy cannot be asked: it would hand that on
    # it has a function of its own, with that of whoever made it in its closure
    own = reference.__callback__
    cells = dict(zip(own.__code__.co_freevars, own.__closure__ or ())) if own is not None else {}
    return cells["callback"].cell_contents if "callback" in cells else None


def is_ctypes(cls: type) -> bool:
    """Whether instances are memory as C has it."""
    module = sys.modules.get("_ctypes")
    return module is not None and issubclass(
        cls, (module._SimpleCData, module.Structure, module.Union, module.Array, module._Pointer, module.CFuncPtr)
    )


def kept_by(obj: Any) -> list[Any]:
    """What an object of ctypes keeps alive because its memory points there, or is part of it."""
    kept = obj._objects  # by places in its memory, or by ids
    return [obj._b_base_, *(kept.values() if type(kept) is dict else [kept])]


def is_pointer(cls: type) -> bool:
    """Whether instances, of a class of ctypes, are or have addresses in them, which say nothing in another process."""
    module = sys.modules["_ctypes"]
    if issubclass(cls, (module._Pointer, module.CFuncPtr)):
        return True
    if issubclass(cls, module._SimpleCData):
        return cls._type_ in "zZPsXO"  # type: ignore[attr-defined]
    if issubclass(cls, module.Array):
        return is_pointer(cls._type_)  # type: ignore[attr-defined]
    return any(is_pointer(field[1]) for c in cls.__mro__ for field in c.__dict__.get("_fields_", ()))


def is_channel(obj: Any) -> bool:
    """Whether the object talks to somebody else, so that any use of it may act on the outside."""
    for module, names in (
        ("socket", ("socket",)),
        ("subprocess", ("Popen",)),
        ("multiprocessing.connection", ("Connection",)),
    ):
        loaded = sys.modules.get(module)
        if loaded is not None and isinstance(obj, tuple(getattr(loaded, n) for n in names)):
            return True
    return False

"""How objects are taken apart that the standard picklers refuse though they can be made again: locks, files, databases,
weak references, views, generators of random numbers, singletons of libraries."""

from __future__ import annotations

import contextvars
import datetime
import decimal
import io
import re
import sys
import threading
import types
import weakref
from typing import Any

from ..errors import SaveError
from ..objects import iterators
from ..objects.files import file_state, is_compressed, is_file, layer_below, newline_of
from ..objects.kinds import has_default_reduce, is_user_class
from ..objects.live import (
    Irretrievable,
    LockType,
    RLockType,
    context_value,
    finalizer_parts,
    is_pointer,
    kept_by,
    kernel_streams,
    proxied,
    rlock_count,
    sqlite_state,
    weak_callback,
)
from . import rebuild, rebuild_live

_VIEWS = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}


class Unsavable(SaveError):
    """The object cannot be kept; the message says why and speaks to the user."""


class LiveReducer:
    """Reductions of live objects, for one pickle stream."""

    def __init__(self) -> None:
        self._singletons: dict[str, dict[int, str]] = {}

    def reduce(self, obj: Any) -> Any:
        """A reduction, or NotImplemented; raises Unsavable."""
        cls = type(obj)
        simple = _SIMPLE.get(cls)
        if simple is not None:
            return simple(obj)
        if is_file(cls):
            return _file(obj)
        module = cls.__module__
        if cls is decimal.Context and obj is decimal.getcontext():
            return decimal.getcontext, ()  # its settings are hidden state
        running = _running(obj)
        if running is not None:
            raise Unsavable(running)
        if cls in _VIEWS:
            return rebuild.view, (_VIEWS[cls], _mapping_of(obj))
        if module == "ipykernel.iostream":
            name = next((n for n, s in kernel_streams.items() if s is obj), None)
            return NotImplemented if name is None else (rebuild_live.stream, (name,))
        if module.startswith(("IPython.", "ipykernel.")) and hasattr(obj, "user_ns") and hasattr(obj, "run_cell"):
            return rebuild.shell, ()
        if module == "sqlite3":
            return _sqlite(obj)
        if iterators.is_silent(cls):
            parts = iterators.parts(obj)
            return NotImplemented if parts is None else (rebuild.iterator, (cls.__name__, parts))
        if module == "mmap" or cls.__name__ == "mmap" and module == "builtins":
            raise Unsavable("it is a memory map of a file")
        if cls.__name__ == "Generator" and module.startswith("torch"):
            return rebuild.torch_generator, (str(obj.device), obj.get_state().numpy().tobytes())
        return self._singleton(obj, cls)

    def _singleton(self, obj: Any, cls: type) -> Any:
        """An object that its type's module keeps under a name and compares by identity (dataclasses.MISSING)."""
        if is_user_class(cls) or cls.__module__ == "builtins" or not has_default_reduce(cls):
            return NotImplemented
        name = cls.__module__
        known = self._singletons.get(name)
        if known is None:
            module = sys.modules.get(name)
            contents = vars(module).items() if module is not None else ()
            known = self._singletons[name] = {
                id(v): k for k, v in contents if type(v).__module__ == name and not isinstance(v, type)
            }
        found = known.get(id(obj))
        return NotImplemented if found is None else (rebuild.attribute, (name, found))


def _running(obj: Any) -> str | None:
    """What is going on behind the object, so that a copy of it would be a lie."""
    if isinstance(obj, threading.Thread):
        return "it is a running thread" if obj.is_alive() else None
    module = type(obj).__module__
    if module.startswith("subprocess") and hasattr(obj, "returncode") and hasattr(obj, "pid"):
        return "it is a running process" if obj.returncode is None else None
    if module.startswith("multiprocessing.") and hasattr(obj, "_popen"):
        return "it is a process" if obj._popen is not None else None
    if module.startswith(("concurrent.futures.thread", "concurrent.futures.process", "multiprocessing.pool")):
        return "it is a pool of workers"
    if module.startswith(("asyncio.", "_asyncio")) and type(obj).__name__ in ("Task", "_UnixSelectorEventLoop"):
        return "it is at work in the event loop"
    return None


def ctypes_object(obj: Any) -> Any:
    """One of ctypes pickles by itself, where its memory is its own."""
    if is_pointer(type(obj)):
        raise Unsavable("it has addresses of memory in it")
    if obj._b_base_ is not None or any(type(o) is memoryview for o in kept_by(obj)):
        raise Unsavable("it looks at the memory of another object")
    return NotImplemented


def _file(f: Any) -> Any:
    name, mode, position, closed, encoding, errors, line_buffering = file_state(f)
    if f in (sys.stdout, sys.stderr, sys.stdin) or name in ("<stdout>", "<stderr>", "<stdin>"):
        raise Unsavable("it is one of the kernel's own streams")
    if not isinstance(name, (str, bytes)):
        raise Unsavable("it is an open file without a path")
    below = layer_below(f)
    newline = newline_of(f) if isinstance(f, io.TextIOWrapper) and position is not None else None
    if is_compressed(type(below)):
        if mode == "wb":
            raise Unsavable("it is a compressed file that is being written")
        kind = type(below)
        return rebuild.compressed, (kind.__module__, kind.__name__, name, position, closed, encoding, errors, newline)
    if not isinstance(below, io.FileIO):
        raise Unsavable(f"it is laid over a stream ({type(below).__qualname__})")
    if not closed:
        if position is None:
            raise Unsavable("it is a pipe, or a file that is being iterated")
        if f.writable():
            f.flush()  # what is still in its buffer would be lost with the process
    if isinstance(name, str) and not name.startswith("/") and not closed:
        import os

        target = (
            os.readlink(f"/proc/self/fd/{f.fileno()}") if os.path.exists("/proc/self/fd") else os.path.abspath(name)
        )
        if not os.path.exists(target):
            raise Unsavable("its file is gone")
    return rebuild.file, (name, mode, position, closed, encoding, errors, line_buffering, newline)


def _sqlite(conn: Any) -> Any:
    import sqlite3

    if isinstance(conn, sqlite3.Cursor) and type(conn) is sqlite3.Cursor and conn.description is None:
        if (conn.rowcount, conn.lastrowid, conn.arraysize) == (-1, None, 1) and conn.row_factory is None:
            return sqlite3.Cursor, (conn.connection,)  # nothing was asked of it that is still to be seen
    if not isinstance(conn, sqlite3.Connection):
        raise Unsavable("it is a cursor with the result of a database query")
    state = sqlite_state(conn)
    if state[0] == "closed":
        raise Unsavable("it is a closed database connection")
    path, _changes, in_transaction, _version = state
    if in_transaction and path:
        raise Unsavable("it has a transaction open: commit it")
    extra = _functions(conn) - _functions(sqlite3.connect(":memory:"))
    if extra:
        raise Unsavable(f"functions were added to it ({', '.join(sorted(extra))})")
    cursor = sqlite3.Cursor(conn)
    cursor.row_factory = None
    schemas = {r[1] for r in cursor.execute("PRAGMA database_list")}
    if schemas - {"main", "temp"}:
        raise Unsavable("other databases are attached to it")
    if "temp" in schemas and cursor.execute("SELECT count(*) FROM sqlite_temp_master").fetchone()[0]:
        raise Unsavable("it has temporary tables")
    image: Any = None
    if not path:
        image = conn.serialize() if hasattr(conn, "serialize") else "\n".join(conn.iterdump())
    return rebuild_live.sqlite, (path, image, conn.isolation_level, conn.row_factory, conn.text_factory, in_transaction)


def _functions(conn: Any) -> set[str]:
    import sqlite3

    cursor = sqlite3.Cursor(conn)
    cursor.row_factory = None
    try:
        return {r[0] for r in cursor.execute("SELECT name FROM pragma_function_list WHERE builtin = 0")}
    except sqlite3.OperationalError:  # an SQLite that was built without the list
        return set()


def _match(m: re.Match[Any]) -> Any:
    return rebuild.match, (m.re, m.string, m.start(), m.endpos, m.pos, m.regs)


def _mapping_of(view: Any) -> Any:
    proxy = view.mapping
    import gc

    return next(r for r in gc.get_referents(proxy) if isinstance(r, dict))


def _weak_values(w: Any) -> Any:
    return rebuild.weak_values, (list(w.items()),)


def _text_stream(s: io.StringIO) -> Any:
    if s.closed:
        return NotImplemented
    return rebuild.text_stream, (s.getvalue(), s.tell())


def _refuse(obj: Irretrievable) -> Any:
    raise Unsavable(obj.reason)


def _finalizer(f: Any) -> Any:
    return rebuild_live.finalizer, (finalizer_parts(f), f.atexit if f.alive else True)


def _generator(g: types.GeneratorType[Any, Any, Any]) -> Any:
    if g.gi_frame is None:
        return rebuild_live.finished, (g.gi_code,)
    raise Unsavable("it is a generator, half-way through its code")


def _coroutine(c: types.CoroutineType[Any, Any, Any]) -> Any:
    if c.cr_frame is None:
        return rebuild_live.finished, (c.cr_code,)
    raise Unsavable("it is a coroutine, half-way through its code")


def _refuse_context(_: Any) -> Any:
    raise Unsavable("it is a copy of a context, in which libraries keep what they like")


def _refuse_generator(_: Any) -> Any:
    raise Unsavable("it is a generator, half-way through its code")


_WEEK = type(datetime.date.min.isocalendar())

_SIMPLE: dict[type, Any] = {
    _WEEK: lambda week: (rebuild.week, tuple(week)),  # pickled, it would become a tuple
    LockType: lambda lock: (rebuild.lock, (lock.locked(),)),
    RLockType: lambda lock: (rebuild.rlock, (rlock_count(lock),)),
    weakref.ref: lambda r: (rebuild.weak_reference, (r(), weak_callback(r))),
    weakref.WeakMethod: lambda r: (rebuild.weak_method, (r(), weak_callback(r))),
    weakref.ProxyType: lambda p: (rebuild.weak_proxy, (proxied(p), weak_callback(p))),
    weakref.CallableProxyType: lambda p: (rebuild.weak_proxy, (proxied(p), weak_callback(p))),
    weakref.WeakValueDictionary: _weak_values,
    weakref.WeakKeyDictionary: lambda w: (rebuild.weak_keys, (list(w.items()),)),
    weakref.WeakSet: lambda w: (rebuild.weak_set, (list(w),)),
    weakref.finalize: _finalizer,
    re.Match: _match,
    io.StringIO: _text_stream,
    Irretrievable: _refuse,
    contextvars.Context: _refuse_context,
    contextvars.ContextVar: lambda v: (rebuild_live.context_variable, (v.name, *context_value(v))),
    types.GeneratorType: _generator,
    types.AsyncGeneratorType: _refuse_generator,
    types.CoroutineType: _coroutine,
}

"""How the walk takes apart what stands for something else: modules, files, connections, weak references, the shell."""

from __future__ import annotations

import contextvars
import decimal
import sys
from typing import TYPE_CHECKING, Any

from .live import (
    context_value,
    finalizer_parts,
    is_dynamic,
    is_outward,
    is_pointer,
    kept_by,
    kernel_streams,
    live_state,
    proxied,
    weak_callback,
)

if TYPE_CHECKING:
    from .walk import Walker


def modules(walker: Walker, members: list[Any]) -> None:
    """A module is kept by name; one that the session made, by what it holds."""
    for m in members:
        walker.hash.text_of(m.__name__)
        walker.found.modules.add(m.__name__.partition(".")[0])
        if is_dynamic(m):
            walker.found.ids.add(id(m))
            content = {k: v for k, v in vars(m).items() if k != "__builtins__"}
            walker.push(walker.keep([*content, *content.values()]))


def context_variables(walker: Walker, members: list[Any]) -> None:
    """contextvars.ContextVar: its name, its default and its value here."""
    for v in members:
        walker.hash.text_of(v.name)
        walker.push(walker.keep(list(context_value(v))))


def contexts(walker: Walker, members: list[Any]) -> None:
    """contextvars.Context: what the session's own variables have in it; libraries keep what they like in it."""
    known = [v for v in (walker.namespace or {}).values() if type(v) is contextvars.ContextVar]
    walker.found.hides = walker.found.uncertain = True
    for c in members:
        name = f"{type(c).__module__}.{type(c).__qualname__}"
        walker.found.opaque[name] = walker.found.opaque.get(name, 0) + 1
        walker.push(walker.keep([[v, c[v]] for v in known if v in c]))


def decimal_contexts(walker: Walker, members: list[Any]) -> None:
    """decimal.Context: its settings; those of the present one are hidden state."""
    for c in members:
        present = c is decimal.getcontext()
        walker.hash.text_of("present" if present else repr(c))


def streams(walker: Walker, members: list[Any]) -> None:
    """The kernel's own streams, kept by name; others of their class are opaque."""
    known = {id(s): name for name, s in kernel_streams.items()}
    for s in members:
        if id(s) in known:
            walker.hash.text_of(known[id(s)])
            walker.transient.add(id(s))
        else:
            walker.opaque(s)


def finalizers(walker: Walker, members: list[Any]) -> None:
    """weakref.finalize: the object that it waits for, and what it will call."""
    parts = [finalizer_parts(f) for f in members]
    walker.found.finalizes = walker.found.finalizes or any(parts)
    walker.push(walker.keep([list(p) if p else None for p in parts]))


def ctypes_objects(walker: Walker, members: list[Any]) -> None:
    """Structures and arrays of ctypes: their memory, and whose else it is. An address says nothing."""
    for o in members:
        if is_pointer(type(o)):
            walker.opaque(o)
            continue
        walker.feed(bytes(o))
        walker.push(walker.keep([*kept_by(o), getattr(o, "__dict__", None)]))


def weak_references(walker: Walker, members: list[Any]) -> None:
    """weakref.ref: linked with what it points to, and what it calls when that goes."""
    walker.push(walker.hold([r() for r in members]))
    walker.push([weak_callback(r) for r in members])


def weak_methods(walker: Walker, members: list[Any]) -> None:
    """weakref.WeakMethod: linked with the object and the function."""
    walker.push(walker.keep([r() for r in members]))
    walker.push([weak_callback(r) for r in members])


def weak_proxies(walker: Walker, members: list[Any]) -> None:
    """weakref.proxy: linked with what it stands for, and never asked for anything, which it would hand on."""
    walker.push(walker.hold([proxied(p) for p in members]))
    walker.push([weak_callback(p) for p in members])


def weak_containers(walker: Walker, members: list[Any]) -> None:
    """WeakValueDictionary, WeakKeyDictionary, WeakSet: their live content."""
    for w in members:
        pairs = list(w.items()) if hasattr(w, "items") else [walker.keep(set(w))]
        walker.hold([part for pair in pairs for part in pair])
        walker.push(pairs)


def live_objects(walker: Walker, members: list[Any]) -> None:
    """Locks, files, connections: what they are connected to and how far they have come."""
    for o in members:
        if is_outward(o):
            walker.found.outward.add(type(o).__qualname__)
        state, progress = live_state(o)
        walker.hash.text_of(repr(state))
        if progress is not None:
            walker.found.progress += f"{progress};"


def byte_streams(walker: Walker, members: list[Any]) -> None:
    """BytesIO, StringIO."""
    for s in members:
        state = "closed" if s.closed else (s.getvalue(), s.tell())
        walker.push(walker.keep([state]))


def loggers(walker: Walker, members: list[Any]) -> None:
    """logging.Logger: the logging module keeps them by name."""
    for o in members:
        walker.hash.text_of(o.name)


def shells(walker: Walker, members: list[Any]) -> None:
    """IPython's shell: there is one, and it is never taken apart."""
    walker.transient.update(map(id, members))


def is_logger(cls: type) -> bool:
    logging = sys.modules.get("logging")
    return logging is not None and issubclass(cls, logging.Logger)


def is_shell(cls: type) -> bool:
    ipython = sys.modules.get("IPython.core.interactiveshell")
    return ipython is not None and issubclass(cls, ipython.InteractiveShell)


def is_stream(cls: type) -> bool:
    return cls.__module__ == "ipykernel.iostream"


def is_sqlite(cls: type) -> bool:
    sqlite3 = sys.modules.get("sqlite3")
    return sqlite3 is not None and issubclass(cls, sqlite3.Connection)


def is_mmap(cls: type) -> bool:
    mmap = sys.modules.get("mmap")
    return mmap is not None and issubclass(cls, mmap.mmap)

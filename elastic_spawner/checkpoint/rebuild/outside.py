"""What stands for the outside, or for other objects: locks, files, databases, weak references, views."""

from __future__ import annotations

import datetime
import importlib
import io
import logging
import os
import threading
import types
import weakref
from typing import Any


def lock(locked: bool) -> Any:
    """threading.Lock."""
    made = threading.Lock()
    if locked:
        made.acquire()
    return made


def rlock(count: int) -> Any:
    """threading.RLock, held by the thread that restores."""
    made = threading.RLock()
    for _ in range(count):
        made.acquire()
    return made


def file(
    name: Any,
    mode: str,
    position: int | None,
    closed: bool,
    encoding: Any,
    errors: Any,
    line_buffering: Any,
    newline: str | None = None,
) -> Any:
    """A file object as it was: at its position, and never emptied or created by being opened again.

    Raises OSError when the file is not there or shorter than the position.
    """
    if not isinstance(name, (str, bytes)):
        raise OSError(f"file {name!r} has no path")

    def reopen(path: Any, flags: int) -> int:
        if closed:  # a closed file only has to look like one
            return os.open(os.devnull, os.O_RDWR)
        return os.open(path, flags & ~(os.O_TRUNC | os.O_CREAT | os.O_EXCL))

    binary = "b" in mode
    options: dict[str, Any] = {} if binary else {"encoding": encoding, "errors": errors, "newline": newline}
    f = open(name, mode, -1 if line_buffering in (None, False) else 1, opener=reopen, **options)
    if closed:
        f.close()
        return f
    if position is not None:
        size = os.fstat(f.fileno()).st_size
        if binary and position > size:
            f.close()
            raise OSError(f"{name!r} has {size} bytes, the session was at {position}")
        f.seek(position)
    return f


def compressed(
    module: str,
    kind: str,
    name: Any,
    position: int | None,
    closed: bool,
    encoding: Any,
    errors: Any,
    newline: str | None = None,
) -> Any:
    """A gzip, bz2 or lzma file that is read, at its position in the plain data, or a closed one; as text with an
    ``encoding``.

    Raises OSError when the file is not there.
    """
    cls = getattr(importlib.import_module(module), kind)
    if closed:  # it only has to look like one
        f = cls(name, "rb", fileobj=io.BytesIO()) if kind == "GzipFile" else cls(io.BytesIO())
    else:
        f = cls(name, "rb")
    made = f if encoding is None else io.TextIOWrapper(f, encoding, errors, newline)
    if position is not None:
        made.seek(position)
    if closed:
        made.close()
    return made


def match(pattern: Any, string: Any, start: int, endpos: int, pos: int, regs: tuple[tuple[int, int], ...]) -> Any:
    """A re.Match: the same search again."""
    for found in (
        pattern.search(string, pos, endpos),
        pattern.match(string, start, endpos),
        pattern.fullmatch(string, pos, endpos),
    ):
        if found is not None and found.regs == regs:
            return found
    for found in pattern.finditer(string, pos, endpos):
        if found.regs == regs:
            return found
    raise ValueError(f"{pattern.pattern!r} does not match as it did")


def logger(name: str) -> Any:
    """A logger by name."""
    return logging.getLogger(name)


def weak_reference(target: Any, callback: Any = None) -> Any:
    """weakref.ref; to something that is gone when ``target`` is None."""
    if target is None:
        target, callback = type("Gone", (), {})(), None
    return weakref.ref(target, callback)


def weak_method(method: Any, callback: Any = None) -> Any:
    """weakref.WeakMethod; of an object that is gone when ``method`` is None."""
    if method is None:
        method, callback = type("Gone", (), {"method": lambda self: None})().method, None
    return weakref.WeakMethod(method, callback)


def weak_proxy(target: Any, callback: Any = None) -> Any:
    """weakref.proxy; of something that is gone when ``target`` is None."""
    if target is None:
        target, callback = type("Gone", (), {})(), None
    return weakref.proxy(target, callback)


def week(year: int, number: int, day: int) -> Any:
    """What datetime.date.isocalendar returns."""
    return datetime.date.fromisocalendar(year, number, day).isocalendar()


def weak_values(pairs: list[tuple[Any, Any]]) -> Any:
    """weakref.WeakValueDictionary."""
    return weakref.WeakValueDictionary(pairs)


def weak_keys(pairs: list[tuple[Any, Any]]) -> Any:
    """weakref.WeakKeyDictionary."""
    return weakref.WeakKeyDictionary(pairs)


def weak_set(values: list[Any]) -> Any:
    """weakref.WeakSet."""
    return weakref.WeakSet(values)


def view(kind: str, mapping: Any) -> Any:
    """``d.keys()``, ``d.values()`` or ``d.items()``."""
    return getattr(mapping, kind)()


def mapping_proxy(mapping: Any) -> Any:
    """types.MappingProxyType."""
    return types.MappingProxyType(mapping)


def text_stream(value: str, position: int, newline: Any = None) -> Any:
    """io.StringIO at its position."""
    made = io.StringIO(value, newline="")
    made.seek(position)
    return made

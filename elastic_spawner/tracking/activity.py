"""Whether code of the session may run, or has run, outside of its cells: threads, tasks, timers, callbacks, signals.

While nothing of the kind is alive, a value that no cell touched is what it was. In doubt something is.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the typeshed does not know it
import _thread
import asyncio
import functools
import gc
import signal
import sys
import threading
import types
from typing import Any

from .effects import is_kernels

_OWN_FOLDERS = tuple(f"/{name}/" for name in ("ipykernel", "IPython", "zmq", "tornado", "elastic_spawner"))
_OWN_MODULES = ("ipykernel", "IPython", "zmq", "tornado", "asyncio", "_asyncio", "elastic_spawner")
_DEEP = 5


class Activity:
    """What ran since `forget` was called last; ``namespace`` is the session's."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.happened = False
        """Code ran, or may have run, outside of any cell."""
        self.events = 0
        """How often it was told that something ran."""
        self._loop: Any = None

    def note(self) -> bool:
        """Look whether anything is alive now that may run before the next cell; returns whether anything happened."""
        self._loop = asyncio._get_running_loop() or self._loop
        self.happened = self.happened or self.alive()
        return self.happened

    def told(self) -> None:
        """Something outside of cells runs now."""
        self.happened = True
        self.events += 1

    def forget(self) -> None:
        """Everything has been looked at: begin anew."""
        self.happened = self.alive()

    def alive(self) -> bool:
        """Whether something may run code of the session before the next cell does."""
        return foreign_threads() or self._loop_is_used() or bool(signal_handlers())

    def _loop_is_used(self) -> bool:
        loop = self._loop
        if loop is None or loop.is_closed():
            return False
        try:
            tasks = asyncio.all_tasks(loop)
            timers, ready, files = loop._scheduled, list(loop._ready), loop._selector.get_map().values()
        except (AttributeError, RuntimeError):
            return True  # a loop of another make
        if any(not _is_own_task(t) for t in tasks) or any(not t._cancelled and not _is_ours(t) for t in timers):
            return True
        handlers = [h for key in files for h in key.data or () if h is not None]
        return any(self._is_foreign(h._callback, *(h._args or ())) for h in (*ready, *handlers) if not h._cancelled)

    def _is_foreign(self, *callbacks: Any, depth: int = 0) -> bool:
        """Whether a callback of the loop belongs to the session rather than to the kernel."""
        for called in callbacks:
            if isinstance(called, functools.partial):
                inside: tuple[Any, ...] = (called.func, *called.args)
            elif isinstance(called, types.MethodType):
                inside = (called.__func__, *_tornado_handlers(called.__self__))
            elif isinstance(called, types.FunctionType):
                if not (called.__module__ or "").startswith(_OWN_MODULES):
                    return True
                inside = tuple(part for c in called.__closure__ or () for part in gc.get_referents(c))
            elif callable(called) and not isinstance(called, type):
                owner = getattr(called, "__self__", called)
                if not isinstance(owner, (types.ModuleType, type(None), types.BuiltinFunctionType)):
                    if not type(owner).__module__.startswith(_OWN_MODULES):
                        return True
                continue
            else:
                continue
            if depth < _DEEP and self._is_foreign(*inside, depth=depth + 1):
                return True
        return False


def foreign_threads() -> bool:
    """Whether a thread that is not the kernel's own is there and may be about to do something."""
    main = threading.main_thread().ident
    here = {main, threading.get_ident()}
    known = {t.ident: t for t in threading.enumerate() if not isinstance(t, threading._DummyThread)}
    if _thread._count() >= len(known) + (main not in known):
        return True  # one that was started past `threading`, and may not have a frame yet
    # its own frame in a variable of it would keep all that its callers hold until garbage is collected
    frames = {ident: frame for ident, frame in sys._current_frames().items() if ident not in here}
    return any(
        (thread := known.get(ident)) is None or not (is_kernels(thread) or _is_idle(thread, frame))
        for ident, frame in frames.items()
    )


def _is_idle(thread: threading.Thread, frame: types.FrameType) -> bool:
    """A worker of a thread pool that waits for work: who gives it some has to be code that is seen itself."""
    return frame.f_code.co_name == "_worker" and frame.f_globals.get("__name__") == "concurrent.futures.thread"


def _is_own_task(task: Any) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return task.done() or code is not None and any(f in code.co_filename.replace("\\", "/") for f in _OWN_FOLDERS)


def _is_ours(timer: Any) -> bool:
    return str(getattr(timer._callback, "__module__", "")).startswith("elastic_spawner.")


def _tornado_handlers(owner: Any) -> list[Any]:
    """Functions that tornado's loop calls for files other than the kernel's own sockets."""
    if not type(owner).__module__.startswith("tornado."):
        return []
    return [f for _, f in getattr(owner, "handlers", {}).values() if not _is_zmq(f)]


def _is_zmq(function: Any) -> bool:
    return isinstance(function, types.MethodType) and type(function.__self__).__module__.startswith("zmq.")


def signal_handlers() -> list[Any]:
    """Handlers of signals that are neither the interpreter's nor the kernel's."""
    found = []
    for number in range(1, signal.NSIG):
        handler = _signal.getsignal(number)  # past the enumeration that `signal` wraps around it
        if not callable(handler) or handler is signal.default_int_handler:
            continue
        if not str(getattr(handler, "__module__", "")).startswith(("signal", *_OWN_MODULES)):
            found.append(handler)
    return found

"""What the user changed in the process: signal handlers, handlers of loggers, codecs, finders, hooks of pickling.

Parts like those of the shell (see `parts`): values under names that no variable has. Plain settings of the interpreter
and of libraries are hidden state (`tracking.hidden`); this is what holds the user's own functions and objects.
"""

from __future__ import annotations

import abc
import codecs
import copyreg
import gc
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

from ..objects.figures import open_figures
from ..objects.kinds import MAIN, is_user_class
from ..objects.live import Irretrievable

_SIGNALS = tuple(s for s in signal.Signals if s not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD))


class ProcessParts:
    """The parts of this process, told from what it had when this was made."""

    def __init__(self) -> None:
        self._signals = {s: signal.getsignal(s) for s in _SIGNALS}
        self._finders = [*map(id, sys.meta_path), *map(id, sys.path_hooks)]
        self._ways = set(copyreg.dispatch_table)
        self.exits = _exit_functions()
        self._handlers = [h for _, logger in _all_loggers() for h in (*logger.handlers, *logger.filters)]

    def collect(self, used: set[str]) -> dict[str, Any]:
        """Every part by its name; ``used`` are the attributes that cells used: they say what is worth looking for."""
        return dict(self._parts(used))

    def _parts(self, used: set[str]) -> Iterator[tuple[str, Any]]:
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if handler is not None and handler is not self._signals[number]:
                yield f"signal handler {number.name}", handler
        for what, found in (("trace", sys.gettrace()), ("profile", sys.getprofile())):
            if _is_users(found):
                yield f"{what} function", found
        for what, hooks in (("meta_path", sys.meta_path), ("path_hooks", sys.path_hooks)):
            added = [f for f in hooks if id(f) not in self._finders and _is_users(f)]
            if added:
                yield f"sys {what}", added
        ways = {
            c: f for c, f in copyreg.dispatch_table.items() if c not in self._ways and (_is_users(f) or _is_users(c))
        }
        if ways:
            yield "ways to pickle", ways
        yield from self._loggers()
        if figures := open_figures():
            yield "figures of pyplot", [*figures.values()]
        if "register" in used and (registered := list(_registered())):
            yield "registered classes", registered
        if "register" in used or "register_error" in used:
            searches, errors = _codecs()
            if searches:
                yield "registered codecs", searches
            if errors:
                yield "registered codec errors", errors
        if "register" in used and "atexit" in sys.modules and _exit_functions() > self.exits:
            yield "functions at exit", Irretrievable("the interpreter does not tell what atexit.register was given")

    def _loggers(self) -> Iterator[tuple[str, Any]]:
        """Handlers and filters of loggers. Plain handlers of the root logger are hidden state."""
        for name, logger in _all_loggers():
            handlers = [h for h in logger.handlers if h not in self._handlers]
            if name == "root":
                handlers = [h for h in handlers if type(h).__name__ not in ("FileHandler", "StreamHandler")]
            filters = [f for f in logger.filters if f not in self._handlers]
            if handlers or filters:
                yield f"logger {name}", (handlers, filters)

    def lists(self) -> Iterator[tuple[str, list[Any], Callable[[Any], bool]]]:
        """The lists to which code adds, with the part that each belongs to, and which of their entries are its."""
        for name, logger in _all_loggers():
            yield f"logger {name}", logger.handlers, lambda h: h not in self._handlers
            yield f"logger {name}", logger.filters, lambda f: f not in self._handlers
        yield "sys meta_path", sys.meta_path, _is_users
        yield "sys path_hooks", sys.path_hooks, _is_users

    def put(self, name: str, value: Any) -> bool:
        """Put a part back; False when the name is no part's. Raises what the interpreter raises."""
        if name.startswith("signal handler "):
            signal.signal(signal.Signals[name.split()[-1]], value)
        elif name == "trace function":
            sys.settrace(value)
        elif name == "profile function":
            sys.setprofile(value)
        elif name in ("sys meta_path", "sys path_hooks"):
            hooks: list[Any] = getattr(sys, name.split()[1])
            hooks += value
        elif name == "ways to pickle":
            copyreg.dispatch_table.update(value)
        elif name == "figures of pyplot":
            pass  # each has its place from when it was loaded
        elif name.startswith("logger "):
            _put_logger(name[len("logger ") :], *value)
        elif name == "registered classes":
            for base, cls in value:
                base.register(cls)
        elif name == "registered codecs":
            for search in value:
                codecs.register(search)
        elif name == "registered codec errors":
            for key, handler in value.items():
                codecs.register_error(key, handler)
        else:
            return False
        return True


def _is_users(value: Any) -> bool:
    if value is None:
        return False
    owner = getattr(value, "__self__", value)
    module = getattr(owner, "__module__", None) or type(owner).__module__
    return module == MAIN or type(owner).__module__ == MAIN


def _registered() -> Iterator[tuple[Any, Any]]:
    """The user's classes that are registered with abstract classes of libraries."""
    pending: list[Any] = [object]
    seen: set[int] = set()
    while pending:
        for cls in type.__subclasses__(pending.pop()):
            if id(cls) in seen:
                continue
            seen.add(id(cls))
            pending.append(cls)
            if isinstance(cls, abc.ABCMeta) and not is_user_class(cls):
                found = (reference() for reference in abc._get_dump(cls)[0])  # type: ignore[attr-defined]
                yield from ((cls, one) for one in found if one is not None and is_user_class(one))


def _exit_functions() -> int:
    atexit = sys.modules.get("atexit")
    return atexit._ncallbacks() if atexit is not None and hasattr(atexit, "_ncallbacks") else 0


def _codecs() -> tuple[list[Any], dict[str, Any]]:
    """Search functions and error handlers of the user. The interpreter's tables have no name, but known content."""
    import encodings

    searches: list[Any] = []
    errors: dict[str, Any] = {}
    for table in gc.get_referrers(encodings.search_function):
        if type(table) is list and all(map(callable, table)):
            searches = [f for f in table if _is_users(f)] or searches
    for table in gc.get_referrers(codecs.lookup_error("backslashreplace")):
        if type(table) is dict and {"strict", "ignore", "replace"} <= table.keys():
            errors = {k: f for k, f in table.items() if _is_users(f)} or errors
    return searches, errors


def _all_loggers() -> Iterator[tuple[str, Any]]:
    logging = sys.modules.get("logging")
    if logging is not None:
        yield "root", logging.root
        yield from ((n, o) for n, o in list(logging.root.manager.loggerDict.items()) if isinstance(o, logging.Logger))


def _put_logger(name: str, handlers: list[Any], filters: list[Any]) -> None:
    import logging

    logger = logging.root if name == "root" else logging.getLogger(name)
    for handler in handlers:
        if handler not in logger.handlers:
            logger.addHandler(handler)
        logging._addHandlerRef(handler)  # type: ignore[attr-defined]  # it is flushed at exit
    for one in filters:
        logger.addFilter(one)


__all__ = ["ProcessParts"]

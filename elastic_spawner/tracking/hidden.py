"""State of the session that no variable holds: random generators, folder, environment, search path, options.

Each kind is read as plain values, digested after every cell, and put back on restore; a cell that is re-run first gets
the state of its time. Libraries are looked up among the imported modules: what was not imported has no state yet.
"""

from __future__ import annotations
import __future__

import base64
import gc
import os
import pickle
import random
import re
import sys
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from . import hidden_libraries as libraries
from .hold import switch_interval

Reader = Callable[[], Any]
Writer = Callable[[Any], None]


def _started_with() -> dict[str, str]:
    """The environment that this process was started with."""
    try:
        with open("/proc/self/environ", "rb") as f:
            entries = [os.fsdecode(e).partition("=") for e in f.read().split(b"\0") if e]
    except OSError:
        return dict(os.environ)
    # a program that writes its title over this memory leaves no names in it
    return {n: v for n, _, v in entries} if all(e[0] and e[1] for e in entries) else dict(os.environ)


_START = _started_with()
_encoded: Callable[[str], Any] = os.environ.encodevalue
_decoded: Callable[[Any], str] = os.environ.decodevalue
_START_ENCODED = {_encoded(n): _encoded(v) for n, v in _START.items()}
_FIRST = frozenset(os.environ)


def _environment() -> Any:
    """What is set otherwise than at the start of the process, and what is gone: the rest belongs to the machine."""
    known: dict[Any, Any] = os.environ._data  # type: ignore[attr-defined]  # to decode them all each time takes longer
    changed = sorted((n, v) for n, v in known.items() if _START_ENCODED.get(n) != v)
    gone = sorted(n for n in _START_ENCODED if n not in known)
    return {"set": {_decoded(n): _decoded(v) for n, v in changed}, "gone": list(map(_decoded, gone))}


def _set_environment(values: Any) -> None:
    wanted = {n: v for n, v in _START.items() if n not in values["gone"]} | values["set"]
    for name in [n for n in os.environ if n not in wanted and (n in values["gone"] or n not in _FIRST)]:
        del os.environ[name]
    for name, value in wanted.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    import time

    if hasattr(time, "tzset"):
        time.tzset()


def _folder() -> Any:
    try:
        return os.getcwd()
    except OSError:  # removed under our feet
        return None


def _set_folder(path: Any) -> None:
    if path:
        os.chdir(path)


_INSTALLATION = re.compile(r"(^|/)(site|dist)-packages(/|$)|/lib\d*/python\d\.?\d+(\.zip|/lib-dynload)?$")
_OWN = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _set_search_path(paths: Any) -> None:
    """The session's own folders, around this interpreter's: those of another installation do not fit it."""
    here = [p for p in sys.path if _INSTALLATION.search(p)]
    if not set(here) <= set(paths):
        first = next((i for i, p in enumerate(paths) if _INSTALLATION.search(p)), len(paths))
        paths = (
            [p for p in paths[:first] if p not in here]
            + here
            + [p for p in paths[first:] if not _INSTALLATION.search(p)]
        )
    if _OWN in sys.path and _OWN not in paths:
        paths = [*paths, _OWN]
    sys.path[:] = paths


def _interpreter() -> Any:
    socket = sys.modules.get("socket")
    mask = os.umask(0o077)
    os.umask(mask)
    return {
        "recursion": sys.getrecursionlimit(),
        "switching": switch_interval(),
        "digits": sys.get_int_max_str_digits() if hasattr(sys, "get_int_max_str_digits") else None,
        "collector": (gc.isenabled(), gc.get_threshold()),
        "mask": mask,
        "bytecode": sys.dont_write_bytecode,
        "arguments": list(sys.argv),
        "timeout": socket.getdefaulttimeout() if socket is not None else None,
    }


def _set_interpreter(values: Any) -> None:
    sys.setrecursionlimit(values["recursion"])
    sys.setswitchinterval(values["switching"])
    if values["digits"] is not None and hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(values["digits"])
    enabled, thresholds = values["collector"]
    (gc.enable if enabled else gc.disable)()
    gc.set_threshold(*thresholds)
    os.umask(values["mask"])
    sys.dont_write_bytecode = values["bytecode"]
    # the launcher's own arguments name files of the kernel that is gone
    if "ipykernel" not in "".join(values["arguments"][:1]):
        sys.argv[:] = values["arguments"]
    if values["timeout"] is not None or "socket" in sys.modules:
        import socket

        socket.setdefaulttimeout(values["timeout"])


def _compiler() -> Any:
    """What cells imported from ``__future__``: IPython compiles all later ones with it."""
    ipython = sys.modules.get("IPython.core.getipython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return None
    return [n for n in __future__.all_feature_names if shell.compile.flags & getattr(__future__, n).compiler_flag]


def _set_compiler(names: Any) -> None:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        return
    for name in __future__.all_feature_names:
        flag = getattr(__future__, name).compiler_flag
        shell.compile.flags = shell.compile.flags | flag if name in names else shell.compile.flags & ~flag


def _decimal() -> Any:
    module = sys.modules.get("decimal")
    if module is None:
        return None
    c = module.getcontext()
    traps = [s.__name__ for s, on in c.traps.items() if on]
    flags = [s.__name__ for s, on in c.flags.items() if on]
    return (c.prec, c.rounding, c.Emin, c.Emax, c.capitals, c.clamp, traps, flags)


def _set_decimal(values: Any) -> None:
    import decimal

    c = decimal.getcontext()
    c.prec, c.rounding, c.Emin, c.Emax, c.capitals, c.clamp, traps, flags = values
    for signal in c.traps:
        c.traps[signal] = signal.__name__ in traps
    for signal in c.flags:
        c.flags[signal] = signal.__name__ in flags


def _locale() -> Any:
    module = sys.modules.get("locale")
    return module.setlocale(module.LC_ALL) if module is not None else None


def _set_locale(value: Any) -> None:
    import locale

    locale.setlocale(locale.LC_ALL, value)


def _warnings() -> Any:
    module = sys.modules["warnings"]
    out = []
    for action, message, category, name, line in module.filters:
        where = (category.__module__, category.__qualname__)
        texts = [p.pattern if hasattr(p, "pattern") else p for p in (message, name)]
        out.append((action, texts[0], where, texts[1], line))
    return out


def _set_warnings(values: Any) -> None:
    import importlib
    import warnings

    filters = []
    for action, message, (module, qualname), name, line in values:
        try:
            category: Any = importlib.import_module(module)
            for part in qualname.split("."):
                category = getattr(category, part)
        except (ImportError, AttributeError):
            continue
        # the interpreter's own filters compare strings; those of warnings.filterwarnings are patterns
        patterns = [
            re.compile(t, re.I) if t and i == 0 else re.compile(t) if t else None for i, t in enumerate((message, name))
        ]
        filters.append((action, patterns[0], category, patterns[1], line))
    warnings.filters[:] = filters  # type: ignore[index]
    known: Any = warnings
    if hasattr(known, "_filters_mutated_lock_held"):  # from Python 3.14 on
        with known._lock:
            known._filters_mutated_lock_held()
    else:
        known._filters_mutated()


def _logging() -> Any:
    module = sys.modules.get("logging")
    if module is None:
        return None
    loggers = {
        name: (logger.level, logger.propagate, logger.disabled)
        for name, logger in module.root.manager.loggerDict.items()
        if isinstance(logger, module.Logger) and (logger.level or not logger.propagate or logger.disabled)
    }
    handlers = [h for h in map(_handler, module.root.handlers) if h is not None]
    names = {n: t for n, t in module._levelToName.items() if n % 10 or n > 50}
    return (module.root.level, module.root.manager.disable, loggers, handlers, names)


def _handler(handler: Any) -> Any:
    """Describe a plain stream or file handler of the root logger."""
    logging = sys.modules["logging"]
    formatter = handler.formatter
    layout = (formatter._fmt, formatter.datefmt) if formatter is not None else None
    if type(handler) is logging.FileHandler:
        return ("file", handler.baseFilename, handler.encoding, handler.level, layout)
    if type(handler) is logging.StreamHandler and handler.stream in (sys.stderr, sys.stdout):
        return ("stderr" if handler.stream is sys.stderr else "stdout", None, None, handler.level, layout)
    return None


def _set_logging(values: Any) -> None:
    import logging

    level, disabled, loggers, handlers, names = values
    for number, text in names.items():
        logging.addLevelName(number, text)
    logging.root.setLevel(level)
    logging.root.manager.disable = disabled
    for name, (own, propagate, off) in loggers.items():
        logger = logging.getLogger(name)
        logger.setLevel(own)
        logger.propagate, logger.disabled = propagate, off
    for name, known in list(logging.root.manager.loggerDict.items()):
        if isinstance(known, logging.Logger) and name not in loggers:
            known.setLevel(logging.NOTSET)
            known.propagate, known.disabled = True, False
    for handler in list(logging.root.handlers):
        if _handler(handler) not in (None, *handlers):
            logging.root.removeHandler(handler)
    present = [_handler(h) for h in logging.root.handlers]
    for described in handlers:
        if described in present:
            continue
        kind, path, encoding, own, layout = described
        # append: what the file holds already is the user's
        added = (
            logging.FileHandler(path, "a", encoding, delay=True)
            if kind == "file"
            else logging.StreamHandler(getattr(sys, kind))
        )
        added.setLevel(own)
        if layout is not None:
            added.setFormatter(logging.Formatter(*layout))
        logging.root.addHandler(added)


def _getstate_random() -> Any:
    return random.getstate()


KINDS: dict[str, tuple[Reader, Writer]] = {
    "environment": (_environment, _set_environment),
    "search path": (lambda: list(sys.path), _set_search_path),
    "folder": (_folder, _set_folder),
    "random": (_getstate_random, random.setstate),
    "numpy.random": (libraries.numpy_random, libraries.set_numpy_random),
    "torch.random": (libraries.torch_random, libraries.set_torch_random),
    "torch": (libraries.torch_settings, libraries.set_torch_settings),
    "compiler": (_compiler, _set_compiler),
    "interpreter": (_interpreter, _set_interpreter),
    "decimal": (_decimal, _set_decimal),
    "locale": (_locale, _set_locale),
    "warnings": (_warnings, _set_warnings),
    "logging": (_logging, _set_logging),
    "pandas": (libraries.pandas_options, libraries.set_pandas),
    "numpy.printoptions": (libraries.numpy_print, libraries.set_numpy_print),
    "numpy.errors": (libraries.numpy_errors, libraries.set_numpy_errors),
    "matplotlib": (libraries.matplotlib_parameters, libraries.set_matplotlib),
    "matplotlib.backend": (libraries.matplotlib_backend, libraries.set_matplotlib_backend),
}

RANDOM = frozenset({"random", "numpy.random", "torch.random"})


def read(kind: str) -> bytes | None:
    """The state of one kind as bytes (plain builtin values, pickled); None when there is none or it cannot be read."""
    try:
        value = KINDS[kind][0]()
    except Exception:
        return None
    return None if value is None else pickle.dumps(value, 4)


def drawn(kind: str, data: bytes) -> bool:
    """Whether numbers were drawn from a generator since it was seeded; True when that cannot be told."""
    if kind != "numpy.random":
        return True
    _name, _keys, position, has_gauss, _cached = pickle.loads(data)
    # 624 after a seed was given, 623 after seeding from the system's entropy
    return bool(position not in (623, 624) or has_gauss)


def first_state(kind: str, _now: bytes) -> bytes | None:
    """The state that a generator has right after its library was imported, where that is always the same."""
    torch = sys.modules.get("torch")
    if kind != "torch.random" or torch is None:
        return None
    fresh = torch.Generator().manual_seed(67280421310721)  # torch's default_rng_seed_val
    return pickle.dumps(bytes(fresh.get_state().numpy()), 4)


def encode(data: bytes) -> str:
    """As text for the history."""
    return base64.b85encode(zlib.compress(data, 1)).decode("ascii")


def decode(text: str) -> Any:
    """The value again. Only for what came out of a manifest whose signature holds."""
    return pickle.loads(zlib.decompress(base64.b85decode(text)))


def apply(kind: str, value: Any) -> None:
    """Put a state back; raises what the library raises."""
    if kind in KINDS:
        KINDS[kind][1](value)


class HiddenState:
    """Every kind of hidden state as it was last seen."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self.refresh()

    def refresh(self, kinds: Iterable[str] = tuple(KINDS)) -> dict[str, tuple[bytes | None, bytes]]:
        """Look again; returns what changed as kind -> (value before, value now)."""
        changed = {}
        for kind in kinds:
            data = read(kind)
            if data is None or data == self.data.get(kind):
                continue
            changed[kind] = (self.data.get(kind), data)
            self.data[kind] = data
        return changed

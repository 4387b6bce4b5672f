"""Whether running a cell again would give the same: clocks, identities, unseeded randomness, order of sets."""

from __future__ import annotations

import sys
import types
from typing import Any

from .accesses import Accesses

_CLOCKS = {
    "time": frozenset(
        {
            "time",
            "time_ns",
            "monotonic",
            "monotonic_ns",
            "perf_counter",
            "perf_counter_ns",
            "process_time",
            "ctime",
            "localtime",
            "gmtime",
            "strftime",
            "asctime",
        }
    ),
    "uuid": frozenset({"uuid1", "uuid4"}),
    "secrets": frozenset({"token_hex", "token_bytes", "token_urlsafe", "choice", "randbelow", "randbits"}),
    "os": frozenset({"urandom", "getpid", "getppid", "getrandom", "times"}),
    "tempfile": frozenset(
        {"mkdtemp", "mkstemp", "mktemp", "TemporaryDirectory", "NamedTemporaryFile", "TemporaryFile", "gettempdir"}
    ),
    "threading": frozenset({"get_ident", "get_native_id"}),
}
_CLOCK_METHODS = frozenset({"now", "utcnow", "today"})
_CLOCK_OWNERS = frozenset({"datetime", "date", "Timestamp", "pendulum", "arrow", "DatetimeIndex"})
_SINGLE = {f"{module}.{name}": f"{module}.{name}()" for module, names in _CLOCKS.items() for name in names}


def objections(accesses: Accesses, namespace: dict[str, Any]) -> list[str]:
    """Reasons why the code's result cannot be had again, written for the user; empty when there is none."""
    found = [f"made an unseeded random generator ({name})" for name in sorted(accesses.unseeded)]
    if accesses.attributes & _CLOCK_METHODS and _names_clock(accesses, namespace):
        found.append("read the clock")
    # a kernel has others in place of the functions that tell of it
    if "input" in accesses.reads - namespace.keys() or "getpass" in accesses.reads | accesses.attributes:
        found.append("asked for input")
    for name in accesses.reads | accesses.imports | accesses.writes:
        value: Any = namespace.get(name)
        cls = type(value)  # isinstance() would run the user's own __class__ or __getattribute__
        module = value.__name__ if issubclass(cls, types.ModuleType) else name if name in accesses.imports else None
        used = _CLOCKS.get(module or "", frozenset()) & accesses.attributes
        found += [f"used {module}.{attribute}()" for attribute in sorted(used)]
        if cls is types.BuiltinFunctionType or cls is types.FunctionType:
            called = _SINGLE.get(f"{value.__module__}.{value.__name__}")
            if called is not None:
                found.append(f"used {called}")
    return list(dict.fromkeys(found))


def _names_clock(accesses: Accesses, namespace: dict[str, Any]) -> bool:
    """Whether ``.now()`` and the like are called on something that is a clock, or can't be told not to be."""
    if (
        accesses.attributes & _CLOCK_OWNERS
        or accesses.reads & _CLOCK_OWNERS
        or accesses.imports & {"datetime", "pandas"}
    ):
        return True
    for name in accesses.reads:
        value: Any = namespace.get(name)
        cls = type(value)
        if issubclass(cls, type) and type.__getattribute__(value, "__module__") in ("datetime", "pandas"):
            return True
        if issubclass(cls, types.ModuleType) and value.__name__ in ("datetime", "pandas"):
            return True
    return False


def doubts(accesses: Accesses) -> list[str]:
    """Reasons why the result may come out differently, though nothing is known to make it."""
    found = []
    if accesses.builds_sets or accesses.reads & {"set", "frozenset"}:
        found.append("builds a set, whose order may differ")
    if accesses.reads & {"id", "hash"}:
        found.append("uses id() or hash()")
    if accesses.awaits:
        found.append("awaits at top level")
    if "polars" in sys.modules and accesses.attributes & {"collect", "group_by"}:
        found.append("has polars group in parallel, where rows and rounding may differ")
    return found

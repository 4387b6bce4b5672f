"""What runs inside a kernel that is measured: the peers, and meters. Never part of what is measured about us.

Each peer saves to a folder on the same file system as our store, and forces its bytes to the disk as the store does.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import signal
import time
import types
from pathlib import Path
from typing import Any

_AUTOMATIC = re.compile(r"^(_|__|___|_i|_ii|_iii|_ih|_oh|_dh|_i\d+|_\d+|_exit_code|__\w+__)$")
_SHELL = {"In", "Out", "exit", "quit", "get_ipython", "open"}
_METER = {"wall": 0.0, "cpu": 0.0, "calls": 0}


def answer(function: str, arguments: dict[str, Any]) -> str:
    """Call one of this module's functions; its result as JSON."""
    return json.dumps(globals()[function](**arguments))


def variables() -> dict[str, Any]:
    """What a person would call their variables."""
    from IPython import get_ipython

    shell = get_ipython()
    hidden = shell.user_ns_hidden
    return {
        n: v
        for n, v in list(shell.user_ns.items())
        if not (n in hidden and hidden[n] is v) and n not in _SHELL and not _AUTOMATIC.match(n)
    }


class _Nothing:
    def write(self, data: Any) -> None:
        """Take whatever a pickler hands out: bytes, or a buffer."""


def _pickler(kind: str, file: Any, buffer_callback: Any = None) -> Any:
    if kind == "cloudpickle":
        import cloudpickle

        return cloudpickle.CloudPickler(file, protocol=5)
    return pickle.Pickler(file, protocol=5, buffer_callback=buffer_callback)


def choose(kind: str) -> dict[str, Any]:
    """Which variables this pickler takes at all, each by itself; the others are left out of what is timed."""
    taken, left = [], {}
    for name, value in variables().items():
        if isinstance(value, types.ModuleType):
            continue
        try:
            _pickler(kind, _Nothing(), None if kind == "cloudpickle" else lambda _buffer: None).dump(value)
        except Exception as e:
            left[name] = f"{type(e).__name__}: {e}"[:120]
        else:
            taken.append(name)
    return {"names": taken, "left": left}


def small(limit: int = 10_000) -> list[str]:
    """Up to three variables that pickle to fewer than ``limit`` bytes."""
    found = []
    for name, value in variables().items():
        if isinstance(value, (int, float, str, list, dict, tuple)):
            try:
                if len(pickle.dumps(value)) < limit:
                    found.append(name)
            except Exception:
                continue
    return found[-3:]


def raw_save(folder: str, names: list[str], number: int) -> dict[str, int]:
    """Pickle protocol 5 of all these variables at once, large buffers beside the stream, to a new file, durably."""
    here = variables()
    buffers: list[Any] = []
    stream = io.BytesIO()
    _pickler("raw", stream, buffers.append).dump({n: here[n] for n in names})
    parts = [stream.getbuffer(), *(b.raw() for b in buffers)]
    path = os.path.join(folder, f"raw{number}")
    with open(path, "xb", buffering=0) as file:
        head = pickle.dumps([p.nbytes for p in parts])
        for part in (len(head).to_bytes(8, "little"), head, *parts):
            rest = memoryview(part)
            while rest.nbytes:
                rest = rest[file.write(rest) or 0 :]
        os.fsync(file.fileno())
    _sync_folder(folder)
    return {"bytes": os.path.getsize(path)}


def raw_load(folder: str, definitions: str, number: int) -> None:
    """Run the session's imports and definitions, and load what `raw_save` wrote, as variables."""
    from IPython import get_ipython

    namespace = get_ipython().user_ns
    exec(compile(definitions, "definitions", "exec"), namespace)
    with open(os.path.join(folder, f"raw{number}"), "rb", buffering=0) as file:
        sizes = pickle.loads(file.read(int.from_bytes(file.read(8), "little")))
        parts = []
        for size in sizes:
            parts.append(bytearray(size))
            rest = memoryview(parts[-1])
            while rest.nbytes:
                rest = rest[file.readinto(rest) or len(rest) :]
    namespace.update(pickle.loads(parts[0], buffers=parts[1:]))


def cloudpickle_save(folder: str, names: list[str]) -> dict[str, int]:
    """cloudpickle of all these variables at once, to one file, durably."""
    here = variables()
    path = os.path.join(folder, "cloudpickle")
    with open(path, "wb") as file:
        _pickler("cloudpickle", file).dump({n: here[n] for n in names})
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(folder)
    return {"bytes": os.path.getsize(path)}


def cloudpickle_load(folder: str) -> None:
    """Load what `cloudpickle_save` wrote, as variables."""
    from IPython import get_ipython

    with open(os.path.join(folder, "cloudpickle"), "rb") as file:
        get_ipython().user_ns.update(pickle.load(file))


def dill_save(folder: str, limit: float) -> dict[str, int]:
    """dill.dump_module, durably. Raises TimeoutError after ``limit`` seconds, and what dill raises."""
    import dill

    path = os.path.join(folder, "dill")
    with _at_most(limit):
        dill.dump_module(path)
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        return {"bytes": os.path.getsize(path)}


def dill_load(folder: str, limit: float) -> None:
    """dill.load_module. Raises TimeoutError after ``limit`` seconds, and what dill raises."""
    import dill

    with _at_most(limit):
        dill.load_module(os.path.join(folder, "dill"))


class _at_most:
    """A limit of seconds for what runs in the main thread."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        self.before = signal.signal(signal.SIGALRM, self._expired)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def _expired(self, *_signal: Any) -> None:
        raise TimeoutError(f"more than {self.seconds:g} s")

    def __exit__(self, *_exception: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def meter() -> None:
    """Put a clock around each of our callbacks in the shell's events."""
    from IPython import get_ipython

    for callbacks in get_ipython().events.callbacks.values():
        for position, callback in enumerate(callbacks):
            module = getattr(callback, "__module__", "") or ""
            if module.startswith("elastic_spawner") and not hasattr(callback, "measured"):
                callbacks[position] = _measured(callback)


def _measured(callback: Any) -> Any:
    def call(*arguments: Any) -> Any:
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            return callback(*arguments)
        finally:
            _METER["wall"] += time.perf_counter() - wall
            _METER["cpu"] += time.thread_time() - cpu
            _METER["calls"] += 1

    call.measured = callback  # type: ignore[attr-defined]
    return call


def metered() -> dict[str, float]:
    """Wall and CPU seconds in our callbacks since `meter`, or since the last call of this."""
    found = dict(_METER)
    _METER.update(wall=0.0, cpu=0.0, calls=0)
    return found


def largest_component() -> int:
    """Bytes of the largest group of variables that share objects, as the last plan saw it."""
    from elastic_spawner.kernel import session

    tracker = session.current().tracker
    walks = {n: s.walk.bytes for n, s in tracker.states.items() if s.walk is not None}
    groups = tracker.links.components(walks)
    return max((sum(walks[n] for n in g if n in walks) for g in groups), default=0)


def imported(module: str) -> str:
    """Where a module comes from (to be sure that it is this checkout's)."""
    return str(Path(__import__(module).__file__ or "").parent)

"""Loading a component on trial, in a forked child, before anyone depends on it.

The child has the session's memory as it is now, loads what would be stored, and compares. Whatever the objects' own
code does on loading (raise, print, hang, exit) it does there. Forking can fail or hang in a process with many threads;
then the trial tells nothing, and the component counts as untried.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
import warnings
import weakref
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from ..objects.handlers import label
from ..objects.walk import Walker
from . import pickling

PATIENCE = 2.0
"""Seconds that loading one component may take, beside what its size explains. A library whose threads did not survive
the fork (OpenMP) waits for them for ever."""
_BYTES_PER_SECOND = 20e6
_LOOK = 0.001
_NICE = 10

Answers = Generator["tuple[int, dict[str, Any]] | None", None, None]

_kept: list[Any] = []
"""What the child loaded and must not drop before it ends: a ``__del__`` would act a second time."""


@dataclass(frozen=True)
class Verdict:
    """What became of one component in the trial."""

    error: str | None
    """What loading it raised."""
    digests: dict[str, str] = field(default_factory=dict)
    """Digest of each name as it was loaded."""
    types: dict[str, str] = field(default_factory=dict)
    """Type of each name's value."""


def try_loading(payloads: Sequence[pickling.Payload], namespace: dict[str, Any]) -> list[Verdict | None]:
    """Load each payload in a forked child; None for those about which the trial told nothing."""
    verdicts: list[Verdict | None] = [None] * len(payloads)
    sizes = [payload.bytes for payload in payloads]
    for answer in asking(sizes, lambda i: loaded(payloads[i], namespace), waits=True):
        if answer is not None:
            verdicts[answer[0]] = Verdict(answer[1].get("error"), **answer[1].get("answer", {}))
    return verdicts


def loaded(payload: pickling.Payload, namespace: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Load a payload here, in the child; the ``digests`` and ``types`` of `Verdict`. Raises what loading it raises."""
    # copies, as the real load gets them: the originals are the session's own memory
    values = pickling.load(payload.stream, [bytearray(b) for b in payload.buffers])
    walks = {n: Walker(namespace=namespace).walk([v]) for n, v in values.items()}
    if any(w.finalizes for w in walks.values()):
        _kept.append(values)
    return {"digests": {n: w.digest for n, w in walks.items()}, "types": {n: label(type(v)) for n, v in values.items()}}


def asking(sizes: Sequence[int], work: Callable[[int], Any], waits: bool = False) -> Answers:
    """Do ``work(i)`` for each i in a forked child, which is given time by the ``sizes`` (in bytes).

    Yields i and ``{"answer": ...}``, or ``{"error": what it raised}``. Who ``waits`` gets no answer for those at which
    the child hung or died; who does not gets None while there is none yet, and no more answers after such a one.
    Nothing is held of the ``work`` then. When it is closed there is no child any more.
    """
    start = 0
    while start < len(sizes) and hasattr(os, "fork"):
        last = start - 1
        with closing(_one_child(sizes, start, work, waits)) as answers:
            if not waits:
                del work
            for answer in answers:
                last = last if answer is None else answer[0]
                yield answer
        if not waits:
            return
        start = last + 2  # the one after the last answer hung the child, or killed it: go on behind it


def _one_child(sizes: Sequence[int], start: int, work: Callable[[int], Any], waits: bool) -> Answers:
    """Fork once; what the child answers, until it stops answering."""
    reader, writer = os.pipe()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # 3.12 and later warn about threads; the child only loads and leaves
            pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        return _no_answers()
    if pid == 0:
        try:
            os.close(reader)
            _child(range(start, len(sizes)), work, writer, 0 if waits else _NICE)
        finally:
            os._exit(0)
    os.close(writer)
    return _answers(reader, pid, sizes, start, waits)


def _no_answers() -> Answers:
    yield from ()


def _answers(reader: int, pid: int, sizes: Sequence[int], start: int, waits: bool) -> Answers:
    try:
        rest = b""
        for index in range(start, len(sizes)):
            deadline = time.monotonic() + PATIENCE + sizes[index] / _BYTES_PER_SECOND
            while b"\n" not in rest:
                left = max(0.0, deadline - time.monotonic())
                ready, _, _ = select.select([reader], [], [], left if waits else min(left, _LOOK))
                if not ready and left and not waits:
                    yield None
                    continue
                data = os.read(reader, 1 << 16) if ready else b""
                if not data:
                    return
                rest += data
            line, _, rest = rest.partition(b"\n")
            yield index, json.loads(line)
    finally:
        os.close(reader)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:  # the user's own SIGCHLD handler was quicker
            pass


def _child(indices: range, work: Callable[[int], Any], writer: int, nice: int) -> None:
    os.nice(nice)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    import sys

    sys.stdout = sys.stderr = open(os.devnull, "w")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    weakref.finalize._shutdown = True  # type: ignore[attr-defined]  # none of them is to act here
    for index in indices:
        try:
            line = {"answer": work(index)}
        except BaseException as e:
            line = {"error": f"{type(e).__name__}: {e}"[:300]}
        data = json.dumps(line).encode() + b"\n"
        while data:
            data = data[os.write(writer, data) :]

"""Loading a component on trial, in a forked child, before anyone depends on it.

The child has the session's memory as it is now, loads what would be stored, and compares. Whatever the objects' own code does
on loading (raise, print, hang, exit) it does there. Forking can fail or hang in a process with many threads; then the trial
tells nothing, and the component counts as untried.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..objects.walk import Walker
from . import pickling

SECONDS = 20.0
"""How long a whole trial may take."""


@dataclass(frozen=True)
class Verdict:
    """What became of one component in the trial."""

    error: str | None
    """What loading it raised."""
    digests: dict[str, str]
    """Digest of each name as it was loaded."""


def try_loading(payloads: Sequence[pickling.Payload], namespace: dict[str, Any], seconds: float = SECONDS) -> list[Verdict | None]:
    """Load each payload in a forked child; None for those about which the trial told nothing."""
    verdicts: list[Verdict | None] = [None] * len(payloads)
    if not payloads or not hasattr(os, "fork"):
        return verdicts
    reader, writer = os.pipe()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # 3.12 and later warn about threads; the child only loads and leaves
            pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        return verdicts
    if pid == 0:
        try:
            os.close(reader)
            _child(payloads, namespace, writer)
        finally:
            os._exit(0)
    os.close(writer)
    try:
        for index, entry in _lines(reader, time.monotonic() + seconds):
            verdicts[index] = Verdict(entry["error"], entry["digests"])
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
    return verdicts


def _child(payloads: Sequence[pickling.Payload], namespace: dict[str, Any], writer: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    import sys

    sys.stdout = sys.stderr = open(os.devnull, "w")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for index, payload in enumerate(payloads):
        try:
            # copies, as the real load gets them: the originals are the session's own memory
            values = pickling.load(payload.stream, [bytearray(b) for b in payload.buffers])
            digests = {n: Walker(namespace=namespace).walk([v]).digest for n, v in values.items()}
            line = {"index": index, "error": None, "digests": digests}
        except BaseException as e:
            line = {"index": index, "error": f"{type(e).__name__}: {e}"[:300], "digests": {}}
        data = json.dumps(line).encode() + b"\n"
        while data:
            data = data[os.write(writer, data) :]


def _lines(reader: int, deadline: float) -> Any:
    rest = b""
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([reader], [], [], left)
        if not ready:
            return
        data = os.read(reader, 1 << 16)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            entry = json.loads(line)
            yield entry["index"], entry

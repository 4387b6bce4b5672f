"""Interrupting what runs for too long in the main thread."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

AGAIN_S = 2.0
"""A cell may catch an interrupt; there is another one after so long."""
_DELIVERY_S = 0.05


class TookTooLong(Exception):
    """It was interrupted, and whatever it has to say of that is of no interest."""


def run_limited(work: Callable[[], Any], seconds: float) -> Any:
    """Call ``work`` and return what it returns. Raises TookTooLong when it had to be interrupted after ``seconds``.

    The interrupt is SIGINT, as a front end sends it. From another thread than the main one there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    watch = _Watch(seconds)
    try:
        result = work()
        watch.end()
    except KeyboardInterrupt:
        watch.end()
        if not watch.sent:
            raise
    if watch.sent:
        raise TookTooLong
    return result


class _Watch:
    """Sends the interrupts, from a thread of its own, until `end`."""

    def __init__(self, seconds: float) -> None:
        self.sent = False
        self._seconds = seconds
        self._lock = threading.Lock()
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="elastic-spawner-limit", daemon=True).start()

    def _run(self) -> None:
        wait = self._seconds
        while not self._ended.wait(wait):
            with self._lock:
                if not self._ended.is_set():
                    self.sent = True
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            wait = AGAIN_S

    def end(self) -> None:
        """No interrupt is sent from now on, and one that was sent has arrived."""
        with self._lock:
            self._ended.set()
        if self.sent:
            try:
                time.sleep(_DELIVERY_S)
            except KeyboardInterrupt:
                pass

"""Work that waits until no cell runs: done in slices of a few milliseconds on the kernel's own event loop.

Never in a thread, where it would run beside the user's code; and only when the loop has nothing else to do. While there
is nothing to be done there is no timer either.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

from ..objects.walk import collector_paused

DELAY = 0.05
"""Seconds after a cell before the work begins: the next one may be waiting already."""
SLICE = 0.002
PAUSE = 0.004


class Idle:
    """Runs the steps that ``work`` yields; a new round of them begins after each cell."""

    def __init__(self, work: Callable[[], Iterator[None]], failed: Callable[[Exception], None]) -> None:
        self._work = work
        self._failed = failed
        self._job: Iterator[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._running = 0

    @property
    def rests(self) -> bool:
        """Nothing is left to be done."""
        return self._timer is None and self._job is None and not self._running

    def enter(self) -> None:
        """A cell, or a message to a widget, is about to run: nothing is done until it has ended."""
        self._running += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def leave(self) -> None:
        """It has ended."""
        if not self._running:
            return  # IPython tells of the end of an empty cell, though not of its beginning
        self._running -= 1
        loop = asyncio._get_running_loop()
        if self._running or self._timer is not None or loop is None:
            return
        if threading.current_thread() is threading.main_thread():
            self._timer = loop.call_later(DELAY, self._slice, loop)

    def wake(self, loop: Any) -> None:
        """There is work, of which no cell was the cause. Called by the loop itself."""
        if not self._running and self._timer is None:
            self._timer = loop.call_later(DELAY, self._slice, loop)

    @property
    def runs(self) -> bool:
        """Whether a cell or a message to a widget is running."""
        return self._running > 0

    def recount(self) -> None:
        """A cell begins on the main thread, so that nothing else can be running there."""
        if threading.current_thread() is threading.main_thread():
            self._running = 1

    def drop(self) -> None:
        """Let go of all that the present work holds; it begins anew after the next cell."""
        job, self._job = self._job, None
        if job is not None:
            job.close()  # type: ignore[attr-defined]

    def _slice(self, loop: Any) -> None:
        self._timer = None
        if self._running:
            return
        if not getattr(loop, "_ready", None):  # else somebody waits: they come first
            if self._job is None:
                self._job = self._work()
            if self._is_done(self._job):
                self._job = None
                return
        self._timer = loop.call_later(PAUSE, self._slice, loop)

    def _is_done(self, job: Iterator[None]) -> bool:
        end = perf_counter() + SLICE
        try:
            with collector_paused():
                while perf_counter() < end:
                    next(job)
        except StopIteration:
            return True
        except Exception as e:
            self._failed(e)
            return True
        return False

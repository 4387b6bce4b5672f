"""The session's side of what a restore has put off: who may come in meanwhile, and who waits until it is there."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ..tracking.foresee import may_reach, may_touch
from ..tracking.tracker import Tracker
from .entrances import Entrances
from .idle import Idle
from .parts import is_output
from .shell import ShellStage


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt at an interrupt: with a top-level await ipykernel tells the loop, which waits with us."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if is_main else None
    if not callable(before) or before is signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Behind:
    """At most one restore's; nothing is done, and nothing is changed in the kernel, while nothing is still to come.

    ``quietly`` is a context in which cells that run are not the user's.
    """

    def __init__(
        self, stage: ShellStage, tracker: Tracker, idle: Idle, quietly: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._stage, self._tracker, self._idle, self._quietly = stage, tracker, idle, quietly
        self._pending: Any = None
        self._entrances: Entrances | None = None
        self._news: list[str] = []
        self._stopper: Any = None

    @property
    def names(self) -> set[str]:
        """The variables that are still to come."""
        return self._pending.names if self._pending is not None else set()

    @property
    def bytes(self) -> int:
        """How many bytes are on their way."""
        return self._pending.bytes if self._pending is not None else 0

    def least(self) -> int | None:
        """The bytes from which on it is worth while to put data off; None where there is no loop to go on in."""
        from .pending import LATER

        is_main = threading.current_thread() is threading.main_thread()
        kernel = getattr(self._stage.shell, "kernel", None)
        return LATER if is_main and kernel is not None and asyncio._get_running_loop() is not None else None

    def put_off(self, restorer: Any) -> None:
        """A restore is done but for what it has put off."""
        from .pending import Pending

        if not restorer.put_off:
            return
        loop = asyncio.get_running_loop()

        def told() -> None:
            try:
                loop.call_soon_threadsafe(self._idle.wake, loop)
            except RuntimeError:
                pass  # the kernel ends

        stage, tracker = self._stage, self._tracker
        self._pending = Pending(restorer, stage, tracker, told)
        self._entrances = Entrances(stage.shell.kernel, self.complete)
        self._entrances.watch()
        try:
            attributes = {**stage.attributes(tracker.patches.targets), **stage.other_parts(set())}
            hooks = [value for name, value in attributes.items() if not is_output(name)]
            at_once = tracker.activity.alive() or may_reach(hooks, self.names, stage.namespace)
        except Exception:
            at_once = True
        self._pending.start()
        if at_once:
            self._complete_whatever_comes()  # code may run that no cell calls

    # -- who waits

    def complete(self, names: Iterable[str] | None = None) -> None:
        """Wait for what is still to come: all of it, or what has these names. Raises KeyboardInterrupt."""
        if self._pending is None:
            return
        try:
            with self._quietly(), _interruptible():
                self._pending.finish(names)
        finally:
            self._settled()

    def _complete_whatever_comes(self) -> None:
        """Wait where an interrupt would not keep the one out who is about to look."""
        while self._pending is not None:
            try:
                self.complete()
            except KeyboardInterrupt:
                continue

    def let_in(self) -> None:
        """Something is about to run that need not be a cell: a cell says so by `let_cell_in`."""
        if self._entrances is not None and (self._idle.runs or not self._entrances.is_cell()):
            self._complete_whatever_comes()

    def let_cell_in(self, transformed: str) -> bool:
        """A cell is about to run: wait for what it may touch. False when that was interrupted: the cell then raises
        KeyboardInterrupt in its place."""
        if self._pending is None:
            return True
        try:
            names = self.names
            try:
                needed = may_touch(transformed, names, self._stage.namespace)
            except Exception:
                needed = names
            if needed:
                self.complete(needed)
            return True
        except KeyboardInterrupt:
            self._stop_cell()
            return False
        except BaseException:
            self._stop_cell()
            raise

    def _stop_cell(self) -> None:
        """An exception in an event's callback does not keep IPython from running the cell: raise it from there."""

        async def run_code(*_args: Any, **_kwargs: Any) -> bool:
            raise KeyboardInterrupt

        self._stopper = self._stage.shell.run_code = run_code

    def cell_ended(self) -> None:
        """The next one runs as ever."""
        stopper, self._stopper = self._stopper, None
        if stopper is not None and vars(self._stage.shell).get("run_code") is stopper:
            del self._stage.shell.run_code

    # -- while no cell runs

    def steps(self) -> Iterator[None]:
        """Bind what has arrived."""
        while self._pending is not None and self._pending.settle_one():
            self._settled()
            yield

    def _settled(self) -> None:
        pending = self._pending
        if pending is not None:
            self._news += pending.news
            pending.news = []
            if not pending.names:
                self._pending = None
                if self._entrances is not None:
                    self._entrances.leave()
                self._entrances = None

    def tell(self) -> list[str]:
        """What became of what was put off, as far as it is worth a word and was not told yet."""
        news, self._news = self._news, []
        return news

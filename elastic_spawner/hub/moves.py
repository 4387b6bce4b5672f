"""Driving a move: takes the actions of the state machine on a live spawner, and commits each state first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..errors import ElasticError
from ..migration import (
    Action,
    AwaitRestore,
    Cancelled,
    CheckSize,
    Discard,
    Discarded,
    DiscardFailed,
    Event,
    HubRestarted,
    Move,
    Progress,
    ResizedInPlace,
    Restored,
    RestoreFailed,
    Save,
    Saved,
    SaveFailed,
    ServerGone,
    SizeAccepted,
    SizeRefused,
    Start,
    Started,
    StartFailed,
    Step,
    Stop,
    StopFailed,
    Stopped,
    TimedOut,
    begin,
    progress,
    seconds_per_step,
    step,
)
from . import metrics
from .agent_client import SAVE_MARGIN_S

if TYPE_CHECKING:
    from .moving import ElasticMoving

CHECK_TIMEOUT_S = 90.0

driving: ContextVar[object] = ContextVar("elastic_spawner_driving", default=None)
"""The Mover on whose behalf the running code acts. Only to it does the spawner's poll() tell what really runs:
everybody else must believe that the server is up, or the hub would tear it down in the middle of a move."""


class Mover:
    """Takes one move of one spawner to its end, in a task of its own."""

    def __init__(self, spawner: ElasticMoving, move: Move) -> None:
        self.spawner = spawner
        self.move = move
        self.shown = move
        """The move as people are told of it: that the server is back they hear when requests are sent to it."""
        self.lines: list[Progress] = []
        self.detail = ""
        """What is being waited for within the present step, in words."""
        self._changed = asyncio.Event()
        self._cancel: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self.task is not None and not self.task.done()

    def begin(self) -> None:
        """Start a move that was just asked for; its first state is committed when this returns."""
        move, actions = begin(self.move, time.time())
        self._commit(move)
        self.task = asyncio.create_task(self._run(actions))

    def resume(self) -> None:
        """Go on with a move that was begun by somebody else: by a hub before this one, or by what takes the server
        away."""
        self.task = asyncio.create_task(self._resume())

    async def cancel(self, reason: str) -> None:
        """End the move because somebody stops the server; on return nothing of the move is under way any more."""
        if self.running and self.task is not None:
            if not self._cancel.done():
                self._cancel.set_result(reason)
            await asyncio.wait({self.task})

    async def wait(self) -> Move:
        """Wait for the end of the move; when this is cancelled, the move goes on."""
        if self.task is not None:
            await asyncio.wait({self.task})
        return self.move

    async def follow(self) -> AsyncIterator[Progress]:
        """Yield what has happened so far, then each change, until the end; a line a second while nothing changes."""
        seen = 0
        while True:
            while seen < len(self.lines):
                yield self.lines[seen]
                seen += 1
            if not self.running:
                return
            changed = self._changed
            try:
                await asyncio.wait_for(changed.wait(), 1.0)
            except asyncio.TimeoutError:
                yield progress(self.shown, time.time(), self.detail)

    # -- the loop ------------------------------------------------------------------------------------------------------

    async def _resume(self) -> None:
        driving.set(self)
        running = await self.spawner.which_runs()
        self.spawner.log.warning(
            "%s: going on with a move that others have begun, at step %r (server: %s)",
            self.spawner._log_name,
            self.move.step.value,
            running.value,
        )
        move, actions = step(self.move, HubRestarted(self.move.serial, time.time(), running))
        self._commit(move)
        await self._run(actions)

    async def _run(self, actions: tuple[Action, ...]) -> None:
        driving.set(self)
        try:
            while not self.move.step.final:
                (action,) = actions
                event = await self._take_or_cancel(action)
                move, actions = step(self.move, event)
                if move.step.final:
                    await self.spawner.end_away(stopped=move.step is Step.CANCELLED)
                self._commit(move)
        finally:
            self._changed.set()
        self._count()
        await self.spawner.move_ended(self.move)

    def _commit(self, move: Move) -> None:
        entered = move.step is not self.move.step or not self.lines
        self.move, self.detail = move, ""
        self.spawner.commit_state()
        if not entered:
            self.shown = move
        elif move.step not in (Step.RESTORING, Step.RESTORING_OLD):
            self._show()

    def _show(self) -> None:
        """Tell people of the step that was entered."""
        self.shown = self.move
        self.lines.append(progress(self.move, time.time()))
        self.spawner.log.info("%s: move %s: %s", self.spawner._log_name, self.move.id, self.lines[-1].message)
        self._changed.set()
        self._changed = asyncio.Event()

    def _count(self) -> None:
        metrics.MIGRATIONS.labels(self.move.step.value).inc()
        for name, seconds in seconds_per_step(self.move).items():
            metrics.MIGRATION_STEP_SECONDS.labels(name).observe(seconds)

    async def _take_or_cancel(self, action: Action) -> Event:
        task = asyncio.ensure_future(self._take_in_time(action))
        waited: set[asyncio.Future[Any]] = {task, self._cancel}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not self._cancel.done():
            return task.result()
        if isinstance(action, Stop | Discard):
            # Half a stop is no state to hand over; these end within their own time limits.
            await asyncio.wait({task})
        else:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return Cancelled(action.serial, time.time(), self._cancel.result())

    async def _take_in_time(self, action: Action) -> Event:
        limit = self._limit(action)
        try:
            async with self.spawner.slot_for(action):
                return await asyncio.wait_for(self._take(action), limit)
        except asyncio.TimeoutError as error:
            # With words it is another's, such as the API server's that did not answer.
            reason = str(error) or f"it took longer than {limit:g} s"
            return TimedOut(action.serial, time.time(), f"{_WHAT[type(action)]}: {reason}")
        except Exception as error:
            if not isinstance(error, ElasticError):
                self.spawner.log.exception("%s: %s failed", self.spawner._log_name, _WHAT[type(action)])
            return await self._failure(action, str(error) or type(error).__name__)

    def _limit(self, action: Action) -> float:
        spawner = self.spawner
        if isinstance(action, Save):
            return action.deadline_s + 2 * SAVE_MARGIN_S
        if isinstance(action, Start):
            return float(spawner.start_timeout + spawner.http_timeout)
        if isinstance(action, AwaitRestore):
            return float(spawner.restore_timeout)
        if isinstance(action, CheckSize):
            return CHECK_TIMEOUT_S + float(spawner.room_timeout)
        return float(spawner.move_stop_timeout)

    async def _take(self, action: Action) -> Event:
        """Take one action; return what came of it, or raise for a failure."""
        spawner, serial = self.spawner, action.serial
        match action:
            case CheckSize(size=size):
                if await spawner.really_running() is not None:
                    return ServerGone(serial, time.time(), "the server is not running")
                await spawner.check_room(size)
                if spawner.resize_in_place and await spawner.try_resize_in_place(size):
                    return ResizedInPlace(serial, time.time())
                return SizeAccepted(serial, time.time(), await spawner.reserve_room(size))
            case Save():
                generation, kernels = await spawner.save_for_move(action)
                return Saved(serial, time.time(), generation, kernels)
            case Stop(force=force):
                await spawner.route_away()
                await spawner.end_server(force)
                return Stopped(serial, time.time())
            case Start(size=size):
                await spawner.launch_server(size)
                return Started(serial, time.time())
            case AwaitRestore():
                await spawner.route_to_server()
                self._show()
                return Restored(serial, time.time(), await spawner.restored())
            case Discard():
                await spawner.end_server(force=True)
                return Discarded(serial, time.time())
        raise AssertionError(f"unknown action {action}")

    async def _failure(self, action: Action, reason: str) -> Event:
        serial, now = action.serial, time.time()
        if isinstance(action, CheckSize | Save | AwaitRestore) and await self.spawner.really_running() is not None:
            return ServerGone(serial, now, reason)
        return _FAILURES[type(action)](serial, now, reason)


_WHAT: dict[type[Action], str] = {
    CheckSize: "checking the size",
    Save: "saving the kernels",
    Stop: "stopping the server",
    Start: "starting the server",
    AwaitRestore: "restoring the kernels",
    Discard: "removing the server",
}
_FAILURES: dict[type[Action], Any] = {
    CheckSize: SizeRefused,
    Save: SaveFailed,
    Stop: StopFailed,
    Start: StartFailed,
    AwaitRestore: RestoreFailed,
    Discard: DiscardFailed,
}

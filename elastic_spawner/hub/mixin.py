"""What makes a spawner elastic: it saves at every stop, and moves its server to another size without losing the
session.

``ElasticSpawnerMixin`` goes in front of a spawner class, and knows nothing about where that one runs its servers. What
it asks of it: ``start``, ``stop`` and ``poll`` as JupyterHub defines them, ``mem_limit`` and ``cpu_limit`` applied at
each start, and, where a process or pod can outlive a hub that was killed in the middle of a start, ``running_launch``.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import AsyncIterator
from contextvars import Context
from typing import Any, cast

from tornado import web

from .. import stores
from ..errors import MigrationError, SizeError
from ..migration import BusyPolicy, LossPolicy, Move, Progress, Size, Step, progress
from . import naming
from .checkpoints import describe_checkpoint
from .moves import Mover, driving
from .moving import ElasticMoving
from .sizes import format_size, parse_cpus, parse_memory


class ElasticSpawnerMixin(ElasticMoving):
    """Put this in front of a spawner: ``class ElasticKubeSpawner(ElasticSpawnerMixin, KubeSpawner)``."""

    # -- the life of a server ------------------------------------------------------------------------------------------

    async def start(self) -> Any:
        """Start the server. Its agent restores the last checkpoint, if there is one, and otherwise costs no time."""
        self._kept = self.keep_sessions
        if not self.keep_sessions:
            return await super().start()
        if self._token_in_use != self.api_token:
            self._revoke_token(self._token_in_use)
        self._token_in_use = self.api_token
        self._unfinished = None
        if self._granted:
            self.apply_size(self.bounds.clamp(self._granted))
        if await self.running_launch() is not None:
            self.log.warning("%s: removing a server that an earlier hub left behind", self._log_name)
            await super().stop(now=True)
        self._launch = secrets.token_hex(8)
        await self.prepare_start()
        return await super().start()

    async def stop(self, now: bool = False) -> None:
        """Save all kernels, whatever the reason of the stop, then stop the server.

        A move under way is cancelled. Cancelled half-way, the server may be running or not.
        """
        to_be_saved = await self._cancel_move() and self.keep_sessions
        if to_be_saved and await self.really_running() is None:
            await self._save_before_stop()
        await super().stop(now=now)
        self._revoke_token(self._token_in_use)
        self._token_in_use = ""

    async def poll(self) -> int | None:
        """Tell whether the server runs. During a move it does, to all but the one who moves it."""
        if self._mover is not None and driving.get() is self._mover:
            return await super().poll()
        if self._unfinished is not None:
            self.answer_when_away()
            move, self._unfinished = self._unfinished, None
            self._mover = Mover(self, move)
            self._mover.resume()
            # The hub that has just started decides by this answer whether the server is to be torn down: let it wait.
            await self._mover.wait()
        if self.moving:
            return None
        return await super().poll()

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Tell the hub's spawn page what is being started and restored, where that is more than the spawner's own."""
        if self._granted:
            yield {"progress": 5, "message": f"Starting with {format_size(self.size)}"}
        if self._last_checkpoint:
            yield {"progress": 10, "message": f"Restoring {describe_checkpoint(self._last_checkpoint)}"}
        async for event in super().progress():
            yield event

    async def delete_forever(self) -> None:
        """Delete the checkpoints with the user or the named server."""
        result = super().delete_forever()
        if result is not None:
            await result
        await asyncio.to_thread(_delete_all, self.checkpoint_url)
        self._last_checkpoint = None
        self._granted = None

    async def rename(self, old_name: str, new_name: str) -> None:
        """Refuse when there is a checkpoint: it is signed with a key that belongs to the old name."""
        if self._last_checkpoint:
            raise web.HTTPError(
                409,
                f"the server {old_name!r} has a checkpoint, which cannot follow it to another name: "
                "make a new server instead",
            )
        await super().rename(old_name, new_name)

    # -- moving --------------------------------------------------------------------------------------------------------

    @property
    def mover(self) -> Mover | None:
        """The move under way or the last one of this hub process."""
        return self._mover

    @property
    def move(self) -> Move | None:
        """The move under way, or the last one."""
        return self._mover.move if self._mover else self._unfinished or self._last_move

    def resize(
        self,
        memory: object = None,
        cpus: object = None,
        on_busy: str | None = None,
        deadline_s: float | None = None,
        on_loss: str | None = None,
    ) -> Move:
        """Begin to move the running server to another size; None leaves memory (bytes or ``2G``) or CPUs as they are.

        Returns at once; ``mover`` tells how it goes. Raises SizeError for a size that makes no sense or is out of
        bounds, and MigrationError when the server cannot be moved now. Nothing is changed then.
        """
        size = self.bounds.check(
            Size(
                self.size.memory if memory is None else parse_memory(memory),
                self.size.cpus if cpus is None else parse_cpus(cpus),
            )
        )
        if on_busy not in (None, "refuse", "interrupt"):
            raise SizeError(f"on_busy is {on_busy!r}: choose refuse or interrupt")
        if on_loss not in (None, "refuse", "accept"):
            raise SizeError(f"on_loss is {on_loss!r}: choose refuse or accept")
        if deadline_s is not None and (
            isinstance(deadline_s, bool) or not isinstance(deadline_s, int | float) or not 0 < deadline_s <= 86400
        ):
            raise SizeError(f"deadline_s is {deadline_s!r}: give a number of seconds above 0")
        if reason := self.why_not_movable():
            raise MigrationError(reason)
        if size == self.size:
            raise SizeError(f"this server has {format_size(size)} already: ask for another size")
        return self.begin_move(
            size,
            deadline_s=float(deadline_s or self.checkpoint_deadline),
            on_busy=cast(BusyPolicy, on_busy or self.on_busy),
            on_loss=cast(LossPolicy, on_loss or self.on_loss),
        )

    def why_not_movable(self) -> str:
        """Why no move can begin now; empty when one can."""
        if self.moving or self._unfinished is not None:
            step = self.move.step.value if self.move else "requested"
            return f"this server is already being moved (step: {step}): wait for its end, then ask again"
        if self.pending:
            return f"this server is pending {self.pending}: wait for its end, then ask again"
        if not self.ready:
            return "this server is not running: start it, then ask again"
        return "" if self.keep_sessions else "this server's session is not kept (keep_sessions), so it is not moved"

    def begin_move(
        self,
        size: Size,
        *,
        deadline_s: float,
        on_busy: BusyPolicy,
        on_loss: LossPolicy,
        notes: tuple[str, ...] = (),
        step: Step = Step.REQUESTED,
    ) -> Move:
        """Begin a move of the running server, which may be to the size that it has; its first state is committed.

        With ``step`` it begins there: what comes before has been done by whoever takes the server away.
        """
        self._launch_before_move = self._launch
        move = Move(
            id=secrets.token_hex(6),
            old=self.size,
            new=size,
            deadline_s=deadline_s,
            on_busy=on_busy,
            on_loss=on_loss,
            notes=notes,
            step=step,
        )
        self._mover = Mover(self, move)
        if step is Step.REQUESTED:
            self._mover.begin()
        else:
            self.commit_state()
            self._mover.resume()
        return self._mover.move

    async def _cancel_move(self) -> bool:
        """End a move under way; return whether the server is to be saved before it is stopped."""
        if not self.moving or self._mover is None:
            return True
        await self._mover.cancel("the server was asked to stop")
        move = self._mover.move
        interrupted = move.interrupted_in
        if move.step is not Step.CANCELLED or interrupted is None or interrupted.before_stop:
            return True
        # Its checkpoint is committed, and what runs now is on its way down or not restored yet. Where only
        # what comes behind is missing, the user may have worked in it.
        return interrupted in (Step.RESTORING, Step.RESTORING_OLD) and await self.may_be_saved()

    async def move_ended(self, move: Move) -> None:
        """Called once for each move, with its last state."""
        if move.step is Step.DONE:
            self._granted = move.new
            self.apply_size(move.new)
        elif move.step is Step.UNDONE:
            self.apply_size(move.old)
        self.commit_state()
        if move.step is Step.FAILED and not self.pending:
            # The hub is told at once rather than at its next poll. Not from within the move, though: poll() tells the
            # truth to nobody else before this task has ended, and its context must not be passed on.
            asyncio.get_running_loop().call_later(
                0.1, lambda: asyncio.ensure_future(self.poll_and_notify()), context=Context()
            )

    # -- for the control server ----------------------------------------------------------------------------------------

    node: str | None = None
    """The name of the machine that the server runs on, where there are several."""

    @property
    def last_checkpoint(self) -> dict[str, Any] | None:
        """What the last committed checkpoint holds, as far as the hub was told."""
        return self._last_checkpoint

    async def follow_move(self) -> AsyncIterator[Progress]:
        """Yield the progress of the move under way until its end, or the end of the last one."""
        if self._mover is not None:
            async for line in self._mover.follow():
                yield line
        elif self.move is not None:
            yield progress(self.move, time.time())
        else:
            yield Progress("idle", "No move was asked for", 0, 0.0, failed=False, done=True)


def _delete_all(url: str) -> None:
    path = naming.file_path(url)
    if path is not None and not path.is_dir():
        return  # there is none, or it is in the servers only and goes with the volume that holds it
    store = stores.open_store(url)
    store.recover()  # what a collector that was killed has put aside
    for entry in list(store.list("")):
        store.delete(entry.key)
    store.sweep(math.inf)  # what a kernel that was killed was writing

"""Saves that nobody asked for: what is lost with a node that goes without notice is then no more than some minutes.

A kernel is saved while it is idle, when something was run in it since it was last saved. The save gives way to a cell
that arrives, and ends at a short deadline in any case; what it has written by then is found by the next one.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from elastic_spawner.errors import ElasticError

from .channel import KernelBusy, KernelChannel, KernelDied, KernelFailure
from .deadline import Deadline
from .kernels import Kernel

if TYPE_CHECKING:
    from .agent import ElasticAgent

QUIET_S = 3.0
"""Somebody who runs one cell after the other is not disturbed in between."""
LOOK_S = 15.0
START_S = 1.0
"""The kernel has to come to it at once, or somebody else was faster."""
SHARE = 20
"""A save is followed by a pause that is so many times as long as it took, at least."""
AGAIN_S = 30.0
"""After a cell came first. What was written by then need not be written again."""
FULL_PAUSE = 10
"""How many intervals nothing is saved after the store was found to be full."""


class PeriodicSaves:
    """Saves kernels one at a time, by `Settings.save_interval`."""

    def __init__(self, agent: ElasticAgent) -> None:
        self._agent = agent
        self._interval = agent.settings.save_interval
        self._complained = ""

    async def run(self) -> None:
        """Save whatever is due; runs for ever, or not at all."""
        while self._interval:
            await asyncio.sleep(min(LOOK_S, self._interval / 4))
            for kernel in list(self._agent.kernels.values()):
                if self._is_due(kernel):
                    await self._save(kernel)

    def _is_due(self, kernel: Kernel) -> bool:
        agent, now = self._agent, time.monotonic()
        changed = kernel.watched and kernel.executed_at > kernel.saved_to
        # One that could not be restored, or not yet, has less in it than its checkpoint.
        whole = kernel.tracked and not (kernel.restoring or kernel.pending or kernel.restore_failed)
        quiet = kernel.execution_state == "idle" and now - kernel.executed_at >= min(QUIET_S, self._interval)
        free = agent.roster.recovered and not agent.roster.stopped and not agent.saving
        return bool(changed and whole and quiet and free and now >= kernel.rests_until)

    def begin(self, kernel: Kernel) -> None:
        """The kernel was just started."""
        kernel.rests_until = time.monotonic() + self._interval

    async def _save(self, kernel: Kernel) -> None:
        agent, began = self._agent, time.monotonic()
        pause = self._interval
        try:
            async with KernelChannel(kernel, agent.context) as channel:
                result = await self._checkpoint(kernel, channel)
        except (KernelBusy, KernelDied):
            pause = min(pause, AGAIN_S)
        except KernelFailure as failure:
            if failure.kind == "GaveWay":
                pause = min(pause, AGAIN_S)
            else:
                if failure.kind == "StoreFull":
                    pause *= FULL_PAUSE
                    agent.garbage.collect_soon()
                self._complain(kernel, failure)
        except Exception as error:
            self._complain(kernel, error)
        else:
            if result is not None:
                self._complained = ""
                if not result.get("partial"):
                    kernel.saved(result, began)
                    agent.journal.wake()
                    await agent.roster.sync()
        ended = time.monotonic()
        kernel.rests_until = ended + max(pause, SHARE * (ended - began))

    async def _checkpoint(self, kernel: Kernel, channel: KernelChannel) -> dict[str, Any] | None:
        agent = self._agent
        start, limit = Deadline.after(START_S), agent.periodic_deadline
        status = await channel.call("status", {}, start=start)
        if not status.get("cells"):
            return None
        return await channel.call(
            "checkpoint",
            {
                **agent.address(kernel),
                "deadline_s": limit,
                "encrypt": agent.settings.encrypt,
                "gives_way": True,
            },
            start=start,
            wait=start.later(limit + agent.save_grace),
        )

    def _complain(self, kernel: Kernel, error: Exception) -> None:
        text = str(error)
        if text != self._complained:
            self._complained = text
            known = isinstance(error, ElasticError)
            self._agent.log.warning(
                "%s was not saved in between, will try again: %s", kernel.label, text, exc_info=not known
            )

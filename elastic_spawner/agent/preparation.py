"""Making one kernel ours: loading the kernel part into it, and bringing its variables back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async

from elastic_spawner.errors import ElasticError

from .channel import KernelBusy, KernelChannel, KernelFailure
from .deadline import Deadline
from .hooks import Gate
from .journal import describe, since, to_json
from .kernels import Kernel
from .manifest import Choice, KernelEntry, choose_generation
from .threads import in_thread

if TYPE_CHECKING:
    from .agent import ElasticAgent


BEGIN_S = 10.0
"""How long front ends wait for a restore to begin, when the kernel does not say that it has."""


GIVEN_UP = (
    "the server was ended more than once while its variables were being loaded, most likely for want of memory; it was "
    "started empty, and the checkpoint is kept for a start with more of it"
)


@dataclass(frozen=True)
class RestorePlan:
    """What is to be brought back into a kernel once it runs."""

    cause: str
    """`boot`: the server was started; `death`: the kernel's process ended by itself."""
    choice: Awaitable[Choice]
    entry: KernelEntry | None = None


class Preparation:
    """Prepares kernels, each in a task of its own, and keeps the reports of what came back in `Kernel.restore`."""

    def __init__(self, agent: ElasticAgent) -> None:
        self._agent = agent

    def prepare(self, kernel: Kernel, plan: RestorePlan | None) -> None:
        """Load the kernel part into a kernel whose process was just started, and restore it if there is a plan to."""
        kernel.tracked, kernel.problem, kernel.status, kernel.restore_sent = None, "", {}, False
        if not kernel.is_python:
            kernel.tracked, kernel.problem = False, f"{kernel.language or 'unknown'} kernels cannot be saved"
            if plan is not None:
                asyncio.ensure_future(plan.choice).cancel()
                self._report(kernel, plan.cause, "empty", f"{kernel.problem}; it was started empty under its old id")
            return
        if plan is not None:
            self._report(kernel, plan.cause, "restoring", "")
        kernel.prepared = self._agent.keep(self._load(kernel, plan, Gate(kernel.manager)))

    async def _load(self, kernel: Kernel, plan: RestorePlan | None, gate: Gate) -> None:
        log = self._agent.log
        began = time.monotonic()
        info: dict[str, Any] = {}
        try:
            await _ready(kernel.manager)
            async with KernelChannel(kernel, self._agent.context) as channel:
                try:
                    deadline = Deadline.after(self._agent.load_timeout)
                    info = await channel.info(deadline)
                    await channel.load(self._agent.settings.libs, deadline)
                except KernelBusy:
                    # A cell was faster, as can be after a restart, and it runs long. Our turn comes after it.
                    log.warning("the kernel of %s is not tracked yet: it is busy", kernel.label)
                    gate.open(info)
                    await channel.load(self._agent.settings.libs, None)
                kernel.tracked = True
                if plan is not None:
                    kernel.restore["timings"]["loaded"] = round(time.monotonic() - began, 3)  # type: ignore[index]
                    await self._restore(kernel, plan, channel, lambda: gate.open(info))
        except Exception as error:
            known = isinstance(error, ElasticError)
            problem = str(error) if known else repr(error)
            if not info and await _is_to_start_again(kernel.manager):
                log.warning("the kernel of %s ended before it answered: %s", kernel.label, problem)
                return  # what it gets next, which may have other ports, is prepared anew, and opens the gate
            log.warning("the kernel of %s is not looked after: %s", kernel.label, problem, exc_info=not known)
            if not kernel.tracked:
                kernel.tracked, kernel.problem = False, problem
            if plan is not None and kernel.restoring:
                self._report(kernel, plan.cause, "failed", problem)
        except asyncio.CancelledError:
            if info:
                gate.open(info)
            raise
        gate.open(info)

    async def _restore(
        self, kernel: Kernel, plan: RestorePlan, channel: KernelChannel, sent: Callable[[], None]
    ) -> None:
        began = time.monotonic()
        try:
            allowed = await self._agent.journal.allows(kernel) or plan.cause == "death"
            choice = await plan.choice
            ran = since(kernel, choice.created)
            unseen_s = self._agent.journal.unseen_s if plan.cause == "boot" else 0.0
            news = [describe(ran, choice.created, unseen_s)] if ran or unseen_s else []
            if self._agent.fallback.said and plan.cause == "boot":
                news.append(self._agent.fallback.said)
            told = {"notes": [*choice.notes, *news], "since": [to_json(cell) for cell in ran]}
            if choice.generation is None or not allowed:
                if not allowed:
                    news.insert(0, GIVEN_UP)
                if news:
                    await channel.call("tell", {"notes": news})
                lost = kernel.generation is not None
                reason = "its checkpoint cannot be used" if lost else "there was no checkpoint of it"
                if not allowed:
                    lost, reason = True, GIVEN_UP
                self._report(kernel, plan.cause, "failed" if lost else "empty", reason, **told)
                return
            begun = asyncio.Event()
            kernel.restore_sent = True
            what = {**self._agent.address(kernel), "generation": choice.generation, "notes": news}
            call = asyncio.ensure_future(channel.call("restore", what, begun=begun))
            # A kernel takes the messages of several connections in no certain order, so that it was sent first is not
            # enough on a busy machine: what a front end sends has to come after the restore.
            await _first(call, begun, BEGIN_S if kernel.watched else 0)
            sent()
            result = await call
        except KernelFailure as failure:
            self._report(kernel, plan.cause, "failed", str(failure))
        except ElasticError as error:
            self._report(kernel, plan.cause, "failed", f"{error}; the checkpoint is kept")
        else:
            kernel.generation = result.get("generation", choice.generation)
            told = {**result, "notes": [*choice.notes, *result.get("notes", [])], "since": told["since"]}
            self._report(kernel, plan.cause, "restored", "", **told)
        kernel.restore["timings"]["restored"] = round(time.monotonic() - began, 3)  # type: ignore[index]

    def plan_after_death(self, kernel: Kernel) -> RestorePlan | None:
        """What to bring back into a kernel that died; None, with a report, when that may be what it died of."""
        restore = kernel.restore or {}
        ended = restore.get("ended", 0)
        idle = ended > kernel.executed_at  # the user has run nothing in it yet
        loading = kernel.restoring and kernel.restore_sent
        again = loading or idle and (restore.get("pending") or ended > time.monotonic() - 30)
        if not self._agent.restore_on_death or again:
            reason = "it died while or right after its variables were loaded" if again else "restore_on_death is off"
            self._report(kernel, "death", "failed", f"{reason}; it was started empty")
            return None
        # It may have died before it heard of a restore: because another process has taken its port, say.
        cause = restore["cause"] if kernel.restoring else "death"
        return RestorePlan(cause, asyncio.ensure_future(self._choose(kernel)))

    async def _choose(self, kernel: Kernel) -> Choice:
        return await in_thread(
            lambda: choose_generation(self._agent.repository, kernel.session, kernel.generation, kernel.floor),
            timeout=self._agent.store_timeout,
            doing=f"looking for the checkpoints of kernel {kernel.id}",
        )

    async def raise_floor(self, kernel: Kernel) -> None:
        """See to it that no checkpoint that there is now comes back: the user wants the kernel to be empty."""
        kernel.floor = max(kernel.floor, kernel.generation or 0)
        kernel.generation, kernel.saved_at = None, None
        try:
            newest = await self._choose(kernel)
            kernel.floor = max(kernel.floor, newest.generation or 0)
        except ElasticError as error:
            self._agent.log.warning("checkpoints of %s from before its restart may come back: %s", kernel.label, error)
        await self._agent.roster.sync()

    def _report(self, kernel: Kernel, cause: str, status: str, reason: str, **more: Any) -> None:
        timings = (kernel.restore or {}).get("timings", {}) if kernel.restoring else {}
        kernel.restore = {"notes": [], **more, "cause": cause, "status": status, "reason": reason, "timings": timings}
        if status != "restoring":
            kernel.restore["ended"] = time.monotonic()
            self._agent.log.info("kernel of %s: %s %s", kernel.label, status, reason)


async def _first(call: asyncio.Future[Any], begun: asyncio.Event, timeout_s: float) -> None:
    """Wait until the call has begun or ended, or for so long."""
    waiting = asyncio.ensure_future(begun.wait())
    try:
        await asyncio.wait((call, waiting), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


async def _is_to_start_again(manager: Any) -> bool:
    """Whether the kernel's process has ended, and the server will start another one (or give the kernel up)."""
    return bool(getattr(manager, "autorestart", False)) and not await ensure_async(manager.is_alive())


async def _ready(manager: Any) -> None:
    """Wait until the kernel's process is started."""
    ready = getattr(manager, "ready", None)
    if ready is not None:
        try:
            await (ready if isinstance(ready, asyncio.Future) else asyncio.wrap_future(ready))
        except Exception as error:
            raise ElasticError(f"the kernel did not start: {error}") from error
    await ensure_async(manager.is_alive())

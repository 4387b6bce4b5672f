"""Saving all kernels of the server, by a deadline, or changing nothing.

A save counts only when the server's manifest is written after it. What single kernels have stored when another one
fails is newer, but does no harm: each kernel's checkpoint is whole in itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async

from elastic_spawner.errors import ElasticError, SaveError, StoreFull

from .channel import INTERRUPTED, KernelBusy, KernelChannel, KernelFailure
from .deadline import Deadline
from .fallback import Fallback
from .kernels import Kernel

if TYPE_CHECKING:
    from .agent import ElasticAgent

POLICIES = ("refuse", "interrupt")
"""What is done to a cell that still runs when time is up."""

LOSS_POLICIES = ("refuse", "accept")
"""What is done about a variable that can be neither stored nor recomputed."""


ENDABLE = ("saved", "interrupted", "empty")
"""What became of kernels of which nothing is lost when their processes are killed."""
MAX_TOLD = 5
"""How many variables of one kernel a message names; all are listed beside it."""


class SaveFailed(SaveError):
    """The kernels were not saved; the previous checkpoint holds and everything runs on as before."""

    def __init__(self, status: int, code: str, message: str, kernels: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status that says this."""
        self.code = code
        """`busy`, `loss`, `store_full` or `failed`."""
        self.kernels = kernels or []
        """The kernels that are to blame: id, path, error; with the code `loss` also lost, their variables."""


@dataclass
class Outcome:
    """What became of one kernel."""

    kernel: Kernel
    status: str
    """`saved`, `interrupted` (saved after a cell was interrupted), `empty`, `kept`, `not_python` or `untracked`."""
    reason: str = ""
    began: float = 0.0
    """When the save began, on the monotonic clock."""
    result: dict[str, Any] | None = None
    """What the kernel part answered."""

    def to_json(self) -> dict[str, Any]:
        result = self.result or {}
        plan = result.get("plan") or {}
        return {
            "id": self.kernel.id,
            "path": self.kernel.notebook,
            "status": self.status,
            "reason": self.reason,
            "generation": self.kernel.generation,
            "bytes": result.get("bytes", 0),
            "bytes_written": result.get("bytes_written", 0),
            "seconds": result.get("seconds", 0.0),
            "lost": plan.get("lost", []),
            "encrypted": result.get("encrypted", False),
            "notes": result.get("notes", []),
            "plan": plan or None,
        }


async def save_all(
    agent: ElasticAgent, deadline_s: float, on_busy: str, reason: str, on_loss: str = "accept", last: bool = False
) -> dict[str, Any]:
    """Save every kernel and then the list of them; returns the report of the HTTP API.

    ``last``: the server ends whatever comes of it, so that what the store does not take is kept at home, if it may be.
    Raises SaveFailed. Cancelled half-way, kernels may go on saving; the list is not written, so that the previous
    checkpoint holds.
    """
    if agent.saving:
        raise SaveFailed(409, "busy", "another save is in progress; wait for its end")
    agent.saving = True
    began = time.monotonic()
    try:
        deadline = Deadline.after(deadline_s)
        await agent.recover()
        if not agent.roster.recovered:
            raise SaveFailed(502, "failed", str(agent.boot["error"]))
        await agent.roster.look()
        home = agent.fallback if last and await agent.fallback.store_is_gone(deadline) else None
        try:
            outcomes, generation = await _save(agent, deadline, on_busy, on_loss, deadline_s, reason, home)
        except SaveFailed as failure:
            if failure.code != "failed" or home is not None or not last:
                raise
            if not await agent.fallback.store_is_gone(deadline):
                raise
            home = agent.fallback
            outcomes, generation = await _save(agent, deadline, on_busy, on_loss, deadline_s, reason, home)
    finally:
        agent.saving = False
    report = {
        "ok": True,
        "generation": generation,
        "kernels": [outcome.to_json() for outcome in outcomes],
        "seconds": round(time.monotonic() - began, 3),
        "fallback": None if home is None else str(home.folder),
    }
    agent.last_save = {"at": time.time(), "reason": reason, **report}
    agent.garbage.collect_soon()
    agent.journal.wake()
    return report


async def _save(
    agent: ElasticAgent,
    deadline: Deadline,
    on_busy: str,
    on_loss: str,
    deadline_s: float,
    reason: str,
    home: Fallback | None,
) -> tuple[list[Outcome], int]:
    try:
        if home is not None:
            home.prepare()
        outcomes = await _Save(agent, deadline, on_busy, on_loss, deadline_s, home).run()
        if home is None:
            return outcomes, await agent.roster.commit(time.time(), reason)
        saved = {o.kernel.id: o.result["generation"] for o in outcomes if o.result is not None}
        return outcomes, await home.commit(await agent.roster.current(time.time(), reason, bool(reason)), saved)
    except (ElasticError, OSError) as error:
        if isinstance(error, SaveFailed):
            raise
        raise _failure([], [error]) from error


async def save_before_end(agent: ElasticAgent, deadline_s: float) -> dict[str, Any]:
    """Save for somebody who ends the server whatever comes of it: the last save counts if no cell was begun since it.

    Waits for a save that is under way. Returns the report of the save. Raises SaveFailed.
    """
    deadline = Deadline.after(deadline_s)
    while True:
        while agent.saving and not deadline.passed:
            await asyncio.sleep(0.05)
        if (last := saved_since(agent)) is not None:
            return last
        try:
            return await save_all(agent, max(0.1, deadline.left), "interrupt", "eviction", last=True)
        except SaveFailed as failure:
            if failure.code != "busy" or failure.kernels or deadline.passed:
                raise


def saved_since(agent: ElasticAgent) -> dict[str, Any] | None:
    """The report of the last save, when no cell was begun since."""
    last = agent.last_save
    if last is None:
        return None
    began = time.monotonic() - (time.time() - last["at"]) - last["seconds"]
    return last if all(kernel.watched and kernel.executed_at < began for kernel in agent.kernels.values()) else None


class _Save:
    """One attempt."""

    def __init__(
        self,
        agent: ElasticAgent,
        deadline: Deadline,
        on_busy: str,
        on_loss: str,
        deadline_s: float,
        home: Fallback | None,
    ) -> None:
        self._agent, self._home = agent, home
        self._deadline = deadline
        self._interrupts = on_busy == "interrupt"
        self._accepts_loss = on_loss == "accept"
        reserve = min(agent.interrupt_reserve, deadline_s / 2)
        self._patience = deadline.later(-reserve) if self._interrupts else deadline
        self._slots = asyncio.Semaphore(agent.save_concurrency)

    async def run(self) -> list[Outcome]:
        outcomes: dict[str, Outcome] = {}
        while True:
            # A kernel in which a cell was run while a slower one was saved is saved again: a change costs little.
            kernels = [kernel for kernel in self._agent.kernels.values() if _outdated(kernel, outcomes.get(kernel.id))]
            if not kernels:
                return list(outcomes.values())
            if outcomes and self._deadline.passed:
                if self._interrupts:  # the policy says that the save matters more than what runs
                    for kernel in kernels:
                        if kernel.id in outcomes:
                            outcomes[kernel.id].reason = "a cell was begun after the save; what it does is not saved"
                    return list(outcomes.values())
                raise _failure([(kernel, KernelBusy(f"{kernel.label} goes on running cells")) for kernel in kernels])
            found = await asyncio.gather(*(self._kernel(kernel) for kernel in kernels), return_exceptions=True)
            failures: list[tuple[Kernel, BaseException]] = []
            for kernel, result in zip(kernels, found, strict=True):
                if isinstance(result, Outcome):
                    outcomes[kernel.id] = result
                elif kernel.id in self._agent.kernels:  # else the user has shut it down meanwhile
                    failures.append((kernel, result))
            if failures:
                raise _failure(failures)
            for kernel_id in set(outcomes) - set(self._agent.kernels):
                del outcomes[kernel_id]

    async def _kernel(self, kernel: Kernel) -> Outcome:
        if not kernel.is_python:
            return Outcome(kernel, "not_python", kernel.problem)
        await self._prepared(kernel)
        if not kernel.tracked:
            return Outcome(kernel, "untracked", kernel.problem)
        async with KernelChannel(kernel, self._agent.context) as channel:
            status, interrupted = await self._turn(kernel, channel)
            if not status.get("cells") and kernel.restore_failed:
                return Outcome(kernel, "kept", "it could not be restored and ran nothing since; its checkpoint stays")
            if not status.get("cells") and not status.get("variables"):
                kernel.floor, kernel.generation = max(kernel.floor, kernel.generation or 0), None
                kernel.cells = []
                return Outcome(kernel, "empty", "no cell was run in it", began=time.monotonic())
            async with self._slots:
                began = time.monotonic()
                result = await self._checkpoint(kernel, channel)
        if self._home is None:
            kernel.saved(result, began)
        note = "the cell that was running was interrupted" if interrupted else ""
        return Outcome(kernel, "interrupted" if interrupted else "saved", note, began, result)

    async def _prepared(self, kernel: Kernel) -> None:
        """Wait until the kernel part is loaded and the kernel restored. Raises KernelBusy."""
        task = None
        while kernel.prepared is not task:  # another one means that it was restarted meanwhile
            task = kernel.prepared
            if task is None:
                return
            await asyncio.wait([task], timeout=self._patience.left)
            if not task.done() and self._interrupts and not kernel.restoring:  # a cell runs that was there before us
                await ensure_async(self._agent.mapping.interrupt_kernel(kernel.id))
            await asyncio.wait([task], timeout=self._deadline.left)
            if not task.done():
                raise KernelBusy(f"the kernel of {kernel.label} is still being started or restored")

    async def _checkpoint(self, kernel: Kernel, channel: KernelChannel) -> dict[str, Any]:
        while True:
            try:
                return await channel.call(
                    "checkpoint",
                    {
                        **self._agent.address(kernel),
                        **({} if self._home is None else {"url": self._home.url}),
                        "deadline_s": self._deadline.left,
                        "accept_loss": self._accepts_loss,
                        "encrypt": self._agent.settings.encrypt,
                    },
                    start=self._deadline,
                    wait=self._deadline.later(self._agent.save_grace),
                )
            except KernelFailure as failure:
                if failure.kind not in INTERRUPTED or self._deadline.passed:  # else the user wanted to stop a cell
                    raise

    async def _turn(self, kernel: Kernel, channel: KernelChannel) -> tuple[dict[str, Any], bool]:
        """Wait until the kernel has finished what is queued, interrupting it if that is the policy.

        Returns its status, and whether it was interrupted. Raises KernelBusy, KernelDied, KernelFailure.
        """
        try:
            return await channel.call("status", {}, start=self._patience), False
        except KernelBusy:
            if not self._interrupts:
                raise
        while True:
            self._agent.log.warning("interrupting the kernel of %s, to save it", kernel.label)
            await ensure_async(self._agent.mapping.interrupt_kernel(kernel.id))
            try:
                return await channel.call("status", {}, start=min(Deadline.after(2), self._deadline)), True
            except KernelBusy:
                if self._deadline.passed:
                    raise KernelBusy(
                        f"the cell that runs in {kernel.label} did not stop when it was interrupted"
                    ) from None
            except KernelFailure as failure:
                if failure.kind not in INTERRUPTED:  # else the interrupt came when it was our turn
                    raise


def _outdated(kernel: Kernel, outcome: Outcome | None) -> bool:
    return outcome is None or (outcome.began > 0 and kernel.executed_at > outcome.began)


def _failure(failures: list[tuple[Kernel, BaseException]], others: Sequence[BaseException] = ()) -> SaveFailed:
    """The one error for what went wrong. A full store comes first, for that needs somebody to act."""
    errors = [*others, *(failure for _, failure in failures)]
    if errors and all(isinstance(failure, KernelBusy) or _lost(failure) for failure in errors):
        losing = [(kernel, lost) for kernel, failure in failures if (lost := _lost(failure))]
        if losing:
            return _loss(losing)
    kernels = [{"id": kernel.id, "path": kernel.notebook, "error": str(failure)} for kernel, failure in failures]
    message = "; ".join(str(failure) for failure in errors) + "; nothing was changed and the previous checkpoint stays"
    if any(isinstance(failure, StoreFull) or getattr(failure, "kind", "") == "StoreFull" for failure in errors):
        return SaveFailed(507, "store_full", message, kernels)
    if all(isinstance(failure, KernelBusy) for failure in errors):
        return SaveFailed(409, "busy", message, kernels)
    return SaveFailed(502, "failed", message, kernels)


def _lost(failure: BaseException) -> list[dict[str, Any]]:
    return failure.lost if isinstance(failure, KernelFailure) and failure.kind == "WouldLose" else []


def _loss(losing: list[tuple[Kernel, list[dict[str, Any]]]]) -> SaveFailed:
    kernels, said = [], []
    for kernel, lost in losing:
        told = [_losing(variable) for variable in lost[:MAX_TOLD]]
        if len(lost) > MAX_TOLD:
            told.append(f"and {len(lost) - MAX_TOLD} more")
        said.append(f"{kernel.label} would lose {'; '.join(told)}")
        kernels.append({"id": kernel.id, "path": kernel.notebook, "error": said[-1], "lost": lost})
    message = (
        f"{'. '.join(said)}. Nothing was saved or changed. Delete what may go, or accept the loss (on_loss: accept) "
        "and do as is said above afterwards"
    )
    return SaveFailed(409, "loss", message, kernels)


def _losing(variable: dict[str, Any]) -> str:
    """One variable that would be lost: what it is, why, which cell made it, and what brings it back."""
    cell = f" of In [{variable['cell']}]" if variable.get("cell") is not None else ""
    cure = f" (afterwards, {variable['cure']})" if variable.get("cure") else ""
    return f"{variable['name']} ({variable['type']}){cell}: {variable['reason']}{cure}"

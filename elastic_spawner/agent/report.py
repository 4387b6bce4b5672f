"""What the HTTP API tells about the kernels."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from elastic_spawner.errors import ElasticError

from .channel import KernelChannel
from .deadline import Deadline
from .kernels import Kernel

if TYPE_CHECKING:
    from .agent import ElasticAgent

STATUS_SECONDS = 1.0
"""How long an idle kernel may take to tell its status before the last known one is told."""

PLAN_SECONDS = 30.0
"""How long a kernel may take to plan."""


async def kernel_states(agent: ElasticAgent) -> list[dict[str, Any]]:
    """All kernels as `GET status` gives them."""
    await agent.roster.look()
    kernels = list(agent.kernels.values())
    await asyncio.gather(*(_refresh(agent, kernel) for kernel in kernels))
    return [
        {
            "id": kernel.id,
            "name": kernel.name,
            "path": kernel.notebook,
            "language": kernel.language,
            "execution_state": kernel.execution_state,
            "tracked": bool(kernel.tracked),
            "problem": kernel.problem,
            "variables": kernel.status.get("variables"),
            "bytes": kernel.status.get("bytes"),
            "pending": kernel.status.get("pending", 0),
            "pending_bytes": kernel.status.get("pending_bytes", 0),
            "warnings": kernel.status.get("warnings", []),
            "generation": kernel.generation,
            "unsaved": len(kernel.cells),
            "journaled": agent.journal.count(kernel.id),
            "last_checkpoint": kernel.status.get("last_checkpoint"),
            "restore": _restore(kernel),
        }
        for kernel in kernels
    ]


async def kernel_plans(agent: ElasticAgent) -> list[dict[str, Any]]:
    """What a save would store and a restore re-run, kernel by kernel."""
    await agent.roster.look()
    return list(await asyncio.gather(*(_plan(agent, kernel) for kernel in list(agent.kernels.values()))))


async def restore_reports(agent: ElasticAgent) -> list[dict[str, Any]]:
    """What came back, kernel by kernel; those that could not even be started are at the end."""
    await agent.roster.look()
    await asyncio.gather(*(_refresh(agent, k) for k in agent.kernels.values() if _is_coming(k)))
    reports = [
        {"id": kernel.id, "path": kernel.notebook, **restore}
        for kernel in agent.kernels.values()
        if (restore := _restore(kernel)) is not None
    ]
    return reports + agent.absent_reports


async def _refresh(agent: ElasticAgent, kernel: Kernel) -> None:
    """Ask the kernel, if it has run anything since it was last asked and is free to answer."""
    if not kernel.tracked or kernel.restoring or kernel.execution_state != "idle":
        return
    restored = (kernel.restore or {}).get("ended", 0.0)
    known = kernel.watched and kernel.status and not _is_coming(kernel)
    if known and kernel.status_at > max(kernel.executed_at, restored) and not agent.saving:
        if (kernel.status.get("last_checkpoint") or {}).get("generation") == kernel.generation:
            return
    asked = time.monotonic()
    try:
        async with KernelChannel(kernel, agent.context) as channel:
            kernel.status = await channel.call("status", {}, start=Deadline.after(STATUS_SECONDS))
            kernel.status_at = asked
            _amend(kernel)
    except ElasticError as error:
        agent.log.debug("the kernel of %s did not tell its status: %s", kernel.label, error)


def _is_coming(kernel: Kernel) -> bool:
    """Whether the report of its restore has to be amended."""
    return bool((kernel.restore or {}).get("pending"))


def _amend(kernel: Kernel) -> None:
    """Write into the report what became of the variables that were still coming when the restore had ended."""
    restore, newest = kernel.restore, kernel.status.get("last_restore")
    if restore is None or not newest or not _is_coming(kernel) or newest["created"] != restore.get("created"):
        return
    notes = [n for n in restore["notes"] if n not in newest["notes"]]
    restore.update({**newest, "notes": [*notes, *newest["notes"]]})


async def _plan(agent: ElasticAgent, kernel: Kernel) -> dict[str, Any]:
    answer = {"id": kernel.id, "path": kernel.notebook}
    if not kernel.tracked:
        return {**answer, "error": kernel.problem or "the kernel is still starting"}
    if kernel.execution_state == "busy" and not kernel.serves_agent:
        return {**answer, "error": "a cell is running; there is a plan when it is done"}
    try:
        async with KernelChannel(kernel, agent.context) as channel:
            return {**answer, "plan": await channel.call("plan", {}, start=Deadline.after(PLAN_SECONDS))}
    except ElasticError as error:
        return {**answer, "error": str(error)}


def _restore(kernel: Kernel) -> dict[str, Any] | None:
    if kernel.restore is None:
        return None
    return {
        name: value for name, value in kernel.restore.items() if name != "ended"
    }  # a monotonic clock means nothing outside

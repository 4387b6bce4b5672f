"""Bringing kernels and sessions back under their old ids, before the server answers its first request.

Open tabs keep asking for their kernel's id while the server is away. If they are told even once that there is no
such kernel, they give it up; so processes are started and sessions written down before the server listens. The
variables come after that.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async

from elastic_spawner.errors import CheckpointError, StoreError

from .manifest import SESSION, KernelEntry, ServerManifest, SessionEntry, choose_generation
from .threads import in_thread

if TYPE_CHECKING:
    from .agent import ElasticAgent


async def bring_back(agent: ElasticAgent) -> None:
    """Read the server's manifest and start its kernels. Never raises; what went wrong stands in `agent.boot`.

    Returns when the kernels' processes are started, or after `boot_timeout` seconds; what is not ready then goes on.
    """
    began = time.monotonic()
    report: dict[str, Any] = {"status": "none", "error": None, "generation": None, "kernels": 0, "timings": {}}
    before, agent.boot = agent.boot, report
    try:
        await agent.former.take_over(agent.boot_timeout)
        await agent.fallback.bring_home(agent.boot_timeout)
        manifest = await _read(agent, report)
    except StoreError as error:
        report.update(status="failed", error=f"the store cannot be read: {error}", retrying=True)
        if report["error"] != before["error"]:  # said once, not with every attempt
            agent.log.error("no kernel was brought back: %s. The checkpoint stays; will try again.", error)
        return
    except Exception as error:
        # The list is lost, the kernels' own checkpoints are not.
        agent.roster.recovered = True
        agent.journal.begin(restores=False)
        report.update(status="failed", error=str(error) if isinstance(error, CheckpointError) else repr(error))
        agent.log.error("no kernel was brought back, the list of kernels cannot be used: %s", error)
        return
    report["timings"]["manifest"] = round(time.monotonic() - began, 3)
    agent.roster.recovered = True
    if manifest is not None:
        agent.journal.announced = manifest.ending
    agent.journal.begin(restores=manifest is not None and bool(manifest.kernels))
    if manifest is None:
        return
    agent.roster.known = manifest
    report.update(status="restored", kernels=len(manifest.kernels))
    began = time.monotonic()
    starts = [
        asyncio.ensure_future(_start(agent, entry, manifest.sessions_of(entry.id)))
        for entry in manifest.kernels
        if entry.id not in agent.mapping
    ]
    if starts:
        await asyncio.wait(starts, timeout=agent.boot_timeout)
    report["timings"]["kernels"] = round(time.monotonic() - began, 3)


async def bring_back_later(agent: ElasticAgent) -> None:
    """Try again until the store can be read."""
    delay = 2.0
    while not agent.roster.recovered:
        await asyncio.sleep(delay)
        delay = min(60.0, delay * 2)
        await agent.recover()


async def _read(agent: ElasticAgent, report: dict[str, Any]) -> ServerManifest | None:
    document = await in_thread(
        lambda: agent.repository.latest(SESSION), timeout=agent.store_timeout, doing="reading the list of kernels"
    )
    if document is None:
        return None
    report["generation"] = document.get("generation")
    return ServerManifest.from_json(document)


async def _start(agent: ElasticAgent, entry: KernelEntry, sessions: list[SessionEntry]) -> None:
    """Start one kernel and write down its sessions. One that cannot be started stays on the list for the next time."""
    choice = asyncio.ensure_future(
        in_thread(
            lambda: choose_generation(agent.repository, f"kernel-{entry.id}", entry.generation, entry.floor),
            timeout=agent.store_timeout,
            doing=f"looking for the checkpoints of kernel {entry.id}",
        )
    )
    agent.expect(entry, choice)
    try:
        folder = entry.folder
        options: dict[str, Any] = {}
        if sessions:
            path, name = sessions[0].path, sessions[0].name
            folder = await ensure_async(agent.serverapp.contents_manager.get_kernel_path(path=path))
            options["env"] = _session_environment(agent.serverapp.session_manager, path, name)
        await agent.mapping.start_kernel(kernel_id=entry.id, kernel_name=entry.name, path=folder, **options)
        for session in sessions:
            await _save_session(agent.serverapp.session_manager, session)
        if sessions:
            agent.kernels[entry.id].notebook = sessions[0].path
    except Exception as error:
        choice.cancel()
        agent.expected.pop(entry.id, None)
        agent.roster.absent[entry.id] = entry, sessions
        agent.report_absent(entry, sessions, f"the kernel could not be started: {error}")


def _session_environment(session_manager: Any, path: str, name: str) -> dict[str, str]:
    try:
        environment: dict[str, str] = session_manager.get_kernel_env(path, name)
    except TypeError:  # before jupyter_server 2.3
        environment = session_manager.get_kernel_env(path)
    return environment


async def _save_session(session_manager: Any, session: SessionEntry) -> None:
    try:
        await ensure_async(session_manager.get_session(session_id=session.id))
    except Exception:  # tornado's 404: the server keeps its sessions in memory, which is the rule
        await ensure_async(
            session_manager.save_session(
                session.id, path=session.path, name=session.name, type=session.type, kernel_id=session.kernel_id
            )
        )

"""Keeps the server's manifest in the store in step with the kernels and sessions that the server has."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async

from elastic_spawner.errors import ElasticError

from .kernels import Kernel
from .manifest import SESSION, KernelEntry, ServerManifest, SessionEntry
from .threads import Caller

if TYPE_CHECKING:
    from .agent import ElasticAgent

SETTLE_SECONDS = 0.5
"""After a kernel was started its session follows; both are to be in one manifest."""

CHECK_SECONDS = 15
"""How often the sessions are compared: a notebook that is renamed tells nobody."""

ENDING_SECONDS = 300
"""A server that was saved because it was to end, and is there still after this time, was not ended."""


class Roster:
    """The list of kernels and sessions, those included that could not be brought back or died for good."""

    def __init__(self, agent: ElasticAgent) -> None:
        self._agent = agent
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._sessions: dict[str, list[SessionEntry]] = {}
        self._complained = ""
        # One write at a time: one that hung and comes through at last must not be newer than those after it.
        self._write_in_thread = Caller(1)
        self._unsure = False
        self._began = time.time()
        self.absent: dict[str, tuple[KernelEntry, list[SessionEntry]]] = {}
        """Kernels which the user did not end and which do not run; they are tried again at the next start."""
        self.known: ServerManifest | None = None
        """What the store holds."""
        self.recovered = False
        """Whether the store's manifest was read. As long as it was not, it must not be replaced."""
        self.stopped = False
        """The server is stopping: that its kernels go now means nothing."""

    def sync_soon(self) -> None:
        """Compare with the store in a moment."""
        self._wake.set()

    async def run(self) -> None:
        """Compare with the store whenever there is reason to; runs for ever."""
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), CHECK_SECONDS)
                await asyncio.sleep(SETTLE_SECONDS)
            except asyncio.TimeoutError:
                pass
            self._wake.clear()
            await self.sync()

    async def sync(self) -> None:
        """Write the list to the store if it changed. A store that fails is complained of once, and tried again
        later."""
        if not self.recovered or self.stopped:
            return
        async with self._lock:
            known = self.known or ServerManifest()
            try:
                manifest = await self.current(known.saved, known.reason, self._is_ending(known))
                if (manifest != known or self._unsure) and not self.stopped:
                    await self._write(manifest)
                self._complained = ""
            except ElasticError as error:
                if str(error) != self._complained:
                    self._complained = str(error)
                    self._agent.log.warning("the list of kernels could not be stored, will try again: %s", error)

    async def commit(self, saved: float, reason: str) -> int:
        """Write the list after a save of all kernels; returns its generation. Raises StoreError."""
        async with self._lock:
            return await self._write(await self.current(saved, reason, ending=bool(reason)))

    async def _write(self, manifest: ServerManifest) -> int:
        self._unsure = True
        generation: int = await self._write_in_thread(
            lambda: self._agent.repository.commit(SESSION, manifest.to_json()),
            timeout=self._agent.store_timeout,
            doing="storing the list of kernels",
        )
        self._unsure = False
        self.known = manifest
        return generation

    def _is_ending(self, known: ServerManifest) -> bool:
        """Whether what was saved last was the end of it, as far as can be told."""
        saved = known.saved or 0.0
        if not known.ending or saved < max(self._began, time.time() - ENDING_SECONDS):
            return False
        return not any(kernel.cells and kernel.cells[-1].at > saved for kernel in self._agent.kernels.values())

    async def current(self, saved: float | None, reason: str, ending: bool = False) -> ServerManifest:
        """The list as it is now."""
        await self.look()
        kernels = [_entry(kernel) for kernel in self._agent.kernels.values()]
        sessions = [session for kernel in self._agent.kernels for session in self._sessions.get(kernel, [])]
        taken = {session.path for session in sessions}
        for kernel_id, (entry, were) in list(self.absent.items()):
            left = [session for session in were if session.path not in taken]
            if were and not left:  # the user has gone on in a new kernel
                del self.absent[kernel_id]
                continue
            kernels.append(entry)
            sessions.extend(left)
        return ServerManifest(tuple(kernels), tuple(sessions), saved, reason, ending)

    async def look(self) -> None:
        """Take notice of the server's sessions, and of kernels that are gone without having been shut down."""
        agent = self._agent
        for kernel in list(agent.kernels.values()):
            if kernel.id not in agent.mapping:
                del agent.kernels[kernel.id]
                self.absent[kernel.id] = _entry(kernel), self._sessions.get(kernel.id, [])
                agent.log.warning("the kernel of %s died for good; its checkpoint is kept", kernel.label)
        sessions: dict[str, list[SessionEntry]] = {}
        for model in await ensure_async(agent.serverapp.session_manager.list_sessions()):
            session = _session(model)
            sessions.setdefault(session.kernel_id, []).append(session)
        self._sessions = sessions
        for kernel in agent.kernels.values():
            kernel.notebook = next((session.path for session in sessions.get(kernel.id, [])), None)


def _entry(kernel: Kernel) -> KernelEntry:
    return KernelEntry(
        kernel.id, kernel.name, kernel.language, kernel.folder, kernel.generation, kernel.floor, kernel.saved_at
    )


def _session(model: dict[str, Any]) -> SessionEntry:
    return SessionEntry(
        model["id"], model["path"] or "", model["name"] or "", model["type"] or "", model["kernel"]["id"]
    )

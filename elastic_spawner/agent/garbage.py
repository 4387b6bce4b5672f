"""Keeps the store from growing for ever: forgets kernels that are gone, and generations that nothing needs."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from elastic_spawner.checkpoint.repository import Repository
from elastic_spawner.errors import CheckpointNotFound
from elastic_spawner.stores import open_store

from .manifest import SESSION, ServerManifest
from .threads import Caller

if TYPE_CHECKING:
    from .agent import ElasticAgent

EVERY_S = 3600.0
"""A server's store is not looked through more often than this."""

GRACE_S = 3600.0
"""What is younger is left alone: a save under way may need it, and a kernel that was just ended may have been so by
mistake."""

TIMEOUT_S = 6 * 3600.0
"""After this the next collection may begin, even if the store has not answered the one before."""

KERNELS = "kernel-"


class Garbage:
    """Collects in the background, after a save of all kernels and once an hour besides.

    The latter because a save is most often the last thing that a server does.
    """

    def __init__(self, agent: ElasticAgent) -> None:
        self._agent = agent
        self._in_thread = Caller(1)
        self._begun: float | None = None
        self.report: dict[str, Any] | None = None
        """What the last collection of this process did, or why it failed."""

    def collect_soon(self) -> None:
        """Begin to collect, unless that was done within the hour. Returns at once; never raises."""
        if self._begun is None or time.monotonic() - self._begun >= EVERY_S:
            self._begun = time.monotonic()
            self._agent.keep(self._collect())

    async def run(self) -> None:
        """Collect every hour; runs for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            if self._agent.roster.recovered:
                self.collect_soon()

    async def _collect(self) -> None:
        agent = self._agent
        here = {*agent.kernels, *agent.roster.absent, *agent.expected}
        try:
            done = await self._in_thread(
                lambda: collect(agent.settings.store_url, agent.settings.secret, here, agent.keep_generations),
                timeout=TIMEOUT_S,
                doing="collecting garbage",
            )
            self.report = {"at": time.time(), "error": None, **done}
            agent.log.info("collected garbage in the store: %s", done)
        except Exception as error:  # whatever it is, the kernels are saved
            self.report = {"at": time.time(), "error": str(error) or type(error).__name__}
            agent.log.warning("garbage stays in the store, will try again: %s", self.report["error"])


def collect(store_url: str, secret: bytes, here: set[str], keep: int) -> dict[str, Any]:
    """Drop the kernels that are neither `here` nor on the store's list of them, then what nothing needs any more.

    Does nothing as long as one of the lists in the store cannot be read: the checkpoints which it named may be all that
    is left to somebody. Blocks; raises StoreError, CheckpointError.
    """
    # Not the agent's own repository: that is busy with the list of kernels, in a thread of its own.
    with Repository(open_store(store_url), secret) as repository:
        # Before the list is read: who comes on it after that is young.
        idle = repository.idle_sessions(GRACE_S)
        newest = _lists(repository)[-1:]
        dropped = []
        for manifest in newest:
            wanted = {f"{KERNELS}{kernel_id}" for kernel_id in {kernel.id for kernel in manifest.kernels} | here}
            dropped = [session for session in idle if session.startswith(KERNELS) and session not in wanted]
            for session in dropped:
                repository.drop(session)
        return {"dropped": dropped, **repository.gc(keep, GRACE_S).to_dict()}


def _lists(repository: Repository) -> list[ServerManifest]:
    """All lists of kernels in the store, the newest last."""
    found = []
    for info in repository.generations(SESSION):
        try:
            found.append(ServerManifest.from_json(repository.load(SESSION, info.generation)))
        except CheckpointNotFound:  # collected meanwhile
            continue
    return found

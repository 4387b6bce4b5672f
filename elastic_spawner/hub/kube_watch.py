"""Seeing that Kubernetes takes a pod away, while there is time to act.

KubeSpawner watches all pods of the hub already and keeps what it sees; this looks through what it keeps, so the API
server is asked nothing more.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING

from .kube_pod import disruption

if TYPE_CHECKING:
    from .kube import ElasticKubeSpawner

INTERVAL_S = 0.5


class DisruptionWatch:
    """One for all servers of a hub process."""

    def __init__(self) -> None:
        self._spawners: weakref.WeakSet[ElasticKubeSpawner] = weakref.WeakSet()
        self._task: asyncio.Task[None] | None = None

    def add(self, spawner: ElasticKubeSpawner) -> None:
        """Look after this server from now on; again: no effect."""
        self._spawners.add(spawner)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            for spawner in list(self._spawners):
                try:
                    reason = disruption(spawner.pod_as_seen())
                    if reason:
                        spawner.come_back(reason)
                except Exception:
                    # One server's trouble must not end the watch of all others.
                    spawner.log.exception("%s: its pod cannot be looked after", spawner._log_name)
            await asyncio.sleep(INTERVAL_S)


watch = DisruptionWatch()

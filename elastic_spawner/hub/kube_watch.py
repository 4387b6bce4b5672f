"""Seeing that Kubernetes takes a pod or its node away, while there is time to act.

KubeSpawner watches all pods of the hub already and keeps what it sees; this looks through what it keeps, and through
what the one watch of the nodes keeps. So the API server is asked nothing more for a server, however many there are.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any

from .kube_nodes import NodeWatch
from .kube_pod import disruption

if TYPE_CHECKING:
    from .kube_leaving import ElasticKubeLeaving

INTERVAL_S = 0.2


class DisruptionWatch:
    """One for all servers of a hub process."""

    def __init__(self) -> None:
        self._spawners: weakref.WeakKeyDictionary[ElasticKubeLeaving, Any] = weakref.WeakKeyDictionary()
        """Each with its pod as it was when nothing took it away: the reflector has another object after a change."""
        self._task: asyncio.Task[None] | None = None
        self.nodes = NodeWatch()

    def add(self, spawner: ElasticKubeLeaving) -> None:
        """Look after this server from now on; again: no effect."""
        self._spawners.setdefault(spawner)
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._task = loop.create_task(self._run())
        if spawner.evacuation_taints:
            self.nodes.start(spawner.api, spawner.log)

    async def _run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(INTERVAL_S)

    def look(self) -> None:
        """Look at all servers once; those that are about to lose their pods or nodes begin to move."""
        for spawner, quiet in list(self._spawners.items()):
            try:
                pod = spawner.pod_as_seen()
                if pod is None:
                    continue
                node = pod["spec"].get("nodeName")
                if pod is not quiet:
                    if reason := disruption(pod):
                        spawner.come_back(reason)
                        continue
                    self._spawners[spawner] = pod
                if notice := self.nodes.notice(node, spawner.evacuation_taints):
                    spawner.evacuate(node, notice)
            except Exception:
                # One server's trouble must not end the watch of all others.
                spawner.log.exception("%s: its pod cannot be looked after", spawner._log_name)


watch = DisruptionWatch()

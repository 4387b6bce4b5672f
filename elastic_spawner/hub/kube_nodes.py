"""Which nodes are about to go, by their taints: one watch for all servers of a hub process.

KubeSpawner's reflectors know namespaced objects only, and nodes have no namespace. Of each node its taints are kept and
nothing else.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from .notices import notice

EVACUATION_TAINTS = (
    # Karpenter, before it drains a node (spot interruption, consolidation, expiry, drift); the second one until 1.0
    "karpenter.sh/disrupted",
    "karpenter.sh/disruption",
    # AWS Node Termination Handler: spot-itn, scheduled-maintenance, asg-lifecycle-termination, rebalance-recommendation
    "aws-node-termination-handler/*",
    # GKE, 15 to 30 s before the virtual machine ends
    "cloud.google.com/impending-node-termination",
    # AKS
    "remediator.kubernetes.azure.com/unschedulable",
    "remediator.aks.microsoft.com/unschedulable",
    # the cluster autoscaler: it drains the node now; it will soon, unless somebody needs the node
    "ToBeDeletedByClusterAutoscaler",
    "DeletionCandidateOfClusterAutoscaler",
    # cloud controller managers: the machine is being shut down
    "node.cloudprovider.kubernetes.io/shutdown",
)
"""Not here: what says that the node has gone already (`not-ready`, `unreachable`, `out-of-service`), for nothing can be
saved there; what says that it is short of something (`memory-pressure`, `disk-pressure`, `pid-pressure`), for then the
kubelet evicts a pod or two, and moving all of them would make it worse; and a mere cordon (`unschedulable`), which may
be for any reason."""

LOST_TAINTS = ("node.kubernetes.io/unreachable:NoExecute", "node.kubernetes.io/out-of-service")
"""What says that nothing is heard of a node, and that it is off for certain."""

WATCH_S = 300
"""Seconds after which the API server ends a watch, and another is begun."""
MAX_PAUSE_S = 60.0


class NotAllowed(Exception):
    """The hub may not look at nodes; the message is the API server's."""


class Expired(Exception):
    """What was seen last is too old to go on from."""


class NodeWatch:
    """Keeps the taints of all nodes, by a list at the start and a watch from then on."""

    def __init__(self) -> None:
        self._taints: dict[str, tuple[tuple[str, str, str], ...]] = {}
        self._task: asyncio.Task[None] | None = None
        self.off = ""
        """Why nodes are not watched; empty while they are."""

    def start(self, api: Any, log: Any) -> None:
        """Begin, with kubernetes_asyncio's CoreV1Api and the hub's logger; again: no effect."""
        loop = asyncio.get_running_loop()
        if self._task is not None and self._task.get_loop() is loop:
            return
        self._task = loop.create_task(self._run(api, log))

    def notice(self, node: str | None, patterns: Iterable[str]) -> str:
        """The taint by which a node is about to go, as ``key=value:effect``; empty when it has none of these."""
        for key, value, effect in self._taints.get(node or "", ()):
            if any(_matches(pattern, key, effect) for pattern in patterns):
                return f"{key}={value}:{effect}" if value else f"{key}:{effect}"
        return ""

    async def _run(self, api: Any, log: Any) -> None:
        pause, version = 1.0, ""
        while True:
            try:
                if not version:
                    version = await self._list(api)
                async for event in _events(api, version):
                    version = event["object"]["metadata"]["resourceVersion"]
                    self._see(event)
                    pause = 1.0
                await asyncio.sleep(0.1)  # a proxy may end watches as soon as they begin
            except NotAllowed as error:
                self.off = str(error)
                notice(
                    log,
                    "nodes",
                    "nodes cannot be watched, so servers are moved when they are evicted, and not ahead of it. It "
                    "takes a ClusterRole with the verbs `list` and `watch` on `nodes` for the hub; then restart the "
                    "hub. An empty ElasticKubeSpawner.evacuation_taints ends this message. The API server says: "
                    f"{error}",
                )
                return
            except Expired:
                version = ""
            except Exception as error:
                log.info("The watch of the nodes is begun anew in %.0f s: %r", pause, error)
                version = ""
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(MAX_PAUSE_S, pause * 2)

    async def _list(self, api: Any) -> str:
        answer = await api.list_node(_preload_content=False, _request_timeout=60)
        found = json.loads(await answer.read())
        _check(answer.status, found)
        self._taints = {}
        for node in found["items"]:
            self._see({"type": "ADDED", "object": node})
        return str(found["metadata"]["resourceVersion"])

    def _see(self, event: Mapping[str, Any]) -> None:
        node = event["object"]
        taints = (node.get("spec") or {}).get("taints") or ()
        if event["type"] == "BOOKMARK":
            return
        if event["type"] == "DELETED" or not taints:
            self._taints.pop(node["metadata"]["name"], None)
        else:
            self._taints[node["metadata"]["name"]] = tuple(
                (taint["key"], taint.get("value") or "", taint["effect"]) for taint in taints
            )


async def _events(api: Any, version: str) -> AsyncIterator[dict[str, Any]]:
    """What the API server tells after a version, until it ends the watch. Raises Expired, NotAllowed."""
    answer = await api.list_node(
        watch=True,
        resource_version=version,
        allow_watch_bookmarks=True,
        timeout_seconds=WATCH_S,
        _preload_content=False,
        _request_timeout=WATCH_S + 30,
    )
    try:
        if answer.status != 200:
            _check(answer.status, json.loads(await answer.read()))
        rest = b""
        async for part in answer.content.iter_any():  # a node may be longer than the lines that aiohttp reads
            *lines, rest = (rest + part).split(b"\n")
            for line in filter(None, lines):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    _check(event["object"].get("code", 500), event["object"])
                yield event
    finally:
        answer.release()


def _check(status: int, found: Mapping[str, Any]) -> None:
    if status == 403:
        raise NotAllowed(found.get("message") or f"status {status}")
    if status == 410:
        raise Expired
    if status != 200:
        raise RuntimeError(found.get("message") or f"status {status}")


def _matches(pattern: str, key: str, effect: str) -> bool:
    wanted, _, wanted_effect = pattern.partition(":")
    return fnmatchcase(key, wanted) and fnmatchcase(effect, wanted_effect or "*")

"""Room for a server that is about to move: a pod of its size, which sleeps where the server is to be.

It asks the scheduler the one question that nobody else can answer, and keeps what it was given until the server takes
its place: node selectors, tolerations, affinities, priorities, GPUs and volumes that belong to a zone all count.
"""

from __future__ import annotations

import asyncio
import copy
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from kubernetes_asyncio.client import ApiException

from .kube_pod import NOTEBOOK
from .kube_resize import message_of, quantity

LABEL = "elastic-spawner/keeps-room-for"
"""On each such pod: the name of the pod that it keeps room for."""
LIFETIME_S = 1800
"""Seconds after which Kubernetes ends such a pod by itself, should no hub be there to do it."""
_PAUSE_S = 0.3

_WHERE = (
    "affinity",
    "imagePullSecrets",
    "nodeSelector",
    "overhead",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "tolerations",
    "topologySpreadConstraints",
)
"""What of a pod's specification decides where it may be."""
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 65534,
    "seccompProfile": {"type": "RuntimeDefault"},
}


class NoRoom(Exception):
    """The scheduler has found no node; the message is its reason."""


class Room:
    """One pod that keeps room, or will, or did."""

    def __init__(self, api: Any, namespace: str, name: str, node: str = "") -> None:
        """``node``: the only one that counts."""
        self._api, self._namespace, self.name, self._node = api, namespace, name, node
        self._for = ""

    @classmethod
    def named(cls, spawner: Any, node: str = "") -> Room:
        """Room for a spawner's server under a new name."""
        room = cls(spawner.api, spawner.namespace, f"elastic-room-{secrets.token_hex(6)}", node)
        room._for = spawner.pod_name
        return room

    async def reserve(self, manifest: Mapping[str, Any], timeout_s: float) -> str:
        """Have a place for this pod (as the API takes it) reserved; return why nobody can say, when nobody can.

        Raises NoRoom. Cancelled half-way, there may be a pod, which `give_back` removes.
        """
        pod = placeholder(manifest, self.name, self._for, self._node)
        pod["spec"]["volumes"] = [volume for volume in pod["spec"]["volumes"] if await self._may_share(volume)]
        try:
            await self._api.create_namespaced_pod(self._namespace, pod)
        except ApiException as error:
            reason = message_of(error)
            if error.status == 403 and "exceeded quota" not in reason and "is forbidden: User" not in reason:
                raise NoRoom(reason) from error  # a LimitRange, say, which would refuse the server as well
            return reason  # both at once are too much for a quota, which says nothing about one after the other
        deadline = time.monotonic() + timeout_s
        reason = f"the scheduler has said nothing for {timeout_s:g} s"
        while True:
            found, said = _scheduled(await self._read())
            if found:
                return ""
            reason = said or reason
            if time.monotonic() > deadline:
                raise NoRoom(reason)
            await asyncio.sleep(_PAUSE_S)

    async def _may_share(self, volume: Mapping[str, Any]) -> bool:
        """Whether a second pod may have this claim: one for a single pod would keep ours from being scheduled."""
        claim = volume["persistentVolumeClaim"]["claimName"]
        answer = await self._api.read_namespaced_persistent_volume_claim(claim, self._namespace, _preload_content=False)
        if answer.status != 200:
            return False
        return "ReadWriteOncePod" not in json.loads(await answer.read())["spec"].get("accessModes", [])

    async def _read(self) -> dict[str, Any]:
        answer = await self._api.read_namespaced_pod(self.name, self._namespace, _preload_content=False)
        found: dict[str, Any] = json.loads(await answer.read())
        if answer.status != 200:
            raise NoRoom(f"what keeps the room is gone: {found.get('message')}")
        return found

    async def give_back(self) -> None:
        """Remove the pod; no effect when there is none. Raises ApiException."""
        try:
            await self._api.delete_namespaced_pod(self.name, self._namespace, grace_period_seconds=0)
        except ApiException as error:
            if error.status != 404:
                raise


def placeholder(manifest: Mapping[str, Any], name: str, for_pod: str, node: str = "") -> dict[str, Any]:
    """The pod that needs the same room as another, and does nothing in it."""
    spec = manifest["spec"]
    image = next(container for container in spec["containers"] if container["name"] == NOTEBOOK)
    place = {key: copy.deepcopy(spec[key]) for key in _WHERE if spec.get(key)}
    if node:
        terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        place["affinity"] = {"nodeAffinity": required}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {LABEL: for_pod[:63].rstrip("-.")}},
        "spec": {
            **place,
            "containers": [_sleeping(image, container) for container in spec["containers"]],
            "volumes": [volume for volume in spec.get("volumes") or () if volume.get("persistentVolumeClaim")],
            "activeDeadlineSeconds": LIFETIME_S,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
        },
    }


def _sleeping(image: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, Any]:
    """A container of the size of another. What counts is that it is scheduled: an image without a shell will do."""
    made = {
        "name": container["name"],
        "image": image["image"],
        "command": ["/bin/sh", "-c", f"exec sleep {LIFETIME_S}"],
        "resources": copy.deepcopy(container.get("resources") or {}),
        "securityContext": _RESTRICTED,
    }
    if image.get("imagePullPolicy"):
        made["imagePullPolicy"] = image["imagePullPolicy"]
    return made


def without(manifest: Mapping[str, Any], running: Mapping[str, Any]) -> dict[str, Any]:
    """What a pod needs more than one that runs and will be gone then: the same pod with the rest of its resources."""
    has = {container["name"]: _needs(container) for container in running["spec"]["containers"]}
    rest: dict[str, Any] = copy.deepcopy(dict(manifest))
    rest["spec"]["volumes"] = []
    for container in rest["spec"]["containers"]:
        given = has.get(container["name"], {})
        missing = {
            name: max(0.0, (quantity(value) or 0.0) - (quantity(given.get(name)) or 0.0))
            for name, value in _needs(container).items()
        }
        container["resources"] = {"requests": {name: _text(name, value) for name, value in missing.items()}}
    return rest


def _needs(container: Mapping[str, Any]) -> dict[str, Any]:
    """What the scheduler counts: requests, and limits where nothing is requested."""
    resources = container.get("resources") or {}
    return {**(resources.get("limits") or {}), **(resources.get("requests") or {})}


def _text(name: str, value: float) -> str:
    return f"{int(value * 1000)}m" if name == "cpu" else str(int(value))


def _scheduled(pod: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether a pod has its place, and why not."""
    status = pod["status"]
    if status.get("phase") == "Failed":
        raise NoRoom(status.get("message") or status.get("reason") or "the pod that keeps the room has failed")
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled":
            return condition["status"] == "True", condition.get("message") or ""
    return False, ""

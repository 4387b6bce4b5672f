"""Giving a running pod another size in place, through its ``resize`` subresource (KEP-1287, Kubernetes 1.33)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from .kube_pod import NOTEBOOK

_MERGE = "application/strategic-merge-patch+json"


class ResizeRefused(Exception):
    """The pod could not be given the size; it has its old one."""

    def __init__(self, reason: str, for_all: bool = False) -> None:
        super().__init__(reason)
        self.for_all = for_all
        """Whether the same would be said of every pod: the cluster cannot do it, or the hub may not."""


async def resize_in_place(
    api: Any, namespace: str, name: str, resources: Mapping[str, Mapping[str, str]], timeout_s: float
) -> None:
    """Resize a pod's notebook container and wait until the kubelet has done it.

    ``resources`` has ``limits`` and ``requests`` as the API takes them. Raises ResizeRefused with the reason, after
    putting the old size back into the pod's specification. Cancelled half-way, the pod may have either size.
    """
    before = _container((await _read(api, namespace, name))["spec"]["containers"])["resources"]
    try:
        await _patch(api, namespace, name, resources)
    except Exception as error:
        reason = message_of(error)
        # The API server's own words for a missing verb, as against those of an admission controller or a quota.
        unauthorised = getattr(error, "status", 0) == 403 and "cannot patch resource" in reason
        raise ResizeRefused(reason, unauthorised or getattr(error, "status", 0) in (404, 405)) from error
    deadline = time.monotonic() + timeout_s
    reason = f"not done within {timeout_s:g} s"
    while time.monotonic() < deadline:
        pod = await _read(api, namespace, name)
        conditions = {c["type"]: c for c in pod["status"].get("conditions") or () if c.get("status") == "True"}
        pending, under_way = conditions.get("PodResizePending"), conditions.get("PodResizeInProgress")
        if pending is not None:
            reason = f"{pending.get('reason')}: {pending.get('message')}"
            if pending.get("reason") == "Infeasible":
                break
        elif under_way is not None:
            reason = f"{under_way.get('reason') or 'in progress'}: {under_way.get('message') or ''}"
        elif _has(pod, resources):
            return
        await asyncio.sleep(0.3)
    await _patch(api, namespace, name, before)
    raise ResizeRefused(reason)


def _has(pod: Mapping[str, Any], wanted: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether the container runs with these resources, as the kubelet reports them."""
    given = _container(pod["status"].get("containerStatuses") or ()).get("resources") or {}
    return all(
        quantity(given.get(kind, {}).get(name)) == quantity(value)
        for kind, values in wanted.items()
        for name, value in values.items()
    )


def _container(containers: Any) -> dict[str, Any]:
    return next((container for container in containers if container["name"] == NOTEBOOK), {})


async def _read(api: Any, namespace: str, name: str) -> dict[str, Any]:
    answer = await api.read_namespaced_pod(name, namespace, _preload_content=False)
    found: dict[str, Any] = json.loads(await answer.read())
    if answer.status != 200:
        raise ResizeRefused(found.get("message") or str(answer.status))
    return found


async def _patch(api: Any, namespace: str, name: str, resources: Mapping[str, Any]) -> None:
    body = {"spec": {"containers": [{"name": NOTEBOOK, "resources": resources}]}}
    await api.patch_namespaced_pod_resize(name, namespace, body, _content_type=_MERGE)


def message_of(error: Exception) -> str:
    """What the API server says in the body of its refusal."""
    try:
        return str(json.loads(getattr(error, "body", "") or "")["message"])
    except (ValueError, KeyError, TypeError):
        return str(error)


_UNITS = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def quantity(text: Any) -> float | None:
    """A Kubernetes quantity (``500m``, ``2Gi``) as a number; None for none."""
    if text is None:
        return None
    text = str(text)
    for unit in sorted(_UNITS, key=len, reverse=True):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * _UNITS[unit]
    return float(text)

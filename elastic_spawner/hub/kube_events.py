"""What `kubectl describe pod` tells of a server's moves: an Event of Kubernetes when one begins, and one at its end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from kubernetes_asyncio.client import ApiException

from .kube_resize import message_of
from .notices import notice
from .slots import slot

COMPONENT = "elastic-spawner"
AT_ONCE = 5
"""How many are written at the same time, whatever befalls how many servers."""
_off: set[str] = set()
"""Namespaces in which this hub may make none."""
_writing: set[asyncio.Future[None]] = set()


def tell(api: Any, log: Any, pod: Mapping[str, Any] | None, reason: str, message: str, warning: bool = False) -> None:
    """Have an Event of a pod written, without waiting for it; where that is not allowed, it is said once."""
    if pod is None or pod["metadata"]["namespace"] in _off:
        return
    task = asyncio.ensure_future(_write(api, log, pod, reason, message, warning))
    _writing.add(task)  # the loop itself holds tasks by weak references only
    task.add_done_callback(_writing.discard)


async def _write(api: Any, log: Any, pod: Mapping[str, Any], reason: str, message: str, warning: bool) -> None:
    of = pod["metadata"]
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{of['name']}."},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", **{k: of[k] for k in ("name", "namespace", "uid")}},
        "reason": reason,
        "message": message[:1024],
        "type": "Warning" if warning else "Normal",
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": os.environ.get("HOSTNAME", ""),
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    try:
        async with slot("event", AT_ONCE):
            if of["namespace"] not in _off:
                await api.create_namespaced_event(of["namespace"], event)
    except ApiException as error:
        if error.status != 403:
            log.info("The event %s of %s cannot be written: %s", reason, of["name"], message_of(error))
            return
        _off.add(of["namespace"])
        notice(
            log,
            f"events in {of['namespace']}",
            f"moves are not told by events of the pods in {of['namespace']}. It takes a Role with the verb `create` on "
            f"`events` for the hub; then restart the hub. The API server says: {message_of(error)}",
        )
    except Exception as error:  # of the network: it is no more than a message
        log.info("The event %s of %s cannot be written: %r", reason, of["name"], error)

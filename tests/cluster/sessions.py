"""A session with state, and whether it is all there; and what the tests do to nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from elastic_spawner.hub.kube_resize import quantity
from elastic_spawner.testing import Notebook

from .hub import ClusterHub, Kubectl
from .machine import contents

MB = 1 << 20

STATE = """
import numpy as np
counter = 41
table = {"a": [1, 2, 3]}
alias = table["a"]
array = np.arange(100_000).reshape(100, 1000)
view = array[10]
"""
CHECK = """
alias.append(4)
view[0] = -1
print(counter + 1, table["a"], array[10, 0], int(array.sum()))
"""
EXPECTED = f"42 [1, 2, 3, 4] -1 {100_000 * 99_999 // 2 - 10_000 - 1}\n"


def open_notebook(hub: ClusterHub, user: str, server: str = "", options: Any = None) -> Notebook:
    hub.start_server(user, server, timeout_s=180, options=options)
    browser = hub.login(user)
    browser.open_server(server)
    note = browser.open_notebook(server=server)
    assert note.run(STATE, 120).status == "ok"
    return note


def check(note: Notebook) -> None:
    """The cookies still hold, and the next cell of the same tab has the next number and finds everything as it was."""
    sessions = note.browser.get("api/sessions", note.server)
    assert sessions.status_code == 200
    assert [session["kernel"]["id"] for session in sessions.json()] == [note.kernel_id]
    note.reconnect()
    reply = note.run(CHECK, 120)
    assert (reply.status, reply.stdout, reply.execution_count) == ("ok", EXPECTED, 2), reply


def container(pod: dict[str, Any]) -> dict[str, Any]:
    return dict(pod["spec"]["containers"][0])


def end_of_move(hub: ClusterHub, user: str, step: str = "done") -> dict[str, Any]:
    line = hub.follow(user)[-1]
    assert line["step"] == step, line
    return line


@contextmanager
def session(hub: ClusterHub, user: str, **options: Any) -> Iterator[Notebook]:
    """A notebook of a user whose server is removed at the end, so that the next test has its room."""
    try:
        yield open_notebook(hub, user, **options)
    finally:
        hub.api("DELETE", f"/users/{user}/server")


@contextmanager
def tainted(kubectl: Kubectl, node: str, taint: str) -> Iterator[None]:
    """A node with a taint, such as ``key=value:NoExecute``."""
    kubectl("taint", "node", node, taint)
    try:
        yield
    finally:
        kubectl("taint", "node", node, f"{taint}-")


@contextmanager
def cordoned(kubectl: Kubectl, *nodes: str) -> Iterator[None]:
    try:
        for node in nodes:
            kubectl("cordon", node)
        yield
    finally:
        for node in nodes:
            kubectl("uncordon", node)


def other_nodes(kubectl: Kubectl, node: str) -> list[str]:
    names = kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
    return [name for name in names if name != node]


@contextmanager
def filled(hub: ClusterHub, node: str, **more: Any) -> Iterator[None]:
    """A node on which a pod has taken so much: ``memory="1Gi"``."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "filler"},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": node},
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "pause",
                    "image": contents.PAUSE_REFERENCE,
                    "imagePullPolicy": "Never",
                    "resources": {"requests": more.pop("requests")},
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
            **more,
        },
    }
    hub.kubectl("apply", "-f", "-", text=json.dumps(pod))
    try:
        hub.kubectl("wait", "--for=condition=Ready", "pod/filler", "--timeout=90s")
        yield
    finally:
        hub.kubectl("delete", "pod", "filler", "--wait=true")


def free_memory(kubectl: Kubectl, node: str) -> int:
    """Bytes of a node's memory that no pod has requested."""
    found = json.loads(kubectl("get", "node", node, "-o", "json"))
    free = quantity(found["status"]["allocatable"]["memory"]) or 0
    pods = json.loads(kubectl("get", "pods", "-A", "--field-selector", f"spec.nodeName={node}", "-o", "json"))
    for pod in pods["items"]:
        if pod["status"]["phase"] in ("Pending", "Running"):
            for each in pod["spec"]["containers"]:
                free -= quantity(each.get("resources", {}).get("requests", {}).get("memory")) or 0
    return int(free)

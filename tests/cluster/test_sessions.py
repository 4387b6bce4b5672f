"""Sessions outlive their pods: real kernels with real state on a real Kubernetes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from elastic_spawner.testing import Browser, Notebook

from .hub import ClusterHub
from .machine import contents

pytestmark = pytest.mark.cluster
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


def open_notebook(hub: ClusterHub, user: str) -> tuple[Browser, Notebook]:
    hub.start_server(user, timeout_s=180)
    browser = hub.login(user)
    browser.open_server()
    note = browser.open_notebook()
    assert note.run(STATE, 120).status == "ok"
    return browser, note


def check(note: Notebook) -> None:
    """The next cell of the same tab has the next number, and finds everything as it was."""
    note.reconnect()
    reply = note.run(CHECK, 120)
    assert (reply.status, reply.stdout, reply.execution_count) == ("ok", EXPECTED, 2), reply


def container(pod: dict[str, Any]) -> dict[str, Any]:
    return dict(pod["spec"]["containers"][0])


def end_of_move(hub: ClusterHub, user: str) -> dict[str, Any]:
    line = hub.follow(user)[-1]
    assert (line["step"], line["failed"]) == ("done", False), line
    return line


def test_stopped_and_started_again(hub: ClusterHub) -> None:
    """The save is made over HTTP before the pod is deleted; nothing in the pod knows the keys of the store."""
    _, note = open_notebook(hub, "ann")
    pod = hub.pod("ann")
    assert pod["spec"]["automountServiceAccountToken"] is False
    environment = json.dumps(container(pod)["env"])
    assert "AWS_" not in environment and "s3://" not in environment
    hub.stop_server("ann", timeout_s=120)
    hub.start_server("ann", timeout_s=180)
    browser = hub.login("ann")
    browser.open_server()
    note.browser = browser
    check(note)
    assert hub.pod("ann")["metadata"]["uid"] != pod["metadata"]["uid"]


def test_resized_in_place(hub: ClusterHub) -> None:
    """The kernel runs on in the same pod, which has not restarted; its class of service stays."""
    _, note = open_notebook(hub, "bob")
    before = hub.pod("bob")
    assert hub.resize("bob", memory="640M", cpus=1).status_code == 202
    end_of_move(hub, "bob")
    after = hub.pod("bob")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0
    resources = after["status"]["containerStatuses"][0]["resources"]
    assert resources["limits"]["memory"] in ("640Mi", str(640 * MB))
    assert after["status"]["qosClass"] == before["status"]["qosClass"]
    reply = note.run("print(open('/sys/fs/cgroup/memory/memory.limit_in_bytes').read())")
    if reply.status == "ok":  # cgroup v1
        assert int(reply.stdout) == 640 * MB
    reply = note.run("print(counter)")
    assert reply.stdout == "41\n"


def test_evicted_and_back_by_itself(hub: ClusterHub) -> None:
    """Nobody acts after the eviction: the server is back with its kernels, and the tab reconnects with its cookies."""
    browser, note = open_notebook(hub, "eve")
    before = hub.pod("eve")
    hub.evict("eve")
    after = hub.wait_for_another_pod("eve", before)
    assert (
        after["metadata"]["annotations"]["elastic-spawner/launch"]
        != (before["metadata"]["annotations"]["elastic-spawner/launch"])
    )
    assert hub.server("eve")["ready"]
    sessions = browser.get("api/sessions")
    assert sessions.status_code == 200
    assert [session["kernel"]["id"] for session in sessions.json()] == [note.kernel_id]
    check(note)


def test_drained_and_back_on_the_other_node(hub: ClusterHub) -> None:
    """A node is cordoned and its pod evicted, which is what `kubectl drain` does: the server comes back elsewhere."""
    browser, note = open_notebook(hub, "dan")
    before = hub.pod("dan")
    node = before["spec"]["nodeName"]
    try:
        hub.kubectl("cordon", node)
        hub.evict("dan")
        after = hub.wait_for_another_pod("dan", before)
    finally:
        hub.kubectl("uncordon", node)
    assert after["spec"]["nodeName"] != node
    assert browser.get("api/sessions").status_code == 200
    check(note)


@pytest.fixture(scope="module")
def older(make_hub: Callable[..., ClusterHub]) -> ClusterHub:
    """A hub as for an older cluster: no image volumes, no resize in place; its users have another Python."""
    return make_hub(
        f"""
c.KubeSpawner.image = "{contents.OTHER.reference}"
c.ElasticKubeSpawner.agent_delivery = "init-container"
c.ElasticSpawnerMixin.resize_in_place = False
"""
    )


def test_moved_where_it_cannot_be_resized_in_place(older: ClusterHub) -> None:
    """The hub's server stays ready, the route leads to the new pod, the cookies hold. The user's image has another
    Python than the hub, and nothing of ours."""
    older.start_server("kim", timeout_s=180)
    browser = older.login("kim")
    browser.open_server()
    note = browser.open_notebook()
    assert note.run("import sys; values = {'a': [1]}; inner = values['a']", 120).status == "ok"
    before = older.pod("kim")
    assert container(before)["resources"]["limits"]["memory"] == str(512 * MB)
    assert older.resize("kim", memory="600M").status_code == 202
    end_of_move(older, "kim")
    after = older.pod("kim")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert container(after)["resources"]["limits"]["memory"] == str(600 * MB)
    assert browser.get("api/sessions").status_code == 200
    note.reconnect()
    reply = note.run("inner.append(2); print(values['a'], sys.version_info[:2])", 120)
    assert (reply.stdout, reply.execution_count) == ("[1, 2] (3, 13)\n", 2), reply

"""Sessions outlive their pods: real kernels with real state on a real Kubernetes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from .conftest import TestCluster
from .hub import ClusterHub
from .machine import contents
from .sessions import MB, check, container, end_of_move, filled, free_memory, session, tainted

pytestmark = pytest.mark.cluster


def test_stopped_and_started_again(hub: ClusterHub) -> None:
    """The save is made over HTTP before the pod is deleted; nothing in the pod knows the keys of the store."""
    with session(hub, "ann") as note:
        pod = hub.pod("ann")
        assert pod["spec"]["automountServiceAccountToken"] is False
        environment = json.dumps(container(pod)["env"])
        assert "AWS_" not in environment and "s3://" not in environment
        hub.stop_server("ann", timeout_s=120)
        hub.start_server("ann", timeout_s=180)
        note.browser = hub.login("ann")
        note.browser.open_server()
        check(note)
        assert hub.pod("ann")["metadata"]["uid"] != pod["metadata"]["uid"]


def test_evicted_and_back_by_itself(hub: ClusterHub) -> None:
    """Nobody acts after the eviction: the server is back with its kernels, and the tab reconnects with its cookies."""
    with session(hub, "eve") as note:
        before = hub.pod("eve")
        hub.evict("eve")
        after = hub.wait_for_another_pod("eve", before)
        launch = "elastic-spawner/launch"
        assert after["metadata"]["annotations"][launch] != before["metadata"]["annotations"][launch]
        end_of_move(hub, "eve")
        events = hub.kubectl("get", "events", "-o", 'jsonpath={range .items[*]}{.reason} {.message}{"\\n"}{end}')
        assert "ElasticMoveBegun The server is moved: its pod was taken away: EvictionByEvictionAPI" in events
        hub.wait_for(lambda: "ElasticMoveEnded" in hub.kubectl("get", "events"), 20, "the end of the move is not told")
        assert hub.server("eve")["ready"]
        check(note)


def test_drained_and_back_on_the_other_node(hub: ClusterHub, cluster: TestCluster) -> None:
    with session(hub, "dan") as note:
        before = hub.pod("dan")
        node = before["spec"]["nodeName"]
        try:
            pods = "--pod-selector=hub.jupyter.org/username=dan"
            cluster.kubectl("drain", node, pods, "--force", "--delete-emptydir-data", "--timeout=150s")
            after = hub.wait_for_another_pod("dan", before)
        finally:
            cluster.kubectl("uncordon", node)
        assert after["spec"]["nodeName"] != node
        check(note)


def test_a_no_execute_taint_and_back_on_the_other_node(hub: ClusterHub, cluster: TestCluster) -> None:
    with session(hub, "tom") as note:
        before = hub.pod("tom")
        node = before["spec"]["nodeName"]
        with tainted(cluster.kubectl, node, "elastic-spawner-tests=gone:NoExecute"):
            after = hub.wait_for_another_pod("tom", before)
        assert after["spec"]["nodeName"] != node
        assert "DeletionByTaintManager" in hub.elastic("tom")["migration"]["message"]
        check(note)


def test_preempted_and_back_on_the_other_node(hub: ClusterHub, cluster: TestCluster) -> None:
    """The scheduler takes the room for a pod that matters more."""
    important = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "elastic-spawner-tests-important"},
        "value": 1000,
    }
    cluster.kubectl("apply", "-f", "-", text=json.dumps(important))
    with session(hub, "pat") as note:
        before = hub.pod("pat")
        node = before["spec"]["nodeName"]
        wanted = {"memory": str(free_memory(cluster.kubectl, node) + 100 * MB)}
        with filled(hub, node, requests=wanted, priorityClassName=important["metadata"]["name"]):
            after = hub.wait_for_another_pod("pat", before)
        assert after["spec"]["nodeName"] != node
        assert "PreemptionByScheduler" in hub.elastic("pat")["migration"]["message"]
        check(note)


def test_moved_ahead_when_its_node_is_about_to_go(hub: ClusterHub, cluster: TestCluster) -> None:
    """Nobody evicts anything: a taint, as an autoscaler sets it, is enough."""
    with session(hub, "liz") as note:
        before = hub.pod("liz")
        node = before["spec"]["nodeName"]
        with tainted(cluster.kubectl, node, "ToBeDeletedByClusterAutoscaler=1:NoSchedule"):
            after = hub.wait_for_another_pod("liz", before)
        assert after["spec"]["nodeName"] != node
        move = hub.elastic("liz")["migration"]
        assert "is about to go: ToBeDeletedByClusterAutoscaler=1:NoSchedule" in move["message"]
        assert [step for step, _ in move["story"]][:3] == ["requested", "saving", "stopping"]
        assert hub.pods("elastic-spawner/keeps-room-for") == []
        check(note)


@pytest.fixture(scope="module")
def older(make_hub: Callable[..., ClusterHub]) -> ClusterHub:
    """A hub as for an older cluster, without image volumes, which may do what KubeSpawner's may and no more; its users
    have another Python."""
    config = f"""
c.KubeSpawner.image = "{contents.OTHER.reference}"
c.ElasticKubeSpawner.agent_delivery = "init-container"
"""
    return make_hub(config, least_rights=True)


def test_moved_where_the_hub_may_not_resize_in_place(older: ClusterHub) -> None:
    """The hub's server stays ready, the route leads to the new pod, the cookies hold. The user's image has another
    Python than the hub, and nothing of ours. What the hub may not do is said once, and plain spawning goes on."""
    older.start_server("kim", timeout_s=180)
    browser = older.login("kim")
    browser.open_server()
    note = browser.open_notebook()
    assert note.run("import sys; values = {'a': [1]}; inner = values['a']", 120).status == "ok"
    for memory in ("600M", "560M"):
        before = older.pod("kim")
        assert older.resize("kim", memory=memory).status_code == 202
        end_of_move(older, "kim")
        after = older.pod("kim")
        assert after["metadata"]["uid"] != before["metadata"]["uid"]
        assert container(after)["resources"]["limits"]["memory"] == str(int(memory[:-1]) * MB)
    assert browser.get("api/sessions").status_code == 200
    note.reconnect()
    reply = note.run("inner.append(2); print(values['a'], sys.version_info[:2])", 120)
    assert (reply.stdout, reply.execution_count) == ("[1, 2] (3, 13)\n", 2), reply
    log = older.kubectl("logs", "hub")
    rights = ("`patch` on `pods/resize`", "`create` on `events`", "`list` and `watch` on `nodes`")
    told = older.control("GET", "/notices").json()["notices"]  # as the admins' page has them
    for right in rights:
        assert log.count(right) == 1
        assert [text for text in told if right in text and "forbidden" in text]
    assert len(told) == len(rights), told

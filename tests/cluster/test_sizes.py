"""Other sizes: in place where the node has the room, elsewhere where it has not, and refused where nobody has."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import TestCluster
from .hub import ClusterHub
from .sessions import MB, check, container, cordoned, end_of_move, filled, free_memory, other_nodes, session

pytestmark = pytest.mark.cluster
ROOMS = "elastic-spawner/keeps-room-for"


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., ClusterHub]) -> ClusterHub:
    """Its users may have the same guaranteed as their limit, or may not be resized in place."""
    return make_hub(
        """
c.ElasticKubeSpawner.resize_in_place_timeout = 4
c.ElasticKubeSpawner.room_timeout = 4
c.KubeSpawner.profile_list = [
    {"display_name": "Usual", "slug": "usual", "kubespawner_override": {}},
    {"display_name": "All", "slug": "all", "kubespawner_override": {
        "mem_guarantee": "512M", "cpu_guarantee": 0.5, "cpu_limit": 0.5}},
    {"display_name": "Moved", "slug": "moved", "kubespawner_override": {"resize_in_place": False}},
]
"""
    )


def test_larger_and_smaller_in_place(hub: ClusterHub) -> None:
    """The kernel runs on in the same pod, which has not restarted; its class of service stays."""
    with session(hub, "bob", options={"profile": "all"}) as note:
        before = hub.pod("bob")
        assert before["status"]["qosClass"] == "Guaranteed"
        for memory, cpus in ((640, 0.75), (448, 0.25)):
            assert hub.resize("bob", memory=f"{memory}M", cpus=cpus).status_code == 202
            end_of_move(hub, "bob")
            after = hub.pod("bob")
            assert after["metadata"]["uid"] == before["metadata"]["uid"]
            assert after["status"]["containerStatuses"][0]["restartCount"] == 0
            given = after["status"]["containerStatuses"][0]["resources"]
            assert given["limits"]["memory"] in (f"{memory}Mi", str(memory * MB))
            assert given["requests"] == given["limits"]
            assert after["status"]["qosClass"] == "Guaranteed"
            reply = note.run("print(open('/sys/fs/cgroup/memory/memory.limit_in_bytes').read())")
            if reply.status == "ok":  # cgroup v1
                assert int(reply.stdout) == memory * MB
        assert note.run("print(counter)").stdout == "41\n"


def test_a_size_that_no_node_has_is_refused_with_the_scheduler_s_reason(hub: ClusterHub) -> None:
    """The pod is not touched, and what looked for room is gone."""
    with session(hub, "sue") as note:
        before = hub.pod("sue")
        assert hub.resize("sue", memory="32G").status_code == 202
        line = end_of_move(hub, "sue", "refused")
        assert "Insufficient memory" in line["message"] and "there is no room for 32G" in line["message"]
        after = hub.pod("sue")
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert container(after)["resources"] == container(before)["resources"]
        assert hub.pods(ROOMS) == []
        check(note)


def test_moved_when_its_node_has_no_room_for_the_size(hub: ClusterHub, cluster: TestCluster) -> None:
    """The kubelet defers the resize; the other node has the room. The class of service stays."""
    with session(hub, "joe", options={"profile": "all"}) as note:
        before = hub.pod("joe")
        node = before["spec"]["nodeName"]
        taken = {"memory": str(free_memory(cluster.kubectl, node) - 50 * MB)}
        with filled(hub, node, requests=taken):
            assert hub.resize("joe", memory="640M").status_code == 202
            line = end_of_move(hub, "joe")
        after = hub.pod("joe")
        assert "not resized in place: Deferred" in line["message"]
        assert after["spec"]["nodeName"] != node
        assert container(after)["resources"]["limits"]["memory"] == str(640 * MB)
        assert after["status"]["qosClass"] == "Guaranteed"
        assert hub.pods(ROOMS) == []
        check(note)


def test_moved_within_its_node_when_that_has_the_rest(hub: ClusterHub, cluster: TestCluster) -> None:
    """There is nowhere room for both pods at once, but where the old one goes there is enough for the new one."""
    with session(hub, "ida", options={"profile": "moved"}) as note:
        node = hub.pod("ida")["spec"]["nodeName"]
        taken = {"memory": str(free_memory(cluster.kubectl, node) - 150 * MB)}
        with cordoned(cluster.kubectl, *other_nodes(cluster.kubectl, node)), filled(hub, node, requests=taken):
            assert hub.resize("ida", memory="640M").status_code == 202
            end_of_move(hub, "ida")
            assert hub.pod("ida")["spec"]["nodeName"] == node
            check(note)
            assert hub.resize("ida", memory="1G").status_code == 202
            line = end_of_move(hub, "ida", "refused")
        assert "unschedulable" in line["message"] and "Insufficient memory" in line["message"]

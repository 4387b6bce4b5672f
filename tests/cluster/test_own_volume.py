"""Homes on volumes that one node has, and that one node can mount at a time: the server stays where its home is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import TestCluster
from .hub import ClusterHub
from .sessions import MB, container, end_of_move, filled, free_memory, other_nodes, session

pytestmark = pytest.mark.cluster
ROOMS = "elastic-spawner/keeps-room-for"


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., ClusterHub]) -> ClusterHub:
    return make_hub(
        """
c.ElasticKubeSpawner.resize_in_place = False
c.ElasticKubeSpawner.room_timeout = 5
c.KubeSpawner.volumes = [
    {"name": "home", "persistentVolumeClaim": {"claimName": "home-{username}"}}, {"name": "tmp", "emptyDir": {}}]
"""
    )


@pytest.fixture
def node(hub: ClusterHub, cluster: TestCluster, tmp_path: Path) -> Iterator[str]:
    """The node on which the home of ``una`` is: a local volume, ReadWriteOnce."""
    if not cluster.ours:
        pytest.skip("a local volume is made on a node of this machine only")
    (name, *_) = other_nodes(cluster.kubectl, "")
    volume = f"home-{hub.namespace}"
    folder = tmp_path / "home"
    folder.mkdir()
    folder.chmod(0o777)
    here = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [name]}]}
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    objects: list[dict[str, Any]] = [
        {
            "kind": "PersistentVolume",
            "metadata": {"name": volume},
            "spec": {
                **common,
                "capacity": {"storage": "1Gi"},
                "local": {"path": str(folder)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [here]}},
            },
        },
        {
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "home-una"},
            "spec": {**common, "volumeName": volume, "resources": {"requests": {"storage": "1Gi"}}},
        },
    ]
    items = [{"apiVersion": "v1", **each} for each in objects]
    hub.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    yield name
    hub.kubectl("delete", "pvc", "home-una", "--wait=false")
    cluster.kubectl("delete", "pv", volume, "--wait=false")


def test_what_keeps_the_room_stays_with_the_volume(hub: ClusterHub, cluster: TestCluster, node: str) -> None:
    """All the room is on the other node: it moves within its own as long as that has the rest, and is then refused."""
    with session(hub, "una") as note:
        assert note.run("open('/home/jovyan/mine', 'w').write('kept')").status == "ok"
        assert hub.pod("una")["spec"]["nodeName"] == node
        taken = {"memory": str(free_memory(cluster.kubectl, node) - 150 * MB)}
        with filled(hub, node, requests=taken):
            assert hub.resize("una", memory="640M").status_code == 202
            end_of_move(hub, "una")
            moved = hub.pod("una")
            assert moved["spec"]["nodeName"] == node
            assert container(moved)["resources"]["limits"]["memory"] == str(640 * MB)
            note.reconnect()
            assert note.run("print(open('/home/jovyan/mine').read())").stdout == "kept\n"

            assert hub.resize("una", memory="1G").status_code == 202
            line = end_of_move(hub, "una", "refused")
            assert "there is no room for 1G" in line["message"] and "PersistentVolume" in line["message"], line
            assert hub.pod("una")["metadata"]["uid"] == moved["metadata"]["uid"]
        assert hub.pods(ROOMS) == []
        assert hub.resize("una", memory="1G").status_code == 202  # there is room again, where the home is
        end_of_move(hub, "una")
        assert hub.pod("una")["spec"]["nodeName"] == node
        note.reconnect()
        assert note.run("print(counter, open('/home/jovyan/mine').read())").stdout == "41 kept\n"

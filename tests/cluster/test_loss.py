"""Servers that are lost without notice on a real Kubernetes: they come back as they were saved last, and say what is
missing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from elastic_spawner.testing import Notebook

from .conftest import TestCluster
from .hub import ClusterHub
from .machine import cgroups, network
from .machine.cluster import Cluster
from .machine.node import NodeProcesses

pytestmark = pytest.mark.cluster


INTERVAL_S = 25
NOTED_S = 2
HOME, ELSEWHERE = (node.name for node in network.NODES)
"""The node of the hub, and one that is lost."""
CONFIG = f"""
c.ElasticSpawnerMixin.save_interval = {INTERVAL_S}
c.ElasticKubeSpawner.lost_node_timeout = 5
c.KubeSpawner.args = ["--ElasticAgent.journal_interval={NOTED_S}"]
"""
PLACES = f"""
def place(operator, node):
    expression = {{"key": "kubernetes.io/hostname", "operator": operator, "values": [node]}}
    return [{{"weight": 100, "preference": {{"matchExpressions": [expression]}}}}]

async def pre_spawn(spawner):
    nora = spawner.user.name == "nora"
    spawner.node_affinity_preferred = place("In", "{ELSEWHERE}" if nora else "{HOME}")

c.Spawner.pre_spawn_hook = pre_spawn
"""
CELLS = {
    "olga": f"import time; time.sleep({2 * NOTED_S}); b = bytearray(b'x') * (2 << 30)",
    "carl": "z = 'not saved'",
    "fritz": "z = 'not saved'",
    "nora": "z = 'not saved'",
}
"""The last cell of each user before the loss. The first one is the loss."""


@dataclass(frozen=True)
class Lost:
    """Servers that are lost, each in its own way, all at one time: to wait for saves takes long."""

    hub: ClusterHub
    notes: dict[str, Notebook]
    pods: dict[str, dict[str, Any]]

    def begin(self, user: str) -> None:
        """A server with a notebook in which there is something to save."""
        self.hub.start_server(user, timeout_s=180)
        browser = self.hub.login(user)
        browser.open_server()
        note = self.notes[user] = browser.open_notebook()
        assert note.run("x = [1, 2]; y = x", 120).status == "ok"
        self.pods[user] = self.hub.pod(user)

    def wait_for_save(self, user: str) -> None:
        """Until it is saved by itself, and the note of what was run says so, too."""

        def saved() -> bool:
            kernel = self.kernel(user)
            return bool(kernel.get("generation")) and kernel["journaled"] == 0

        self.hub.wait_for(saved, 180, f"{user} is not saved by itself")

    def run_on(self, user: str) -> None:
        """Run the last cell, which is not saved any more."""
        note = self.notes[user]
        note.reconnect()
        message = note.send(CELLS[user])
        if user != "olga":
            assert note.wait(message, 120).status == "ok"
        self.hub.wait_for(lambda: self.kernel(user).get("journaled"), 60, "the cell is not written down")

    def lose(self, user: str, how: Callable[[], Any]) -> None:
        """Have a session saved, go on in it, and lose it before it is saved again."""
        self.begin(user)
        self.wait_for_save(user)
        self.run_on(user)
        how()

    def kernel(self, user: str) -> dict[str, Any]:
        """The kernel as its agent tells; empty while that does not answer."""
        answer = self.hub.control("GET", f"/servers/{user}/-/status")
        kernels = answer.json().get("kernels") if answer.ok else None
        return dict(kernels[0]) if kernels else {}

    def check(self, user: str) -> None:
        """What was saved is there, and the first cell tells of the one that was not. (There may be none: some kubelets
        call the preStop hook of a pod that is deleted by force, too.)"""

        def restored() -> bool:
            return (self.kernel(user).get("restore") or {}).get("status") == "restored"

        self.hub.wait_for(restored, 180, f"the kernel of {user} is not restored")
        note = self.notes[user]
        note.reconnect()
        reply = note.run("x.append(3); print(y, globals().get('z'))", 120)
        if user == "fritz" and reply.stdout == "[1, 2, 3] not saved\n":
            return
        assert reply.stdout == "[1, 2, 3] None\n", reply
        text = "".join(m["content"]["text"] for m in reply.messages if m["msg_type"] == "stream")
        assert "The checkpoint is of" in text and "In [2]:" in text and CELLS[user] in text, text


@pytest.fixture(scope="module")
def lost(make_hub: Callable[..., ClusterHub], cluster: TestCluster) -> Iterator[Lost]:
    hub = make_hub(CONFIG + PLACES * cluster.ours)
    lost = Lost(hub, {}, {})

    def force() -> None:
        name = lost.pods["fritz"]["metadata"]["name"]
        hub.kubectl("delete", "pod", name, "--grace-period=0", "--force", "--wait=false")

    def lose_node() -> None:
        (node,) = (node for node in Cluster().nodes() if node.node.name == ELSEWHERE)
        gone.append(node)
        node.lose()

    gone: list[NodeProcesses] = []
    ways: dict[str, Callable[[], Any]] = {"olga": lambda: None, "fritz": force}
    if cluster.ours:
        ways |= {"carl": lambda: kill(lost.pods["carl"]["metadata"]["uid"]), "nora": lose_node}
    try:
        with ThreadPoolExecutor(len(ways)) as pool:
            list(pool.map(lost.lose, ways, ways.values()))
        yield lost
    finally:
        for node in gone:
            node.bring_back()
            cluster.kubectl("wait", "--for=condition=Ready", f"node/{ELSEWHERE}", "--timeout=90s")


def kill(uid: str) -> None:
    """End all processes of a pod that run in this machine, and are not Kubernetes' own, as the kernel does for want of
    memory."""
    for pid in cgroups.pod_processes(uid):
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() != "pause":
                os.kill(pid, signal.SIGKILL)


def test_a_container_that_is_killed(lost: Lost, cluster: TestCluster) -> None:
    """It is started again in the same pod, and nobody acts."""
    if not cluster.ours:
        pytest.skip("NOT RUN: processes of a foreign cluster's node cannot be killed from here")
    before = lost.pods["carl"]
    lost.check("carl")
    after = lost.hub.pod("carl")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["containerStatuses"][0]["restartCount"] == 1


def test_a_cell_that_takes_more_memory_than_there_is(lost: Lost) -> None:
    """Whether the kernel's process is ended for it (cgroups of version 1) or the whole container (version 2): it starts
    again within the same pod."""
    lost.check("olga")
    assert lost.hub.pod("olga")["metadata"]["uid"] == lost.pods["olga"]["metadata"]["uid"]
    assert lost.hub.server("olga")["ready"]


def test_a_pod_that_is_deleted_by_force(lost: Lost) -> None:
    """No grace period, and no preStop hook that anybody waits for. The next start restores, if nobody else does."""
    hub, before = lost.hub, lost.pods["fritz"]

    def noticed() -> bool:
        pod = hub.pod("fritz")
        return not hub.server("fritz").get("ready") or bool(pod) and pod["metadata"]["uid"] != before["metadata"]["uid"]

    hub.wait_for(noticed, 180, "the hub does not see that the pod is gone")
    if not hub.server("fritz").get("ready"):
        hub.start_server("fritz", timeout_s=180)
    lost.check("fritz")


def test_a_node_that_is_lost(lost: Lost, cluster: TestCluster) -> None:
    """Its kubelet is killed with all containers, so nobody can say that the pod has ended: it comes back elsewhere."""
    if not cluster.ours:
        pytest.skip("NOT RUN: a node of a foreign cluster cannot be killed from here")
    before = lost.pods["nora"]
    assert before["spec"]["nodeName"] == ELSEWHERE
    after = lost.hub.wait_for_another_pod("nora", before)
    assert after["spec"]["nodeName"] == HOME
    lost.check("nora")

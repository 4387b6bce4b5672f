"""Servers that are lost without notice on a real Kubernetes: they come back as they were saved last, and say what is
missing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from elastic_spawner.testing import Notebook

from .conftest import TestCluster
from .hub import ClusterHub

pytestmark = pytest.mark.cluster


INTERVAL_S = 45
CELLS = {
    "olga": "import time; time.sleep(15); b = bytearray(b'x') * (2 << 30)",
    "carl": "z = 'not saved'",
    "fritz": "z = 'not saved'",
}
"""The last cell of each user before the loss. The first one is the loss."""


@dataclass(frozen=True)
class Lost:
    """Three servers that were lost, each in its own way, at one time: to wait for saves takes long."""

    hub: ClusterHub
    notes: dict[str, Notebook]
    pods: dict[str, dict[str, Any]]

    def kernel(self, user: str) -> dict[str, Any]:
        """The kernel as its agent tells; empty while that does not answer."""
        answer = self.hub.control("GET", f"/servers/{user}/-/status")
        kernels = answer.json().get("kernels") if answer.ok else None
        return dict(kernels[0]) if kernels else {}

    def check(self, user: str) -> None:
        """What was saved is there, and the first cell tells of the one that was not."""

        def restored() -> bool:
            return (self.kernel(user).get("restore") or {}).get("status") == "restored"

        self.hub.wait_for(restored, 180, f"the kernel of {user} is not restored")
        note = self.notes[user]
        note.reconnect()
        reply = note.run("x.append(3); print(y)", 120)
        assert reply.stdout == "[1, 2, 3]\n", reply
        text = "".join(m["content"]["text"] for m in reply.messages if m["msg_type"] == "stream")
        assert "The checkpoint is of" in text and "In [2]:" in text and CELLS[user] in text, text


@pytest.fixture(scope="module")
def lost(make_hub: Callable[..., ClusterHub], cluster: TestCluster) -> Lost:
    hub = make_hub(f"c.ElasticSpawnerMixin.save_interval = {INTERVAL_S}\n")
    lost = Lost(hub, {}, {})
    for user in CELLS:
        hub.start_server(user, timeout_s=180)
        browser = hub.login(user)
        browser.open_server()
        note = lost.notes[user] = browser.open_notebook()
        assert note.run("x = [1, 2]; y = x", 120).status == "ok"
        lost.pods[user] = hub.pod(user)
    for user in CELLS:
        hub.wait_for(lambda u=user: lost.kernel(u).get("generation"), 3 * INTERVAL_S, f"{user} is not saved by itself")
    for user in ("carl", "fritz"):
        lost.notes[user].reconnect()
        assert lost.notes[user].run(CELLS[user], 120).status == "ok"
    for user in ("carl", "fritz"):
        hub.wait_for(lambda u=user: lost.kernel(u).get("journaled"), 60, "the cell is not written down")
    lost.notes["olga"].reconnect()
    lost.notes["olga"].send(CELLS["olga"])
    if cluster.ours:
        kill(lost.pods["carl"]["metadata"]["uid"])
    name = lost.pods["fritz"]["metadata"]["name"]
    hub.kubectl("delete", "pod", name, "--grace-period=0", "--force", "--wait=false")
    return lost


def kill(uid: str) -> None:
    """End all processes of a pod that run in this machine, and are not Kubernetes' own, as the kernel does for want of
    memory."""
    for entry in Path("/proc").iterdir():
        try:
            of_pod = entry.name.isdigit() and uid.replace("-", "_") in entry.joinpath("cgroup").read_text().replace(
                "-", "_"
            )
            if of_pod and entry.joinpath("comm").read_text().strip() != "pause":
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue


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

"""The chart's NetworkPolicies where they are enforced: who reaches whom, from within the pods themselves."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from elastic_spawner.testing import Notebook

from .conftest import TestCluster
from .hub import ClusterHub
from .machine import control, network
from .machine.build import CannotBuild
from .machine.cluster import Cluster
from .machine.policies import enforced
from .release import NAME, ReleasedHub
from .sessions import check, open_notebook

pytestmark = pytest.mark.cluster

REACHED = """
import json, socket
def reached(address, port):
    try:
        socket.create_connection((address, port), timeout=3).close()
        return True
    except OSError:
        return False
print(json.dumps([reached(*target) for target in TARGETS]))
"""


@pytest.fixture(scope="module")
def released(cluster: TestCluster) -> Iterator[ReleasedHub]:
    """A release whose policies let users reach the store, in a cluster that enforces them."""
    if not cluster.ours:
        pytest.skip("whether a cluster that is not ours enforces policies is not known")
    policies = {
        "store": [{"ipBlock": {"cidr": f"{network.CONTROL_IP}/32"}}],
        "storePorts": [control.S3_PORT],
        # The addresses of this cluster are nobody's private ones: what is meant by those is left out here.
        "userEgress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["198.18.0.0/15"]}}]}],
    }
    hub = ReleasedHub(cluster.kubectl, cluster.command, f"test-{secrets.token_hex(4)}", policies=policies)
    try:
        with enforced(Cluster()):
            hub.start()
            yield hub
    except CannotBuild as error:
        pytest.skip(f"NOT RUN, because policies cannot be enforced here: {error}")
    finally:
        hub.close()


@pytest.fixture(scope="module")
def notes(released: ReleasedHub) -> dict[str, Notebook]:
    return {user: open_notebook(released, user) for user in ("ann", "bob")}


def reached(note: Notebook, *targets: tuple[str, int]) -> list[bool]:
    """Which of these addresses and ports a user's kernel can connect to."""
    reply = note.run(REACHED.replace("TARGETS", repr(list(targets))), 60)
    assert reply.status == "ok", reply
    answer: list[bool] = json.loads(reply.stdout)
    return answer


def address(pod: dict[str, Any]) -> str:
    return str(pod["status"]["podIP"])


def part(hub: ClusterHub, component: str) -> dict[str, Any]:
    (pod,) = hub.pods(f"app.kubernetes.io/component={component}")
    return pod


def test_a_user_reaches_no_other_server(released: ReleasedHub, notes: dict[str, Notebook]) -> None:
    """By no way: neither the agent beside the other's kernels, nor the kernels' own ports. The own ones are reached."""
    others, own = address(released.pod("bob")), address(released.pod("ann"))
    assert reached(notes["ann"], (own, 8888), (others, 8888)) == [True, False]
    assert reached(notes["bob"], (others, 8888), (own, 8888)) == [True, False]


def test_a_user_reaches_of_the_hub_what_servers_need(released: ReleasedHub, notes: dict[str, Notebook]) -> None:
    """Its API; neither the resize service but by the proxy, nor the control server, nor the proxy's own API."""
    hub, proxy = address(part(released, "hub")), address(part(released, "proxy"))
    targets = [(f"{NAME}-hub", 8081), (hub, 8081), (hub, 8082), (hub, 8083), (proxy, 8001)]
    assert reached(notes["ann"], *targets) == [True, True, False, False, False]


def test_a_user_reaches_the_store_and_of_the_rest_of_the_cluster_nothing(notes: dict[str, Notebook]) -> None:
    ip = network.CONTROL_IP
    targets = [(ip, control.S3_PORT), (ip, 6443), (network.API_SERVICE_IP, 443)]
    assert reached(notes["ann"], *targets) == [True, False, False]


def test_nothing_that_is_needed_is_cut_off(released: ReleasedHub) -> None:
    """Planned and saved by the agent, evicted, back, and the tab goes on: through hub, proxy and store."""
    note = open_notebook(released, "cyd")
    plan = released.control("GET", "/servers/cyd/-/plan")
    assert plan.json()["kernels"], plan.text
    before = released.pod("cyd")
    released.evict("cyd")
    released.wait_for_another_pod("cyd", before)
    check(note)

"""The chart with a hub of its own on a real Kubernetes: installed, used, tested, upgraded, uninstalled."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from elastic_spawner.stores.s3 import S3Store

from .conftest import TestCluster
from .hub import s3_keys
from .machine import control
from .machine.cluster import Cluster
from .release import CHART, NAME, RELEASE, ReleasedHub
from .sessions import MB, check, container, end_of_move, open_notebook

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def released(cluster: TestCluster) -> Iterator[ReleasedHub]:
    hub = ReleasedHub(cluster.kubectl, cluster.command, f"test-{secrets.token_hex(4)}")
    try:
        hub.start()
        yield hub
    finally:
        hub.close()


def test_resized_and_evicted(released: ReleasedHub) -> None:
    """In place by an admin through the page's interface, then evicted: it comes back by itself with its size."""
    note = open_notebook(released, "ann")
    before = released.pod("ann")
    answer = released.resize_as_admin("ann", memory="640M")
    assert answer.status_code == 202, answer.text
    end_of_move(released, "ann")
    resized = released.pod("ann")
    assert resized["metadata"]["uid"] == before["metadata"]["uid"], released.log[-3000:]
    released.evict("ann")
    after = released.wait_for_another_pod("ann", before)
    assert container(after)["resources"]["limits"]["memory"] == str(640 * MB)
    assert after["spec"]["automountServiceAccountToken"] is False
    check(note)


def test_helm_test_shows_a_variable_that_outlives_an_eviction(released: ReleasedHub) -> None:
    """With the rights of its own service account and of its own token of the hub only; nothing of it stays."""
    said = released.helm("test", RELEASE, "--logs", "--timeout=300s")
    assert said.count("the variable is there") == 1, said
    assert released.api("GET", "/users/elastic-test-user").status_code == 404


def test_an_upgrade_keeps_secret_and_checkpoints(released: ReleasedHub) -> None:
    """The hub is another one afterwards, without a database even; who starts a server finds the session."""
    note = open_notebook(released, "bea")
    released.stop_server("bea", timeout_s=120)
    before = released.secrets()
    values = released.values
    values["servers"]["maxMemory"] = "1G"
    notes = released.install("upgrade", values)
    assert "helm test trial" in notes and "NO DURABLE STORE" not in notes
    after = released.secrets()
    assert {name: after[name] for name in after if name != "hub.json"} == {
        name: before[name] for name in before if name != "hub.json"
    }
    refused = released.resize_as_admin("bea", memory="2G")
    assert refused.status_code == 404, refused.text  # no server of that name runs
    released.start_server("bea", timeout_s=180)
    browser = released.login("bea")
    browser.open_server()
    note.browser = browser
    check(note)
    assert released.resize_as_admin("bea", memory="2G").status_code == 400  # the new bound holds


@pytest.mark.parametrize("mode", ["beside", "alone"])
def test_the_api_server_takes_every_object(released: ReleasedHub, mode: str) -> None:
    """Of both modes, and it warns of nothing: not of Pod Security either."""
    values = released.values
    values["hub"]["enabled"] = mode == "alone"
    values["networkPolicy"] = {"store": [{"ipBlock": {"cidr": "198.18.0.1/32"}}], "storePorts": [control.S3_PORT]}
    released.kubectl("delete", "pod", f"{NAME}-test", "--ignore-not-found")  # of another test; a pod cannot be changed
    made = released.helm("template", RELEASE, str(CHART), "--kube-version=1.36.0", values=values)
    how = ("--server-side", "--dry-run=server", "--force-conflicts", "--warnings-as-errors")
    said = released.kubectl("apply", *how, "-f", "-", text=made)
    kinds = {line.partition("/")[0] for line in said.splitlines()}
    assert {"networkpolicy.networking.k8s.io", "role.rbac.authorization.k8s.io", "secret"} <= kinds


def test_one_volume_for_all(cluster: TestCluster) -> None:
    """Each pod reaches its own user's folder only; the checkpoints of a user who is deleted are deleted."""
    if not cluster.ours:
        pytest.skip("NOT RUN: a volume on another cluster's nodes cannot be made from here")
    name = f"test-{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        (folder / "bob").mkdir()
        for path in (folder, folder / "bob"):
            path.chmod(0o777)
        spec = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteMany"],
            "storageClassName": name,
            "hostPath": {"path": root},
        }
        volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
        cluster.kubectl("apply", "-f", "-", text=json.dumps(volume))
        store = {"type": "pvc", "pvc": {"storageClassName": name, "size": "1Gi"}}
        hub = ReleasedHub(cluster.kubectl, cluster.command, name, store)
        try:
            hub.start()
            note = open_notebook(hub, "ann")
            hub.stop_server("ann", timeout_s=120)
            assert list(folder.glob("ann/_/chunks/*/*"))
            hub.start_server("ann", timeout_s=180)
            note.browser = hub.login("ann")
            note.browser.open_server()
            check(note)
            assert note.run("import os; print(os.listdir('/srv/elastic-checkpoints'))").stdout == "['ann']\n"
            assert hub.api("DELETE", "/users/ann", timeout_s=120).status_code == 204
            assert not list(folder.glob("ann/_/chunks/*/*")) and (folder / "bob").exists()
        finally:
            hub.close()
            cluster.kubectl("delete", "persistentvolume", name, "--wait=false")


def test_uninstalled_and_installed_again(released: ReleasedHub, cluster: TestCluster) -> None:
    """Secret and checkpoints stay: a session is there again after a new installation. When it is asked for, they go."""
    note = open_notebook(released, "cleo")
    released.stop_server("cleo", timeout_s=120)
    secret = released.secrets()["hub-secret"]
    released.helm("uninstall", RELEASE, "--wait")
    left = released.kubectl("get", "deployments,services,roles,networkpolicies", "-o", "name").split()
    assert left == []
    assert released.secrets()["hub-secret"] == secret

    values = released.values
    values["store"]["deleteOnUninstall"] = True
    released.install("install", values)
    released.start_server("cleo", timeout_s=180)
    browser = released.login("cleo")
    browser.open_server()
    note.browser = browser
    check(note)
    released.stop_server("cleo", timeout_s=120)

    if not cluster.ours:
        pytest.skip("NOT RUN: what is in the store of another cluster cannot be looked at from here")
    access, key = s3_keys()
    store = S3Store(
        control.BUCKET,
        released.namespace,
        endpoint=Cluster().s3_endpoint,
        region="us-east-1",
        path_style=True,
        access_key=access,
        secret_key=key,
    )
    assert list(store.list())
    released.helm("uninstall", RELEASE, "--wait", "--timeout=120s")
    assert list(store.list()) == []
    names = json.loads(released.kubectl("get", "secrets", "-o", "json"))["items"]
    assert NAME not in {one["metadata"]["name"] for one in names}

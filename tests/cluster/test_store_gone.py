"""The store is gone for as long as an evicted pod has: its session is kept on the volume of the user's home."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .conftest import TestCluster
from .hub import ClusterHub, s3_endpoint
from .machine import control
from .sessions import check, open_notebook

pytestmark = pytest.mark.cluster
GRACE_S = 40


def items(namespace: str, home: Path) -> list[dict[str, object]]:
    """A volume for the home of one user, and a name for the store that can be taken away."""
    address = urlsplit(s3_endpoint())
    name = f"{namespace}-home"
    ports = [{"name": "s3", "port": address.port, "protocol": "TCP"}]
    slice_of = {"name": "store", "namespace": namespace, "labels": {"kubernetes.io/service-name": "store"}}
    volume = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "",
        "hostPath": {"path": str(home)},
    }
    claim = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "",
        "volumeName": name,
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "home", "namespace": namespace},
            "spec": claim,
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "store", "namespace": namespace},
            "spec": {"ports": [{"name": "s3", "port": address.port}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": slice_of,
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address.hostname]}],
            "ports": ports,
        },
    ]


def test_kept_at_home_and_brought_back(
    make_hub: Callable[..., ClusterHub], cluster: TestCluster, request: pytest.FixtureRequest
) -> None:
    """Evicted while the store does not answer: what was never saved before is back in the next pod."""
    if not cluster.ours:
        pytest.skip("NOT RUN: the home is a folder of this machine")
    home = Path(tempfile.mkdtemp(prefix="elastic-home-"))  # not pytest's own, which other runs tidy away
    request.addfinalizer(lambda: shutil.rmtree(home, ignore_errors=True))
    home.chmod(0o777)
    hub = make_hub(f"""
c.ElasticKubeSpawner.store_url = c.ElasticSpawnerMixin.store_url = (
    "s3://{control.BUCKET}/{home.name}?endpoint=http://store:{urlsplit(s3_endpoint()).port}"
    "&region=us-east-1&path_style=1")
c.ElasticKubeSpawner.eviction_grace = {GRACE_S}
c.ElasticSpawnerMixin.save_interval = 0
c.KubeSpawner.volumes = [
    {{"name": "home", "persistentVolumeClaim": {{"claimName": "home"}}}}, {{"name": "tmp", "emptyDir": {{}}}}]
""")
    objects = items(hub.namespace, home)
    hub.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    try:
        note = open_notebook(hub, "gina")
        before = hub.pod("gina")
        hub.kubectl("delete", "endpointslice", "store")
        hub.evict("gina")
        kept = home / ".elastic-spawner" / "kept"
        hub.wait_for(lambda: list(kept.glob("manifests/server/*.json")), 2 * GRACE_S, "nothing is kept at home")
        assert kept.stat().st_mode & 0o777 == 0o700
        hub.kubectl("apply", "-f", "-", text=json.dumps(objects[-1]))
        hub.wait_for_another_pod("gina", before)

        def restored() -> bool:
            answer = hub.control("GET", "/servers/gina/-/status")
            kernels = answer.json().get("kernels") if answer.ok else None
            return bool(kernels) and (kernels[0].get("restore") or {}).get("status") == "restored"

        hub.wait_for(restored, 180, "the kernel is not restored")
        assert not kept.exists()
        check(note)
    finally:
        hub.kubectl("delete", "pv", f"{hub.namespace}-home", "--wait=false")

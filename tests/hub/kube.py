"""Spawners of pods without a cluster."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio.client import ApiClient
from kubespawner import KubeSpawner
from traitlets.config import Config

from elastic_spawner.hub.kube import ElasticKubeSpawner

NOWHERE = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "none", "user": {}}],
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "current-context": "none",
}


@pytest.fixture()
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KubeSpawner reads where its cluster is when it is made; none is asked anything here."""
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(NOWHERE))
    monkeypatch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))


def spawner(kind: type[KubeSpawner] = ElasticKubeSpawner, **traits: Any) -> Any:
    config = Config()
    config.KubeSpawner.image = "any/image:1"
    config.ElasticKubeSpawner.agent_delivery = traits.pop("agent_delivery", "image-volume")
    for name, value in traits.items():
        config.KubeSpawner[name] = value
    config.ElasticSpawnerMixin.secret = "a secret of the tests"
    config.ElasticSpawnerMixin.store_url = "file:///checkpoints"
    return kind(config=config, _mock=True)


def manifest(kind: type[KubeSpawner] = ElasticKubeSpawner, **traits: Any) -> dict[str, Any]:
    """The manifest as it is sent. A spawner can be made in a running loop only."""

    async def make() -> dict[str, Any]:
        pod = await spawner(kind, **traits).get_pod_manifest()
        async with ApiClient() as client:
            plain: dict[str, Any] = client.sanitize_for_serialization(pod)
        return plain

    return asyncio.run(make())


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (notebook,) = pod["spec"]["containers"]
    return dict(notebook)

"""What KubeSpawner's own tests ask of it on a cluster, asked of the plain class, of ours in its place and nothing else,
and of ours as it is configured for a hub.

There is no hub here, no database and no agent: a spawner is made, started, looked at and stopped by itself.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from jupyterhub.objects import Hub, Server
from jupyterhub.utils import maybe_future
from kubernetes_asyncio.client import Configuration
from kubespawner import KubeSpawner
from kubespawner.clients import load_config
from traitlets.config import Config

from elastic_spawner.hub.kube import ElasticKubeSpawner

from .conftest import TestCluster
from .machine import contents

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def namespace(cluster: TestCluster) -> Iterator[str]:
    """A namespace, and this process as one that may do everything in it."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    patch = pytest.MonkeyPatch()
    kubeconfig = cluster.command[1].removeprefix("--kubeconfig=")
    patch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", kubeconfig)
    load_config.cache_clear()
    yield name
    patch.undo()
    load_config.cache_clear()
    Configuration.set_default(None)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


class User(Mock):
    """As KubeSpawner's tests have one: with a name and nothing else that is real."""

    name = "ada@example.org"
    server = Server()
    url = "/user/ada/"
    escaped_name = "ada"


WAYS = ["KubeSpawner", "in its place", "configured"]


def make(way: str, namespace: str, **traits: Any) -> Any:
    config = Config()
    config.KubeSpawner.namespace = namespace
    config.KubeSpawner.image = contents.USER.reference
    config.KubeSpawner.image_pull_policy = "Never"
    config.KubeSpawner.cmd = ["sleep", "600"]
    config.KubeSpawner.start_timeout = 90
    if way == "configured":
        config.ElasticKubeSpawner.agent_image = contents.AGENT_REFERENCE
        config.ElasticKubeSpawner.agent_image_pull_policy = "Never"
        config.ElasticSpawnerMixin.secret = "a secret of the tests"
    kind = KubeSpawner if way == "KubeSpawner" else ElasticKubeSpawner
    return kind(hub=Hub(), user=User(), config=config, api_token="abc123", oauth_client_id="unused", **traits)


@pytest.mark.parametrize("way", WAYS)
def test_the_life_of_a_spawner_by_itself(way: str, namespace: str, cluster: TestCluster) -> None:
    def pods() -> list[str]:
        found = json.loads(cluster.kubectl("-n", namespace, "get", "pods", "-o", "json"))
        return [pod["metadata"]["name"] for pod in found["items"]]

    async def play() -> None:
        spawner = make(way, namespace)
        assert isinstance(await spawner.poll(), int)
        start = spawner.start()
        told = [each async for each in spawner.progress()]  # ends when the start has
        assert start.done()
        assert told and all("raw_event" in each for each in told)  # nothing but the pod's events
        assert any("started" in each["message"] for each in told)
        assert (await start).startswith("http://") and await spawner.poll() is None
        assert pods() == [spawner.pod_name]

        # another hub, with other settings, has it by its state
        other = make(way, namespace, pod_name_template="new-{username}")
        other.load_state(spawner.get_state())
        assert other.pod_name == spawner.pod_name and await other.poll() is None
        await other.stop()
        assert pods() == [] and isinstance(await other.poll(), int)
        await spawner._stop_all_reflectors()
        await spawner.api.api_client.close()

    asyncio.run(play())


@pytest.mark.parametrize("way", WAYS)
def test_a_pod_in_its_way_is_replaced_and_one_that_ends_is_found(way: str, namespace: str) -> None:
    async def play() -> None:
        first = make(way, namespace)
        await first.start()
        uid = first.pod_reflector.pods[f"{namespace}/{first.pod_name}"]["metadata"]["uid"]
        second = make(way, namespace, cmd=["sh", "-c", "sleep 3; exit 3"], extra_pod_config={"restartPolicy": "Never"})
        await second.start()
        assert second.pod_reflector.pods[f"{namespace}/{second.pod_name}"]["metadata"]["uid"] != uid
        for _ in range(60):
            status = await second.poll()
            if status is not None:
                break
            await asyncio.sleep(0.5)
        assert status == 3
        assert f"{namespace}/{second.pod_name}" not in second.pod_reflector.pods  # removed, as by KubeSpawner
        await second._stop_all_reflectors()
        await second.api.api_client.close()

    asyncio.run(play())


def test_a_pod_that_runs_or_is_gone_is_seen_at_once(namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """KubeSpawner looks again after pauses that grow to five seconds. Here they never end."""

    async def look_once(ask: Callable[..., Any], message: str, *args: Any, **options: Any) -> Any:
        found = await maybe_future(ask(*args))
        return found or await asyncio.sleep(3600)

    async def play() -> None:
        spawner = make(ElasticKubeSpawner, namespace)
        monkeypatch.setattr("kubespawner.spawner.exponential_backoff", look_once)
        await asyncio.wait_for(spawner.start(), 90)
        await asyncio.wait_for(spawner.stop(), 90)
        assert isinstance(await spawner.poll(), int)
        await spawner._stop_all_reflectors()
        await spawner.api.api_client.close()

    asyncio.run(play())


@pytest.mark.parametrize("way", WAYS)
def test_what_belongs_to_a_pod(way: str, namespace: str, cluster: TestCluster) -> None:
    """A namespace that a profile names, a claim, a service, the admin's hook, and an address of the admin's own."""
    other, created = f"{namespace}-other", []
    cluster.kubectl("create", "namespace", other)

    async def hook(spawner: Any, pod: dict[str, Any]) -> None:
        created.append((spawner.pod_name, pod["metadata"]["namespace"]))

    def there(kind: str) -> list[str]:
        found = json.loads(cluster.kubectl("-n", other, "get", kind, "-o", "json"))
        return [each["metadata"]["name"] for each in found["items"] if "deletionTimestamp" not in each["metadata"]]

    async def play() -> None:
        profiles = [
            {"display_name": "Here", "kubespawner_override": {}},
            {"display_name": "There", "kubespawner_override": {"namespace": other, "environment": {"A": "b"}}},
        ]
        spawner = make(
            way,
            namespace,
            profile_list=profiles,
            services_enabled=True,
            storage_pvc_ensure=True,
            storage_capacity="1M",
            pod_connect_ip="jupyter-{username}.test",
            after_pod_created_hook=hook,
        )
        spawner.user_options = {"profile": "there"}
        assert isinstance(await spawner.poll(), int)
        url = await spawner.start()
        assert url.endswith(".test:8888")
        assert created == [(spawner.pod_name, other)]
        assert there("pods") == there("services") == [spawner.pod_name]
        assert there("persistentvolumeclaims") == [spawner.pvc_name]

        # What the hub has wrong of the address is set right by the next look, and written down once.
        spawner.db = Mock()
        spawner.server = Server.from_url(f"{url}/user/ada/")
        spawner.server.ip, spawner.server.port = "1.2.3.4", 0
        for _ in range(2):
            assert await spawner.poll() is None
            assert spawner.server.host == url and spawner.server.base_url == "/user/ada/"
            assert spawner.db.commit.call_count == 1
        spawner.server = None

        await spawner.stop()
        assert there("pods") == []
        state = spawner.get_state()
        assert state["pvc_name"] == spawner.pvc_name and state["namespace"] == other
        await spawner.delete_forever()
        for _ in range(50):
            if not there("services") and not there("persistentvolumeclaims"):
                break
            await asyncio.sleep(0.2)
        assert there("services") == there("persistentvolumeclaims") == []
        await spawner._stop_all_reflectors()
        await spawner.api.api_client.close()

    try:
        asyncio.run(play())
    finally:
        cluster.kubectl("delete", "namespace", other, "--wait=true")

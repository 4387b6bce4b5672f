"""ElasticKubeSpawner in the place of KubeSpawner, and nothing of ours configured: as in KubeSpawner's own tests.

What those ask of a cluster is in tests/cluster/test_as_kubespawner.py.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from jupyterhub.orm import Spawner as OrmSpawner
from kubernetes_asyncio.client import ApiClient
from kubespawner import KubeSpawner
from traitlets.config import Config

from elastic_spawner.hub import kube_base
from elastic_spawner.hub.keys import SECRET_ENV
from elastic_spawner.hub.kube import ElasticKubeSpawner

from .kube import nowhere  # noqa: F401

pytestmark = pytest.mark.usefixtures("nowhere", "elsewhere")

CONFIGURED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "resources": {
        "mem_limit": "2G",
        "mem_guarantee": "1G",
        "cpu_limit": 2,
        "cpu_guarantee": 0.5,
        "extra_resource_limits": {"nvidia.com/gpu": "1"},
    },
    "lists": {
        "volumes": [{"name": "home-{username}", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}],
        "volume_mounts": [{"name": "home-{username}", "mountPath": "/home/jovyan", "subPath": "{username}"}],
        "init_containers": [{"name": "first", "image": "any/init:1", "command": ["a", "{unescaped_username}-"]}],
        "extra_containers": [{"name": "second", "image": "any/side:1"}],
        "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute"}],
        "image_pull_secrets": ["pull"],
    },
    "dictionaries": {
        "volumes": {"2": {"name": "b", "emptyDir": {}}, "1": {"name": "a", "emptyDir": {}}},
        "volume_mounts": {"2": {"name": "b", "mountPath": "/b"}, "1": {"name": "a", "mountPath": "/a"}},
        "init_containers": {"2": {"name": "second", "image": "b:1"}, "1": {"name": "first", "image": "a:1"}},
        "extra_containers": {"2": {"name": "y", "image": "b:1"}, "1": {"name": "x", "image": "a:1"}},
        "tolerations": {"1": {"key": "a", "operator": "Exists"}},
    },
    "hooks and places": {
        "lifecycle_hooks": {"preStop": {"exec": {"command": ["true"]}}},
        "extra_pod_config": {"schedulerName": "mine-{username}", "terminationGracePeriodSeconds": 7},
        "extra_container_config": {"envFrom": [{"configMapRef": {"name": "more"}}]},
        "node_selector": {"disk": "fast"},
        "priority_class_name": "users",
        "node_affinity_required": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}],
        "pod_anti_affinity_preferred": [
            {"weight": 1, "podAffinityTerm": {"labelSelector": {}, "topologyKey": "zone"}},
        ],
    },
    "security": {
        "uid": 1000,
        "gid": 1000,
        "fs_gid": 1000,
        "supplemental_gids": [5],
        "privileged": False,
        "allow_privilege_escalation": False,
        "container_security_context": {"readOnlyRootFilesystem": True},
        "pod_security_context": {"runAsNonRoot": True},
        "service_account": "sa-{username}",
        "automount_service_account_token": True,
    },
    "environment": {
        "environment": {
            "JUPYTER_CONFIG_PATH": "/theirs",
            "EXPANDED": "{username}",
            "ESCAPED": "{{username}}",
            "FROM": {"valueFrom": {"secretKeyRef": {"name": "s-{username}", "key": "k"}}},
        },
        "cmd": ["start.sh", "jupyterhub-singleuser"],
        "args": ["--debug"],
        "working_dir": "/work/{username}",
        "default_url": "/lab",
    },
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own: what a spawner leaves there is seen."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv(SECRET_ENV, raising=False)
    return folder


def make(kind: type[KubeSpawner], traits: dict[str, Any], **arguments: Any) -> Any:
    config = Config()
    for name, value in traits.items():
        config.KubeSpawner[name] = value
    return kind(config=config, _mock=True, **arguments)


@pytest.mark.parametrize("traits", CONFIGURED.values(), ids=CONFIGURED)
def test_the_pod_is_kubespawner_s(traits: dict[str, Any], elsewhere: Path) -> None:
    async def manifests(kind: type[KubeSpawner]) -> str:
        spawner = make(kind, traits)
        made = (
            await spawner.get_pod_manifest(),
            spawner.get_pvc_manifest(),
            spawner.get_service_manifest("owner", 8888),
        )
        async with ApiClient() as client:
            return json.dumps(client.sanitize_for_serialization(list(made)), indent=1)

    assert asyncio.run(manifests(ElasticKubeSpawner)) == asyncio.run(manifests(KubeSpawner))
    assert not list(elsewhere.iterdir())  # no secret was made


def test_so_are_its_traits_its_state_and_its_options() -> None:
    profiles = [
        {"display_name": "Small", "kubespawner_override": {"mem_limit": "1G"}},
        {"display_name": "Large", "kubespawner_override": {"mem_limit": "4G", "environment": {"A": "b"}}},
    ]

    async def play(kind: type[KubeSpawner]) -> Any:
        spawner = make(kind, {"profile_list": profiles}, orm_spawner=OrmSpawner(name="named"))
        spawner.user_options = spawner.options_from_form({"profile": ["large"]})
        form = await spawner.get_options_form()
        before = spawner.mem_limit
        await spawner.load_user_options()
        state = spawner.get_state()
        again = make(kind, {}, orm_spawner=OrmSpawner(name="named"))
        again.load_state(state)
        values = {name: getattr(spawner, name) for name in KubeSpawner.class_trait_names(config=True)}
        values = {name: value for name, value in values.items() if not callable(value)}
        again.clear_state()
        return form, before, spawner.mem_limit, spawner.environment, state, again.get_state(), spawner.pod_name, values

    assert asyncio.run(play(ElasticKubeSpawner)) == asyncio.run(play(KubeSpawner))


def test_it_keeps_a_session_as_soon_as_anything_of_ours_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def keeps(**sections: dict[str, Any]) -> bool:
        async def ask() -> bool:
            config = Config(sections)
            return bool(ElasticKubeSpawner(config=config, _mock=True).keep_sessions)

        return asyncio.run(ask())

    assert not keeps(KubeSpawner={"image": "a:1"}, Spawner={"will_resume": True}, JupyterHub={"base_url": "/x"})
    assert keeps(ElasticKubeSpawner={"agent_image": "a:1"})
    assert keeps(ElasticSpawnerMixin={"secret_file": "/secret"})
    assert keeps(KubeSpawner={"store_url": "s3://bucket"})
    assert not keeps(ElasticKubeSpawner={"agent_image": "a:1", "keep_sessions": False})
    monkeypatch.setenv(SECRET_ENV, "ab" * 32)
    assert keeps()


def test_it_says_once_that_nothing_is_configured(caplog: pytest.LogCaptureFixture) -> None:
    async def make_two() -> None:
        for _ in range(2):
            assert not make(ElasticKubeSpawner, {}).keep_sessions

    kube_base._warn_once.cache_clear()
    asyncio.run(make_two())
    assert caplog.text.count("is not configured") == 1


def test_a_profile_may_do_without() -> None:
    """One server's pod is KubeSpawner's then, whatever the others have."""
    profiles = [{"display_name": "Plain", "kubespawner_override": {"keep_sessions": False}}]

    async def pod() -> Any:
        config = Config()
        config.ElasticSpawnerMixin.secret = "a secret of the tests"
        config.ElasticKubeSpawner.agent_delivery = "image-volume"
        config.KubeSpawner.profile_list = profiles
        spawner = ElasticKubeSpawner(config=config, _mock=True)
        assert spawner.keep_sessions
        spawner.user_options = {"profile": "plain"}
        await spawner.load_user_options()
        return await spawner.get_pod_manifest()

    made = asyncio.run(pod())
    assert not made.spec.volumes and not made.metadata.annotations.get("elastic-spawner/launch")
    assert not any(entry.name.startswith("ELASTIC_") for entry in made.spec.containers[0].env)


@pytest.mark.parametrize("profile", ["plain", "kept"])
@pytest.mark.parametrize("otherwise", [True, False])
def test_the_next_hub_knows_what_the_profile_of_a_server_says(
    profile: str, otherwise: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a start asks for the profile. Of a server that is kept, the next hub has to save what it stops."""
    profiles = [
        {"display_name": name.title(), "kubespawner_override": {"keep_sessions": name == "kept"}}
        for name in ("plain", "kept")
    ]
    looked_after: list[bool] = []

    async def started(self: Any) -> str:
        return "http://10.0.0.1:8888"

    async def nothing(self: Any) -> None:
        return None

    monkeypatch.setattr(KubeSpawner, "_start", started)
    monkeypatch.setattr(ElasticKubeSpawner, "running_launch", nothing)
    monkeypatch.setattr(ElasticKubeSpawner, "_look_after", lambda self: looked_after.append(self.keep_sessions))

    def hub_s() -> ElasticKubeSpawner:
        config = Config()
        config.ElasticSpawnerMixin.secret = "a secret of the tests"
        config.ElasticSpawnerMixin.keep_sessions = otherwise
        config.KubeSpawner.profile_list = profiles
        return ElasticKubeSpawner(config=config, _mock=True, orm_spawner=OrmSpawner(name=""))

    async def play() -> None:
        spawner = hub_s()
        spawner.user_options = {"profile": profile}
        await spawner.start()
        assert looked_after == [True] * (profile == "kept")
        state = spawner.get_state()
        again = hub_s()
        again.load_state(state)
        assert again.keep_sessions == (profile == "kept")
        again.clear_state()
        assert again.keep_sessions == otherwise
        last = hub_s()
        last.load_state(again.get_state())
        assert last.keep_sessions == otherwise

    asyncio.run(play())


def test_a_size_that_was_granted_ends_where_no_session_is_kept() -> None:
    async def limits() -> list[Any]:
        found = []
        for kept in (True, False):
            config = Config()
            config.ElasticSpawnerMixin.secret = "a secret of the tests"
            config.ElasticSpawnerMixin.keep_sessions = kept
            config.KubeSpawner.mem_limit = "2G"
            spawner = ElasticKubeSpawner(config=config, _mock=True)
            spawner.load_state(
                {"elastic": {"size": {"memory": 2**33, "cpus": None}}, "elastic_kube": {"granted_with": {}}}
            )
            found.append(spawner.mem_limit)
            await spawner.load_user_options()
            found.append(spawner.mem_limit)
        return found

    assert asyncio.run(limits()) == [2**33, 2**33, 2**31, 2**31]


def test_a_profile_that_adds_to_what_there_is_adds_it_once() -> None:
    """Each start of a move applies the profile again, and a pod with two volumes of one name is refused."""
    override = {
        "volumes": lambda spawner: [*spawner.volumes, {"name": "data", "emptyDir": {}}],
        "environment": lambda spawner: {"PATHS": spawner.environment.get("PATHS", "") + "/data:"},
        "mem_limit": "1G",
    }
    profiles = [{"display_name": "Data", "kubespawner_override": override}]

    async def pods() -> list[Any]:
        traits = {"profile_list": profiles, "environment": {"PATHS": "/first:"}, "mem_limit": "2G"}
        spawner, made = make(ElasticKubeSpawner, traits), []
        spawner.user_options = {"profile": "data"}
        async with ApiClient() as client:
            for _ in range(2):
                await spawner.load_user_options()
                made.append(client.sanitize_for_serialization(await spawner.get_pod_manifest()))
        assert spawner.environment == {"PATHS": "/first:/data:"}
        return made

    first, second = asyncio.run(pods())
    assert first == second

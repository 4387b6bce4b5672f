"""The values for zero-to-jupyterhub fit this chart: the names, ports and rights on both sides are the same.

The chart of zero-to-jupyterhub itself is not at hand here.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from traitlets.config import Config

import elastic_spawner.hub.chart as chart
from elastic_spawner.hub.kube import ElasticKubeSpawner
from tests.hub.kube import nowhere

from .conftest import CHART, S3, Render

__all__ = ["nowhere"]
OVERLAY = yaml.safe_load((CHART.parents[1] / "examples" / "values-z2jh.yaml").read_text())
HUB = OVERLAY["hub"]


def test_what_is_mounted_is_what_the_chart_makes(render: Render) -> None:
    rendered = render({"store": S3})
    (volume,) = HUB["extraVolumes"]
    (mount,) = HUB["extraVolumeMounts"]
    assert volume["name"] == mount["name"]
    assert "settings.json" in rendered.one("ConfigMap", volume["configMap"]["name"])["data"]
    assert Path(mount["mountPath"]) == chart.SETTINGS.parent
    reference = HUB["extraEnv"]["ELASTIC_SPAWNER_HUB_SECRET"]["valueFrom"]["secretKeyRef"]
    assert reference["key"] in rendered.one("Secret", reference["name"])["data"]


def test_ports_are_the_same(render: Render) -> None:
    port = yaml.safe_load((CHART / "values.yaml").read_text())["service"]["port"]
    (extra,) = HUB["service"]["extraPorts"]
    (rule,) = HUB["networkPolicy"]["ingress"]
    assert extra["port"] == extra["targetPort"] == rule["ports"][0]["port"] == port


def test_the_trial_has_its_service_and_role(render: Render) -> None:
    """The token is where zero-to-jupyterhub keeps that of a service of this name."""
    (test,) = render().pods()["Pod elastic-spawner-test"]["containers"]
    environment = {entry["name"]: entry for entry in test["env"]}
    key = environment["ELASTIC_TEST_TOKEN"]["valueFrom"]["secretKeyRef"]["key"]
    (service,) = HUB["services"]
    assert key == f"hub.services.{service}.apiToken"
    role = HUB["loadRoles"]["elastic-test"]
    assert role["services"] == [service]
    user = environment["ELASTIC_TEST_USER"]["value"]
    assert all(scope.endswith(f"!user={user}") for scope in role["scopes"])


def stand_in_for_z2jh(c: Config, values: dict[str, Any]) -> None:
    """A stand-in for zero-to-jupyterhub's own jupyterhub_config.py, as far as the order goes in which things are set:
    its defaults, services and roles, the culler's, `hub.config`, and `hub.extraConfig` by its names."""
    hub = values["hub"]

    def get_config(key: str, default: Any = None) -> Any:
        """Its own: of the chart's values, and not JupyterHub's that gives `c`."""
        return hub.get(key.removeprefix("hub."), default)

    c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
    c.JupyterHub.base_url = get_config("hub.baseUrl", "/")
    c.JupyterHub.cleanup_servers = False
    c.KubeSpawner.namespace = "hubs"
    c.KubeSpawner.init_containers = [{"name": "block-cloud-metadata", "image": "tools:1"}]
    c.KubeSpawner.volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": "claim-{username}"}}]
    c.JupyterHub.services = []
    c.JupyterHub.load_roles = []
    for name, service in get_config("hub.services", {}).items():
        c.JupyterHub.services.append({"name": name, "api_token": "made by the chart", **service})
    for name, role in get_config("hub.loadRoles", {}).items():
        c.JupyterHub.load_roles.append({"name": name, **role})
    c.JupyterHub.load_roles.append({"name": "culler", "scopes": ["list:users"], "services": ["culler"]})
    c.JupyterHub.services.append({"name": "culler", "command": ["python3", "-m", "jupyterhub_idle_culler"]})
    for name, traits in get_config("hub.config", {}).items():
        c[name].update(traits)
    for _, code in sorted(get_config("hub.extraConfig", {}).items()):
        exec(code, {"c": c, "get_config": get_config})


@pytest.fixture
def configured(render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    """(values on top of the overlay) -> what the hub is configured with, as the loader of the stand-in does it."""

    def configure(more: dict[str, Any]) -> Config:
        data = render({"store": S3, "resizers": {"groups": ["staff"]}}).one("ConfigMap", "elastic-spawner")["data"]
        (tmp_path / "settings.json").write_text(data["settings.json"])
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(chart.configure_from_chart, "__defaults__", (tmp_path / "settings.json",))
        monkeypatch.setenv("ELASTIC_SPAWNER_HUB_SECRET", "ab" * 32)
        hub = copy.deepcopy(HUB)
        hub.update(
            {name: {**hub.get(name, {}), **part} if isinstance(part, dict) else part for name, part in more.items()}
        )
        c = Config()
        c.Authenticator.admin_users = ["root"]
        stand_in_for_z2jh(c, {"hub": hub})
        return c

    return configure


def test_it_configures_a_hub_in_the_order_of_zero_to_jupyterhub(configured: Callable[..., Config]) -> None:
    c = configured({"baseUrl": "/hub1/"})
    assert c.JupyterHub.spawner_class == "elastic-kube"
    assert c.ElasticSpawnerMixin.store_url == "s3://checkpoints"
    assert [service["name"] for service in c.JupyterHub.services] == ["elastic-test", "culler", "elastic"]
    assert "http://127.0.0.1:8081/hub1/hub/api" in str(c.JupyterHub.services[-1]["environment"])
    roles = {role["name"]: role for role in c.JupyterHub.load_roles}
    assert len(roles) == len(c.JupyterHub.load_roles)
    assert roles["culler"] == {"name": "culler", "scopes": ["list:users"], "services": ["culler"]}
    assert roles["elastic-resizer"]["users"] == ["root"]
    assert roles["elastic-resizer"]["groups"] == ["staff"]
    # What zero-to-jupyterhub has set of KubeSpawner is as it was.
    assert c.KubeSpawner.init_containers[0]["name"] == "block-cloud-metadata"
    assert c.KubeSpawner.volumes[0]["name"] == "home"


def test_the_admin_s_own_settings_win(configured: Callable[..., Config]) -> None:
    """Those in `hub.config`, and of `hub.extraConfig` those of later names; what comes before ours is seen by it."""
    c = configured(
        {
            "config": {"JupyterHub": {"spawner_class": "elastic-kube"}, "ElasticKubeSpawner": {"eviction_grace": 33}},
            "extraConfig": {
                "10-mine": "c.Authenticator.admin_users = ['ann']",
                "90-mine": "c.ElasticKubeSpawner.save_interval = 7; c.ElasticSpawnerMixin.store_url = 's3://another'",
            },
        }
    )
    assert c.ElasticKubeSpawner.eviction_grace == 33
    assert c.ElasticKubeSpawner.save_interval == 7
    assert c.ElasticSpawnerMixin.store_url == "s3://another"
    (resizers,) = [role for role in c.JupyterHub.load_roles if role["name"] == "elastic-resizer"]
    assert resizers["users"] == ["ann"]


def test_the_class_takes_all_of_it(configured: Callable[..., Config], nowhere: None) -> None:
    """Each setting is a trait, and a spawner that is made with them keeps sessions."""
    known = set(ElasticKubeSpawner.class_traits(config=True))
    c = configured({})
    for section in ("ElasticKubeSpawner", "ElasticSpawnerMixin", "KubeSpawner"):
        assert set(c[section]) <= known

    async def make() -> Any:
        return ElasticKubeSpawner(config=c, _mock=True)

    made = asyncio.run(make())
    assert made.keep_sessions and made.namespace == "hubs"

"""The values for zero-to-jupyterhub fit this chart: the names, ports and rights on both sides are the same.

The chart of zero-to-jupyterhub itself is not at hand here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from traitlets.config import Config

import elastic_spawner.hub.chart as chart

from .conftest import CHART, S3, Render

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


def test_it_configures_a_hub_as_zero_to_jupyterhub_does(render: Render, tmp_path: Path, monkeypatch: Any) -> None:
    """`hub.config` first, then services and roles, then `hub.extraConfig` in the order of its names."""
    data = render({"store": S3, "resizers": {"groups": ["staff"]}}).one("ConfigMap", "elastic-spawner")["data"]
    (tmp_path / "settings.json").write_text(data["settings.json"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(chart.configure_from_chart, "__defaults__", (tmp_path / "settings.json",))
    monkeypatch.setenv("ELASTIC_SPAWNER_HUB_SECRET", "ab" * 32)
    c = Config()
    c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
    c.JupyterHub.services = [{"name": name, "api_token": "x", **spec} for name, spec in HUB["services"].items()]
    c.JupyterHub.load_roles = [{"name": name, **spec} for name, spec in HUB["loadRoles"].items()]
    c.Authenticator.admin_users = ["root"]
    for name, traits in HUB["config"].items():
        c[name].update(traits)
    for _, code in sorted(HUB["extraConfig"].items()):
        exec(code, {"c": c})
    assert c.JupyterHub.spawner_class == "elastic-kube"
    assert c.ElasticSpawnerMixin.store_url == "s3://checkpoints"
    assert [service["name"] for service in c.JupyterHub.services] == ["elastic-test", "elastic"]
    roles = {role["name"]: role for role in c.JupyterHub.load_roles}
    assert len(roles) == len(c.JupyterHub.load_roles)
    assert roles["elastic-resizer"]["users"] == ["root"]
    assert roles["elastic-resizer"]["groups"] == ["staff"]
    assert json.loads(data["settings.json"])["traits"]["agent_image"] == c.ElasticKubeSpawner.agent_image

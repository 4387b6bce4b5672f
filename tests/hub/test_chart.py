"""What the chart's settings become in JupyterHub's configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from elastic_spawner.hub import chart
from elastic_spawner.hub.keys import HubKeys

SECRET = "ab" * 32
SETTINGS: dict[str, Any] = {
    "storeUrl": "s3://bucket/prefix?region=x",
    "serviceUrl": "http://hub:8082",
    "controlPort": 8083,
    "resizers": ["ann"],
    "resizerGroups": ["staff"],
    "serviceEnvironment": {"ELASTIC_SPAWNER_SELF_MAX_MEMORY": "4G"},
    "traits": {"agent_image": "agent:1", "max_mem": "8G", "min_mem": "1G"},
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ELASTIC_SPAWNER_HUB_SECRET", SECRET)
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(SETTINGS))
    return path


def test_all_that_is_set(settings: Path) -> None:
    """As in the hub of zero-to-jupyterhub, whose proxy is elsewhere; the secret is read, and no file is made."""
    c = Config()
    c.JupyterHub.spawner_class = "elastic-kube"
    c.JupyterHub.base_url = "/jupyter/"
    chart.configure_from_chart(c, settings)
    assert c.JupyterHub.spawner_class == "elastic-kube"
    assert c.ElasticSpawnerMixin.store_url == "s3://bucket/prefix?region=x"
    assert c.ElasticKubeSpawner.agent_image == "agent:1"
    assert c.ControlServer.port == 8083
    (service,) = c.JupyterHub.services.get_value([])
    assert service["url"] == "http://hub:8082"
    environment = service["environment"]
    assert environment["JUPYTERHUB_API_URL"] == "http://127.0.0.1:8081/jupyter/hub/api"
    assert environment["ELASTIC_SPAWNER_SELF_MAX_MEMORY"] == "4G"
    assert environment["ELASTIC_SPAWNER_CONTROL_TOKEN"] == HubKeys(bytes.fromhex(SECRET)).control_token()
    assert SECRET not in json.dumps(environment)
    assert not list(settings.parent.glob("*secret*"))


@pytest.mark.parametrize("where", ["ElasticKubeSpawner", "ElasticSpawnerMixin"])
def test_hub_config_wins(settings: Path, where: str) -> None:
    c = Config()
    c[where].max_mem = "64G"
    chart.configure_from_chart(c, settings)
    assert c[where].max_mem == "64G"
    assert c.ElasticKubeSpawner.min_mem == "1G"
    assert where == "ElasticKubeSpawner" or "max_mem" not in c.ElasticKubeSpawner


def test_without_the_secret(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret made in the hub's pod would be gone with it, and every checkpoint unreadable."""
    monkeypatch.delenv("ELASTIC_SPAWNER_HUB_SECRET")
    with pytest.raises(chart.ChartError, match=r"hub\.extraEnv"):
        chart.configure_from_chart(Config(), settings)


@pytest.mark.parametrize(("text", "said"), [(None, r"hub\.extraVolumes"), ("{", "is not JSON")])
def test_without_settings(settings: Path, text: str | None, said: str) -> None:
    settings.unlink()
    if text is not None:
        settings.write_text(text)
    with pytest.raises(chart.ChartError, match=said):
        chart.configure_from_chart(Config(), settings)


def test_all_checkpoints_are_deleted_and_nothing_else(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = settings.parent / "store"
    (store / "ada/_/chunks").mkdir(parents=True)
    (store / "ada/_/chunks/x").write_bytes(b"1")
    (settings.parent / "other").write_bytes(b"2")
    settings.write_text(json.dumps({**SETTINGS, "storeUrl": store.as_uri()}))
    assert chart.delete_checkpoints(settings) == 1
    assert not list(store.rglob("x")) and (settings.parent / "other").exists()
    assert "deleted 1 object" in capsys.readouterr().out

"""What a release consists of, in both modes and with each option."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jupyterhub.app import JupyterHub
from traitlets.config import Config

import elastic_spawner
from elastic_spawner.hub.chart import configure_from_chart
from elastic_spawner.hub.kube import ElasticKubeSpawner

from .conftest import ALONE, CHART, S3, Render, Rendered


def settings(rendered: Rendered) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rendered.one("ConfigMap", "elastic-spawner")["data"]["settings.json"])
    return found


def secret(rendered: Rendered) -> dict[str, str]:
    data = rendered.one("Secret", "elastic-spawner")["data"]
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


def hub_pod(rendered: Rendered) -> dict[str, Any]:
    return dict(rendered.one("Deployment", "elastic-spawner-hub")["spec"]["template"]["spec"])


def test_the_application_is_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == elastic_spawner.__version__


def test_beside_a_hub_nothing_runs(render: Render) -> None:
    """But for what `helm test` starts."""
    rendered = render()
    assert set(rendered.pods()) == {"Pod elastic-spawner-test"}
    assert set(secret(rendered)) == {"hub-secret"}
    assert settings(rendered)["serviceUrl"] == "http://hub:8082"
    (test,) = rendered.pods()["Pod elastic-spawner-test"]["containers"]
    environment = {entry["name"]: entry for entry in test["env"]}
    assert environment["ELASTIC_TEST_URL"]["value"] == "http://proxy-public"
    token = environment["ELASTIC_TEST_TOKEN"]["valueFrom"]["secretKeyRef"]
    assert token == {"name": "hub", "key": "hub.services.elastic-test.apiToken"}


def test_a_hub_of_its_own(render: Render) -> None:
    rendered = render(ALONE)
    assert set(rendered.of("Deployment")) == {"elastic-spawner-hub", "elastic-spawner-proxy"}
    assert set(rendered.of("Service")) == {"elastic-spawner-hub", "elastic-spawner-proxy", "elastic-spawner-proxy-api"}
    assert settings(rendered)["serviceUrl"] == "http://elastic-spawner-hub:8082"
    for deployment in rendered.of("Deployment").values():
        assert deployment["spec"]["replicas"] == 1
        assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    for name, service in rendered.of("Service").items():
        matching = [
            deployment
            for deployment in rendered.of("Deployment").values()
            if service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert len(matching) == 1, name
        ports = {p["name"] for p in matching[0]["spec"]["template"]["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_the_hubs_configuration(render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as JupyterHub runs it: each trait is one, `hub.config` wins over ours, and `hub.extraConfig` over all."""
    hub = {
        "enabled": True,
        "user": {"storage": {"type": "dynamic", "storageClassName": "fast"}},
        "config": {"KubeSpawner": {"start_timeout": 99}, "ElasticKubeSpawner": {"max_mem": "1G"}},
        "extraConfig": {"b": "c.KubeSpawner.http_timeout += 1", "a": "c.KubeSpawner.http_timeout = 7"},
    }
    rendered = render({"store": S3, "hub": hub, "servers": {"maxMemory": "2G"}})
    data = rendered.one("ConfigMap", "elastic-spawner")["data"]
    (tmp_path / "settings.json").write_text(data["settings.json"])
    (tmp_path / "hub.json").write_text(secret(rendered)["hub.json"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(configure_from_chart, "__defaults__", (tmp_path / "settings.json",))
    monkeypatch.setenv("POD_NAMESPACE", "hubs")
    for name in ("ELASTIC_SPAWNER_HUB_SECRET", "ELASTIC_COOKIE_SECRET", "ELASTIC_DUMMY_PASSWORD", "ELASTIC_TEST_TOKEN"):
        monkeypatch.setenv(name, "ab" * 32)
    c = Config()
    code = data["jupyterhub_config.py"].replace("/etc/elastic-spawner", str(tmp_path))
    exec(compile(code, "jupyterhub_config.py", "exec"), {"get_config": lambda: c})

    known = ElasticKubeSpawner.class_traits(config=True)
    for traits in (c.KubeSpawner, c.ElasticKubeSpawner, c.ElasticSpawnerMixin):
        assert set(traits) <= set(known)
    assert set(c.JupyterHub) <= set(JupyterHub.class_traits(config=True))
    assert (c.KubeSpawner.start_timeout, c.KubeSpawner.http_timeout) == (99, 8)
    assert c.ElasticKubeSpawner.max_mem == "1G"
    assert c.KubeSpawner.storage_class == "fast"
    assert c.KubeSpawner.volumes[0]["persistentVolumeClaim"]["claimName"] == "{pvc_name}"
    assert c.KubeSpawner.container_security_context["capabilities"] == {"drop": ["ALL"]}
    roles = {role["name"]: role for role in c.JupyterHub.load_roles}
    assert all(scope.endswith("!user=elastic-test-user") for scope in roles["elastic-test"]["scopes"])
    assert {service["name"] for service in c.JupyterHub.services} == {"elastic-test", "elastic"}


def test_what_may_be_secret_in_the_hubs_settings_is_in_the_secret(render: Render) -> None:
    values = {"hub": {"enabled": True, "config": {"GitHubOAuthenticator": {"client_secret": "s3cr3t-of-github"}}}}
    rendered = render(values)
    assert json.loads(secret(rendered)["hub.json"])["config"]["GitHubOAuthenticator"]["client_secret"]
    others = [one for one in rendered.objects if one["kind"] != "Secret"]
    assert "s3cr3t-of-github" not in json.dumps(others)


def test_every_change_of_the_settings_restarts_the_hub(render: Render) -> None:
    def annotations(values: dict[str, Any]) -> dict[str, str]:
        template = render({**values, "hub": {**values.get("hub", {}), "enabled": True}})
        found: dict[str, str] = template.one("Deployment", "elastic-spawner-hub")["spec"]["template"]["metadata"][
            "annotations"
        ]
        return found

    before = annotations({})
    assert annotations({}) == before
    assert annotations({"servers": {"maxMemory": "8G"}}) != before
    assert annotations({"hub": {"extraConfig": {"a": "pass"}}}) != before


@pytest.mark.parametrize(
    ("values", "taints"),
    [
        ({}, None),
        ({"servers": {"evacuationTaints": ["mine.example.org/*:NoSchedule"]}}, ["mine.example.org/*:NoSchedule"]),
        ({"rbac": {"watchNodes": False}}, []),
        ({"rbac": {"create": False, "watchNodes": False}}, None),
    ],
    ids=["the spawner's own", "given", "without the right to watch nodes", "rights made elsewhere"],
)
def test_taints_that_servers_flee_from(render: Render, values: dict[str, Any], taints: list[str] | None) -> None:
    assert settings(render(values))["traits"].get("evacuation_taints") == taints


# -- the store ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("store", "url"),
    [
        ({}, "file:///tmp/elastic-spawner-checkpoints"),
        (S3, "s3://checkpoints"),
        (
            {
                "type": "s3",
                "s3": {
                    "bucket": "checkpoints",
                    "prefix": "/hub/a/",
                    "endpoint": "http://minio.s3:9000",
                    "region": "eu-central-1",
                    "pathStyle": True,
                    "serverSideEncryption": "aws:kms",
                    "kmsKeyId": "arn:aws:kms:eu:1:key/2",
                },
            },
            "s3://checkpoints/hub/a?endpoint=http%3A%2F%2Fminio.s3%3A9000&region=eu-central-1&path_style=1"
            "&sse=aws%3Akms&sse_kms_key_id=arn%3Aaws%3Akms%3Aeu%3A1%3Akey%2F2",
        ),
        ({"type": "pvc"}, "file:///srv/elastic-checkpoints"),
        ({"type": "home", "home": {"path": "/home/me/.keep"}}, "file:///home/me/.keep"),
    ],
    ids=["none", "bucket", "all of s3", "pvc", "home"],
)
def test_where_checkpoints_are(render: Render, store: dict[str, Any], url: str) -> None:
    assert settings(render({"store": store}))["storeUrl"] == url


def test_the_hubs_service_account_may_give_the_right_to_the_bucket(render: Render) -> None:
    """IRSA: the annotation is there and no keys are."""
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/hub"}
    rendered = render({"store": S3, "hub": {"enabled": True, "serviceAccount": {"annotations": role}}})
    assert rendered.one("ServiceAccount", "elastic-spawner-hub")["metadata"]["annotations"] == role
    assert hub_pod(rendered)["serviceAccountName"] == "elastic-spawner-hub"
    assert not any(entry["name"].startswith("AWS_") for entry in hub_pod(rendered)["containers"][0]["env"])


def test_keys_of_the_bucket_are_taken_from_a_secret(render: Render) -> None:
    s3 = {"bucket": "abc", "existingSecret": "mine", "accessKeyIdKey": "id", "secretAccessKeyKey": "key"}
    rendered = render({"store": {"type": "s3", "s3": s3}, **ALONE})
    environment = {entry["name"]: entry for entry in hub_pod(rendered)["containers"][0]["env"]}
    for name, key in (("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key")):
        assert environment[name]["valueFrom"]["secretKeyRef"] == {"name": "mine", "key": key}


def test_a_volume_for_all(render: Render) -> None:
    """Made when there is none, mounted whole in the hub, and known to the spawner, which gives each pod its part."""
    rendered = render({"store": {"type": "pvc", "pvc": {"storageClassName": "nfs", "size": "5Gi"}}, **ALONE})
    claim = rendered.one("PersistentVolumeClaim", "elastic-spawner-checkpoints")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["spec"]["storageClassName"] == "nfs"
    source = {"persistentVolumeClaim": {"claimName": "elastic-spawner-checkpoints"}}
    assert {"name": "checkpoints", **source} in hub_pod(rendered)["volumes"]
    assert settings(rendered)["traits"]["store_volume"] == source
    existing = render({"store": {"type": "pvc", "pvc": {"existingClaim": "mine"}}})
    assert not existing.of("PersistentVolumeClaim")
    assert settings(existing)["traits"]["store_volume"]["persistentVolumeClaim"]["claimName"] == "mine"


# -- what stays, and what goes -----------------------------------------------------------------------------------------


def test_secret_and_checkpoints_stay_after_an_uninstallation(render: Render) -> None:
    rendered = render({"store": {"type": "pvc"}})
    for kept in (rendered.one("Secret", "elastic-spawner"), *rendered.of("PersistentVolumeClaim").values()):
        assert kept["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert not render({"store": S3}).of("Job")


def test_they_go_when_that_is_asked_for(render: Render) -> None:
    rendered = render({"store": {"type": "pvc", "deleteOnUninstall": True}})
    for gone in (rendered.one("Secret", "elastic-spawner"), *rendered.of("PersistentVolumeClaim").values()):
        assert "annotations" not in gone["metadata"]
    (job,) = render({"store": {**S3, "deleteOnUninstall": True}}).of("Job").values()
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete"


def test_secrets_are_random_and_may_be_given(render: Render) -> None:
    """How they are kept over an upgrade is tested on a cluster: it is looked up there."""
    first, second = secret(render(ALONE)), secret(render(ALONE))
    for name in ("hub-secret", "cookie-secret", "proxy-token", "dummy-password", "test-token"):
        assert len(bytes.fromhex(first[name])) == 32
        assert first[name] != second[name]
    assert len({value for name, value in first.items() if name != "hub.json"}) == 5
    given = {"secret": {"value": "ab" * 32}, "hub": {"enabled": True, "auth": {"password": "hello"}}}
    assert secret(render(given))["hub-secret"] == "ab" * 32
    assert secret(render(given))["dummy-password"] == "hello"


def test_former_secrets_are_beside_the_present_one(render: Render) -> None:
    given = {"secret": {"value": "ab" * 32, "former": ["cd" * 32, "a secret of long ago"]}, **ALONE}
    rendered = render(given)
    assert secret(rendered)["former-hub-secrets"] == "cd" * 32 + ",a secret of long ago"
    environment = {entry["name"]: entry for entry in hub_pod(rendered)["containers"][0]["env"]}
    reference = environment["ELASTIC_SPAWNER_FORMER_HUB_SECRETS"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "elastic-spawner", "key": "former-hub-secrets", "optional": True}
    assert "former-hub-secrets" not in secret(render(ALONE))


def test_a_secret_of_the_admins_is_used(render: Render) -> None:
    rendered = render({"secret": {"existingSecret": "mine"}})
    assert not rendered.of("Secret")
    alone = render({"secret": {"existingSecret": "mine"}, **ALONE})
    assert "hub-secret" not in secret(alone)
    environment = {entry["name"]: entry for entry in hub_pod(alone)["containers"][0]["env"]}
    assert environment["ELASTIC_SPAWNER_HUB_SECRET"]["valueFrom"]["secretKeyRef"]["name"] == "mine"


# -- names, images, notes ----------------------------------------------------------------------------------------------


def test_names_can_be_chosen(render: Render) -> None:
    rendered = render({"fullnameOverride": "es", **ALONE})
    assert all(one["metadata"]["name"].startswith("es") for one in rendered.objects)


def test_all_images_can_be_chosen(render: Render) -> None:
    image = {"name": "registry.test/hub", "tag": "7", "pullPolicy": "Never"}
    proxy = {"name": "registry.test/proxy", "tag": "5"}
    rendered = render(
        {"hub": {"enabled": True, "image": image, "proxy": {"image": proxy}}, "imagePullSecrets": ["pull"]}
    )
    images = {name: pod["containers"][0]["image"] for name, pod in rendered.pods().items()}
    assert images.pop("Deployment elastic-spawner-proxy") == "registry.test/proxy:5"
    assert set(images.values()) == {"registry.test/hub:7"}
    assert all(pod["imagePullSecrets"] == [{"name": "pull"}] for pod in rendered.pods().values())


def test_the_environment_can_be_added_to(render: Render) -> None:
    extra = {"A": "1", "B": {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}}
    environment = hub_pod(render({"hub": {"enabled": True, "extraEnv": extra}}))["containers"][0]["env"]
    assert {"name": "A", "value": "1"} in environment
    assert {"name": "B", **extra["B"]} in environment  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({}, True),
        (ALONE, True),
        ({"store": S3}, False),
        ({"store": {"type": "home"}}, False),
        ({"store": {"type": "home"}, **ALONE}, True),
        ({"store": {"type": "pvc"}, **ALONE}, False),
    ],
    ids=str,
)
def test_notes_warn_when_nothing_is_durable(notes: Callable[..., str], values: dict[str, Any], warned: bool) -> None:
    assert ("NO DURABLE STORE" in " ".join(notes(values).replace("#", " ").split())) is warned


def test_notes_have_the_first_commands(notes: Callable[..., str]) -> None:
    beside, alone = notes({"store": S3}), notes({"store": S3, **ALONE})
    assert "examples/values-z2jh.yaml" in beside and "rollout restart deployment/hub" in beside
    assert "port-forward service/elastic-spawner-proxy" in alone and "dummy-password" in alone
    for text in (beside, alone):
        assert "helm test elastic-spawner -n hubs" in text
        assert "{{" not in text

"""Pod Security *restricted* for every pod that the chart makes, tokens only where they are needed, and least rights."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import ALONE, S3, Render

EVERYTHING = {**ALONE, "store": {**S3, "deleteOnUninstall": True}}
BESIDE = {"store": {**S3, "deleteOnUninstall": True}}
WITH_TOKEN = {"Deployment elastic-spawner-hub", "Pod elastic-spawner-test"}
ALLOWED_VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}


@pytest.mark.parametrize("values", [EVERYTHING, BESIDE], ids=["alone", "beside"])
def test_every_pod_is_restricted(render: Render, values: dict[str, Any]) -> None:
    """The rules of https://kubernetes.io/docs/concepts/security/pod-security-standards/, and a read-only root."""
    pods = render(values).pods()
    assert len(pods) == (4 if values is EVERYTHING else 2)
    for name, pod in pods.items():
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for volume in pod["volumes"]:
            assert set(volume) - {"name"} <= ALLOWED_VOLUMES, name
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert "privileged" not in security, name
            assert not any("hostPort" in port for port in container.get("ports", [])), name
            assert container["resources"]["requests"], name
            assert not container["image"].endswith(":latest"), name


@pytest.mark.parametrize("values", [EVERYTHING, BESIDE], ids=["alone", "beside"])
def test_tokens_of_the_cluster_only_where_they_are_needed(render: Render, values: dict[str, Any]) -> None:
    """Said of each pod and each service account, whose default is to give one."""
    rendered = render(values)
    for name, pod in rendered.pods().items():
        assert pod["automountServiceAccountToken"] is (name in WITH_TOKEN), name
    for account in rendered.of("ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False


def rules(role: dict[str, Any]) -> set[tuple[str, str]]:
    """Each resource with each verb."""
    return {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}


def test_rights_beside_a_hub_are_those_it_lacks(render: Render) -> None:
    """Bound to the service account of zero-to-jupyterhub's hub, which has KubeSpawner's own rights already."""
    rendered = render()
    assert rules(rendered.one("Role", "elastic-spawner")) == {
        ("pods/resize", "patch"),
        ("events", "create"),
    }
    binding = rendered.one("RoleBinding", "elastic-spawner")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "hub", "namespace": "hubs"}]
    (nodes,) = rendered.of("ClusterRole").values()
    assert rules(nodes) == {("nodes", "list"), ("nodes", "watch")}


def test_rights_of_a_hub_of_its_own(render: Render) -> None:
    """No secrets and no services, which KubeSpawner needs for settings that this hub does not have."""
    role = render(ALONE).one("Role", "elastic-spawner")
    assert {resource for resource, _ in rules(role)} == {"pods", "pods/resize", "persistentvolumeclaims", "events"}
    assert not any("*" in pair for pair in rules(role))


def test_rights_can_be_left_out(render: Render) -> None:
    assert not render({"rbac": {"watchNodes": False}}).of("ClusterRole")
    role = render({"servers": {"resizeInPlace": False}}).one("Role", "elastic-spawner")
    assert ("pods/resize", "patch") not in rules(role)
    without = render({"rbac": {"create": False}, "test": {"enabled": False}})
    assert not any(without.of(kind) for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"))


def test_the_trial_may_list_and_evict_pods_only(render: Render) -> None:
    """By a service account that no other pod has; its pod is there from the first `helm test` on only."""
    rendered = render()
    assert rules(rendered.one("Role", "elastic-spawner-test")) == {("pods", "list"), ("pods/eviction", "create")}
    assert rendered.one("Pod", "elastic-spawner-test")["metadata"]["annotations"]["helm.sh/hook"] == "test"
    accounts = [pod["serviceAccountName"] for pod in render(ALONE).pods().values() if "serviceAccountName" in pod]
    assert sorted(accounts) == ["elastic-spawner-hub", "elastic-spawner-test"]


def test_keys_of_the_store_are_in_the_hub_only(render: Render) -> None:
    """By reference; the proxy and the trial have none."""
    with_keys = {"store": {"type": "s3", "s3": {"bucket": "abc", "existingSecret": "keys"}}}
    for name, pod in render({**ALONE, **with_keys}).pods().items():
        environment = {entry["name"]: entry for entry in pod["containers"][0]["env"]}
        assert ("AWS_SECRET_ACCESS_KEY" in environment) == (name == "Deployment elastic-spawner-hub"), name
        assert all("valueFrom" in entry for entry in environment.values() if "SECRET" in entry["name"]), name

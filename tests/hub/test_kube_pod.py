"""The manifest of a user's pod: KubeSpawner's, with what is ours added and nothing of the admin's lost."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from kubespawner import KubeSpawner

from elastic_spawner.hub import kube
from elastic_spawner.hub.kube_base import LOOK_S, _Pods
from elastic_spawner.hub.kube_pod import disruption, has_ended, launch_of
from elastic_spawner.hub.kube_resize import quantity
from elastic_spawner.migration import Size
from elastic_spawner.testing.hub import free_ports

from .kube import container, manifest, nowhere, spawner  # noqa: F401

pytestmark = pytest.mark.usefixtures("nowhere")


def test_all_that_kubespawner_says_is_still_there() -> None:
    """The manifest is a superset of KubeSpawner's own."""
    traits = {
        "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "ada"}}],
        "volume_mounts": [{"name": "home", "mountPath": "/home/jovyan"}],
        "init_containers": [{"name": "first", "image": "any/init:1"}],
        "extra_pod_config": {"priorityClassName": "users"},
        "extra_annotations": {"a": "b"},
        "environment": {"JUPYTER_CONFIG_PATH": "/admin", "A": "b"},
        "lifecycle_hooks": {"postStart": {"exec": {"command": ["true"]}}},
        "cmd": ["start.sh", "jupyterhub-singleuser"],
        "mem_limit": "1G",
        "mem_guarantee": "512M",
    }
    before, after = manifest(KubeSpawner, **traits), manifest(**traits)
    assert _missing(before, after) == ["spec.containers[0].env"]
    environment = {entry["name"]: entry["value"] for entry in container(after)["env"]}
    for entry in container(before)["env"]:
        if entry["name"] != "JUPYTER_CONFIG_PATH":
            assert environment[entry["name"]] == entry["value"]
    assert environment["JUPYTER_CONFIG_PATH"].split(":")[1:] == ["/admin"]


def _missing(before: Any, after: Any, where: str = "") -> list[str]:
    """The places at which something of `before` is not in `after`; lists may have more at their ends."""
    if isinstance(before, dict):
        found = [_missing(value, after.get(name), f"{where}.{name}".lstrip(".")) for name, value in before.items()]
        return [place for places in found for place in places]
    if isinstance(before, list) and where.rpartition(".")[2] != "env":
        found = [_missing(one, other, f"{where}[{n}]") for n, (one, other) in enumerate(zip(before, after or []))]
        short = [where] if len(after or []) < len(before) else []
        return short + [place for places in found for place in places]
    return [] if before == after else [where]


def test_the_packages_come_in_an_image_volume() -> None:
    pod = manifest()
    (volume,) = [volume for volume in pod["spec"]["volumes"] if "image" in volume]
    (mount,) = [mount for mount in container(pod)["volumeMounts"] if mount["name"] == volume["name"]]
    assert mount["readOnly"] is True
    assert not pod["spec"].get("initContainers")


def test_else_an_init_container_copies_them_and_is_restricted() -> None:
    pod = manifest(agent_delivery="init-container", mem_limit="1G", mem_guarantee="1G")
    (copy,) = pod["spec"]["initContainers"]
    security = copy["securityContext"]
    assert security["runAsNonRoot"] and security["readOnlyRootFilesystem"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert copy["resources"] == container(pod)["resources"]  # or a Guaranteed pod would no longer be one


def test_the_kubelet_asks_for_a_save_within_the_grace_period() -> None:
    pod = manifest()
    hook = container(pod)["lifecycle"]["preStop"]["httpGet"]
    assert pod["spec"]["terminationGracePeriodSeconds"] == 120
    assert hook["path"].endswith("api/elastic/evict?deadline_s=115&last=1")
    assert hook["httpHeaders"][0]["value"].startswith("Bearer ")


def test_the_admin_s_grace_period_wins_and_the_deadline_follows() -> None:
    pod = manifest(extra_pod_config={"terminationGracePeriodSeconds": 30})
    assert pod["spec"]["terminationGracePeriodSeconds"] == 30
    assert container(pod)["lifecycle"]["preStop"]["httpGet"]["path"].endswith("deadline_s=25&last=1")


def test_it_leaves_a_lost_node_when_the_admin_says_so() -> None:
    assert not manifest()["spec"].get("tolerations")
    taints = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
    theirs = {"key": taints[0], "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 7}
    other = {"key": "gpu", "operator": "Exists"}
    pod = manifest(lost_node_timeout=0, tolerations=[theirs, other])
    ours = {**theirs, "key": taints[1], "tolerationSeconds": 0}
    assert pod["spec"]["tolerations"] == [theirs, other, ours]
    all_of_them = [{"operator": "Exists"}]
    assert manifest(lost_node_timeout=0, tolerations=all_of_them)["spec"]["tolerations"] == all_of_them


def test_the_admin_s_own_hooks_stay() -> None:
    hooks = {"postStart": {"exec": {"command": ["a"]}}, "preStop": {"tcpSocket": {"port": 80}}}
    lifecycle = container(manifest(lifecycle_hooks=hooks))["lifecycle"]
    assert lifecycle == hooks
    only_first = {"postStart": {"exec": {"command": ["a"]}}}
    lifecycle = container(manifest(lifecycle_hooks=only_first))["lifecycle"]
    assert lifecycle["postStart"] == only_first["postStart"]
    assert "httpGet" in lifecycle["preStop"]


@pytest.mark.parametrize("saved", [True, False], ids=["saved", "no-agent"])
@pytest.mark.parametrize("name", ["preStop", "pre_stop"])
def test_a_command_of_the_admin_s_runs_after_the_save(saved: bool, name: str, tmp_path: Path) -> None:
    """And in any case; it gets its arguments as they are."""
    mark = tmp_path / "a mark"
    hooks = {name: {"exec": {"command": ["touch", str(mark)]}}}
    made = container(manifest(lifecycle_hooks=hooks, port=free_ports(1)[0]))
    assert list(made["lifecycle"]) == ["preStop"]
    asked: list[tuple[str, str]] = []

    class Agent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Authorization"]))
            assert not mark.exists()
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", made["ports"][0]["containerPort"]), Agent) as server:
        if saved:
            Thread(target=server.handle_request, daemon=True).start()
        else:
            server.server_close()
        done = subprocess.run(made["lifecycle"]["preStop"]["exec"]["command"], check=False, capture_output=True)
    assert done.returncode == 0 and mark.exists()
    if saved:
        ((path, token),) = asked
        assert path.endswith("api/elastic/evict?deadline_s=115&last=1") and token.startswith("Bearer ")


def test_a_cluster_that_does_not_say_its_version_gets_a_manifest_all_the_same() -> None:
    """And nothing more among the init containers than the admin has put there."""
    pod = manifest(agent_delivery="auto", init_containers=[{"name": "first", "image": "any/init:1"}])
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["first"]


@pytest.mark.parametrize(("minor", "copied"), [("35", True), ("35+", True), ("36", False), ("40+", False)])
def test_an_older_cluster_has_the_packages_copied_and_that_is_said_once(
    minor: str, copied: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class FakeVersionApi:
        """A fake of what tells the API server's version."""

        async def get_code(self, **_: Any) -> Any:
            return SimpleNamespace(major="1", minor=minor)

    monkeypatch.setattr(kube, "_version", None)
    monkeypatch.setattr(kube, "shared_client", lambda name: FakeVersionApi())
    caplog.set_level(logging.INFO)
    for _ in range(2):
        pod = manifest(agent_delivery="auto")
        assert bool(pod["spec"].get("initContainers")) is copied
    assert caplog.text.count("has no image volumes") == int(copied)


@pytest.mark.parametrize(
    ("limit", "guarantee", "new", "expected"),
    [
        (2**30, 2**30, 2**31, 2**31),  # guaranteed it was, guaranteed it stays
        (2**30, 2**29, 2**31, 2**30),
        (None, 2**30, 2**29, 2**29),  # never more than the limit
        (None, None, 2**29, None),
    ],
)
def test_what_is_guaranteed_follows_the_size(
    limit: int | None, guarantee: int | None, new: int, expected: int | None
) -> None:
    async def resized() -> tuple[int | None, int | None]:
        made = spawner(mem_limit=limit, mem_guarantee=guarantee)
        made.apply_size(Size(2**40, None))
        made.apply_size(Size(new, None))
        return made.mem_limit, made.mem_guarantee

    assert asyncio.run(resized()) == (new, expected)


def test_a_pod_is_running_until_its_notebook_has_ended() -> None:
    def pod(phase: str, state: str, **annotations: str) -> dict[str, Any]:
        statuses = [{"name": "side", "state": {"terminated": {}}}, {"name": "notebook", "state": {state: {}}}]
        return {
            "metadata": {"annotations": annotations},
            "status": {"phase": phase, "containerStatuses": statuses},
        }

    mark = {"elastic-spawner/launch": "abc"}
    assert launch_of(None) is None
    assert launch_of(pod("Running", "running", **mark)) == "abc"
    assert launch_of(pod("Pending", "waiting", **mark)) == "abc"
    assert launch_of(pod("Running", "terminated", **mark)) is None
    assert launch_of(pod("Failed", "running", **mark)) is None
    assert launch_of(pod("Running", "running")) == "unmarked"


def ending(phase: str, *states: str) -> dict[str, Any]:
    """A pod that is to go, as the watch sees it."""
    statuses = [{"name": f"c{number}", "state": {state: {}}} for number, state in enumerate(states)]
    metadata = {"uid": "123", "deletionTimestamp": "now"}
    return {"metadata": metadata, "status": {"phase": phase, "containerStatuses": statuses}}


def test_a_pod_has_ended_when_all_its_containers_have() -> None:
    """A pod of a node that is gone may be called failed while they run."""
    assert has_ended(ending("Succeeded", "terminated", "terminated"))
    assert not has_ended(ending("Succeeded"))
    assert not has_ended(ending("Failed", "terminated", "running"))
    assert not has_ended(ending("Running", "terminated"))
    assert not has_ended({**ending("Failed", "terminated"), "metadata": {}})  # it may be looked at


class Watch:
    """What KubeSpawner has instead of its watch of the pods, with one pod that ends when it is deleted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pod: dict[str, Any], sidecar: str = "terminated") -> None:
        self.server = spawner()
        self.name = f"{self.server.namespace}/{self.server.pod_name}"
        self.pods = {self.name: pod}
        self.first_load_future = asyncio.get_running_loop().create_future()
        self.first_load_future.set_result(None)
        self.asked: list[tuple[int, str | None]] = []
        """Of each deletion that was asked for: how long the pod was given, and which one was meant."""

        async def delete(_: Any, name: str, options: Any, grace: int, timeout: float) -> bool:
            self.asked.append((grace, options.preconditions and options.preconditions.uid))
            if grace:
                self.pods[self.name] = ending("Failed", "terminated", sidecar)
                asyncio.get_running_loop().call_later(0.5, self.pods.clear)  # the kubelet
            else:
                self.pods.clear()
            return True

        async def loaded(_: Any) -> None:
            await self.first_load_future

        monkeypatch.setattr(KubeSpawner, "pod_reflector", self)
        monkeypatch.setattr(KubeSpawner, "_make_delete_pod_request", delete)
        monkeypatch.setattr(KubeSpawner, "_start_watching_pods", loaded)


@pytest.mark.parametrize(("sidecar", "asked"), [("terminated", [(1, None), (0, "123")]), ("running", [(1, None)])])
def test_a_pod_that_has_ended_need_not_be_tidied_up_before_the_next(
    sidecar: str, asked: list[tuple[int, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is free as soon as nothing of it runs, and not before; and whoever has the name next is not meant."""

    async def play() -> list[tuple[int, str | None]]:
        watched = Watch(monkeypatch, ending("Running", "running"), sidecar)
        await asyncio.wait_for(_Pods.stop(watched.server), 60)
        return watched.asked

    assert asyncio.run(play()) == asked


def test_a_pod_is_not_gone_while_a_new_watch_has_seen_none_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """KubeSpawner begins another one whenever a pod was not started, or not gone, in time: anybody's."""

    async def play() -> None:
        watched = Watch(monkeypatch, ending("Running", "running"), "running")
        stopping = asyncio.ensure_future(_Pods.stop(watched.server))
        while not watched.asked:
            await asyncio.sleep(0)
        there, watched.pods = watched.pods, {}
        watched.first_load_future = asyncio.get_running_loop().create_future()
        await asyncio.wait({stopping}, timeout=4 * LOOK_S)
        assert not stopping.done()
        watched.pods = there
        watched.first_load_future.set_result(None)
        await asyncio.wait_for(stopping, 60)
        assert not watched.pods

    asyncio.run(play())


def test_only_what_kubernetes_takes_away_is_a_disruption() -> None:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "Eviction"}
    deleted = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": "Running"}}
    assert disruption(None) == ""
    assert disruption(deleted) == ""
    assert disruption({"status": {"phase": "Running", "conditions": [{**condition, "status": "False"}]}}) == ""
    assert "EvictionByEvictionAPI" in disruption({"status": {"phase": "Running", "conditions": [condition]}})
    assert "memory" in disruption({"status": {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}})
    assert disruption({"status": {"phase": "Failed", "reason": "Error"}}) == ""


@pytest.mark.parametrize(
    ("text", "value"), [("500m", 0.5), ("2", 2), ("1Gi", 2**30), ("1G", 1e9), (2048, 2048), ("1536Mi", 1.5 * 2**30)]
)
def test_quantities(text: Any, value: float) -> None:
    assert quantity(text) == value
    assert quantity(None) is None


def test_a_store_of_files_on_a_volume() -> None:
    """Each pod gets its own user's folder only, at the place where the store's URL has it."""
    claim = {"persistentVolumeClaim": {"claimName": "checkpoints"}}
    pod = manifest(store_volume=claim)
    assert {"name": "elastic-spawner-store", **claim} in pod["spec"]["volumes"]
    (mount,) = [one for one in container(pod)["volumeMounts"] if one["name"] == "elastic-spawner-store"]
    assert mount["mountPath"] == f"/checkpoints/{mount['subPath']}"
    environment = {entry["name"]: entry["value"] for entry in container(pod)["env"]}
    assert environment["ELASTIC_SPAWNER_STORE_URL"].startswith(f"file://{mount['mountPath']}/")

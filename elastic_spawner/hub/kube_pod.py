"""What a pod gets from us: the folder of packages, the way to save before it goes, and marks to know it by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubernetes_asyncio.client import models
from kubespawner.utils import get_k8s_model

MOUNT = "/opt/elastic-spawner"
"""Where the image's files are in the user's container; its packages are in `lib` below."""
VOLUME = "elastic-spawner"
STORE_VOLUME = "elastic-spawner-store"
LAUNCH = "elastic-spawner/launch"
"""The annotation that tells which start of the server a pod is."""
NOTEBOOK = "notebook"
"""What KubeSpawner calls the user's container."""
MARGIN_S = 5.0
"""Seconds of the grace period that are left for ending the server after its kernels were saved."""

_RESTRICTED: dict[str, Any] = {
    "allow_privilege_escalation": False,
    "read_only_root_filesystem": True,
    "run_as_non_root": True,
    "run_as_user": 65534,
}


def lend_packages(pod: Any, image: str, pull_policy: str, as_volume: bool) -> None:
    """Give the user's container our packages, read-only: as an image volume, or copied by an init container."""
    notebook = notebook_container(pod)
    if as_volume:
        source = models.V1ImageVolumeSource(reference=image, pull_policy=pull_policy)
        volume = models.V1Volume(name=VOLUME, image=source)
    else:
        # In memory: a volume on disk would keep the cluster autoscaler from removing the node.
        volume = models.V1Volume(name=VOLUME, empty_dir=models.V1EmptyDirVolumeSource(medium="Memory"))
        copy = models.V1Container(
            name=VOLUME,
            image=image,
            image_pull_policy=pull_policy,
            command=["cp", "-R", "/lib", f"{MOUNT}/"],
            # The same as the server's own: so the pod's class of service stays what it was, and nothing is added.
            resources=notebook.resources,
            security_context=models.V1SecurityContext(
                capabilities=models.V1Capabilities(drop=["ALL"]),
                seccomp_profile=models.V1SeccompProfile(type="RuntimeDefault"),
                **_RESTRICTED,
            ),
            volume_mounts=[models.V1VolumeMount(name=VOLUME, mount_path=MOUNT)],
        )
        pod.spec.init_containers = [*(pod.spec.init_containers or []), copy]
    pod.spec.volumes = [*(pod.spec.volumes or []), volume]
    mount = models.V1VolumeMount(name=VOLUME, mount_path=MOUNT, read_only=True)
    notebook.volume_mounts = [*(notebook.volume_mounts or []), mount]


def mount_store(pod: Any, source: Mapping[str, Any], path: str, folder: str) -> None:
    """Give the user's container one folder of the volume of a store of files, at the folder's own place in ``path``."""
    volume = get_k8s_model(models.V1Volume, {"name": STORE_VOLUME, **source})
    pod.spec.volumes = [*(pod.spec.volumes or []), volume]
    notebook = notebook_container(pod)
    mount = models.V1VolumeMount(name=STORE_VOLUME, mount_path=f"{path.rstrip('/')}/{folder}", sub_path=folder)
    notebook.volume_mounts = [*(notebook.volume_mounts or []), mount]


def tolerate_lost_node(pod: Any, seconds: int) -> None:
    """Leave the pod on a node of which nothing is heard for so long; a toleration that the admin has set wins."""
    had = pod.spec.tolerations or []
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(_tolerates(toleration, key) for toleration in had):
            pod.spec.tolerations = [
                *(pod.spec.tolerations or []),
                models.V1Toleration(key=key, operator="Exists", effect="NoExecute", toleration_seconds=seconds),
            ]


def _tolerates(toleration: Any, key: str) -> bool:
    """Whether a toleration, as configured or as a model, is for the NoExecute taint of this key (as all are that name
    none)."""
    if not isinstance(toleration, Mapping):
        toleration = {"key": toleration.key, "effect": toleration.effect}
    return (toleration.get("key") or key) == key and (toleration.get("effect") or "NoExecute") == "NoExecute"


def save_before_end(pod: Any, path: str, port: Any, token: str, grace_s: int, https: bool) -> bool:
    """Have the kubelet ask the agent to save before it ends the container; return whether it will.

    A command that the admin has as preStop hook runs after the save, in the same hook. A hook of theirs of another kind
    stays as it is, and there is no save then. A grace period that the admin has set on the pod stays, too, and the
    deadline follows from it.
    """
    if pod.spec.termination_grace_period_seconds is None:
        pod.spec.termination_grace_period_seconds = grace_s
    notebook = notebook_container(pod)
    # KubeSpawner leaves a dictionary as it was configured, in either spelling.
    lifecycle = notebook.lifecycle or {}
    if not isinstance(lifecycle, Mapping):
        lifecycle = {"postStart": lifecycle.post_start, "preStop": lifecycle.pre_stop}
    lifecycle = {name: hook for name, hook in lifecycle.items() if hook}
    admins = lifecycle.pop("preStop", None) or lifecycle.pop("pre_stop", None)
    deadline = max(1.0, pod.spec.termination_grace_period_seconds - MARGIN_S)
    path = f"{path}?deadline_s={deadline:g}&last=1"
    if admins is None:
        hook = models.V1LifecycleHandler(
            http_get=models.V1HTTPGetAction(
                path=path,
                port=port,
                scheme="HTTPS" if https else "HTTP",
                http_headers=[models.V1HTTPHeader(name="Authorization", value=f"Bearer {token}")],
            )
        )
    else:
        command = _command_of(admins)
        number = next((known.container_port for known in notebook.ports or () if known.name == port), None)
        if command is None or number is None or https:
            return False
        url = f"http://127.0.0.1:{number}{path}"
        both = ["/bin/sh", "-c", _BOTH, "sh", url, f"Bearer {token}", *command]
        hook = models.V1LifecycleHandler(_exec=models.V1ExecAction(command=both))
    notebook.lifecycle = {**lifecycle, "preStop": hook}
    return True


_BOTH = """\
python3 -c 'import sys, urllib.request as r
r.urlopen(r.Request(sys.argv[1], headers={"Authorization": sys.argv[2]})).read()' "$1" "$2"
shift 2
exec "$@"
"""
"""Saves, and then does what the admin's hook does; that it does in any case."""


def _command_of(hook: Any) -> list[str] | None:
    """The command of a hook, as configured or as a model; None when it is of another kind."""
    executed = hook.get("exec") or hook.get("_exec") if isinstance(hook, Mapping) else hook._exec
    if executed is None:
        return None
    command = executed.get("command") if isinstance(executed, Mapping) else executed.command
    return list(command) if command else None


def notebook_container(pod: Any) -> Any:
    """The user's container of a pod's manifest."""
    return next(container for container in pod.spec.containers if container.name == NOTEBOOK)


def launch_of(pod: Mapping[str, Any] | None) -> str | None:
    """Which start of a server this pod is (as the API gives it); None when there is none, or when it has ended."""
    if pod is None or pod["status"].get("phase") in ("Succeeded", "Failed"):
        return None
    for status in pod["status"].get("containerStatuses") or ():
        if status["name"] == NOTEBOOK and "terminated" in (status.get("state") or {}):
            return None
    # One that was started before this class was configured has no mark, and runs all the same.
    return (pod["metadata"].get("annotations") or {}).get(LAUNCH, "unmarked")


def has_ended(pod: Mapping[str, Any]) -> bool:
    """Whether its kubelet has said that all containers of a pod which is to go have ended, and will not start again."""
    status = pod["status"]
    if "deletionTimestamp" not in pod["metadata"] or status.get("phase") not in ("Succeeded", "Failed"):
        return False
    # Others than the kubelet may call a pod failed, whose containers run on nevertheless.
    containers = status.get("containerStatuses") or ()
    return bool(containers) and all("terminated" in (each.get("state") or {}) for each in containers)


def disruption(pod: Mapping[str, Any] | None) -> str:
    """Why Kubernetes takes this pod away, in words; empty while it does not, or when somebody just deletes it."""
    if pod is None:
        return ""
    status = pod["status"]
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return f"{condition.get('reason') or 'disruption'}: {condition.get('message') or 'no more is said'}"
    if status.get("phase") == "Failed" and status.get("reason") in _EVICTED:
        return f"{status['reason']}: {status.get('message') or 'no more is said'}"
    return ""


_EVICTED = ("Evicted", "NodeLost", "NodeShutdown", "Preempting", "Shutdown", "Terminated")

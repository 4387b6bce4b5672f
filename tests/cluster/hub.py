"""A hub in a pod of the test cluster, with everything that it needs, in a namespace of its own."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from elastic_spawner.hub.keys import HubKeys
from elastic_spawner.testing import HubProcess
from elastic_spawner.testing.browser import Browser
from elastic_spawner.testing.hub import COMMON, free_ports

from .machine import cgroups, contents, control, network
from .machine.daemons import wait_for

CONTROL_PORT = 9000
Kubectl = Callable[..., str]

_CONFIG = (
    COMMON
    + """\
c.JupyterHub.bind_url = "http://0.0.0.0:8000"
c.JupyterHub.hub_bind_url = "http://0.0.0.0:8081"
c.JupyterHub.hub_connect_url = "http://hub:8081"
c.JupyterHub.db_url = "sqlite:////srv/jupyterhub/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "/srv/jupyterhub/cookie_secret"
c.ConfigurableHTTPProxy.pid_file = "/srv/jupyterhub/proxy.pid"
c.JupyterHub.cleanup_servers = False
configure(c, spawner="elastic-kube", data_dir="/srv/jupyterhub/data", secret="{secret}", service=False,
    control_port={control_port}, store_url="{store}")
c.ElasticKubeSpawner.agent_image = "{agent}"
c.ElasticKubeSpawner.agent_image_pull_policy = "Never"
c.KubeSpawner.image = "{image}"
c.KubeSpawner.image_pull_policy = "Never"
c.KubeSpawner.cmd = ["jupyterhub-singleuser"]
c.KubeSpawner.uid = 1000
c.KubeSpawner.gid = 1000
c.KubeSpawner.fs_gid = 1000
c.KubeSpawner.container_security_context = {{
    "allowPrivilegeEscalation": False, "runAsNonRoot": True, "readOnlyRootFilesystem": True,
    "capabilities": {{"drop": ["ALL"]}}, "seccompProfile": {{"type": "RuntimeDefault"}}}}
c.KubeSpawner.volumes = [{{"name": "home", "emptyDir": {{}}}}, {{"name": "tmp", "emptyDir": {{}}}}]
c.KubeSpawner.volume_mounts = [{{"name": "home", "mountPath": "/home/jovyan"}}, {{"name": "tmp", "mountPath": "/tmp"}}]
c.KubeSpawner.mem_limit = "512M"
c.KubeSpawner.mem_guarantee = "256M"
c.KubeSpawner.cpu_limit = 1
c.KubeSpawner.cpu_guarantee = 0.1
c.KubeSpawner.start_timeout = 180
c.KubeSpawner.http_timeout = 120
c.KubeSpawner.k8s_api_request_timeout = 30  # this machine may do much else
c.KubeSpawner.k8s_api_request_retry_timeout = 120
c.ElasticSpawnerMixin.min_mem = "64M"
c.ElasticSpawnerMixin.max_mem = "64G"
"""
)
_RUN = """\
while :; do
    while [ -e held ]; do sleep 0.1; done
    jupyterhub -f /etc/jupyterhub/jupyterhub_config.py & echo $! > hub.pid
    wait
done
"""
"""The hub is no first process, and may be killed by itself; the proxy that it started runs on."""

_RULES = [
    {
        "apiGroups": [""],
        "resources": ["pods", "persistentvolumeclaims", "secrets", "services"],
        "verbs": ["get", "watch", "list", "create", "delete"],
    },
    {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "watch", "list"]},
    # What is needed beyond KubeSpawner's own, the last two.
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    {"apiGroups": [""], "resources": ["pods/resize"], "verbs": ["patch"]},
]
_NODES = "elastic-spawner-tests-nodes"
_NODE_RULES = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "watch"]}]


class ClusterHub(HubProcess):
    """A hub in the cluster, spoken to as one on this machine is: through forwarded ports."""

    def __init__(
        self, kubectl: Kubectl, command: list[str], namespace: str, config: str = "", least_rights: bool = False
    ) -> None:
        """``command`` is kubectl with its kubeconfig, for what runs in the background. With ``least_rights`` the hub
        has the Role that KubeSpawner needs, and no more."""
        self._kubectl, self._command, self.namespace = kubectl, command, namespace
        self._least_rights = least_rights
        self.token, self.secret = secrets.token_hex(16), secrets.token_hex(32)
        self._config = config
        self._forwards: list[subprocess.Popen[str]] = []
        self._public = self._control = 0

    # -- the hub's pod -------------------------------------------------------------------------------------------------

    def start(self, timeout_s: float = 180.0, env: Any = None) -> None:
        """Deploy the hub and wait until it answers. Raises RuntimeError with the end of its log."""
        self._kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": self._items()}))
        try:
            self.kubectl("wait", "--for=condition=Ready", "pod/hub", f"--timeout={timeout_s:.0f}s")
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{self.kubectl('describe', 'pod', 'hub')[-3000:]}\n{self.log}") from None
        self._connect()
        self.wait_for(self.answers, timeout_s, "the hub does not answer")

    def store_url(self, *below: str) -> str:
        """Where checkpoints are kept, or what is below."""
        path = "/".join((control.BUCKET, self.namespace, *below))
        return f"s3://{path}?endpoint={s3_endpoint()}&region=us-east-1&path_style=1"

    def _items(self) -> list[dict[str, Any]]:
        config = _CONFIG.format(
            token=self.token,
            secret=self.secret,
            control_port=CONTROL_PORT,
            store=self.store_url(),
            agent=contents.AGENT_REFERENCE,
            image=contents.USER.reference,
        )
        name = {"name": "hub", "namespace": self.namespace}
        restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
        return [
            _object("v1", "Namespace", {"name": self.namespace, "labels": restricted}),
            _object("v1", "ServiceAccount", name),
            _object("rbac.authorization.k8s.io/v1", "Role", name, rules=_RULES[:-2] if self._least_rights else _RULES),
            *([] if self._least_rights else self._may_watch_nodes()),
            _object(
                "rbac.authorization.k8s.io/v1",
                "RoleBinding",
                name,
                roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "hub"},
                subjects=[{"kind": "ServiceAccount", "name": "hub", "namespace": self.namespace}],
            ),
            _object("v1", "ConfigMap", name, data={"jupyterhub_config.py": config + self._config}),
            _object(
                "v1",
                "Service",
                name,
                spec={
                    "selector": {"app": "hub"},
                    "ports": [{"name": "hub", "port": 8081}, {"name": "proxy", "port": 8000}],
                },
            ),
            _object("v1", "Pod", {**name, "labels": {"app": "hub"}}, spec=self._pod()),
        ]

    def _may_watch_nodes(self) -> list[dict[str, Any]]:
        return [
            _object("rbac.authorization.k8s.io/v1", "ClusterRole", {"name": _NODES}, rules=_NODE_RULES),
            _object(
                "rbac.authorization.k8s.io/v1",
                "ClusterRoleBinding",
                {"name": f"{_NODES}-{self.namespace}"},
                roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _NODES},
                subjects=[{"kind": "ServiceAccount", "name": "hub", "namespace": self.namespace}],
            ),
        ]

    def _pod(self) -> dict[str, Any]:
        access, secret = s3_keys()
        return {
            "serviceAccountName": "hub",
            "terminationGracePeriodSeconds": 1,
            **({} if os.environ.get("KUBECONFIG") else {"nodeName": network.NODES[0].name}),  # the other may be lost
            "enableServiceLinks": False,
            "tolerations": [{"operator": "Exists"}],  # what the tests do to nodes is to hit the servers only
            "securityContext": {"runAsUser": 1000, "fsGroup": 1000, "runAsNonRoot": True},
            "containers": [
                {
                    "name": "hub",
                    "image": contents.HUB.reference,
                    "imagePullPolicy": "Never",
                    "command": ["/bin/sh", "-c", _RUN],
                    "workingDir": "/srv/jupyterhub",
                    "env": [
                        {"name": "AWS_ACCESS_KEY_ID", "value": access},
                        {"name": "AWS_SECRET_ACCESS_KEY", "value": secret},
                    ],
                    "readinessProbe": {
                        "httpGet": {"path": "/hub/health", "port": 8081},
                        "periodSeconds": 1,
                        "failureThreshold": 300,
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "volumeMounts": [
                        {"name": "config", "mountPath": "/etc/jupyterhub"},
                        {"name": "data", "mountPath": "/srv/jupyterhub"},
                        {"name": "tmp", "mountPath": "/tmp"},
                    ],
                }
            ],
            "volumes": [
                {"name": "config", "configMap": {"name": "hub"}},
                {"name": "data", "emptyDir": {}},
                {"name": "tmp", "emptyDir": {}},
            ],
        }

    def _connect(self) -> None:
        """Forward the proxy's and the control server's ports to free ones of this machine, or to those that it had."""
        had = self._public, self._control
        self._public, self._control = self._forward("pod/hub", 8000, CONTROL_PORT, here=had)

    def _forward(self, target: str, *ports: int, here: tuple[int, ...] = ()) -> list[int]:
        """Forward ports of a pod to those of this machine, or to free ones, which are returned in the same order."""
        if os.environ.get("KUBECONFIG"):
            return self._forward_by_kubectl(target, *ports, here=here)
        # kubectl's ends as soon as one connection in it is reset, and all that was under way with it.
        pod = next(cgroups.pod_processes(self._uid(target)))
        local = [port for port in here if port] or free_ports(len(ports))
        pairs = [f"{mine}=127.0.0.1:{port}" for mine, port in zip(local, ports, strict=True)]
        program = str(Path(network.__file__).with_name("forward.py"))
        process = subprocess.Popen([sys.executable, program, f"/proc/{pod}/ns/net", *pairs], text=True)
        self._forwards.append(process)
        for port in local:
            wait_for("the forwarded port", lambda port=port: _accepts(port) or process.poll() is not None, 30)  # type: ignore[misc]
        if process.poll() is not None:
            raise RuntimeError(f"{target} cannot be reached: {pairs}")
        return list(local)

    def _uid(self, target: str) -> str:
        """The id of a pod, or of the youngest one of a deployment."""
        kind, _, name = target.partition("/")
        if kind == "pod":
            return self.kubectl("get", "pod", name, "-o", "jsonpath={.metadata.uid}")
        labels = json.loads(self.kubectl("get", target, "-o", "jsonpath={.spec.selector.matchLabels}"))
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        pods = [pod["metadata"] for pod in self.pods(selector) if "deletionTimestamp" not in pod["metadata"]]
        return str(max(pods, key=lambda pod: pod["creationTimestamp"])["uid"])

    def _forward_by_kubectl(self, target: str, *ports: int, here: tuple[int, ...] = ()) -> list[int]:
        pairs = [f"{local or ''}:{port}" for local, port in zip(here or (0,) * len(ports), ports, strict=True)]
        process = subprocess.Popen(
            [*self._command, "-n", self.namespace, "port-forward", target, *pairs],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._forwards.append(process)
        assert process.stdout is not None
        found: dict[int, int] = {}
        said = ""
        while len(found) < len(ports):
            line = process.stdout.readline()
            said += line
            if not line:
                raise RuntimeError(f"kubectl port-forward ended: {said}")
            if match := re.search(r"127\.0\.0\.1:(\d+) -> (\d+)", line):
                found[int(match[2])] = int(match[1])
        return [found[port] for port in ports]

    def _disconnect(self) -> None:
        for process in self._forwards:
            process.kill()
            process.communicate()
        self._forwards.clear()

    def close(self) -> None:
        """Remove the namespace and all that is in it; does not wait for that."""
        self._disconnect()
        binding = f"clusterrolebinding/{_NODES}-{self.namespace}"
        self._kubectl("delete", f"namespace/{self.namespace}", binding, "--wait=false", "--ignore-not-found")
        self.kubectl("delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false")

    # -- the hub's process, which may be killed ------------------------------------------------------------------------

    def shell(self, script: str) -> str:
        """Run a shell script beside the hub, in its working directory. Raises RuntimeError."""
        return self.kubectl("exec", "hub", "--", "/bin/sh", "-c", script)

    def kill(self) -> None:
        """Kill the hub's process as ``kill -9`` does, and keep it from coming back; its proxy runs on."""
        self.shell("touch held; kill -9 $(cat hub.pid)")

    def revive(self, timeout_s: float = 90.0) -> None:
        """Start the hub again after `kill`."""
        self.shell("rm held")
        self.wait_for(self.answers, timeout_s, "the hub does not answer")

    def answers(self) -> bool:
        if any(process.poll() is not None for process in self._forwards):  # as soon as it is refused by a port
            self._disconnect()
            self._connect()
        return super().answers()

    def pause_at(self, place: str) -> None:
        """Hold the next move at a place, such as ``before end_server``; for a hub with the pausing configuration."""
        self.shell(f"echo '{place}' > pause_at")

    def wait_until_paused(self, timeout_s: float = 90.0) -> None:
        def paused() -> bool:
            return "yes" in self.shell("if [ -e paused ]; then rm paused; echo yes; fi")

        self.wait_for(paused, timeout_s, "the move was not paused")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._public}"

    @property
    def log(self) -> str:
        try:
            return self.kubectl("logs", "hub", "--tail=200")
        except RuntimeError as error:
            return str(error)

    def control(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        token = HubKeys(bytes.fromhex(self.secret)).control_token()
        options.setdefault("timeout", 90)
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(
            method, f"http://127.0.0.1:{self._control}{path}", headers=headers, json=body, **options
        )

    # -- users' pods ---------------------------------------------------------------------------------------------------

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl in this hub's namespace."""
        return self._kubectl("-n", self.namespace, *arguments, text=text)

    def pods(self, selector: str = "component=singleuser-server") -> list[dict[str, Any]]:
        """The servers' pods, or others."""
        return list(json.loads(self.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"])

    def pod(self, user: str, server: str = "") -> dict[str, Any]:
        """The pod of a user's server as the API gives it; empty when there is none."""
        name = self.server(user, server).get("state", {}).get("pod_name") or f"jupyter-{user}"
        try:
            found: dict[str, Any] = json.loads(self.kubectl("get", "pod", name, "-o", "json"))
        except RuntimeError:
            return {}
        return found

    def evict(self, user: str, server: str = "") -> None:
        """Evict a user's pod through the Eviction API, as a drain does."""
        name = self.pod(user, server)["metadata"]["name"]
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/eviction"
        self.kubectl("create", "--raw", path, "-f", "-", text=json.dumps(eviction))

    def login(self, user: str) -> Browser:
        return Browser(self.url, user)

    def wait_for_another_pod(
        self, user: str, before: dict[str, Any], timeout_s: float = 180, server: str = ""
    ) -> dict[str, Any]:
        """Wait until the server of a user is ready in another pod than this one; return that."""

        def other() -> dict[str, Any] | None:
            if not (self.elastic(user, server).get("migration") or {}).get("done"):
                return None  # kubectl takes a good part of a core
            pod = self.pod(user, server)
            return pod if pod and pod["metadata"]["uid"] != before["metadata"]["uid"] else None

        found: dict[str, Any] = self.wait_for(other, timeout_s, f"the server of {user} does not come back")
        return found


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def s3_endpoint() -> str:
    """The S3 server as pods reach it."""
    return os.environ.get("ELASTIC_TEST_S3_ENDPOINT", control.S3_ENDPOINT)


def s3_keys() -> tuple[str, str]:
    return (
        os.environ.get("ELASTIC_TEST_S3_ACCESS_KEY", control.S3_ACCESS_KEY),
        os.environ.get("ELASTIC_TEST_S3_SECRET_KEY", control.S3_SECRET_KEY),
    )


def _object(version: str, kind: str, metadata: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}

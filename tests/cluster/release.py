"""A hub in the test cluster that is installed by our Helm chart."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from elastic_spawner.testing.browser import Browser

from .hub import ClusterHub, Kubectl, s3_endpoint, s3_keys
from .machine import build, contents, control

CHART = Path(__file__).resolve().parents[2] / "helm" / "elastic-spawner"
RELEASE = "trial"
NAME = "trial-elastic-spawner"
CONTROL_PORT = 8083
_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}

_TESTER = """
c.JupyterHub.services.append({"name": "tester", "api_token": "%s"})
c.JupyterHub.load_roles.append({"name": "tester", "scopes": ["admin:users", "admin:servers", "admin:server_state",
    "access:servers", "tokens", "shutdown"], "services": ["tester"]})
"""


def _image(reference: str) -> dict[str, str]:
    name, _, tag = reference.rpartition(":")
    return {"name": name, "tag": tag, "pullPolicy": "Never"}


class ReleasedHub(ClusterHub):
    """A release of the chart with a hub of its own, in a namespace where Pod Security *restricted* is enforced."""

    def __init__(
        self,
        kubectl: Kubectl,
        command: list[str],
        namespace: str,
        store: dict[str, Any] | None = None,
        policies: dict[str, Any] | None = None,
    ) -> None:
        """``store`` is the chart's value of this name, the test cluster's S3 server by default; ``policies`` that of
        networkPolicy."""
        super().__init__(kubectl, command, namespace)
        self._store, self._policies = store, policies or {}
        self._helm = shutil.which("helm") if os.environ.get("KUBECONFIG") else str(build.helm())
        self._kubeconfig = command[1].partition("=")[2]

    @property
    def values(self) -> dict[str, Any]:
        """The values of the first installation."""
        return {
            "store": self._store
            or {
                "type": "s3",
                "s3": {
                    "bucket": control.BUCKET,
                    "prefix": self.namespace,
                    "endpoint": s3_endpoint(),
                    "region": "us-east-1",
                    "pathStyle": True,
                    "existingSecret": "store-keys",
                },
            },
            "networkPolicy": self._policies,
            "servers": {"agentImage": _image(contents.AGENT_REFERENCE), "minMemory": "64M", "maxMemory": "64G"},
            "hub": {
                "enabled": True,
                "image": _image(contents.HUB.reference),
                "auth": {"password": "x"},
                "db": {"persistent": False},
                "extraConfig": {"tester": _TESTER % self.token},
                "user": {
                    "image": _image(contents.USER.reference),
                    "memory": {"limit": "512M", "guarantee": "256M"},
                    "startTimeout": 180,
                },
            },
        }

    def helm(self, *arguments: str, values: dict[str, Any] | None = None) -> str:
        """Run helm in this namespace, and return its output. Raises RuntimeError with all that it said."""
        assert self._helm is not None, "KUBECONFIG is given, but there is no helm on the PATH"
        given = ("-f", "-") if values is not None else ()
        done = subprocess.run(
            [self._helm, *arguments, "-n", self.namespace, *given],
            input=yaml.safe_dump(values),
            env={**os.environ, "KUBECONFIG": self._kubeconfig},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"`helm {' '.join(arguments)}` failed: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self, timeout_s: float = 180.0, env: Any = None) -> None:
        """Install the chart and wait until its hub answers. Raises RuntimeError with the end of its log."""
        access, secret = s3_keys()
        keys = {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret}
        namespace = {"name": self.namespace, "labels": _RESTRICTED}
        items = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": namespace},
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "store-keys", "namespace": self.namespace},
                "stringData": keys,
            },
        ]
        self._kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        self.install("install", self.values, timeout_s)

    def install(self, command: str, values: dict[str, Any], timeout_s: float = 180.0) -> str:
        """Install or upgrade, wait until everything is ready, and connect; returns the notes."""
        self._disconnect()
        try:
            said = self.helm(command, RELEASE, str(CHART), "--wait", f"--timeout={timeout_s:.0f}s", values=values)
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{self.kubectl('describe', 'pods')[-3000:]}\n{self.log}") from None
        self.secret = self.secrets()["hub-secret"]
        self._connect()
        self.wait_for(self.answers, timeout_s, "the hub does not answer")
        return said.partition("NOTES:")[2]

    def secrets(self) -> dict[str, str]:
        """What is in the chart's secret."""
        data = json.loads(self.kubectl("get", "secret", NAME, "-o", "json"))["data"]
        return {name: base64.b64decode(value).decode() for name, value in data.items()}

    def _connect(self) -> None:
        (self._public,) = self._forward(f"deployment/{NAME}-proxy", 8000)
        (self._control,) = self._forward(f"deployment/{NAME}-hub", CONTROL_PORT)

    def close(self) -> None:
        super().close()
        name = f"{NAME}-{self.namespace}"
        self._kubectl("delete", "clusterroles,clusterrolebindings", name, "--ignore-not-found")

    @property
    def log(self) -> str:
        try:
            return self.kubectl("logs", f"deployment/{NAME}-hub", "--tail=200")
        except RuntimeError as error:
            return str(error)

    def resize_as_admin(self, user: str, **size: Any) -> Any:
        """Ask the resize service for another size, as an admin's browser does, through the proxy."""
        admin = Browser(self.url, "admin")
        page = admin.http.get(f"{self.url}/services/elastic/", timeout=60)
        page.raise_for_status()
        return admin.http.post(
            f"{self.url}/services/elastic/api/servers/{user}/-/resize",
            json=size,
            headers={"X-XSRFToken": admin._xsrf("/services/elastic/")},
            timeout=60,
        )

"""A hub of one's own: a real JupyterHub with its proxy, on free ports, in a folder that is thrown away."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from ..hub import processes

CONFIG = Path(__file__).with_name("jupyterhub_config.py")


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def find_proxy() -> str:
    """The command that starts JupyterHub's proxy. Raises DemoError."""
    beside = Path(sys.executable).with_name("configurable-http-proxy")
    found = str(beside) if beside.exists() else shutil.which("configurable-http-proxy")
    if not found:
        raise DemoError("JupyterHub's proxy is missing: npm install -g configurable-http-proxy (or use `make demo`)")
    if not shutil.which("node"):
        raise DemoError("node is missing, which JupyterHub's proxy runs on: on Debian, apt-get install nodejs")
    return found


class DemoHub:
    """``with DemoHub() as hub: hub.start()``. At the end everything is ended and removed, whatever happened."""

    def __init__(self, *, user: str = "alice", admin: str = "admin", memory: str = "2G", cpus: float = 1) -> None:
        self.user = user
        self.admin = admin
        self.size = {"memory": memory, "cpus": cpus}
        self.folder = Path(tempfile.mkdtemp(prefix="elastic-spawner-demo-"))
        self.log = self.folder / "hub.log"
        self._token = secrets.token_hex(16)
        public, hub, proxy = free_ports(3)
        self.url = f"http://127.0.0.1:{public}/"
        self._env = {
            "DEMO_URL": self.url,
            "DEMO_HUB_PORT": str(hub),
            "DEMO_PROXY_API_URL": f"http://127.0.0.1:{proxy}",
            "DEMO_USER": user,
            "DEMO_ADMIN": admin,
            "DEMO_MEMORY": memory,
            "DEMO_CPUS": str(cpus),
            "DEMO_TOKEN": self._token,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> DemoHub:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def start(self, timeout_s: float = 60) -> None:
        """Start and wait until the hub and the resize service answer. Raises DemoError with the log's last lines."""
        self._env["DEMO_PROXY"] = find_proxy()
        # What a surrounding Jupyter server or hub has set is not for ours.
        env = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "JPY_", "ELASTIC_SPAWNER_"))}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(CONFIG)],
                cwd=self.folder,
                env={**env, **self._env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours; we end the hub in order
            )
        end = time.monotonic() + timeout_s
        for path in ("hub/api/", "services/elastic/"):
            while not self._answers(path):
                if self.process.poll() is not None:
                    raise DemoError(f"the hub ended with status {self.process.returncode}:\n{self.log_tail()}")
                if time.monotonic() > end:
                    raise DemoError(f"{self.url}{path} does not answer after {timeout_s:.0f} s:\n{self.log_tail()}")
                time.sleep(0.1)

    def _answers(self, path: str) -> bool:
        try:
            return requests.get(self.url + path, timeout=5, allow_redirects=False).status_code < 400
        except requests.RequestException:
            return False

    def log_tail(self, lines: int = 25) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def api(self, method: str, path: str, token: str | None = None, **body: Any) -> requests.Response:
        """Call the hub's REST interface. Raises DemoError when it refuses."""
        headers = {"Authorization": f"token {token or self._token}"}
        answer = requests.request(method, f"{self.url}hub/api/{path}", json=body or None, headers=headers, timeout=60)
        if not answer.ok:
            raise DemoError(f"{method} {path} was answered by {answer.status_code}: {answer.text[:300]}")
        return answer

    def token(self, name: str) -> str:
        """An API token with which one acts as this user."""
        self.api("POST", "users", usernames=[name]) if name not in self._users() else None
        return self.api("POST", f"users/{name}/tokens", note="demo", expires_in=86400).json()["token"]

    def _users(self) -> set[str]:
        return {u["name"] for u in self.api("GET", "users").json()}

    def start_server(self, token: str, timeout_s: float = 60) -> str:
        """Start the user's server as the user, and return its address. Raises DemoError."""
        self.api("POST", f"users/{self.user}/server", token)
        end = time.monotonic() + timeout_s
        while True:
            server = self.api("GET", f"users/{self.user}", token).json()["servers"].get("", {})
            if server.get("ready"):
                return f"{self.url}user/{self.user}/"
            if not server or time.monotonic() > end:
                raise DemoError(f"the server of {self.user} did not start:\n{self.log_tail()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the hub, its proxy and its servers, and remove the folder."""
        if self.process is not None and self.process.poll() is None:
            family = {pid: processes.start_time(pid) for pid in processes.descendants(self.process.pid)}
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            for pid, started in family.items():  # whoever outlived the hub
                if started is not None and processes.start_time(pid) == started:
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

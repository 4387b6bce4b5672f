"""A real JupyterHub in a process of its own, with its proxy, on free ports and with all its files in one directory."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from ..hub.keys import HubKeys, load_secret
from .browser import Browser

COMMON = """\
from elastic_spawner.hub import configure

c = get_config()
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.admin_users = {{"admin"}}
c.Authenticator.allow_all = True
c.JupyterHub.allow_named_servers = True
c.JupyterHub.services = [{{"name": "tester", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [{{"name": "tester", "scopes": ["admin:users", "admin:servers", "admin:server_state",
    "access:servers", "tokens", "read:metrics", "shutdown", "list:services"], "services": ["tester"]}}]
"""
"""What the hubs of all tests have, with a place for the ``token`` of those who test."""
_CONFIG = (
    COMMON
    + """\
c.JupyterHub.bind_url = "http://127.0.0.1:{ports[0]}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{ports[1]}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{ports[2]}"
c.JupyterHub.db_url = "sqlite:///{directory}/jupyterhub.sqlite"
configure(c, data_dir="{directory}/data", secret_file="{directory}/secret", service={service},
    service_environment={{"ELASTIC_SPAWNER_TESTING": "{directory}"}})
"""
)


class HubProcess:
    """A hub that can be started, killed and started again. As a context manager it leaves no process behind."""

    def __init__(
        self,
        directory: str | Path,
        config: str = "",
        *,
        python: str = sys.executable,
        service: bool = False,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        """``config`` is Python that is put after the common configuration, with ``c`` in its namespace.

        ``prefix`` is a command that executes the hub's, such as setpriv.
        """
        self.directory = Path(directory).absolute()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.python = python
        self.token = secrets.token_hex(16)
        self.ports = free_ports(3)
        self.env = dict(env or {})
        self.prefix = list(prefix)
        self.process: subprocess.Popen[bytes] | None = None
        common = _CONFIG.format(directory=self.directory, ports=self.ports, token=self.token, service=service)
        (self.directory / "jupyterhub_config.py").write_text(common + config)

    @property
    def url(self) -> str:
        """The public address, without a slash at its end."""
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def log(self) -> str:
        """What the hub, its proxy and the servers have written so far."""
        path = self.directory / "hub.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # -- the process ---------------------------------------------------------------------------------------------------

    def start(self, timeout_s: float = 60.0, env: Mapping[str, str] | None = None) -> None:
        """Start the hub and wait until it answers. ``env`` is added to the environment of this start only.

        Raises RuntimeError with the end of its log when it ends instead, or does not answer in time.
        """
        path = f"{Path(self.python).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        environment = {**os.environ, "PATH": path, "ELASTIC_SPAWNER_TESTING": str(self.directory), **self.env}
        environment.update(env or {})
        for name in [name for name in environment if name.startswith(("JUPYTERHUB_", "JPY_"))]:
            del environment[name]
        with open(self.directory / "hub.log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, self.python, "-m", "jupyterhub", "-f", str(self.directory / "jupyterhub_config.py")],
                cwd=self.directory,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout_s
        while not self.answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"the hub ended with {self.process.returncode}:\n{self.log[-4000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the hub does not answer after {timeout_s:g} s:\n{self.log[-4000:]}")
            time.sleep(0.2)

    def answers(self) -> bool:
        """Whether the hub answers through its proxy, and its control server does too."""
        try:
            return self.api("GET", "").ok and self.control("GET", "/servers").ok
        except (requests.RequestException, OSError, ValueError):
            return False

    def kill(self) -> None:
        """Kill the hub's process as ``kill -9`` does; its proxy and its servers run on."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self, timeout_s: float = 60.0) -> int:
        """End the hub as an admin does, and return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def close(self) -> None:
        """Kill everything that belongs to this hub: itself, its proxy, services, servers and their kernels."""
        self.kill()
        for _ in range(50):
            left = list(self.processes())
            if not left:
                return
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.1)

    def processes(self) -> Iterator[int]:
        """Yield the processes that belong to this hub, which is said by their environment."""
        marker = os.fsencode(str(self.directory))
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if marker in entry.joinpath("environ").read_bytes() and not _is_zombie(entry):
                        yield int(entry.name)
                except OSError:
                    continue

    def __enter__(self) -> HubProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- its interfaces ------------------------------------------------------------------------------------------------

    def api(self, method: str, path: str, body: Any = None, timeout_s: float = 30.0) -> requests.Response:
        """Call JupyterHub's REST API as an admin."""
        headers = {"Authorization": f"token {self.token}"}
        return requests.request(
            method, f"{self.url}/hub/api{path}", headers=headers, json=body, timeout=timeout_s, allow_redirects=False
        )

    def control(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """Call the control server, as the resize service does."""
        port = int((self.directory / "data" / "control_port").read_text())
        token = HubKeys(load_secret(path=self.directory / "secret")).control_token()
        options.setdefault("timeout", 90)
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"http://127.0.0.1:{port}{path}", headers=headers, json=body, **options)

    def login(self, user: str) -> Browser:
        """Return a new browser in which this user is logged in to the hub; the user is made when missing."""
        return Browser(self.url, user)

    def start_server(self, user: str, server: str = "", timeout_s: float = 90.0, options: Any = None) -> None:
        """Start a user's server, and wait until it is ready. Raises RuntimeError when it does not become so."""
        if self.api("GET", f"/users/{user}").status_code == 404:
            self.api("POST", f"/users/{user}")
        path = f"/users/{user}/servers/{server}" if server else f"/users/{user}/server"
        response = self.api("POST", path, options or {}, timeout_s=timeout_s)
        if response.status_code not in (201, 202):
            raise RuntimeError(
                f"the server was not started: {response.status_code} {response.text}\n{self.log[-6000:]}"
            )
        self.wait_for(lambda: self.server(user, server).get("ready"), timeout_s, f"the server of {user} is not ready")

    def stop_server(self, user: str, server: str = "", timeout_s: float = 90.0) -> None:
        """Stop a user's server, and wait until it is stopped."""
        path = f"/users/{user}/servers/{server}" if server else f"/users/{user}/server"
        self.api("DELETE", path, timeout_s=timeout_s)
        self.wait_for(lambda: not self.server(user, server), timeout_s, f"the server of {user} does not stop")

    def server(self, user: str, server: str = "") -> dict[str, Any]:
        """Return JupyterHub's model of a server that is active; an empty one otherwise."""
        servers: dict[str, Any] = self.api("GET", f"/users/{user}").json().get("servers") or {}
        return servers.get(server) or {}

    def server_environment(self, user: str, server: str = "") -> dict[str, str]:
        """Return the environment that a user's server process was started with."""
        pid = self.server(user, server)["state"]["pid"]
        pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return {os.fsdecode(name): os.fsdecode(value) for name, _, value in (pair.partition(b"=") for pair in pairs)}

    def elastic(self, user: str, server: str = "") -> dict[str, Any]:
        """Return what the control server tells about a server; an empty dict when nothing."""
        for found in self.control("GET", "/servers").json():
            if (found["user"], found["server"]) == (user, server):
                return dict(found)
        return {}

    def resize(self, user: str, server: str = "", **size: Any) -> requests.Response:
        """Ask for another size: ``resize("ann", memory="1G", cpus=1)``."""
        return self.control("POST", f"/servers/{user}/{server or '-'}/resize", size)

    def follow(self, user: str, server: str = "", timeout_s: float = 180.0) -> list[dict[str, Any]]:
        """Follow the move under way to its end; return its progress, one line per step.

        Raises RuntimeError when it does not end in time.
        """
        deadline = time.monotonic() + timeout_s
        lines: list[dict[str, Any]] = []
        with self.control("GET", f"/servers/{user}/{server or '-'}/progress", stream=True, timeout=timeout_s) as answer:
            answer.raise_for_status()
            for raw in answer.iter_lines():
                if not raw.startswith(b"data: "):
                    continue
                line = json.loads(raw[6:])
                if lines and lines[-1]["step"] == line["step"]:
                    lines.pop()
                lines.append(line)
                if line["done"]:
                    return lines
                if time.monotonic() > deadline:
                    break
        raise RuntimeError(f"the move did not end: {lines}\n{self.log[-6000:]}")

    def wait_for(self, condition: Any, timeout_s: float, what: str) -> Any:
        """Wait until ``condition()`` is true, and return it. Raises RuntimeError(``what``) with the hub's log."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                result = condition()
            except requests.RequestException:
                result = None
            if result:
                return result
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} after {timeout_s:g} s\n{self.log[-6000:]}")
            time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens on."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _is_zombie(entry: Path) -> bool:
    return entry.joinpath("stat").read_text().rpartition(")")[2].split()[0] == "Z"

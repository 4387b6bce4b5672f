"""A hub of one's own: a real JupyterHub with its proxy, on free ports, in a folder that is thrown away."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from ..testing import Browser, HubProcess

CONFIG = """
c.DummyAuthenticator.password = {password!r}
c.ElasticLocalSpawner.mem_limit = {memory!r}
c.ElasticLocalSpawner.cpu_limit = {cpus!r}
c.Spawner.default_url = "/lab"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
"""


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


def find_proxy() -> str:
    """The command that starts JupyterHub's proxy. Raises DemoError."""
    beside = Path(sys.executable).with_name("configurable-http-proxy")
    found = str(beside) if beside.exists() else shutil.which("configurable-http-proxy")
    if not found:
        raise DemoError("JupyterHub's proxy is missing: npm install -g configurable-http-proxy (or use `make demo`)")
    if not shutil.which("node"):
        raise DemoError("node is missing, which JupyterHub's proxy runs on: on Debian, apt-get install nodejs")
    return found


class DemoHub(HubProcess):
    """``with DemoHub() as hub: hub.start()``. At the end everything is ended and removed, whatever happened.

    The password keeps other users of this machine out, who could otherwise run programs as us.
    """

    admin = "admin"

    def __init__(self, *, user: str = "alice", memory: str = "2G", cpus: float = 1) -> None:
        self.user = user
        self.password = secrets.token_urlsafe(6)
        config = CONFIG.format(password=self.password, memory=memory, cpus=cpus, proxy=find_proxy())
        folder = tempfile.mkdtemp(prefix="elastic-spawner-demo-")
        # What a surrounding Jupyter server has set is not for ours.
        unset = {name: "" for name in os.environ if name in ("JUPYTER_CONFIG_PATH", "JUPYTER_CONFIG_DIR")}
        super().__init__(folder, config, service=True, env=unset)

    def __enter__(self) -> DemoHub:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if self.process is not None and self.process.poll() is None:
                self.stop(timeout_s=30)
        except subprocess.TimeoutExpired:
            pass  # close() is less polite
        finally:
            if self.process is not None:
                self.close()
            shutil.rmtree(self.directory, ignore_errors=True)

    def start(self, timeout_s: float = 60.0, env: Any = None) -> None:
        """Start and wait until the hub and the resize service answer. Raises DemoError with the log's last lines."""
        try:
            super().start(timeout_s, env)
            service = f"{self.url}/services/elastic/"
            self.wait_for(lambda: requests.get(service, timeout=5).ok, timeout_s, f"{service} does not answer")
        except RuntimeError as error:
            raise DemoError(str(error)) from error

    def log_in(self, user: str) -> Tab:
        """A browser in which this user is logged in. Raises DemoError."""
        try:
            return Tab(self.url, user, self.password)
        except (RuntimeError, requests.RequestException) as error:
            raise DemoError(f"{user} cannot log in: {error}") from error

    def start_users_server(self) -> None:
        """Raises DemoError."""
        try:
            self.start_server(self.user)
        except RuntimeError as error:
            raise DemoError(str(error)) from error

    def user_token(self, user: str) -> str:
        """An API token with which one acts as this user. Raises DemoError."""
        answer = self.api("POST", f"/users/{user}/tokens", {"note": "demo", "expires_in": 86400})
        if not answer.ok:
            raise DemoError(f"there is no token for {user}: {answer.status_code} {answer.text[:300]}")
        return str(answer.json()["token"])


class Tab(Browser):
    """A user's browser, logged in with a password."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self.user = user
        self.http = requests.Session()
        page = f"{url}/hub/login"
        self.http.get(page, timeout=30).raise_for_status()
        form = {"username": user, "password": password, "_xsrf": self._xsrf("/hub/")}
        answer = self.http.post(page, data=form, timeout=30, allow_redirects=False)
        if answer.status_code != 302:
            raise RuntimeError(f"{answer.status_code} {answer.reason}")

    def put(self, path: str, body: Any) -> requests.Response:
        """PUT to a path of the user's server, as JupyterLab does. Raises requests.HTTPError."""
        base = self.server_path()
        headers = {"X-XSRFToken": self._xsrf(base)}
        answer = self.http.put(f"{self.url}{base}{path}", json=body, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer

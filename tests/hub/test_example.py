"""The example of a hub's configuration runs as it stands; only its ports are others here."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from elastic_spawner.testing.hub import free_ports

pytestmark = pytest.mark.hub

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "jupyterhub_config.py"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    tmp_path = tmp_path_factory.mktemp("example")
    public, private, proxy = free_ports(3)
    config = tmp_path / "jupyterhub_config.py"
    config.write_text(
        f"{EXAMPLE.read_text()}\n"
        f'c.JupyterHub.bind_url = "http://127.0.0.1:{public}"\n'
        f'c.JupyterHub.hub_bind_url = "http://127.0.0.1:{private}"\n'
        f'c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy}"\n'
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [sys.executable, "-m", "jupyterhub", "-f", str(config)]
    with (tmp_path / "hub.log").open("wb") as log:
        hub = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PATH": path}, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{public}"
    try:
        deadline = time.monotonic() + 120
        while not answers(f"{address}/services/elastic/static/icon.svg"):
            assert hub.poll() is None and time.monotonic() < deadline, (tmp_path / "hub.log").read_text()[-4000:]
            time.sleep(0.2)
        yield address
    finally:
        hub.terminate()
        hub.wait(60)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def log_in(url: str, user: str, password: str) -> requests.Session:
    session = requests.Session()
    session.get(f"{url}/hub/login", timeout=30)
    data = {"username": user, "password": password, "_xsrf": session.cookies.get("_xsrf", path="/hub/")}
    session.post(f"{url}/hub/login?next=/services/elastic/", data=data, timeout=60)
    return session


@pytest.mark.parametrize(
    ("user", "password", "seen"),
    [("admin", "elastic", "All servers"), ("alice", "elastic", "My servers"), ("alice", "guess", "")],
)
def test_the_example_runs(url: str, user: str, password: str, seen: str) -> None:
    page = log_in(url, user, password).get(f"{url}/services/elastic/", timeout=60)
    if seen:
        assert page.ok and f"<h1>{seen}</h1>" in page.text
    else:
        assert "/hub/login" in page.url

"""The hub is killed in the middle of a move: who follows it, in a page or a terminal, still sees its end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, expect

from elastic_spawner.testing import HubProcess

from .conftest import client_of
from .test_page import chromium  # noqa: F401  a fixture

pytestmark = [pytest.mark.hub, pytest.mark.browser]

PAUSING = (Path(__file__).parent.parent / "hub" / "pausing_config.py").read_text()


@pytest.fixture
def pausing(tmp_path: Path) -> Iterator[HubProcess]:
    patience = "c.Spawner.http_timeout = c.Spawner.start_timeout = 120\n"
    with HubProcess(tmp_path / "hub", PAUSING + patience, service=True) as running:
        wait_for_service(running)
        yield running


def wait_for_service(hub: HubProcess) -> None:
    url = f"{hub.url}/services/elastic/static/icon.svg"
    hub.wait_for(lambda: requests.get(url, timeout=5).ok, 90, "the service does not answer")


def services(hub: HubProcess) -> list[int]:
    return [
        pid for pid in hub.processes() if b"elastic_spawner.hub.service" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def test_who_follows_a_move_is_told_its_end_by_the_next_hub(pausing: HubProcess, chromium: Browser) -> None:  # noqa: F811
    pausing.start_server("ann")
    browser = pausing.login("ann")
    browser.open_server()
    notebook = browser.open_notebook()
    assert notebook.run("x = [1, 2, 3]").status == "ok"

    page = chromium.new_page()
    page.goto(f"{pausing.url}/hub/login?next=/services/elastic/servers/ann/-")
    page.fill("#username_input", "admin")
    page.fill("#password_input", "x")
    page.click("#login_submit")
    expect(page.locator("#plan")).to_have_attribute("aria-busy", "false", timeout=60_000)

    token = client_of(pausing, "admin").token
    (pausing.directory / "pause_at").write_text("before end_server")
    command = [sys.executable, "-m", "elastic_spawner.cli", "resize", "ann", "--memory", "3G"]
    environment = {"JUPYTERHUB_URL": pausing.url, "JUPYTERHUB_API_TOKEN": str(token), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as terminal:
        pausing.wait_for((pausing.directory / "paused").exists, 60, "the move does not come to its pause")
        expect(page.locator("#steps li.current")).to_contain_text("stopping", timeout=20_000)
        (before,) = services(pausing)
        pausing.kill()
        pausing.wait_for(lambda: not services(pausing), 15, "the service of the killed hub does not end")
        pausing.start()
        wait_for_service(pausing)
        out, err = terminal.communicate(timeout=180)
    assert terminal.returncode == 0, (out, err)
    assert "Done: the server runs with its new size" in out
    assert "x         loaded" in out

    expect(page.locator("#end")).to_contain_text("Done", timeout=30_000)
    expect(page.locator("#summary")).to_contain_text("3G of memory")
    expect(page.locator("#outcome tr", has_text="loaded")).to_have_count(1)
    expect(page.locator("#trouble")).to_be_hidden(timeout=20_000)
    assert services(pausing) != [before]
    page.close()

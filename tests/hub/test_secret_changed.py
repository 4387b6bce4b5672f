"""The hub's secret is changed while a server runs: it is still spoken to, saved, and back with its values."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from elastic_spawner.hub.keys import FORMER_ENV
from elastic_spawner.testing import HubProcess

pytestmark = pytest.mark.hub


CONFIG = """
c.Spawner.http_timeout = 120  # the machine may be busy with other tests
c.Spawner.start_timeout = 120
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    with HubProcess(tmp_path, CONFIG) as running:
        yield running


def test_a_server_that_runs_meanwhile_keeps_its_session(hub: HubProcess) -> None:
    hub.start_server("ann", timeout_s=180)
    browser = hub.login("ann")
    browser.open_server()
    note = browser.open_notebook()
    assert note.run("x = {'a': [1]}; y = x['a']").status == "ok"
    token = hub.server_environment("ann")["JUPYTERHUB_API_TOKEN"]

    hub.kill()
    file = hub.directory / "secret"
    former = file.read_text().strip()
    file.write_text(secrets.token_hex(32))
    hub.start(env={FORMER_ENV: former})
    hub.wait_for(lambda: hub.server("ann").get("ready"), 90, "the server is not ready")

    # A move, for which the agent is told to save by its former token, and the server keeps its token of the hub.
    assert hub.resize("ann", memory="3G").status_code == 202
    assert hub.follow("ann")[-1]["step"] == "done", hub.log[-3000:]
    environment = hub.server_environment("ann")
    assert environment["JUPYTERHUB_API_TOKEN"] == token
    hub.stop_server("ann")
    assert "could NOT be saved" not in hub.log

    # The former secret is forgotten: what it has signed was taken over.
    hub.kill()
    hub.start()
    hub.start_server("ann", timeout_s=180)
    note.browser = hub.login("ann")
    note.browser.open_server()
    note.reconnect()
    assert note.run("y.append(2); x").text == "{'a': [1, 2]}"

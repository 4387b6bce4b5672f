"""What a tab is told while its server is between two places: real hub, proxy and server."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import websocket

from elastic_spawner.hub.local import ElasticLocalSpawner
from elastic_spawner.testing import HubProcess, Notebook
from tests.hub.conftest import CONFIG

pytestmark = pytest.mark.hub

APART = """
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.auth_token = "token"
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub beside its proxy, which keeps its routes when the hub is killed: as on a cluster."""
    made = HubProcess(tmp_path_factory.mktemp("hub"), CONFIG + APART)
    public, private, api = made.ports
    command = ["configurable-http-proxy", "--ip=127.0.0.1", f"--port={public}", "--api-ip=127.0.0.1"]
    command += [f"--api-port={api}", f"--default-target=http://127.0.0.1:{private}"]
    proxy = subprocess.Popen(
        command,
        env={**os.environ, "CONFIGPROXY_AUTH_TOKEN": "token"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    try:
        with made:
            yield made
    finally:
        proxy.terminate()
        proxy.wait(30)


def session(hub: HubProcess, user: str) -> Notebook:
    """A notebook with a variable."""
    hub.start_server(user)
    browser = hub.login(user)
    browser.open_server()
    note = browser.open_notebook()
    assert note.run("x = 1").status == "ok"
    return note


def test_the_hub_answers_for_a_server_that_is_away(hub: HubProcess) -> None:
    """At once, whatever its old address does, and also to who opens a socket; no more when the server is stopped."""
    note = session(hub, "ann")
    browser = note.browser
    (hub.directory / "pause_at").write_text("before launch_server")
    assert hub.resize("ann", memory="2G").status_code == 202
    hub.wait_for((hub.directory / "paused").exists, 60, "the move was not paused")
    (hub.directory / "paused").unlink()

    answer = browser.get(f"api/kernels/{note.kernel_id}")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "1")
    assert browser.get("lab").headers.get("Refresh") == "1"
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        browser.connect(note.kernel_id)
    assert refused.value.status_code == 503

    hub.stop_server("ann")  # which ends the move
    gone = browser.get("lab")
    assert gone.status_code == 302 and "/hub/" in gone.headers["Location"], gone.headers
    hub.start_server("ann")
    browser = hub.login("ann")
    browser.open_server()
    note.browser = browser
    note.reconnect()
    assert note.run("print(x)").stdout == "1\n"


def test_nobody_is_told_that_it_is_back_before_requests_are_sent_to_it(hub: HubProcess) -> None:
    """Who heard it and connected at once would ask in vain, and may wait for long."""
    browser = session(hub, "bob").browser
    (hub.directory / "pause_at").write_text("before route_to_server")
    assert hub.resize("bob", memory="2G").status_code == 202
    hub.wait_for((hub.directory / "paused").exists, 60, "the move was not paused")
    (hub.directory / "paused").unlink()
    assert hub.elastic("bob")["migration"]["step"] == "starting"
    assert browser.get("api/kernels").status_code == 503
    hub.stop_server("bob")


def test_a_server_that_does_not_end_is_there_again(hub: HubProcess) -> None:
    """The move is undone when the server cannot be stopped, and the tab has it back."""
    note = session(hub, "eve")
    browser = note.browser
    (hub.directory / "fail_at").write_text("end_server")
    assert hub.resize("eve", memory="2G").status_code == 202
    assert hub.follow("eve")[-1]["step"] == "undone"
    (hub.directory / "fail_at").unlink()
    assert browser.get("api/kernels").status_code == 200
    note.reconnect()
    assert note.run("print(x)").stdout == "1\n"


def test_a_hub_that_was_killed_answers_for_it_again(hub: HubProcess) -> None:
    """The next one listens before it has finished the move. A tab that is told 404 would give its kernel up."""
    note = session(hub, "dan")
    browser = note.browser
    (hub.directory / "pause_at").write_text("before launch_server")
    assert hub.resize("dan", memory="2G").status_code == 202
    for again in (True, False):
        hub.wait_for((hub.directory / "paused").exists, 60, "the move was not paused")
        assert browser.get(f"api/kernels/{note.kernel_id}").status_code == 503
        hub.kill()
        (hub.directory / "paused").rename(hub.directory / ("pause_at" if again else "went_on"))
        hub.start()
    hub.wait_for(lambda: hub.server("dan").get("ready"), 90, "the server is not ready")
    note.reconnect()
    assert note.run("print(x)").stdout == "1\n"


@pytest.mark.parametrize(
    ("status", "stopped", "expected"), [(None, False, "server"), (1, False, "deleted"), (None, True, "deleted")]
)
def test_whatever_became_of_the_move_requests_go_to_what_runs(status: int | None, stopped: bool, expected: str) -> None:
    """A move also fails when a server does not end, which then runs as before; whoever stops it deletes its route."""
    done: list[str] = []

    class Away(ElasticLocalSpawner):
        _routed_away = True

        @property
        def _proxy(self) -> Any:
            return self

        @property
        def proxy_spec(self) -> str:
            return "/user/ada/"

        async def really_running(self) -> int | None:
            return status

        async def route_to_server(self) -> None:
            done.append("server")

        async def delete_route(self, spec: str) -> None:
            done.append("deleted")

    asyncio.run(Away.end_away(Away(), stopped))
    assert done == [expected]

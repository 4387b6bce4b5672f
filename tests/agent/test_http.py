"""Who may call the agent, with what, and what calls leave behind."""

from __future__ import annotations

import time

import pytest

from elastic_spawner.agent.settings import agent_token
from tests.agent.server import PATIENCE, SECRET, JupyterServer

ENDPOINTS = [("GET", "status"), ("GET", "plan"), ("GET", "restore"), ("GET", "evict"), ("POST", "checkpoint")]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> object:
    # as a hub has it: whatever is not marked otherwise is for users who are logged in
    options = ("--ServerApp.allow_unauthenticated_access=False",)
    server = JupyterServer(tmp_path_factory.mktemp("http"), options=options)
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    "token",
    [
        "",
        "token letmein",
        "Bearer letmein",
        "Bearer",
        f"Bearer {SECRET.hex()}",
        f"Bearer {agent_token(bytes(32))}",
        f"token {agent_token(SECRET)}",
        f"Bearer {agent_token(SECRET)}0",
        "Bearer é",
    ],
)
def test_nobody_gets_in_without_the_server_s_token(
    shared: JupyterServer, endpoint: tuple[str, str], token: str
) -> None:
    method, path = endpoint
    answer = shared.request(method, f"api/elastic/{path}", {} if method == "POST" else None, token)
    assert (answer.status, answer.body["error"]["code"]) == (403, "forbidden")


def test_a_token_in_the_address_is_no_token(shared: JupyterServer) -> None:
    assert shared.request("GET", f"api/elastic/status?token={agent_token(SECRET)}", token="").status == 403


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        {"deadline_s": 0},
        {"deadline_s": -1},
        {"deadline_s": "soon"},
        {"deadline_s": True},
        {"deadline_s": 1e9},
        b'{"deadline_s": NaN}',
        {"on_busy": "kill"},
        {"on_busy": None},
    ],
)
def test_nonsense_is_refused(shared: JupyterServer, body: object) -> None:
    answer = shared.elastic("checkpoint", body)
    assert (answer.status, answer.body["error"]["code"]) == (400, "bad_request")
    assert answer.body["error"]["message"] != "Bad Request"
    assert shared.elastic("status").body["saved"] is None


def test_status_tells_what_the_server_has(shared: JupyterServer) -> None:
    status = shared.elastic("status").body
    assert status["state"] == "idle"
    assert status["store"] == shared.store_url
    assert status["boot"]["status"] == "none"


def test_our_calls_are_no_activity_of_the_user(shared: JupyterServer) -> None:
    kernel_id = shared.open_notebook("active.ipynb")["kernel"]["id"]
    shared.run(kernel_id, "x = 1")
    shared.checkpoint()
    end = time.monotonic() + PATIENCE
    while shared.get(f"api/kernels/{kernel_id}")["execution_state"] != "idle":
        assert time.monotonic() < end
        time.sleep(0.05)
    kernel = shared.get(f"api/kernels/{kernel_id}")["last_activity"]
    shared.elastic("status")
    shared.elastic("plan")
    assert shared.checkpoint().status == 200
    time.sleep(0.2)  # the kernel's messages about it are still on their way
    assert shared.get(f"api/kernels/{kernel_id}")["last_activity"] == kernel
    shared.run(kernel_id, "x = 2")
    assert shared.get(f"api/kernels/{kernel_id}")["last_activity"] > kernel


def test_kernels_do_not_inherit_the_secret(shared: JupyterServer) -> None:
    kernel_id = shared.open_notebook("inherit.ipynb")["kernel"]["id"]
    code = "import os; [n for n, v in os.environ.items() if 'ELASTIC_SPAWNER' in n or 'elastic_spawner/agent' in v]"
    assert shared.run(kernel_id, code).value == "[]"
    assert shared.run(kernel_id, f"'{SECRET.hex()}' in str(dict(os.environ))").value == "False"

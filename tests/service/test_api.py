"""The REST API with everything behind it real: hub, control server, single-user server, agent, kernel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from elastic_spawner.testing import HubProcess, Notebook

from .conftest import NOTICE, Client, client_of, message_of, xsrf_of
from .openapi import check, check_answer, operation

pytestmark = pytest.mark.hub


@pytest.fixture(scope="module")
def admin(hub: HubProcess) -> Client:
    return client_of(hub, "admin")


@pytest.fixture(scope="module")
def notebook(hub: HubProcess) -> Iterator[Notebook]:
    """A notebook of ``eve`` with something in it that is stored, and something that is re-run."""
    hub.start_server("eve")
    browser = hub.login("eve")
    browser.open_server()
    opened = browser.open_notebook("work.ipynb")
    assert opened.run("numbers = list(range(1000))").status == "ok"
    assert opened.run("squares = (n * n for n in numbers); first = next(squares)").status == "ok"
    yield opened


def checked(client: Client, method: str, path: str, **options: Any) -> requests.Response:
    """Call the API, and hold the answer against openapi.json."""
    answer = client(method, path, **options)
    check_answer(method, path, answer.status_code, answer.json())
    return answer


def events(client: Client, path: str) -> list[dict[str, Any]]:
    """All server-sent events of a stream, each held against openapi.json."""
    answer = client.get(path, stream=True, timeout=120)
    assert answer.headers["Content-Type"] == "text/event-stream"
    found = [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith(b"data:")]
    schema = operation("GET", path)["responses"]["200"]["content"]["text/event-stream"]["schema"]
    for event in found:
        check(schema, event)
    return found


def test_servers_are_listed_with_size_and_state(admin: Client, notebook: Notebook) -> None:
    found = {entry["user"]: entry for entry in checked(admin, "GET", "servers").json()}
    eve = found["eve"]
    assert eve["ready"] and eve["size"]["memory"] == 2 << 30 and eve["may_resize"]
    assert checked(admin, "GET", "servers/eve/-").json() == eve


def test_everybody_sees_their_own_server_and_its_plan(hub: HubProcess, notebook: Notebook) -> None:
    eve = client_of(hub, "eve")
    (server,) = checked(eve, "GET", "servers").json()
    assert (server["user"], server["may_resize"]) == ("eve", False)
    assert checked(eve, "GET", "servers/eve/-/plan").status_code == 200


def test_the_plan_says_what_is_stored_and_what_is_re_run(admin: Client, notebook: Notebook) -> None:
    (kernel,) = checked(admin, "GET", "servers/eve/-/plan").json()["kernels"]
    assert kernel["path"] == "work.ipynb"
    names = {kind: {item["name"] for item in kernel["plan"][kind]} for kind in ("store", "recomputed", "lost")}
    assert "squares" in names["recomputed"] and not names["lost"]
    assert names["store"] | names["recomputed"] >= {"numbers", "squares", "first"}
    assert any("next(squares)" in cell["source"] for cell in kernel["plan"]["rerun"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"memory": "lots"}, "is no size of memory"),
        ({"memory": "99G"}, "choose from 64M to 8G"),
        ({"cpus": -1}, "is no number of CPUs"),
        ({}, "give a size"),
        ({"memory": "1G", "colour": "red"}, "unknown: colour"),
        ([], "JSON object"),
        ("2G", "JSON object"),
    ],
)
def test_a_bad_size_is_refused_and_nothing_changes(admin: Client, notebook: Notebook, body: Any, message: str) -> None:
    before = admin.get("servers/eve/-").json()
    answer = checked(admin, "POST", "servers/eve/-/resize", json=body)
    assert answer.status_code == 400
    assert message in message_of(answer)
    assert admin.get("servers/eve/-").json()["migration"] == before["migration"]


@pytest.mark.parametrize("path", ["nothing", "servers/eve", "servers/eve/-/nothing", "servers/eve/-/plan/"])
def test_a_path_that_is_not_there_is_told_in_json(admin: Client, path: str) -> None:
    answer = admin.get(path)
    assert answer.status_code == 404
    assert "openapi.json" in message_of(answer)


def test_the_wrong_method_is_told(admin: Client) -> None:
    assert admin.get("servers/eve/-/resize").status_code == 405
    assert admin.post("servers").status_code == 405


def test_the_description_is_served(admin: Client) -> None:
    assert checked(admin, "GET", "openapi.json").json()["openapi"] == "3.1.0"


def test_a_server_moves_and_keeps_its_variables(admin: Client, notebook: Notebook) -> None:
    begun = checked(admin, "POST", "servers/eve/-/resize", json={"memory": "3G", "cpus": 1})
    assert begun.status_code == 202
    second = checked(admin, "POST", "servers/eve/-/resize", json={"memory": "4G"})
    assert second.status_code == 409
    assert "already being moved" in message_of(second)

    told = events(admin, "servers/eve/-/progress")
    steps = list(dict.fromkeys(event["step"] for event in told))
    assert steps == ["requested", "saving", "stopping", "starting", "restoring", "done"]
    assert [event["done"] for event in told] == [False] * (len(told) - 1) + [True]
    assert not told[-1]["failed"]

    server = checked(admin, "GET", "servers/eve/-").json()
    assert server["size"] == {"memory": 3 << 30, "cpus": 1}
    assert server["migration"]["id"] == begun.json()["migration"]
    assert server["last_checkpoint"]["bytes"] > 0

    (kernel,) = checked(admin, "GET", "servers/eve/-/status").json()["kernels"]
    fates = {name: fate["status"] for name, fate in kernel["restore"]["variables"].items()}
    assert fates["squares"] == "recomputed" and fates["numbers"] in ("loaded", "recomputed")
    notebook.reconnect()
    assert notebook.run("len(numbers), next(squares)").text == "(1000, 1)"


def test_the_end_of_the_last_move_is_told_to_those_who_come_later(admin: Client, notebook: Notebook) -> None:
    assert events(admin, "servers/eve/-/progress")[-1]["step"] == "done"


def test_a_stopped_server_has_no_plan_but_is_listed_with_its_checkpoint(
    hub: HubProcess, admin: Client, notebook: Notebook
) -> None:
    hub.stop_server("eve")
    server = checked(admin, "GET", "servers/eve/-").json()
    assert not server["ready"] and server["last_checkpoint"]
    answer = checked(admin, "GET", "servers/eve/-/plan")
    assert answer.status_code == 502
    assert "not running" in message_of(answer)
    refused = checked(admin, "POST", "servers/eve/-/resize", json={"memory": "1G"})
    assert refused.status_code == 409
    assert "start it" in message_of(refused)


def test_a_user_with_the_filtered_scope_resizes_their_own_named_server(hub: HubProcess) -> None:
    sam = client_of(hub, "sam")
    hub.start_server("sam", "lab")
    (server,) = checked(sam, "GET", "servers").json()
    assert (server["server"], server["may_resize"]) == ("lab", True)
    assert checked(sam, "POST", "servers/sam/lab/resize", json={"memory": "1G", "cpus": 1}).status_code == 202
    assert events(sam, "servers/sam/lab/progress")[-1]["step"] == "done"
    assert checked(sam, "GET", "servers/sam/lab").json()["size"]["memory"] == 1 << 30


# -- what is off -------------------------------------------------------------------------------------------------------


def test_what_is_off_is_told_to_those_who_look_after_all_servers(hub: HubProcess, admin: Client) -> None:
    """Nobody else: it names parts of the cluster."""
    assert checked(admin, "GET", "notices").json() == [NOTICE]
    for user in ("eve", "sam"):
        assert checked(client_of(hub, user), "GET", "notices").status_code == 403


def test_so_is_the_page_and_it_is_escaped(hub: HubProcess) -> None:
    for path in ("", "parts/servers"):
        pages = {user: page_of(hub, user, path) for user in ("admin", "sam")}
        assert "&lt;b&gt;a part&lt;/b&gt; is off" in pages["admin"]
        assert "is off" not in pages["sam"]


def page_of(hub: HubProcess, user: str, path: str) -> str:
    browser = hub.login(user)
    page = browser.http.get(f"{hub.url}/services/elastic/", timeout=30).text
    if path:
        headers = {"X-XSRFToken": xsrf_of(page), "Sec-Fetch-Mode": "cors"}
        page = browser.http.get(f"{hub.url}/services/elastic/{path}", headers=headers, timeout=30).text
    return page

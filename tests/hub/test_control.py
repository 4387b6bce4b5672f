"""The control server: bad input, strangers, unknown servers."""

from __future__ import annotations

import pytest
import requests

from elastic_spawner.errors import SizeError
from elastic_spawner.hub.sizes import parse_memory

pytestmark = pytest.mark.hub


@pytest.fixture(scope="module")
def user(hub):
    hub.start_server("ann")
    return "ann"


def error(answer: requests.Response) -> str:
    body = answer.json()["error"]
    assert set(body) == {"code", "message"}
    return body["message"]


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"memory": "lots"}, "is no size of memory"),
        ({"memory": -1}, "is no size of memory"),
        ({"memory": True}, "is no size of memory"),
        ({"memory": {}}, "is no size of memory"),
        ({"memory": "16G"}, "choose from 1M to 8G"),
        ({"cpus": 0}, "is no number of CPUs"),
        ({"cpus": "many"}, "is no number of CPUs"),
        ({"cpus": 65}, "choose from 1 to 64"),
        ({"cpus": 0.2}, "choose from 1 to 64"),
        ({}, "give a size"),
        ({"memory": "2G", "on_busy": "kill"}, "choose refuse or interrupt"),
        ({"memory": "2G", "on_loss": "ignore"}, "choose refuse or accept"),
        ({"memory": "2G", "on_loss": ["accept"]}, "choose refuse or accept"),
        ({"memory": "2G", "deadline_s": 0}, "number of seconds above 0"),
        ({"memory": "2G", "deadline_s": "soon"}, "number of seconds above 0"),
        ({"mem": "2G"}, "unknown: mem"),
    ],
)
def test_a_bad_size_is_told_what_would_be_good_and_nothing_changes(hub, user, size, message):
    answer = hub.resize(user, **size)
    assert answer.status_code == 400
    assert message in error(answer)
    assert hub.elastic(user)["migration"] is None


@pytest.mark.parametrize("body", ["{", "[]", "7", '"2G"'])
def test_a_body_that_is_no_object_is_refused(hub, user, body):
    control = hub.control("GET", "/servers").request
    url = control.url.replace("/servers", f"/servers/{user}/-/resize")
    answer = requests.post(url, data=body, headers=control.headers, timeout=30)
    assert answer.status_code == 400
    assert "JSON" in error(answer)


@pytest.mark.parametrize("path", ["nobody/-", "ann/nothing"])
@pytest.mark.parametrize("what", ["plan", "status", "progress"])
def test_unknown_servers(hub, user, path, what):
    answer = hub.control("GET", f"/servers/{path}/{what}")
    assert answer.status_code == 404
    assert "no user" in error(answer) or "no server" in error(answer)
    assert hub.control("POST", f"/servers/{path}/resize", {"memory": "2G"}).status_code == 404


def test_unknown_paths(hub):
    assert hub.control("GET", "/").status_code == 404
    assert hub.control("POST", "/servers/ann").status_code == 404


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer x", "token {}", "Bearer {}0"])
def test_nobody_gets_in_without_the_token(hub, user, authorization):
    good = hub.control("GET", "/servers").request
    token = good.headers["Authorization"].split()[1]
    headers = {} if authorization is None else {"Authorization": authorization.format(token)}
    for path in ("/servers", f"/servers/{user}/-/status", f"/servers/{user}/-/progress"):
        assert requests.get(good.url.replace("/servers", path), headers=headers, timeout=30).status_code == 403


def test_a_server_that_is_not_running_cannot_be_resized(hub):
    hub.api("POST", "/users/bob")
    answer = hub.resize("bob", memory="2G")
    assert answer.status_code == 409
    assert "not running: start it" in error(answer)
    assert hub.control("GET", "/servers/bob/-/status").status_code == 502


def test_the_size_that_it_has_already(hub, user):
    hub.start_server("cat")
    assert hub.resize("cat", memory="2G").status_code == 202
    hub.follow("cat")
    answer = hub.resize("cat", memory="2048M")
    assert answer.status_code == 400
    assert "has 2G of memory and all CPUs already" in error(answer)


def test_servers_are_listed_with_size_and_state(hub, user):
    found = hub.elastic(user)
    assert found["ready"] is True
    assert found["pending"] is None
    assert found["size"] == {"memory": None, "cpus": None}
    assert found["url"] == "/user/ann/"
    assert found["last_checkpoint"] is None


def test_progress_without_a_move(hub, user):
    assert [line["step"] for line in hub.follow(user)] == ["idle"]


def test_the_plan_and_the_status_are_the_agents(hub, user):
    assert hub.control("GET", f"/servers/{user}/-/plan").json() == {"kernels": []}
    assert hub.control("GET", f"/servers/{user}/-/status").json()["state"] == "idle"


def test_metrics_are_among_the_hubs(hub, user):
    text = requests.get(f"{hub.url}/hub/metrics", headers={"Authorization": f"token {hub.token}"}, timeout=30).text
    assert "elastic_spawner_migrations_total" in text


def test_the_example_sizes_of_the_messages_are_good_ones():
    assert parse_memory("2G") == 2 << 30
    with pytest.raises(SizeError):
        parse_memory("2 gigs")

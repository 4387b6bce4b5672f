"""A resize that would lose a variable is refused, unless the one who asks accepts it: real hub, server and kernel."""

from __future__ import annotations

from elastic_spawner.testing import HubProcess, Notebook

from .test_resize import open_notebook, outcome, pytestmark  # noqa: F401

LOG = "open('log.txt', 'a').write('x'); g = (i for i in range(3)); next(g)"
"""A generator cannot be stored, and its cell must not write its line twice."""


def losing_notebook(hub: HubProcess, user: str) -> Notebook:
    _, note = open_notebook(hub, user)
    assert note.run("x = [1, 2]").status == "ok"
    assert note.run(LOG).status == "ok"
    return note


def test_a_resize_that_would_lose_a_variable_is_refused_and_touches_nothing(hub):
    note = losing_notebook(hub, "lena")
    pid = note.run("import os; os.getpid()").text
    answer = hub.resize("lena", memory="2G")
    assert answer.status_code == 202
    last = outcome(hub, "lena")
    assert (last["step"], last["failed"]) == ("refused", True)
    for part in ("g (generator) of In [2]", "log.txt", "run In [2] again"):
        assert part in last["message"]
    server = hub.elastic("lena")
    assert server["ready"] and server["size"] == {"memory": None, "cpus": None}
    assert server["migration"]["on_loss"] == "refuse"
    assert server["last_checkpoint"] is None
    assert note.run("os.getpid()").text == pid
    assert note.run("x, next(g), open('log.txt').read()").text == "([1, 2], 1, 'x')"


def test_a_loss_that_is_accepted_moves_the_rest_and_is_reported(hub):
    note = losing_notebook(hub, "max")
    assert hub.resize("max", memory="2G", on_loss="accept").status_code == 202
    assert outcome(hub, "max")["step"] == "done"
    server = hub.elastic("max")
    assert server["migration"]["on_loss"] == "accept"
    assert [lost["name"] for lost in server["last_checkpoint"]["kernels"][0]["lost"]] == ["g"]
    (kernel,) = hub.control("GET", "/servers/max/-/status").json()["kernels"]
    fates = kernel["restore"]["variables"]
    assert (fates["x"]["status"], fates["g"]["status"]) == ("loaded", "lost")
    note.reconnect()
    assert note.run("x, open('log.txt').read()").text == "([1, 2], 'x')"
    assert note.run("g").error.startswith("NameError")


def test_a_plain_stop_accepts_for_the_server_ends_all_the_same(hub):
    note = losing_notebook(hub, "nora")
    hub.stop_server("nora")
    assert [lost["name"] for lost in hub.elastic("nora")["last_checkpoint"]["kernels"][0]["lost"]] == ["g"]
    hub.start_server("nora")
    note.reconnect()
    assert note.run("x, open('log.txt').read()").text == "([1, 2], 'x')"

"""A save that would lose a variable is refused if that is wanted, and says what would be lost."""

from __future__ import annotations

from tests.agent.server import JupyterServer
from tests.agent.test_save import generations, saved_kernels

LOG = "x = 41\nopen('log.txt', 'a').write('x')\ng = (i for i in range(3)); next(g)"
"""A generator cannot be stored, and its cell must not write its line twice."""


def test_a_loss_refuses_the_save_and_changes_nothing(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, "x = 1")
    assert server.checkpoint().status == 200
    before = saved_kernels(server)
    assert server.run(kernel_id, LOG).status == "ok"
    refused = server.checkpoint(on_loss="refuse")
    assert (refused.status, refused.body["error"]["code"]) == (409, "loss"), refused
    (kernel,) = refused.body["error"]["kernels"]
    assert (kernel["id"], kernel["path"]) == (kernel_id, "a.ipynb")
    (lost,) = kernel["lost"]
    assert (lost["name"], lost["type"], lost["cell"]) == ("g", "generator", 2)
    assert lost["reason"] and lost["cure"]
    message = refused.body["error"]["message"]
    for part in ("a.ipynb would lose g (generator) of In [2]", lost["reason"], lost["cure"], "accept"):
        assert part in message
    assert generations(server, kernel_id) == [1]
    assert saved_kernels(server) == before
    assert server.elastic("status").body["state"] == "idle"
    assert server.run(kernel_id, "x, next(g), open('log.txt').read()").value == "(41, 1, 'x')"


def test_a_loss_that_is_accepted_is_reported(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    assert server.run(kernel_id, LOG).status == "ok"
    saved = server.checkpoint(on_loss="accept")
    assert saved.status == 200, saved
    assert [lost["name"] for lost in saved.body["kernels"][0]["lost"]] == ["g"]
    assert server.checkpoint().status == 200, "a plain stop accepts"
    server.kill()
    server.start()
    fates = server.restored(kernel_id)["variables"]
    assert {name: fates[name]["status"] for name in ("x", "g")} == {"x": "loaded", "g": "lost"}
    assert server.run(kernel_id, "x, open('log.txt').read()").value == "(41, 'x')"


def test_a_save_without_loss_is_made_whatever_the_policy(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    assert server.run(kernel_id, "g = (i for i in range(3)); next(g)").status == "ok"
    assert server.checkpoint(on_loss="refuse").status == 200
    server.kill()
    server.start()
    assert server.run(kernel_id, "next(g)").value == "1"


def test_what_would_be_lost_can_be_deleted(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    assert server.run(kernel_id, LOG).status == "ok"
    assert server.checkpoint(on_loss="refuse").status == 409
    assert server.run(kernel_id, "del g").status == "ok"
    assert server.checkpoint(on_loss="refuse").status == 200


def test_one_kernel_that_would_lose_refuses_for_all(server: JupyterServer) -> None:
    whole = server.open_notebook("whole.ipynb")["kernel"]["id"]
    losing = server.open_notebook("losing.ipynb")["kernel"]["id"]
    server.run(whole, "x = 1")
    server.run(losing, LOG)
    refused = server.checkpoint(on_loss="refuse")
    assert [kernel["id"] for kernel in refused.body["error"]["kernels"]] == [losing]
    assert "whole.ipynb" not in refused.body["error"]["message"]
    assert server.elastic("status").body["saved"] is None


def test_a_policy_that_is_none_is_refused(server: JupyterServer) -> None:
    answer = server.checkpoint(on_loss="maybe")
    assert answer.status == 400
    assert answer.body["error"]["message"] == "on_loss is to be one of: refuse, accept"

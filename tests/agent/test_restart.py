"""A server is killed with all its kernels, and comes back as it was."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.agent.server import JupyterServer


def kernel_ids(models: list[dict[str, Any]]) -> set[str]:
    return {model["id"] for model in models}


def damage_list(server: JupyterServer) -> None:
    """Damage the newest list of kernels."""
    newest = max((server.store / "manifests" / "server").iterdir())
    document = json.loads(newest.read_text())
    document["kernels"] = []
    newest.write_text(json.dumps(document))


def test_kernels_and_sessions_have_their_old_ids_in_the_first_answer_and_their_values(server: JupyterServer) -> None:
    notebook = server.open_notebook("deep/er/analysis.ipynb")
    other = server.open_notebook("other.ipynb")
    ids = [notebook["kernel"]["id"], other["kernel"]["id"]]
    server.run(ids[0], "import numpy as np; a = np.arange(1000.0); view = a[10:20]")
    server.run(ids[0], "def total(): return float(view.sum())")
    server.run(ids[1], "text = 'kept'")
    saved = server.checkpoint()
    assert saved.status == 200, saved
    assert {kernel["id"]: kernel["status"] for kernel in saved.body["kernels"]} == dict.fromkeys(ids, "saved")
    server.kill()

    assert kernel_ids(server.start()) == set(ids)
    sessions = {session["path"]: session for session in server.get("api/sessions")}
    assert {path: (session["id"], session["kernel"]["id"]) for path, session in sessions.items()} == {
        "deep/er/analysis.ipynb": (notebook["id"], ids[0]),
        "other.ipynb": (other["id"], ids[1]),
    }
    with server.front_end(ids[0]) as front_end:
        cell = front_end.run("a[10] = -1; (total(), view[0])")
        assert cell.value == "(134.0, np.float64(-1.0))", cell
        assert cell.execution_count == 3
        assert front_end.run("import os; os.getcwd()").value == repr(str(server.home / "deep" / "er"))
    assert server.run(ids[1], "text").value == "'kept'"
    report = server.restored(ids[0])
    assert report["status"] == "restored" and report["cause"] == "boot"
    assert report["path"] == "deep/er/analysis.ipynb"
    assert report["variables"]["a"]["status"] == "loaded"
    assert set(report["timings"]) == {"loaded", "restored"}
    boot = server.elastic("restore").body["boot"]
    assert boot["status"] == "restored" and boot["kernels"] == 2


def test_a_first_cell_sent_at_once_waits_for_the_values(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, "import numpy as np; big = np.random.default_rng(0).random(12_000_000); total = big.sum()")
    assert server.checkpoint().status == 200
    server.kill()
    server.start()
    with server.front_end(kernel_id) as front_end:
        cell = front_end.run("bool(big.sum() == total)")
    assert (cell.status, cell.value, cell.execution_count) == ("ok", "True", 2)


def test_a_kernel_without_a_session_comes_back_in_its_folder(server: JupyterServer) -> None:
    (server.home / "work").mkdir()
    kernel_id = server.request("POST", "api/kernels", {"name": "python3", "path": "work"}).body["id"]
    server.run(kernel_id, "x = 5")
    assert server.checkpoint().status == 200
    server.kill()
    assert kernel_ids(server.start()) == {kernel_id}
    assert server.run(kernel_id, "import os; print(x, os.getcwd())").text == f"5 {server.home / 'work'}\n"


def test_restarts_again_and_again(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    for number in range(3):
        cell = server.run(kernel_id, "x = x + 1 if 'x' in globals() else 0; x")
        assert (cell.value, cell.execution_count) == (str(number), number + 1)
        assert server.checkpoint().status == 200
        server.kill()
        server.start()
    assert server.run(kernel_id, "x").value == "2"


def test_a_renamed_notebook_comes_back_under_its_new_name(server: JupyterServer) -> None:
    session = server.open_notebook("a.ipynb")
    server.run(session["kernel"]["id"], "x = 5")
    assert (
        server.request("PATCH", f"api/sessions/{session['id']}", {"path": "b.ipynb", "name": "b.ipynb"}).status == 200
    )
    assert server.checkpoint().body["kernels"][0]["path"] == "b.ipynb"
    server.kill()
    server.start()
    assert [(found["id"], found["path"]) for found in server.get("api/sessions")] == [(session["id"], "b.ipynb")]


def test_a_kernel_that_the_user_shut_down_stays_away(server: JupyterServer) -> None:
    kept, gone = server.open_notebook("kept.ipynb"), server.open_notebook("gone.ipynb")
    server.run(gone["kernel"]["id"], "x = 5")
    assert server.checkpoint().status == 200
    assert server.request("DELETE", f"api/sessions/{gone['id']}").status == 204
    server.kill()
    assert kernel_ids(server.start()) == {kept["kernel"]["id"]}
    assert [session["id"] for session in server.get("api/sessions")] == [kept["id"]]


def test_when_the_user_shut_down_the_last_kernel_none_comes_back(server: JupyterServer) -> None:
    session = server.open_notebook("a.ipynb")
    server.run(session["kernel"]["id"], "x = 5")
    assert server.checkpoint().status == 200
    assert server.request("DELETE", f"api/kernels/{session['kernel']['id']}").status == 204
    server.kill()
    assert server.start() == []
    assert server.get("api/sessions") == []


def test_a_kernel_that_the_user_restarted_stays_empty(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, "x = 5")
    assert server.checkpoint().status == 200
    assert server.request("POST", f"api/kernels/{kernel_id}/restart").status == 200
    cell = server.run(kernel_id, "y = 6; 'x' in globals()")
    assert (cell.value, cell.execution_count) == ("False", 1)
    assert server.state(kernel_id)["tracked"]
    server.kill()
    assert kernel_ids(server.start()) == {kernel_id}
    assert server.restored(kernel_id)["status"] == "empty"
    assert server.run(kernel_id, "'x' in globals()").value == "False"
    # and what is saved after the restart comes back
    server.run(kernel_id, "z = 7")
    assert server.checkpoint().status == 200
    server.kill()
    server.start()
    assert server.run(kernel_id, "z").value == "7"


def test_an_open_tab_is_not_ahead_of_us_after_a_restart_by_the_user(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    with server.front_end(kernel_id) as front_end:
        front_end.run("x = 5")
        assert server.request("POST", f"api/kernels/{kernel_id}/restart").status == 200
        front_end.wait(front_end.send("import random; y = random.random()"))
    y = server.run(kernel_id, "y").value
    assert server.checkpoint().status == 200
    server.kill()
    server.start()
    assert server.run(kernel_id, "y").value == y
    assert server.restored(kernel_id)["variables"]["y"]["status"] == "loaded"


def test_a_kernel_started_after_the_last_save_keeps_its_id(server: JupyterServer) -> None:
    first = server.open_notebook("a.ipynb")["kernel"]["id"]
    assert server.checkpoint().status == 200
    second = server.request("POST", "api/kernels", {"name": "python3"}).body["id"]
    server.tracked(second)
    assert server.request("DELETE", f"api/kernels/{first}").status == 204  # the list is stored before this is answered
    server.kill()
    assert kernel_ids(server.start()) == {second}
    report = server.restored(second)
    assert (report["status"], report["reason"]) == ("empty", "there was no checkpoint of it")


def test_a_polite_stop_is_no_shutdown_of_kernels(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, "x = 5")
    assert server.checkpoint().status == 200
    server.terminate()
    assert kernel_ids(server.start()) == {kernel_id}
    assert server.run(kernel_id, "x").value == "5"


def test_a_kernel_of_a_foreign_environment_is_saved_and_sees_none_of_our_packages(
    make_server: Callable[..., JupyterServer], foreign_kernel: dict[str, Any]
) -> None:
    server = make_server(kernels={"foreign": foreign_kernel})
    server.start()
    kernel_id = server.open_notebook("a.ipynb", kernel="foreign")["kernel"]["id"]
    assert server.tracked(kernel_id)["problem"] == ""
    cell = server.run(
        kernel_id, "import ipykernel, sys; x = [1, 2]; y = x; print(ipykernel.version_info[0], sys.path[-1])"
    )
    folder = next((server.root / "lib").iterdir())
    assert cell.text == f"6 {folder}\n"
    assert server.run(kernel_id, "import jupyter_server").error == "ModuleNotFoundError"
    assert server.checkpoint().body["kernels"][0]["status"] == "saved"
    server.kill()
    assert kernel_ids(server.start()) == {kernel_id}
    assert server.run(kernel_id, "y.append(3); x").value == "[1, 2, 3]"
    assert server.restored(kernel_id)["status"] == "restored"


def test_a_kernel_that_is_not_python_comes_back_empty_and_it_is_said(
    make_server: Callable[..., JupyterServer], bash_kernel: dict[str, Any]
) -> None:
    server = make_server(kernels={"bash": bash_kernel})
    server.start()
    session = server.open_notebook("a.ipynb", kernel="bash")
    kernel_id = session["kernel"]["id"]
    assert server.run(kernel_id, "X=5; echo $X").text.strip() == "5"
    saved = server.checkpoint().body["kernels"]
    assert [(kernel["status"], kernel["reason"]) for kernel in saved] == [
        ("not_python", "bash kernels cannot be saved")
    ]
    server.kill()
    assert kernel_ids(server.start()) == {kernel_id}
    assert [found["id"] for found in server.get("api/sessions")] == [session["id"]]
    report = server.restored(kernel_id)
    assert report["status"] == "empty" and "bash kernels cannot be saved" in report["reason"]
    assert server.run(kernel_id, "echo [$X]").text.strip() == "[]"


def test_a_kernel_that_cannot_be_started_stays_on_the_list(
    make_server: Callable[..., JupyterServer], foreign_kernel: dict[str, Any]
) -> None:
    server = make_server(kernels={"foreign": foreign_kernel})
    server.start()
    session = server.open_notebook("a.ipynb", kernel="foreign")
    kernel_id = session["kernel"]["id"]
    server.run(kernel_id, "x = 5")
    assert server.checkpoint().status == 200
    server.kill()
    specification = server.root / "jupyter" / "kernels" / "foreign"
    os.rename(specification, server.root / "taken away")
    assert server.start() == []
    report = server.restored(kernel_id)
    assert report["status"] == "failed" and "could not be started" in report["reason"]
    assert server.checkpoint().status == 200
    server.kill()
    os.rename(server.root / "taken away", specification)
    assert kernel_ids(server.start()) == {kernel_id}
    assert [found["id"] for found in server.get("api/sessions")] == [session["id"]]
    assert server.run(kernel_id, "x").value == "5"


def test_a_list_that_was_tampered_with_gives_an_empty_server_that_says_so(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, "x = 5")
    assert server.checkpoint().status == 200
    server.kill()
    damage_list(server)
    assert server.start() == []
    boot = server.elastic("restore").body["boot"]
    assert boot["status"] == "failed" and boot["error"]
    assert "the list of kernels cannot be used" in server.log
    # it works on, and saves again
    second = server.open_notebook("b.ipynb")["kernel"]["id"]
    server.run(second, "y = 6")
    assert server.checkpoint().status == 200
    server.kill()
    assert kernel_ids(server.start()) == {second}


def test_another_server_s_list_is_not_believed(make_server: Callable[..., JupyterServer]) -> None:
    server = make_server()
    server.start()
    server.run(server.open_notebook("a.ipynb")["kernel"]["id"], "x = 5")
    assert server.checkpoint().status == 200
    server.kill()
    other = make_server("other", store_url=server.store_url, secret=bytes(32))
    assert other.start() == []
    assert other.elastic("restore").body["boot"]["status"] == "failed"


def test_a_store_that_is_away_at_the_start_costs_nothing_but_time(server: JupyterServer) -> None:
    session = server.open_notebook("a.ipynb")
    server.run(session["kernel"]["id"], "x = 5")
    assert server.checkpoint().status == 200
    server.kill()
    away: Path = server.root / "away"
    server.store.rename(away)
    server.store.write_text("not a folder")
    assert server.start() == []
    boot = server.elastic("status").body["boot"]
    assert boot["status"] == "failed" and "the store cannot be read" in boot["error"]
    refused = server.checkpoint()  # it must not replace the list that it could not read
    assert refused.status == 502, refused
    server.store.unlink()
    away.rename(server.store)
    assert server.restored(session["kernel"]["id"])["status"] == "restored"  # tried again by itself
    assert server.run(session["kernel"]["id"], "x").value == "5"
    assert [found["id"] for found in server.get("api/sessions")] == [session["id"]]

"""What nothing needs any more leaves the store, and nothing else does."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.agent.server import PATIENCE, JupyterServer
from tests.agent.test_save import generations, repository

ARRAY = "import numpy as np; a = np.random.default_rng().random(50_000)"
"""Some 400 kB that can only be stored."""


def files(server: JupyterServer) -> list[Path]:
    return [path for path in Path(urlsplit(server.store_url).path).rglob("*") if path.is_file()]


def age(server: JupyterServer, hours: float = 2) -> None:
    """Make everything in the store look as if it had been written earlier: the store goes by its files' times."""
    for path in files(server):
        then = path.stat().st_mtime - hours * 3600
        os.utime(path, (then, then))


def collected(server: JupyterServer) -> dict[str, Any]:
    """What the first collection of this server's process did."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if report := server.elastic("status").body["garbage"]:
            return dict(report)
        time.sleep(0.05)
    raise AssertionError(server.log)


def restart(server: JupyterServer) -> None:
    server.kill()
    server.start()


def listed(server: JupyterServer) -> set[str]:
    manifest = repository(server).latest("server")
    return {kernel["id"] for kernel in (manifest or {})["kernels"]}


def end_kernel(server: JupyterServer, session: dict[str, Any]) -> None:
    assert server.request("DELETE", f"api/sessions/{session['id']}").status == 204


def saved(server: JupyterServer, *paths: str) -> list[dict[str, Any]]:
    """Notebooks that hold something, and are saved."""
    sessions = [server.open_notebook(path) for path in paths]
    for session in sessions:
        assert server.run(session["kernel"]["id"], ARRAY).status == "ok"
    assert server.checkpoint().status == 200
    return sessions


def test_kernels_that_were_ended_are_forgotten_and_their_chunks_too(server: JupyterServer) -> None:
    kept, gone, young = saved(server, "kept.ipynb", "gone.ipynb", "young.ipynb")
    values = server.run(kept["kernel"]["id"], "a.sum()").value
    collected(server)
    end_kernel(server, gone)
    age(server)
    assert server.run(young["kernel"]["id"], "a += 1").status == "ok"
    assert server.checkpoint().status == 200
    end_kernel(server, young)
    end = time.monotonic() + PATIENCE
    while listed(server) != {kept["kernel"]["id"]}:
        assert time.monotonic() < end
        time.sleep(0.05)
    before = sum(path.stat().st_size for path in files(server))
    restart(server)
    assert server.checkpoint().status == 200
    report = collected(server)
    assert report["error"] is None
    assert report["dropped"] == [f"kernel-{gone['kernel']['id']}"]
    assert report["bytes_deleted"] > 350_000
    assert generations(server, gone["kernel"]["id"]) == []
    assert len(generations(server, young["kernel"]["id"])) == 2, "it was ended within the hour"
    assert sum(path.stat().st_size for path in files(server)) < before - 300_000
    restart(server)
    assert server.run(kept["kernel"]["id"], "a.sum()").value == values
    for session in repository(server).sessions():
        assert repository(server).verify(session).ok


def test_as_many_generations_are_kept_as_are_wanted(make_server: Callable[..., JupyterServer]) -> None:
    server = make_server(options=("--ElasticAgent.keep_generations=3",))
    server.start()
    (session,) = saved(server, "a.ipynb")
    collected(server)
    for _ in range(4):
        assert server.run(session["kernel"]["id"], ARRAY).status == "ok"
        assert server.checkpoint().status == 200
    assert generations(server, session["kernel"]["id"]) == [1, 2, 3, 4, 5]
    age(server)
    restart(server)
    server.restored(session["kernel"]["id"])
    assert server.checkpoint().status == 200
    report = collected(server)
    assert report["error"] is None and report["chunks_deleted"] > 0
    assert len(generations(server, session["kernel"]["id"])) == 3


def test_a_collection_is_made_at_most_once_an_hour(server: JupyterServer) -> None:
    (session,) = saved(server, "a.ipynb")
    first = collected(server)
    end_kernel(server, session)
    age(server)
    other = server.open_notebook("b.ipynb")["kernel"]["id"]
    for number in range(3):
        server.run(other, f"x = {number}")
        assert server.checkpoint().status == 200
    assert collected(server) == first
    assert generations(server, session["kernel"]["id"]) == [1]


def test_a_kernel_that_could_not_be_started_is_not_forgotten(make_server: Callable[..., JupyterServer]) -> None:
    """Its environment may be back tomorrow."""
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    server = make_server(kernels={"fleeting": {"argv": argv, "display_name": "Fleeting", "language": "python"}})
    server.start()
    session = server.open_notebook("a.ipynb", "fleeting")
    assert server.run(session["kernel"]["id"], ARRAY).status == "ok"
    assert server.checkpoint().status == 200
    server.kill()
    shutil.rmtree(server.root / "jupyter" / "kernels" / "fleeting")
    age(server)
    server.start()
    assert server.checkpoint().status == 200
    assert collected(server)["dropped"] == []
    assert generations(server, session["kernel"]["id"]) == [1]


def test_while_a_list_of_kernels_cannot_be_read_nothing_is_dropped(server: JupyterServer) -> None:
    """The kernels that it named do not come back by themselves, but their checkpoints may be had by hand."""
    (session,) = saved(server, "a.ipynb")
    server.kill()
    age(server)
    newest = max(path for path in files(server) if path.parent.name == "server")
    newest.write_text(newest.read_text().replace("a.ipynb", "b.ipynb"))
    server.start()
    other = server.open_notebook("c.ipynb")["kernel"]["id"]
    server.run(other, "x = 1")
    answer = server.checkpoint()
    assert answer.status == 200, "what goes wrong with garbage is no reason to fail a save"
    assert collected(server)["error"]
    assert "garbage stays in the store" in server.log
    assert generations(server, session["kernel"]["id"]) == [1]

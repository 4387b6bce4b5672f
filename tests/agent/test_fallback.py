"""The store is gone when the server must end: the session is kept at home, and the next start stores it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.agent.server import PATIENCE, JupyterServer


@contextmanager
def without_store(server: JupyterServer) -> Iterator[None]:
    """Meanwhile the store cannot be used."""
    gone = server.root / "gone"
    server.store.rename(gone)
    server.store.write_text("no directory")
    yield
    server.store.unlink()
    gone.rename(server.store)


def saved_notebook(server: JupyterServer, code: str) -> str:
    """The id of a kernel in which this was run, and which was saved after it."""
    server.start()
    kernel_id = str(server.open_notebook("a.ipynb")["kernel"]["id"])
    server.tracked(kernel_id)
    server.run(kernel_id, code)
    assert server.checkpoint().status == 200
    return kernel_id


@pytest.mark.parametrize("encrypt", ["no", "yes"])
def test_what_the_store_does_not_take_is_kept_at_home(make_server: Callable[..., JupyterServer], encrypt: str) -> None:
    server = make_server(fallback=".elastic/kept", encrypt=encrypt)
    kernel_id = saved_notebook(server, "import os; big = os.urandom(3 << 20); x = [1]; y = x")
    server.run(kernel_id, "x.append(2); check = hash(big)")
    kept = server.home / ".elastic" / "kept"
    with without_store(server):
        assert server.checkpoint(deadline_s=10).status == 502  # only a server that ends falls back
        assert not kept.exists()
        began = time.monotonic()
        answer = server.checkpoint(deadline_s=12, reason="stop", on_busy="interrupt")
        assert time.monotonic() - began < 12
        assert answer.status == 200 and answer.body["fallback"] == str(kept), answer
        assert kept.stat().st_mode & 0o777 == 0o700
        server.kill()
        server.start()  # nothing comes back yet, and nothing of what is kept is touched
        boot = server.elastic("status").body["boot"]
        assert boot["status"] == "failed" and boot["retrying"]
        assert kept.exists()
    end = time.monotonic() + PATIENCE
    while server.elastic("status").body["boot"]["status"] != "restored":
        assert time.monotonic() < end
        time.sleep(0.2)
    report = server.restored(kernel_id)
    assert report["status"] == "restored" and "kept in" in report["notes"][-1], report
    assert not kept.exists()
    assert "[1, 2] True" in server.run(kernel_id, "print(x, x is y, hash(big) == check)").text
    server.kill()
    server.start()
    assert not any("kept in" in note for note in server.restored(kernel_id)["notes"])  # it is in the store now


def test_what_is_damaged_at_home_keeps_nothing_else_from_coming_back(
    make_server: Callable[..., JupyterServer],
) -> None:
    server = make_server(fallback="kept")
    kernel_id = saved_notebook(server, "x = 1")
    server.run(kernel_id, "x = 2")
    with without_store(server):
        assert server.checkpoint(deadline_s=6, reason="stop").status == 200
        server.kill()
    for chunk in (server.home / "kept" / "chunks").rglob("*"):
        if chunk.is_file():
            chunk.unlink()
    server.start()
    assert "cannot be used" in server.restored(kernel_id)["notes"][-1]
    assert "\n1\n" in "\n" + server.run(kernel_id, "print(x)").text


def test_what_is_older_than_the_store_does_not_come_back(make_server: Callable[..., JupyterServer]) -> None:
    server = make_server(fallback="kept")
    kernel_id = saved_notebook(server, "x = 1")
    with without_store(server):
        assert server.checkpoint(deadline_s=6, reason="stop").status == 200
    server.run(kernel_id, "x = 2")
    assert server.checkpoint(reason="stop").body["fallback"] is None
    server.kill()
    server.start()
    assert server.restored(kernel_id)["status"] == "restored"
    assert server.run(kernel_id, "print(x)").text == "2\n"
    assert not (server.home / "kept").exists()

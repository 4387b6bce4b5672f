"""Servers that are lost without notice: saves that nobody asked for, and what the user is told of the cells since."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from elastic_spawner.checkpoint.repository import Repository
from elastic_spawner.stores import open_store
from tests.agent.server import PATIENCE, SECRET, FrontEnd, JupyterServer

FATAL = """
def _fatal(self):
    import os, signal
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
__import__("elastic_spawner.checkpoint.restore").checkpoint.restore.Restorer.restore = _fatal
"""
"""To restore ends kernel and server at once, as when the kernel of the machine ends a container for want of memory."""


def wait(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def journal(server: JupyterServer, kernel_id: str) -> list[dict[str, Any]]:
    with Repository(open_store(server.store_url), SECRET) as repository:
        note = repository.read_note("journal")
    return list((note or {}).get("cells", {}).get(kernel_id, []))


def written(server: JupyterServer, kernel_id: str, count: int) -> Callable[[], bool]:
    return lambda: len([c for c in journal(server, kernel_id) if c["ended"]]) == count


def stderr(front_end: FrontEnd) -> str:
    return "".join(m["content"]["text"] for m in front_end.seen if m["msg_type"] == "stream")


def test_an_idle_kernel_is_saved_by_itself_once_for_each_change(make_server: Callable[..., JupyterServer]) -> None:
    """And what was run since is told after a loss, with its source, by the first cell."""
    server = make_server(save_interval=4.0, options=("--ElasticAgent.journal_interval=1",))
    server.start()
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.tracked(kernel_id)
    server.run(kernel_id, "x = list(range(10)); y = x")
    wait(lambda: server.state(kernel_id)["generation"])
    generation = server.state(kernel_id)["generation"]
    wait(lambda: journal(server, kernel_id) == [])
    time.sleep(6)
    assert server.state(kernel_id)["generation"] == generation  # nothing has changed
    server.save_interval = 0.0
    server.kill()
    server.start()
    report = server.restored(kernel_id)
    assert (report["status"], report["since"], len(report["notes"])) == ("restored", [], 1)
    assert "The checkpoint is of 2" in report["notes"][0] and "began in its last 1 seconds" in report["notes"][0]
    assert "True\n" in server.run(kernel_id, "print(x is y)").text

    server.run(kernel_id, "x.append(99)\nz = 'lost'")
    wait(written(server, kernel_id, 2))
    server.kill()
    server.start()
    report = server.restored(kernel_id)
    assert [cell["source"] for cell in report["since"]] == ["print(x is y)", "x.append(99)\nz = 'lost'"]
    assert [cell["cell"] for cell in report["since"]] == [2, 3]
    with server.front_end(kernel_id) as front_end:
        assert front_end.run("print(x[-1])").text.startswith("9\n")
        said = stderr(front_end)
        assert "2 cells were run after it" in said and "In [3]:" in said and "        z = 'lost'" in said, said
        assert front_end.run("print('again')").text == "again\n"

    # Lost again before anything was saved: those of before are still told, and now one that had not ended.
    with server.front_end(kernel_id) as front_end:
        front_end.wait_busy(front_end.send("import time; time.sleep(600)"))
        wait(lambda: len(journal(server, kernel_id)) == 5)
        server.kill()
    server.start()
    since = server.restored(kernel_id)["since"]
    assert [cell["ended"] for cell in since] == [True] * 4 + [False]
    assert server.checkpoint().status == 200
    wait(lambda: journal(server, kernel_id) == [])


def test_a_kernel_that_was_never_saved_tells_what_was_run_in_it(make_server: Callable[..., JupyterServer]) -> None:
    server = make_server(options=("--ElasticAgent.journal_interval=1",), encrypt="where_possible")
    server.start()
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.tracked(kernel_id)
    server.run(kernel_id, "secret_name = 1")
    wait(written(server, kernel_id, 1))
    assert b"secret_name" not in (server.store / "notes" / "journal.json").read_bytes()
    server.kill()
    server.start()
    assert server.restored(kernel_id)["status"] == "empty"
    with server.front_end(kernel_id) as front_end:
        front_end.run("1")
        assert "no checkpoint of this kernel yet" in stderr(front_end) and "secret_name = 1" in stderr(front_end)
    server.run(kernel_id, "2")


def test_a_save_gives_way_to_a_cell(make_server: Callable[..., JupyterServer]) -> None:
    """A cell that comes while a store is slow does not wait for the save; a later save is whole."""
    server = make_server(save_interval=4.0)
    server.start()
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.tracked(kernel_id)
    slow = """
from elastic_spawner.checkpoint.repository import Repository
from elastic_spawner.stores import DirectoryStore
import os, pathlib, time
stage = DirectoryStore.stage
def slowly(self, key, data):
    pathlib.Path('begun').touch()
    while not os.path.exists('go'):
        time.sleep(0.05)
    stage(self, key, data)
DirectoryStore.stage = slowly
x = os.urandom(3 << 20)
"""
    server.run(kernel_id, f"exec({slow!r}, {{}})\nimport os; x = os.urandom(20 << 20)")
    wait((server.home / "begun").exists)
    began = time.monotonic()
    assert server.run(kernel_id, "print(len(x))").text == f"{20 << 20}\n"
    assert time.monotonic() - began < 8  # the save's own deadline is 10 s
    assert server.state(kernel_id)["generation"] is None
    (server.home / "go").touch()
    wait(lambda: server.state(kernel_id)["generation"])


def test_a_container_that_ends_again_and_again_while_it_restores_is_left_empty(
    make_server: Callable[..., JupyterServer],
) -> None:
    """Until the next start of the server, which may have more memory. The checkpoint stays."""
    server = make_server(launch="one")
    server.start()
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.tracked(kernel_id)
    server.run(kernel_id, "x = [1, 2]")
    assert server.checkpoint().status == 200
    server.kill()
    startup = server.root / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "fatal.py").write_text(FATAL)
    for _ in range(2):
        server.start()
        assert server.process is not None
        server.process.wait(PATIENCE)
        server.kill()
    server.start()
    report = server.restored(kernel_id)
    assert report["status"] == "failed" and "more than once" in report["reason"]
    assert server.checkpoint().body["kernels"][0]["status"] == "kept"
    server.kill()
    (startup / "fatal.py").unlink()
    server.launch = "two"
    server.start()
    assert server.restored(kernel_id)["status"] == "restored"
    assert server.run(kernel_id, "print(x)").text == "[1, 2]\n"

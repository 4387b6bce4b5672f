"""A server is moved to another size, and its session follows: real hub, proxy, server and kernel."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import requests

from elastic_spawner.testing import Browser, HubProcess, Notebook
from tests.kernel.gate import install

pytestmark = pytest.mark.hub
MB = 1 << 20

LIMITS = """
import os, resource
print(resource.getrlimit(resource.RLIMIT_DATA)[0], len(os.sched_getaffinity(0)), os.getpid(), os.getppid())
"""


def open_notebook(hub: HubProcess, user: str) -> tuple[Browser, Notebook]:
    hub.start_server(user)
    browser = hub.login(user)
    browser.open_server()
    return browser, browser.open_notebook()


def outcome(hub: HubProcess, user: str) -> dict:
    return hub.follow(user)[-1]


class Watcher(threading.Thread):
    """Asks for the session list again and again, as an open tab does, and keeps the statuses in the order they came."""

    def __init__(self, browser: Browser) -> None:
        super().__init__(daemon=True)
        self.browser = browser
        self.statuses: list[int] = []
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            try:
                status = self.browser.get("api/sessions").status_code
            except requests.RequestException:
                status = -1
            if not self.statuses or self.statuses[-1] != status:
                self.statuses.append(status)
            time.sleep(0.05)

    def finish(self) -> list[int]:
        self.done.set()
        self.join()
        return self.statuses


def test_the_session_follows_to_the_new_size(hub):
    """Same kernel id, same values, same cookies, same API token; the limits hold; the tab sees 200, 503 and 200."""
    browser, note = open_notebook(hub, "ann")
    assert note.run("x = list(range(1000)); y = x").status == "ok"
    token = hub.server_environment("ann")["JUPYTERHUB_API_TOKEN"]
    before = hub.server("ann")
    watcher = Watcher(browser)
    watcher.start()

    answer = hub.resize("ann", memory="1500M", cpus=1)
    assert answer.status_code == 202
    assert answer.json()["migration"]
    lines = hub.follow("ann")
    assert [line["step"] for line in lines] == ["requested", "saving", "stopping", "starting", "restoring", "done"]
    assert not lines[-1]["failed"]
    hub.wait_for(lambda: watcher.statuses[-1] == 200, 30, "the route does not lead to the new server")
    statuses = watcher.finish()
    # 424 would be the hub's word for a server that is not running: JupyterLab would offer to start it.
    assert set(statuses) == {200, 503}, statuses
    assert statuses[0] == statuses[-1] == 200

    note.reconnect()
    again = note.run("print(x[999], x is y)")
    assert again.stdout == "999 True\n"
    assert again.execution_count == 2
    limit, cpus, kernel_pid, pid = map(int, note.run(LIMITS).stdout.split())
    assert (limit, cpus) == (1500 * MB, 1)
    assert pid != before["state"]["pid"]
    for process in (pid, kernel_pid):
        lines = Path(f"/proc/{process}/limits").read_text().splitlines()
        (data,) = [line.split() for line in lines if line.startswith("Max data size")]
        assert data[3:5] == [str(1500 * MB)] * 2
        affinity = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if "allowed_list" in line]
        assert affinity[0].split()[1].isdigit()
    assert hub.server_environment("ann")["JUPYTERHUB_API_TOKEN"] == token
    assert hub.server_environment("ann")["MEM_LIMIT"] == str(1500 * MB)
    after = hub.server("ann")
    assert after["ready"] and after["started"] == before["started"]
    assert hub.elastic("ann")["size"] == {"memory": 1500 * MB, "cpus": 1.0}
    assert hub.elastic("ann")["last_checkpoint"]["kernels"][0]["status"] == "saved"

    # The server needs it to report activity, and to ask the hub whose cookie it was shown.
    headers = {"Authorization": f"token {token}"}
    assert requests.get(f"{hub.url}/hub/api/user", headers=headers, timeout=30).ok


def test_more_than_the_limit_is_a_memory_error_and_the_kernel_lives(hub):
    _, note = open_notebook(hub, "bob")
    note.run("x = 1")
    assert hub.resize("bob", memory="700M").status_code == 202
    assert outcome(hub, "bob")["step"] == "done"
    note.reconnect()
    reply = note.run("b = bytearray(800 << 20)")
    assert reply.error.startswith("MemoryError")
    assert note.run("print(x)").stdout == "1\n"


def test_a_second_resize_is_told_of_the_first(hub):
    open_notebook(hub, "cat")
    assert hub.resize("cat", memory="2G").status_code == 202
    second = hub.resize("cat", memory="3G")
    assert second.status_code == 409
    assert "already being moved" in second.json()["error"]["message"]
    assert outcome(hub, "cat")["step"] == "done"
    assert hub.elastic("cat")["size"]["memory"] == 2 << 30


def test_a_size_with_which_the_server_does_not_start_is_undone(hub):
    browser, note = open_notebook(hub, "dan")
    note.run("x = 'kept'")
    assert hub.resize("dan", memory="12M").status_code == 202
    lines = hub.follow("dan")
    assert lines[-1]["step"] == "undone"
    assert "ended with exit code" in lines[-1]["message"]
    assert hub.server("dan")["ready"]
    assert browser.get("api/sessions").status_code == 200
    note.reconnect()
    assert note.run("print(x)").stdout == "kept\n"
    assert int(note.run(LIMITS).stdout.split()[0]) == -1
    assert hub.elastic("dan")["size"] == {"memory": None, "cpus": None}


def test_a_size_too_small_for_the_session_is_refused_or_undone_and_nothing_is_lost(hub):
    """300 MB in 200 MB: that is seen beforehand. In 330 MB, beside the kernel itself: that is seen by the restore."""
    _, note = open_notebook(hub, "eve")
    note.run("import os, hashlib; x = os.urandom(300 << 20); h = hashlib.md5(x).digest()")
    for memory, end in (("200M", "refused"), ("330M", "undone")):
        assert hub.resize("eve", memory=memory).status_code == 202
        last = outcome(hub, "eve")
        assert last["step"] == end, last
        note.reconnect()
        assert note.run("print(hashlib.md5(x).digest() == h)").stdout == "True\n"
    assert hub.elastic("eve")["size"]["memory"] is None


def test_a_move_is_done_when_what_comes_behind_is_there_and_the_user_works_meanwhile(hub):
    """A stop in between saves what was done; the move that is left alone ends when all is there."""
    _, note = open_notebook(hub, "ida")
    gate = hub.directory / "gate"
    install(hub.directory / "data" / "homes" / "ida" / ".ipython", gate)
    note.run("import os, hashlib; x = os.urandom(20 << 20); h = hashlib.md5(x).digest()")
    for count in range(2):
        assert hub.resize("ida", memory=f"{count + 2}G").status_code == 202

        def arriving() -> bool:
            return "still arriving" in (hub.elastic("ida")["migration"] or {})["message"]

        hub.wait_for(arriving, 60, "it is not said what is awaited")
        note.reconnect()
        assert note.run(f"y = {count}; y").text == str(count)
        assert hub.elastic("ida")["migration"]["step"] == "restoring"
        gate.touch()
        if count == 0:
            hub.stop_server("ida")
            assert hub.elastic("ida")["migration"]["step"] == "cancelled"
            gate.unlink()
            hub.start_server("ida")
            gate.touch()
        else:
            assert outcome(hub, "ida")["step"] == "done"
        note.reconnect()
        assert note.run("y, hashlib.md5(x).digest() == h").text == f"({count}, True)"
        gate.unlink()


def test_a_failed_checkpoint_refuses_the_resize_and_touches_nothing(hub):
    browser, note = open_notebook(hub, "fay")
    note.run("x = 5")
    pid = note.run("import os; os.getpid()").text
    store = hub.directory / "data" / "checkpoints" / "fay" / "_"
    aside = store.with_name("aside")
    store.rename(aside)
    store.write_text("no directory")  # nothing can be written below it
    try:
        assert hub.resize("fay", memory="2G").status_code == 202
        last = outcome(hub, "fay")
    finally:
        store.unlink()
        aside.rename(store)
    assert last["step"] == "refused"
    assert last["failed"] and len(last["message"]) > len("Refused: the server runs as before")
    assert browser.get("api/sessions").status_code == 200
    assert note.run("import os; os.getpid()").text == pid
    assert note.run("x").text == "5"
    assert hub.elastic("fay")["size"] == {"memory": None, "cpus": None}


def test_a_running_cell_refuses_the_resize_or_is_interrupted_as_asked(hub):
    _, note = open_notebook(hub, "gus")
    note.run("x = 7; import time")
    running = note.send("time.sleep(600)")
    assert hub.resize("gus", memory="2G", deadline_s=2, on_busy="refuse").status_code == 202
    assert outcome(hub, "gus")["step"] == "refused"

    assert hub.resize("gus", memory="2G", deadline_s=6, on_busy="interrupt").status_code == 202
    assert note.wait(running).error.startswith("KeyboardInterrupt")
    assert outcome(hub, "gus")["step"] == "done"
    assert hub.elastic("gus")["last_checkpoint"]["kernels"][0]["status"] == "interrupted"
    note.reconnect()
    assert note.run("x").text == "7"


def test_with_resize_in_place_a_server_is_given_more_without_a_move(hub):
    """An option, off by default: nothing stops, and the same kernel has the new limits."""
    _, note = open_notebook(hub, "inplace")
    note.run("x = 3")
    pid = note.run("import os; os.getpid()").text
    assert hub.resize("inplace", cpus=1).status_code == 202
    lines = hub.follow("inplace")
    assert [line["step"] for line in lines] == ["requested", "done"]
    assert int(note.run(LIMITS).stdout.split()[1]) == 1
    assert note.run("import os; os.getpid()").text == pid
    assert hub.elastic("inplace")["size"]["cpus"] == 1.0


def test_an_admins_stop_during_a_move_wins_and_loses_nothing(hub):
    """At each step: the move is cancelled, the server stops, and the next start restores it."""
    _, note = open_notebook(hub, "hal")
    kernel = note.kernel_id
    for count, where in enumerate(
        ["before save_for_move", "before end_server", "before launch_server", "before restored"]
    ):
        note.reconnect()
        assert note.run(f"x = {count}").status == "ok"
        (hub.directory / "pause_at").write_text(where)
        assert hub.resize("hal", memory=f"{count + 2}G").status_code == 202
        hub.wait_for((hub.directory / "paused").exists, 60, f"the move was not paused {where}")
        (hub.directory / "paused").unlink()
        hub.stop_server("hal")
        assert hub.elastic("hal")["migration"]["step"] == "cancelled"
        hub.start_server("hal")
        note.reconnect()
        reply = note.run("x")
        assert reply.text == str(count), f"{where}: {reply}, {hub.control('GET', '/servers/hal/-/status').json()}"
        assert [k["id"] for k in note.browser.get("api/kernels").json()] == [kernel]
    assert hub.elastic("hal")["size"] == {"memory": None, "cpus": None}

"""All kernels are saved, or none and everything runs on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from elastic_spawner.checkpoint.repository import Repository
from elastic_spawner.stores import open_store
from tests.agent.server import PATIENCE, SECRET, Answer, JupyterServer

WAIT_FOR_FILE = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
"""A cell that runs until the test makes this file in the server's home."""


def repository(server: JupyterServer) -> Repository:
    return Repository(open_store(server.store_url), SECRET)


def generations(server: JupyterServer, kernel_id: str) -> list[int]:
    return [info.generation for info in repository(server).generations(f"kernel-{kernel_id}")]


def saved_kernels(server: JupyterServer) -> dict[str, int | None]:
    """What the server's list of kernels says is saved."""
    manifest = repository(server).latest("server")
    return {} if manifest is None else {kernel["id"]: kernel["generation"] for kernel in manifest["kernels"]}


class InBackground:
    """A save that the test goes on beside."""

    def __init__(self, server: JupyterServer, **body: Any) -> None:
        self._answer: list[Answer] = []
        self._thread = threading.Thread(target=lambda: self._answer.append(server.checkpoint(**body)))
        self._thread.start()
        end = time.monotonic() + PATIENCE
        while server.elastic("status").body["state"] != "saving":
            assert time.monotonic() < end and self._thread.is_alive(), self._answer
            time.sleep(0.02)

    def answer(self) -> Answer:
        self._thread.join(PATIENCE)
        return self._answer[0]


def test_an_untouched_kernel_has_nothing_to_save(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    saved = server.checkpoint()
    assert [(kernel["id"], kernel["status"]) for kernel in saved.body["kernels"]] == [(kernel_id, "empty")]
    assert generations(server, kernel_id) == []


def test_a_server_without_kernels_is_saved_too(server: JupyterServer) -> None:
    saved = server.checkpoint()
    assert (saved.status, saved.body["ok"], saved.body["kernels"]) == (200, True, [])


def test_the_report_says_what_was_stored(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, "import numpy as np; a = np.random.default_rng(1).random(100_000)")
    server.run(kernel_id, "import threading; lock = threading.Lock(); lock.acquire()")
    report = server.checkpoint().body["kernels"][0]
    assert (report["id"], report["path"], report["status"], report["generation"]) == (kernel_id, "a.ipynb", "saved", 1)
    assert report["bytes"] >= 800_000 and report["bytes_written"] > 0 and report["seconds"] > 0
    assert "a" in {stored["name"] for stored in report["plan"]["store"]}
    status = server.elastic("status").body
    assert status["last_save"]["reason"] == "test" and status["saved"] is not None
    assert server.state(kernel_id)["last_checkpoint"]["generation"] == 1


def test_a_plan_is_told_beforehand_and_stores_nothing(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, "x = list(range(1000))")
    plans = server.elastic("plan").body["kernels"]
    assert [(plan["id"], plan["path"]) for plan in plans] == [(kernel_id, "a.ipynb")]
    assert "x" in {entry["name"] for part in ("store", "recomputed") for entry in plans[0]["plan"][part]}
    assert generations(server, kernel_id) == []


def test_saving_leaves_no_trace_in_the_kernel(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    with server.front_end(kernel_id) as front_end:
        front_end.run("7 * 6")
        front_end.seen.clear()
        assert server.checkpoint().status == 200
        cell = front_end.run("_, _i, len(In), [name for name in globals() if 'elastic' in name.lower()]")
        assert cell.value == "(42, '7 * 6', 3, [])"
        assert cell.execution_count == 2
        kinds = {message["msg_type"] for message in front_end.seen}
        assert kinds <= {"status", "execute_input", "execute_result", "execute_reply"}


def test_a_running_cell_is_waited_for(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    with server.front_end(kernel_id) as front_end:
        request = front_end.send(WAIT_FOR_FILE + "x = 'after'")
        front_end.wait_busy(request)
        save = InBackground(server)
        (server.home / "go").touch()
        assert front_end.wait(request).status == "ok"
        answer = save.answer()
    assert (answer.status, answer.body["kernels"][0]["status"]) == (200, "saved")
    server.kill()
    server.start()
    assert server.run(kernel_id, "x").value == "'after'"


def test_a_cell_that_runs_past_the_deadline_refuses_the_save_and_runs_on(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, "x = 1")
    assert server.checkpoint().status == 200
    before = saved_kernels(server)
    with server.front_end(kernel_id) as front_end:
        request = front_end.send(WAIT_FOR_FILE + "x = 2")
        front_end.wait_busy(request)
        refused = server.checkpoint(deadline_s=1)
        assert refused.status == 409
        assert refused.body["error"]["code"] == "busy"
        assert [kernel["id"] for kernel in refused.body["error"]["kernels"]] == [kernel_id]
        assert server.elastic("status").body["state"] == "idle"
        (server.home / "go").touch()
        assert front_end.wait(request).status == "ok"
        # what had stayed in the queue behind the cell is over when the next one is done; it must not have saved
        assert front_end.run("x").value == "2"
    assert generations(server, kernel_id) == [1]
    assert saved_kernels(server) == before


def test_a_cell_that_runs_too_long_is_interrupted_if_that_is_wanted(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    with server.front_end(kernel_id) as front_end:
        front_end.run("x = 'before'")
        request = front_end.send("x = 'begun'\n" + WAIT_FOR_FILE + "x = 'done'")
        follower = front_end.send("x = 'follower'")
        front_end.wait_busy(request)
        saved = server.checkpoint(deadline_s=10, on_busy="interrupt")
        assert front_end.wait(request).error == "KeyboardInterrupt"
    assert saved.status == 200, saved
    kernel = saved.body["kernels"][0]
    assert kernel["status"] == "interrupted" and "was interrupted" in kernel["reason"]
    assert follower
    server.kill()
    server.start()
    assert server.run(kernel_id, "x").value == "'begun'"


def test_a_cell_that_does_not_stop_when_interrupted_refuses_the_save(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    stubborn = (
        "import os, time\n"
        "while not os.path.exists('go'):\n"
        "    try: time.sleep(0.01)\n"
        "    except KeyboardInterrupt: pass\n"
        "'unbroken'"
    )
    with server.front_end(kernel_id) as front_end:
        request = front_end.send(stubborn)
        front_end.wait_busy(request)
        refused = server.checkpoint(deadline_s=4, on_busy="interrupt")
        assert (refused.status, refused.body["error"]["code"]) == (409, "busy")
        assert "did not stop when it was interrupted" in refused.body["error"]["message"]
        (server.home / "go").touch()
        assert front_end.wait(request).value == "'unbroken'"
    assert generations(server, kernel_id) == []


def test_two_saves_at_once_are_one_too_many(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    with server.front_end(kernel_id) as front_end:
        request = front_end.send(WAIT_FOR_FILE)
        front_end.wait_busy(request)
        first = InBackground(server)
        second = server.checkpoint()
        assert (second.status, second.body["error"]["code"]) == (409, "busy")
        assert "another save is in progress" in second.body["error"]["message"]
        (server.home / "go").touch()
        front_end.wait(request)
        assert first.answer().status == 200


def test_what_runs_in_one_kernel_while_another_is_waited_for_is_saved_too(server: JupyterServer) -> None:
    slow = server.open_notebook("slow.ipynb")["kernel"]["id"]
    quick = server.open_notebook("quick.ipynb")["kernel"]["id"]
    with server.front_end(slow) as front_end:
        server.run(quick, "x = 1")
        request = front_end.send(WAIT_FOR_FILE)
        front_end.wait_busy(request)
        save = InBackground(server)
        end = time.monotonic() + PATIENCE
        while not generations(server, quick):
            assert time.monotonic() < end
            time.sleep(0.02)
        server.run(quick, "x = 2")
        (server.home / "go").touch()
        front_end.wait(request)
        assert save.answer().status == 200
    server.kill()
    server.start()
    assert server.run(quick, "x").value == "2"


def test_a_failing_cell_ahead_of_it_does_not_end_a_save(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    with server.front_end(kernel_id) as front_end:
        request = front_end.send("x = 3\n" + WAIT_FOR_FILE + "1 / 0")
        front_end.wait_busy(request)
        save = InBackground(server)
        (server.home / "go").touch()
        assert front_end.wait(request).error == "ZeroDivisionError"
        answer = save.answer()
    assert (answer.status, answer.body["kernels"][0]["status"]) == (200, "saved")


DEADLY = """
class Deadly:
    def __reduce__(self):
        import os, signal
        if armed:
            os.kill(os.getpid(), signal.SIGKILL)
        return (Deadly, ())
armed = False
deadly = Deadly()
"""


def test_a_kernel_that_dies_while_it_is_saved_leaves_the_previous_checkpoint(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    other = server.open_notebook("b.ipynb")["kernel"]["id"]
    server.run(kernel_id, "x = 'kept'")
    assert server.checkpoint().status == 200
    before = saved_kernels(server)
    # Arms itself in the save: nothing is pickled before, or it would die then.
    server.run(other, "y = 1")
    server.run(kernel_id, "import os\n" + DEADLY.replace("if armed", "if os.path.exists('armed')"))
    server.run(kernel_id, "deadly.mark = 1")
    time.sleep(1)  # what the cell made is looked at between cells, too
    (server.home / "armed").touch()
    failed = server.checkpoint()
    assert failed.status == 502, failed
    assert [kernel["id"] for kernel in failed.body["error"]["kernels"]] == [kernel_id]
    assert saved_kernels(server)[kernel_id] == before[kernel_id] == 1
    server.kill()
    (server.home / "armed").unlink()
    server.start()
    assert server.run(kernel_id, "x").value == "'kept'"


def test_a_full_store_is_told_as_such(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, "x = 1")
    assert server.checkpoint().status == 200
    # The limit of a file's size stands for a quota that is used up; the kernel's own files stay below it.
    server.run(
        kernel_id, "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))"
    )
    server.run(kernel_id, "import numpy as np; a = np.random.default_rng().random(4_000_000)")  # not to be had again
    failed = server.checkpoint()
    assert (failed.status, failed.body["error"]["code"]) == (507, "store_full"), failed
    assert "previous checkpoint stays" in failed.body["error"]["message"]
    assert server.run(kernel_id, "a.size, x").value == "(4000000, 1)"
    assert saved_kernels(server) == {kernel_id: 1}


def test_kernels_are_saved_beside_each_other(make_server: Callable[..., JupyterServer]) -> None:
    """More kernels than are saved at once: all get their turn."""
    server = make_server(options=("--ElasticAgent.save_concurrency=2",))
    server.start()
    ids = [server.open_notebook(f"{number}.ipynb")["kernel"]["id"] for number in range(4)]
    for number, kernel_id in enumerate(ids):
        server.run(kernel_id, f"x = {number}")
    saved = server.checkpoint()
    assert {kernel["id"]: kernel["status"] for kernel in saved.body["kernels"]} == dict.fromkeys(ids, "saved")
    server.kill()
    server.start()
    assert [server.run(kernel_id, "x").value for kernel_id in ids] == ["0", "1", "2", "3"]

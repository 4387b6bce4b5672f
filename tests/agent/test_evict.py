"""What a pod's preStop hook asks for: everything saved before the end, and nothing saved twice."""

from __future__ import annotations

import gzip

import pytest

from tests.agent.server import JupyterServer
from tests.agent.test_save import WAIT_FOR_FILE, InBackground, generations, saved_kernels


def evict(server: JupyterServer, deadline_s: object = 30) -> dict[str, object]:
    answer = server.elastic(f"evict?deadline_s={deadline_s}")
    assert answer.status == 200, answer
    body: dict[str, object] = answer.body
    return body


def test_what_was_not_saved_yet_is_saved(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, "x = 41")
    evict(server)
    assert saved_kernels(server) == {kernel_id: generations(server, kernel_id)[-1]}


def test_what_is_saved_is_not_saved_again(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, "x = 41")
    saved = server.checkpoint().body
    assert evict(server)["generation"] == saved["generation"]
    server.run(kernel_id, "x = 42")
    assert evict(server)["generation"] == saved["generation"] + 1


def test_a_cell_that_runs_is_interrupted_before_the_end(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    with server.front_end(kernel_id) as front_end:
        front_end.run("x = 41")
        front_end.wait_busy(front_end.send(WAIT_FOR_FILE))
        (kernel,) = evict(server, 4)["kernels"]  # type: ignore[misc]
    assert kernel["status"] == "interrupted"  # type: ignore[index]


def test_it_waits_for_a_save_that_is_under_way(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    with server.front_end(kernel_id) as front_end:
        front_end.run("x = 41")
        front_end.wait_busy(front_end.send(WAIT_FOR_FILE))
        other = InBackground(server, deadline_s=4, on_busy="interrupt")
        report = evict(server)
        assert report["generation"] == other.answer().body["generation"]


@pytest.mark.parametrize("deadline", ["", "soon", 0, -1, "nan", "inf", 1e9])
def test_a_deadline_that_makes_no_sense_is_refused(server: JupyterServer, deadline: object) -> None:
    assert server.elastic(f"evict?deadline_s={deadline}").status == 400


AT_END = """
import pathlib, weakref
class Box: pass
box = Box()
_ = weakref.finalize(box, pathlib.Path("ended").touch)
written = open("written", "w")
_ = written.write("what is in its buffer")
"""


def test_kernels_that_are_saved_are_not_waited_for_when_the_server_ends(server: JupyterServer) -> None:
    """Their sessions go on elsewhere, so this is no end for them; what they have written is in its file."""
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, AT_END)
    evict(server)
    server.terminate()
    assert not (server.home / "ended").exists()
    assert (server.home / "written").read_text() == "what is in its buffer"


def test_kernels_that_lose_something_are_asked_to_end(server: JupyterServer) -> None:
    """Nobody else writes what a compressed file, which cannot be taken along, still has to be given."""
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, "import gzip; packed = gzip.open('packed.gz', 'wt'); _ = packed.write('all of it')")
    evict(server)
    server.terminate()
    with gzip.open(server.home / "packed.gz", "rt") as packed:
        assert packed.read() == "all of it"


def test_kernels_that_went_on_are_asked_to_end(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, AT_END)
    evict(server)
    server.run(kernel_id, "x = 'not saved'")
    server.terminate()
    assert (server.home / "ended").exists()

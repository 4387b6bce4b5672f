"""Kernels that die by themselves."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from tests.agent.server import PATIENCE, JupyterServer

DIE = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


def wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def die(server: JupyterServer, kernel_id: str) -> None:
    """Let a kernel die, and wait until the server has noticed."""
    deaths = server.log.count("died")
    with server.front_end(kernel_id) as front_end:
        front_end.send(DIE)
        wait_until(lambda: server.log.count("died") > deaths)


def test_gets_its_values_back_and_it_is_said(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, "x = 5")
    assert server.checkpoint().status == 200
    server.run(kernel_id, "x = 6")
    die(server, kernel_id)
    report = server.restored(kernel_id)
    assert (report["cause"], report["status"], report["generation"]) == ("death", "restored", 1)
    assert server.run(kernel_id, "x").value == "5"
    assert server.state(kernel_id)["tracked"]
    server.run(kernel_id, "x = 7")
    assert server.checkpoint().body["kernels"][0]["status"] == "saved"


def test_without_a_checkpoint_comes_back_empty_and_tracked(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, "x = 5")
    die(server, kernel_id)
    report = server.restored(kernel_id)
    assert (report["cause"], report["status"]) == ("death", "empty")
    assert server.run(kernel_id, "'x' in globals()").value == "False"
    assert server.state(kernel_id)["tracked"]


def test_is_not_killed_again_and_again_by_what_killed_it(server: JupyterServer) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    # Dies while this is loaded, as one does that has no longer the memory for what it had.
    server.run(
        kernel_id,
        "class Heavy:\n"
        "    def __init__(self):\n"
        "        import os\n"
        "        self.full = os.urandom(8)\n"
        "    def __setstate__(self, state):\n"
        "        import os, signal\n"
        "        if os.path.exists('deadly'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "        self.__dict__ = state\n"
        "heavy = Heavy()",
    )
    assert server.checkpoint().status == 200
    (server.home / "deadly").touch()
    server.kill()
    server.start()
    end = time.monotonic() + PATIENCE
    while (report := server.restored(kernel_id))["cause"] != "death":
        assert time.monotonic() < end
        time.sleep(0.1)
    assert report["status"] == "failed"
    assert "died while or right after its variables were loaded" in report["reason"]
    assert server.run(kernel_id, "'heavy' in globals()").value == "False"


def test_the_checkpoint_of_a_kernel_that_could_not_be_restored_is_not_replaced_by_nothing(
    server: JupyterServer,
) -> None:
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.run(kernel_id, "x = 5")
    assert server.checkpoint().status == 200
    server.kill()
    manifests = server.store / "manifests" / f"kernel-{kernel_id}"
    manifests.rename(server.root / "away")
    manifests.write_text("not a folder")
    server.start()
    report = server.restored(kernel_id)
    assert report["status"] == "failed", report
    saved = server.checkpoint()
    assert [kernel["status"] for kernel in saved.body["kernels"]] == ["kept"], saved
    server.kill()
    manifests.unlink()
    (server.root / "away").rename(manifests)
    server.start()
    assert server.run(kernel_id, "x").value == "5"


def test_one_that_is_dead_for_good_holds_up_no_save_and_is_tried_again_at_the_next_start(
    make_server: Callable[..., JupyterServer],
) -> None:
    server = make_server(options=("--KernelRestarter.restart_limit=0",))
    server.start()
    session = server.open_notebook("a.ipynb")
    kernel_id = session["kernel"]["id"]
    other = server.open_notebook("b.ipynb")["kernel"]["id"]
    server.run(kernel_id, "x = 5")
    server.run(other, "y = 6")
    assert server.checkpoint().status == 200
    with server.front_end(kernel_id) as front_end:
        front_end.send(DIE)
        wait_until(lambda: kernel_id not in {kernel["id"] for kernel in server.get("api/kernels")})
    saved = server.checkpoint()
    assert [(kernel["id"], kernel["status"]) for kernel in saved.body["kernels"]] == [(other, "saved")], saved
    server.kill()
    assert {kernel["id"] for kernel in server.start()} == {kernel_id, other}
    assert session["id"] in {found["id"] for found in server.get("api/sessions")}
    assert server.run(kernel_id, "x").value == "5"


PORT_TAKEN = """
import json, os, sys
connection = json.load(open(sys.argv[1]))
if not os.path.exists("taken"):
    open("taken", "w").write(str(connection["control_port"]))
if connection["control_port"] == int(open("taken").read()):
    sys.exit("Address already in use")
os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", "-f", sys.argv[1]])
"""


def test_one_whose_port_was_taken_before_it_listened_gets_another(make_server: Callable[..., JupyterServer]) -> None:
    """jupyter_client would start it on the same ports five times, and give it up. Front ends wait for the new ones, and
    a session comes back all the same: it was not what the kernel died of."""
    argv = [sys.executable, "-c", PORT_TAKEN, "{connection_file}"]
    server = make_server(kernels={"unlucky": {"argv": argv, "display_name": "Unlucky", "language": "python"}})
    server.start()
    kernel_id = server.open_notebook("a.ipynb", "unlucky")["kernel"]["id"]
    assert server.run(kernel_id, "x = 5").status == "ok"
    assert server.checkpoint().status == 200
    server.kill()
    (server.home / "taken").unlink()
    server.start()
    assert server.run(kernel_id, "x").value == "5"
    assert server.restored(kernel_id)["status"] == "restored"
    assert server.log.count("Address already in use") == 2

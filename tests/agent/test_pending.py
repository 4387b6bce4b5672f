"""What is large comes behind a restore at the start of a server; what the agent tells follows it."""

from __future__ import annotations

import time

from tests.agent.server import PATIENCE, JupyterServer
from tests.kernel.gate import install


def test_the_report_follows_what_comes(server: JupyterServer) -> None:
    """A cell runs while it is coming, and the report is amended when it has come, without any cell."""
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    server.tracked(kernel_id)
    server.run(kernel_id, "import os\ntoken = os.urandom(9 << 20)")
    server.run(kernel_id, "small = hash(token)\ncheck = __import__('hashlib').sha256(token).hexdigest()")
    assert server.checkpoint().status == 200
    server.kill()
    gate = server.root / "gate"
    install(server.root / "ipython", gate)
    server.start()

    report = server.restored(kernel_id)
    assert (report["status"], report["pending"]) == ("restored", 1)
    assert report["variables"]["token"]["status"] == "pending"
    assert server.run(kernel_id, "print(type(small).__name__)").text == "int\n"
    assert server.state(kernel_id)["pending"] == 1

    gate.touch()
    end = time.monotonic() + PATIENCE
    while (report := server.restored(kernel_id))["pending"]:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert (report["status"], report["variables"]["token"]["status"]) == ("restored", "loaded")
    same = "print(check == __import__('hashlib').sha256(token).hexdigest())"
    assert server.run(kernel_id, same).text == "True\n"
    assert server.state(kernel_id)["pending"] == 0

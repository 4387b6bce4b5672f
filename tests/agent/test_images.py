"""Servers of images that nobody rebuilt: other versions, and nothing of ours installed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.agent.environments import environment
from tests.agent.server import JupyterServer

IMAGES = {
    "newest": ("jupyter_server", "ipykernel"),
    "old": ("jupyter_server==2.0.7", "jupyter_client==7.4.9", "ipykernel==6.20.2", "ipython<8.20", "traitlets<5.10"),
}


@pytest.mark.parametrize("image", IMAGES)
def test_the_spawner_s_environment_is_all_it_takes(make_server: Callable[..., JupyterServer], image: str) -> None:
    python = environment(f"server-{image}", *IMAGES[image])
    # an old server knows its token by another name
    server = make_server(
        python=str(python), options=("--ServerApp.token=letmein", "--ServerApp.disable_check_xsrf=True")
    )
    assert server.start() == []
    session = server.open_notebook("deep/a.ipynb")
    kernel_id = session["kernel"]["id"]
    assert server.tracked(kernel_id)["problem"] == ""
    assert server.run(kernel_id, "x = [1]; y = x").status == "ok"
    saved = server.checkpoint()
    assert [kernel["status"] for kernel in saved.body["kernels"]] == ["saved"], saved
    server.kill()
    assert [kernel["id"] for kernel in server.start()] == [kernel_id]
    assert [found["id"] for found in server.get("api/sessions")] == [session["id"]]
    cell = server.run(kernel_id, "y.append(2); x")
    assert (cell.value, cell.execution_count) == ("[1, 2]", 2)
    assert server.restored(kernel_id)["status"] == "restored"
    # a restart by the user, and one after a death
    assert server.request("POST", f"api/kernels/{kernel_id}/restart").status == 200
    assert server.run(kernel_id, "'x' in globals()").value == "False"
    assert server.state(kernel_id)["tracked"]

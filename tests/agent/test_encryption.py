"""A server whose checkpoints are encrypted, and kernels that cannot do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.agent.server import JupyterServer

Make = Callable[..., JupyterServer]


def stored(server: JupyterServer) -> bytes:
    """All that is in the store."""
    return b"".join(file.read_bytes() for file in sorted(server.store.rglob("*")) if file.is_file())


def test_kernels_and_their_list_are_encrypted_and_come_back(make_server: Make) -> None:
    """Neither values, names, sources, the environment nor the notebooks' names can be read in the store."""
    server = make_server(encrypt="yes")
    server.start()
    kernel_id = server.open_notebook("salaries.ipynb")["kernel"]["id"]
    assert server.run(kernel_id, "salary_of_ada = 'opensesame' * 3").status == "ok"
    saved = server.checkpoint()
    assert saved.status == 200, saved
    assert saved.body["kernels"][0]["encrypted"] is True
    found = stored(server)
    for word in (b"salary_of_ada", b"opensesame", b"salaries.ipynb", b"IPYTHONDIR"):
        assert word not in found
    server.kill()
    server.start()
    assert server.restored(kernel_id)["status"] == "restored"
    assert server.run(kernel_id, "salary_of_ada").value == repr("opensesame" * 3)


@pytest.mark.parametrize("policy", ["yes", "where_possible"])
def test_kernel_without_the_package(make_server: Make, foreign_kernel: dict[str, Any], policy: str) -> None:
    """As the admin chose: refused, and the message names the package; or saved in clear, and the report says so."""
    server = make_server(encrypt=policy, kernels={"foreign": foreign_kernel})
    server.start()
    kernel_id = server.open_notebook("a.ipynb", "foreign")["kernel"]["id"]
    assert server.run(kernel_id, "x = 41").status == "ok"
    saved = server.checkpoint()
    if policy == "yes":
        assert saved.status == 502
        assert "pip install cryptography" in saved.body["error"]["message"]
        assert server.run(kernel_id, "x + 1").value == "42"
    else:
        (kernel,) = saved.body["kernels"]
        assert (kernel["status"], kernel["encrypted"]) == ("saved", False)
        assert any("not encrypted" in note for note in kernel["notes"])
        server.kill()
        server.start()
        assert server.run(kernel_id, "x + 1").value == "42"

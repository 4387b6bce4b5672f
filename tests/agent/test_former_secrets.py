"""The hub's secret was changed: what the former one has signed comes back, and what a stranger's has does not."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from elastic_spawner.checkpoint.repository import Repository
from elastic_spawner.stores import open_store
from tests.agent.server import SECRET, JupyterServer

Make = Callable[..., JupyterServer]
NEW, STRANGERS = bytes(reversed(SECRET)), b"a secret of a stranger's own...."


@pytest.mark.parametrize("encrypt", ["no", "yes"])
def test_a_session_outlives_the_change_of_the_secret(make_server: Make, encrypt: str) -> None:
    """Also when the former secret is forgotten later; and its checkpoint is as old as it was."""
    server = make_server(encrypt=encrypt)
    server.start()
    kernel_id = server.open_notebook("a.ipynb")["kernel"]["id"]
    assert server.run(kernel_id, "x = bytearray(range(256)) * 100_000; y = [x]").status == "ok"
    assert server.checkpoint().status == 200
    server.kill()
    manifests = sorted(server.store.glob("manifests/*/*.json"))
    before = {path: json.loads(path.read_bytes()) for path in manifests}

    server.secret, server.former = NEW, f"{STRANGERS.hex()},{SECRET.hex()}"
    server.start()
    assert server.restored(kernel_id)["status"] == "restored"
    assert server.run(kernel_id, "y[0] is x, len(x), x[-1]").value == "(True, 25600000, 255)"
    for path, was in before.items():
        now = json.loads(path.read_bytes())
        assert (now["generation"], now["created"]) == (was["generation"], was["created"])
        assert now["mac"] != was["mac"] and now["format"] == was["format"]
    assert server.run(kernel_id, "z = 1").status == "ok"
    assert server.checkpoint().status == 200
    server.kill()

    server.former = ""
    server.start()
    assert server.restored(kernel_id)["status"] == "restored"
    assert server.run(kernel_id, "y[0] is x, len(x), z").value == "(True, 25600000, 1)"


def test_what_no_former_secret_has_signed_is_not_taken(make_server: Make) -> None:
    server = make_server()
    forged = Repository(open_store(server.store_url), STRANGERS)
    forged.commit("server", {"kind": "server", "kernels": [], "sessions": []})
    (manifest,) = server.store.glob("manifests/server/*.json")
    before = manifest.read_bytes()
    server.secret, server.former = NEW, SECRET.hex()
    assert server.start() == []
    assert manifest.read_bytes() == before
    assert server.elastic("status").body["boot"]["status"] == "failed"

"""Every stop by the hub saves, every start restores."""

from __future__ import annotations

import time

import pytest
import requests

from elastic_spawner.hub.keys import HubKeys, load_secret

pytestmark = pytest.mark.hub


def is_good(hub, token):
    """Whether the hub knows an API token."""
    headers = {"Authorization": f"token {token}"}
    return requests.get(f"{hub.url}/hub/api/user", headers=headers, timeout=30).ok


def test_a_server_that_was_stopped_comes_back_with_its_kernels(hub):
    """Browsers stay logged in, the old API token is revoked, and the tab's kernel and session have their old ids."""
    hub.start_server("ann")
    browser = hub.login("ann")
    browser.open_server()
    note = browser.open_notebook()
    note.run("x = {'a': [1, 2]}")
    token = hub.server_environment("ann")["JUPYTERHUB_API_TOKEN"]
    hub.stop_server("ann")
    assert browser.http.get(f"{hub.url}/user/ann/api/sessions", timeout=30).status_code == 424
    hub.start_server("ann")
    answer = browser.get("api/sessions")
    assert answer.status_code == 200
    assert [(s["id"], s["kernel"]["id"]) for s in answer.json()] == [(note.session_id, note.kernel_id)]
    note.reconnect()
    assert note.run("x").text == "{'a': [1, 2]}"
    new = hub.server_environment("ann")["JUPYTERHUB_API_TOKEN"]
    assert (is_good(hub, token), is_good(hub, new)) == (False, True)


def test_a_user_without_a_checkpoint_starts_as_ever(hub):
    hub.start_server("bob")
    assert hub.elastic("bob")["last_checkpoint"] is None
    assert hub.control("GET", "/servers/bob/-/status").json()["kernels"] == []


def test_named_servers_have_sessions_of_their_own(hub):
    hub.start_server("cat")
    hub.start_server("cat", "gpu")
    browser = hub.login("cat")
    notes = {}
    for server in ("", "gpu"):
        browser.open_server(server)
        notes[server] = browser.open_notebook(server=server)
        notes[server].run(f"x = 'in {server}'")
    for server in notes:
        hub.stop_server("cat", server)
    for server, note in notes.items():
        hub.start_server("cat", server)
        note.reconnect()
        assert note.run("x").text == f"'in {server}'"


def test_deleting_a_user_deletes_the_checkpoints(hub):
    hub.start_server("dan")
    browser = hub.login("dan")
    browser.open_server()
    browser.open_notebook().run("x = 1")
    hub.stop_server("dan")
    store = hub.directory / "data" / "checkpoints" / "dan"
    assert [path for path in store.rglob("*") if path.is_file()]
    (store / "_" / ".tmp" / "1-0-left").write_bytes(b"by a kernel that was killed as it wrote")
    assert hub.api("DELETE", "/users/dan").status_code == 204
    assert not [path for path in store.rglob("*") if path.is_file()]


def test_a_stop_goes_on_when_the_save_fails_and_the_checkpoint_before_stays(hub):
    hub.start_server("eve")
    browser = hub.login("eve")
    browser.open_server()
    note = browser.open_notebook()
    note.run("x = 1")
    hub.stop_server("eve")
    hub.start_server("eve")
    note.reconnect()
    note.run("x = 2")
    store = hub.directory / "data" / "checkpoints" / "eve" / "_"
    aside = store.with_name("aside")
    store.rename(aside)
    store.write_text("no directory")
    hub.stop_server("eve")
    store.unlink()
    aside.rename(store)
    assert "the kernels could NOT be saved before the stop" in hub.log
    hub.start_server("eve")
    note.reconnect()
    assert note.run("x").text == "1"


def test_the_size_of_a_resize_outlives_a_stop(hub):
    hub.start_server("fay")
    assert hub.resize("fay", memory="1G", cpus=1).status_code == 202
    assert hub.follow("fay")[-1]["step"] == "done"
    hub.stop_server("fay")
    hub.start_server("fay")
    assert hub.elastic("fay")["size"] == {"memory": 1 << 30, "cpus": 1.0}


def test_the_secret_is_in_no_kernel_and_the_agent_lets_nobody_else_in(hub):
    hub.start_server("gus")
    browser = hub.login("gus")
    browser.open_server()
    note = browser.open_notebook()
    secret = HubKeys(load_secret(path=hub.directory / "secret")).server_secret("gus", "").hex()
    environment = note.run("import os; print(dict(os.environ))").stdout
    assert secret not in environment and "ELASTIC_SPAWNER_SECRET" not in environment
    assert browser.get("api/elastic/status").status_code == 403
    assert secret not in str(hub.api("GET", "/users/gus").json())


def test_the_admins_own_jupyter_configuration_is_kept(hub):
    """JUPYTER_CONFIG_PATH is added to, not replaced."""
    folder = hub.directory / "admins"
    folder.mkdir()
    (folder / "jupyter_server_config.py").write_text("c.ServerApp.tornado_settings = {'headers': {'X-Admin': 'yes'}}\n")
    config = hub.directory / "jupyterhub_config.py"
    config.write_text(config.read_text() + f"\nc.Spawner.environment = {{'JUPYTER_CONFIG_PATH': '{folder}'}}\n")
    hub.kill()
    time.sleep(0.2)
    hub.start()
    hub.start_server("hal")
    browser = hub.login("hal")
    browser.open_server()
    assert browser.get("api/sessions").headers.get("X-Admin") == "yes"
    assert hub.control("GET", "/servers/hal/-/status").ok

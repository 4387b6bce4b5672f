"""The hub is killed at each step of a move: after its restart the move is finished or undone, values kept."""

from __future__ import annotations

import os
import signal
import threading

import pytest
import requests

from elastic_spawner.testing import HubProcess

pytestmark = pytest.mark.hub

PLACES = [
    "before check_room",
    "before save_for_move",
    "after save_for_move",
    "before end_server",
    "after end_server",
    "before launch_server",
    "after launch_server",
    "before route_to_server",
    "before restored",
]


def pids_of_servers(hub: HubProcess) -> list[int]:
    """The processes that are single-user servers of this hub."""
    found = []
    for pid in hub.processes():
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if b"jupyterhub.singleuser" in file.read():
                found.append(pid)
    return found


def start_in_vain(hub: HubProcess, user: str) -> None:
    """Ask for a server of a hub that will be killed before it answers."""
    try:
        hub.api("POST", f"/users/{user}/server", {})
    except requests.RequestException:
        pass


@pytest.fixture(scope="module")
def note(hub):
    hub.start_server("ann")
    browser = hub.login("ann")
    browser.open_server()
    return browser.open_notebook()


@pytest.mark.parametrize("number", range(len(PLACES)), ids=[place.replace(" ", "-") for place in PLACES])
def test_after_its_restart_the_hub_finishes_or_undoes_the_move(hub, note, number):
    place = PLACES[number]
    note.reconnect()
    assert note.run(f"x = {{'number': {number}}}").status == "ok"
    token = hub.server_environment("ann")["JUPYTERHUB_API_TOKEN"]
    (hub.directory / "pause_at").write_text(place)
    memory = (2 + number % 3) << 30
    assert hub.resize("ann", memory=memory).status_code == 202
    hub.wait_for((hub.directory / "paused").exists, 60, f"the move was not paused {place}")
    hub.kill()
    (hub.directory / "paused").unlink()

    hub.start()
    hub.wait_for(lambda: hub.server("ann").get("ready"), 90, "the server is not ready")
    assert hub.elastic("ann")["migration"]["step"] == "done"
    assert hub.elastic("ann")["size"]["memory"] == memory
    assert len(pids_of_servers(hub)) == 1
    assert hub.server_environment("ann")["JUPYTERHUB_API_TOKEN"] == token
    browser = note.browser
    hub.wait_for(lambda: browser.get("api/sessions").status_code == 200, 30, "the route does not lead to the server")
    assert [s["kernel"]["id"] for s in browser.get("api/sessions").json()] == [note.kernel_id]
    note.reconnect()
    assert note.run("x").text == str({"number": number})
    assert note.run("import resource; resource.getrlimit(resource.RLIMIT_DATA)[0]").text == str(memory)


def test_a_move_that_is_undone_is_undone_after_a_restart_too(hub, note):
    """Killed while the server of the old size is being started again."""
    note.reconnect()
    note.run("x = 'kept'")
    old = hub.elastic("ann")["size"]["memory"]
    (hub.directory / "pause_at").write_text("before launch_server")
    assert hub.resize("ann", memory="12M").status_code == 202
    hub.wait_for((hub.directory / "paused").exists, 60, "the move was not paused")
    # From here on the new size fails by itself, and the start with the old one is the next to be paused.
    (hub.directory / "paused").unlink()
    hub.kill()
    (hub.directory / "pause_at").write_text("before restored")
    hub.start()
    hub.wait_for((hub.directory / "paused").exists, 120, "the start with the old size was not paused")
    assert hub.elastic("ann")["migration"]["step"] == "restoring_old"
    hub.kill()
    (hub.directory / "paused").unlink()
    hub.start()
    hub.wait_for(lambda: hub.server("ann").get("ready"), 90, "the server is not ready")
    assert hub.elastic("ann")["migration"]["step"] == "undone"
    assert hub.elastic("ann")["size"]["memory"] == old
    note.reconnect()
    assert note.run("x").text == "'kept'"


def test_a_server_that_died_while_the_hub_was_down_in_a_move_comes_back(hub, note):
    note.reconnect()
    note.run("x = 'saved before'")
    hub.stop_server("ann")
    hub.start_server("ann")
    (hub.directory / "pause_at").write_text("before save_for_move")
    assert hub.resize("ann", cpus=1).status_code == 202
    hub.wait_for((hub.directory / "paused").exists, 60, "the move was not paused")
    hub.kill()
    (hub.directory / "paused").unlink()
    for pid in pids_of_servers(hub):
        os.kill(pid, signal.SIGKILL)
    hub.start()
    hub.wait_for(lambda: hub.server("ann").get("ready"), 90, "the server is not ready")
    migration = hub.elastic("ann")["migration"]
    assert migration["step"] == "done"
    assert "its last committed checkpoint is used" in migration["message"]
    note.reconnect()
    assert note.run("x").text == "'saved before'"


def test_a_server_whose_start_nobody_remembers_is_not_left_beside_another(hub):
    """The hub is killed in the middle of a plain start: the next start ends what that one has left."""
    hub.api("POST", "/users/bob")
    others = set(pids_of_servers(hub))
    (hub.directory / "pause_at").write_text("after start")
    threading.Thread(target=start_in_vain, args=(hub, "bob"), daemon=True).start()
    hub.wait_for((hub.directory / "paused").exists, 60, "the start was not paused")
    (left_behind,) = set(pids_of_servers(hub)) - others
    hub.kill()
    (hub.directory / "paused").unlink()
    hub.start()
    hub.wait_for(lambda: not hub.server("bob").get("pending"), 60, "the server stays pending")
    assert left_behind in pids_of_servers(hub)
    hub.start_server("bob")
    (new,) = set(pids_of_servers(hub)) - others
    assert new != left_behind

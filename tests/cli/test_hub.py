"""resize and status through a real hub."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from elastic_spawner.testing import HubProcess, Notebook

from .conftest import Done, Run

pytestmark = pytest.mark.hub

CONFIG = """
c.ElasticLocalSpawner.min_mem = "64M"
c.ElasticLocalSpawner.max_mem = "8G"
c.ElasticLocalSpawner.mem_limit = "2G"
c.Spawner.http_timeout = 120  # the machine may be busy with other tests
c.Spawner.start_timeout = 120
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    with HubProcess(tmp_path_factory.mktemp("hub"), CONFIG, service=True) as running:
        service_url = f"{running.url}/services/elastic/static/icon.svg"
        running.wait_for(lambda: requests.get(service_url, timeout=5).ok, 60, "the service does not answer")
        yield running


@pytest.fixture(scope="module")
def notebook(hub: HubProcess) -> Notebook:
    hub.start_server("ann")
    browser = hub.login("ann")
    browser.open_server()
    notebook = browser.open_notebook("work.ipynb")
    assert notebook.run("import socket; x = list(range(100))").status == "ok"
    assert notebook.run("s = socket.create_server(('127.0.0.1', 0))").status == "ok"
    return notebook


def token_of(hub: HubProcess, user: str) -> str:
    if hub.api("GET", f"/users/{user}").status_code == 404:
        hub.api("POST", f"/users/{user}")
    return str(hub.api("POST", f"/users/{user}/tokens", {}).json()["token"])


@pytest.fixture
def as_admin(run: Run, hub: HubProcess) -> Run:
    token = token_of(hub, "admin")
    return lambda *arguments: run(*arguments, timeout=180, JUPYTERHUB_URL=f"{hub.url}/", JUPYTERHUB_API_TOKEN=token)


def test_status_lists_servers(as_admin: Run, notebook: Notebook) -> None:
    done = as_admin("status")
    assert done.status == 0
    (row,) = (line for line in done.out.splitlines() if line.startswith("ann"))
    assert "running" in row and "2.0 GiB" in row
    servers = {server["user"]: server for server in as_admin("status", "--json").json}
    assert servers["ann"]["size"]["memory"] == 2 << 30


def test_status_shows_the_kernels_of_one_server(as_admin: Run, notebook: Notebook) -> None:
    done = as_admin("status", "ann")
    assert done.status == 0
    assert "work.ipynb: idle, python3" in done.out
    (kernel,) = as_admin("status", "ann", "--json").json["agent"]["kernels"]
    assert kernel["path"] == "work.ipynb"


def test_a_move_that_would_lose_a_variable_is_refused_and_names_it(
    as_admin: Run, hub: HubProcess, notebook: Notebook
) -> None:
    done = as_admin("resize", "ann", "--memory", "3G")
    assert done.status == 1
    assert "work.ipynb would lose s (socket.socket) of In [" in done.err
    assert "(afterwards, run In [" in done.err
    assert hub.elastic("ann")["size"]["memory"] == 2 << 30
    assert notebook.run("s.fileno() > 0").text == "True"


def test_resize_follows_the_move_and_names_each_variable_s_fate(as_admin: Run, notebook: Notebook) -> None:
    done = as_admin("resize", "ann", "--memory", "3G", "--accept-loss")
    assert done.status == 0, done
    steps, _, table = done.out.partition("\n\n")
    assert "Saving the kernels" in steps
    assert steps.splitlines()[-1].split(" s  ")[1].startswith("Done: the server runs with its new size")
    fates = dict(line.split()[:2] for line in table.splitlines() if line.startswith("  "))
    assert (fates["x"], fates["s"]) == ("loaded", "lost")
    assert "to have it back, run In [" in done.out
    assert done.err == ""


def test_resize_gives_json(as_admin: Run, notebook: Notebook) -> None:
    done = as_admin("resize", "ann", "--memory", "4G", "--json")
    assert done.status == 0, done
    result = done.json
    assert (result["step"], result["failed"], result["server"]) == ("done", False, "ann")
    assert [step["step"] for step in result["steps"]][-2:] == ["restoring", "done"]
    (kernel,) = result["kernels"]
    assert kernel["restore"]["variables"]["x"]["status"] == "loaded"


def test_a_refused_move_is_a_failure_that_says_why(as_admin: Run, hub: HubProcess, notebook: Notebook) -> None:
    notebook.reconnect()
    running = notebook.send("import time; time.sleep(15)")
    done = as_admin("resize", "ann", "--memory", "5G", "--deadline", "2")
    assert done.status == 1
    assert "Refused: the server runs as before" in done.err
    assert hub.elastic("ann")["size"]["memory"] == 4 << 30
    assert notebook.wait(running).status == "ok"


def test_no_wait_only_begins(as_admin: Run, hub: HubProcess, notebook: Notebook) -> None:
    done = as_admin("resize", "ann", "--memory", "5G", "--no-wait", "--json")
    assert done.status == 0
    assert hub.elastic("ann")["migration"]["id"] == done.json["migration"]
    end = hub.follow("ann")[-1]
    assert end["step"] == "done", end


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("resize", "ann", "--memory", "12X"), 2, "is no size of memory"),
        (("resize", "ann", "--memory", "99G"), 2, "choose from 64M to 8G"),
        (("resize", "ann", "--cpus", "0"), 2, "is no number of CPUs"),
        (("resize", "ann"), 2, "give a size"),
        (("resize", "ann/lab/x", "--memory", "1G"), 2, "is no server"),
        (("resize", "/", "--memory", "1G"), 2, "is no server"),
        (("resize", "nobody", "--memory", "1G"), 2, "no user 'nobody'"),
        (("resize", "ann/lab", "--memory", "1G"), 2, "has no server 'lab'"),
        (("status", "nobody"), 2, "'nobody' has no server"),
        (("status", "--service", "plastic"), 2, "does this hub have the service"),
    ],
)
def test_bad_input_is_told_in_one_line(
    as_admin: Run, hub: HubProcess, notebook: Notebook, arguments: tuple[str, ...], status: int, message: str
) -> None:
    before = hub.elastic("ann")["migration"]
    assert_told(as_admin(*arguments), status, message)
    assert hub.elastic("ann")["migration"] == before


def assert_told(done: Done, status: int, message: str) -> None:
    assert done.status == status, done
    assert message in done.err
    assert done.err.count("\n") == 1 and done.err.startswith("elastic-spawner: ")
    assert done.out == ""


def test_without_rights_nothing_is_done(run: Run, hub: HubProcess, notebook: Notebook) -> None:
    token = token_of(hub, "bob")
    done = run("resize", "ann", "--memory", "1G", "--hub-url", hub.url, JUPYTERHUB_API_TOKEN=token)
    assert_told(done, 1, "'bob' may not see the servers of 'ann'")
    assert_told(run("status", "--hub-url", hub.url, "--token", "nonsense"), 1, "send a JupyterHub API token")


def test_without_a_token_one_is_told_where_to_get_it(run: Run, hub: HubProcess) -> None:
    assert_told(run("status", "--hub-url", hub.url), 2, "JUPYTERHUB_API_TOKEN")


@pytest.mark.parametrize("url", ["hub.example.org", "file:///etc", "https://", ""])
def test_an_address_that_is_none_is_refused(run: Run, url: str) -> None:
    assert_told(run("status", "--hub-url", url, "--token", "x"), 2, "no address of a hub")


def test_a_hub_that_does_not_run_is_named(run: Run) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert_told(run("status", "--hub-url", url, "--token", "x"), 1, f"no answer from {url}/services/elastic/api/")


def test_the_token_does_not_follow_a_redirect(run: Run, hub: HubProcess) -> None:
    # The hub answers a wrong path below /hub with a redirect to its login page.
    done = run("status", "--hub-url", f"{hub.url}/hub/nothing", "--token", "x")
    assert done.status == 2
    assert "--hub-url" in done.err


def test_the_demo_has_options_of_its_own(run: Run, tmp_path: Path) -> None:
    done = run("demo", "--help")
    assert done.status == 0 and "--notebook" in done.out
    assert run("demo", "--notebook", tmp_path / "nothing.ipynb").status == 2

"""``configure`` in a jupyterhub_config.py: one call sets all up, for root and for everybody else."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from traitlets.config import Config

from elastic_spawner.hub import configure
from elastic_spawner.testing import HubProcess

NOBODY = 65534


@pytest.fixture
def c(tmp_path, monkeypatch) -> Config:
    monkeypatch.chdir(tmp_path)
    return Config()


def test_a_hub_listens_before_it_has_gone_on_with_all_moves_unless_the_admin_wants_otherwise(c):
    configure(c, service=False)
    assert c.JupyterHub.init_spawners_timeout == 1
    c.JupyterHub.init_spawners_timeout = 10
    configure(c, service=False)
    assert c.JupyterHub.init_spawners_timeout == 10


def test_everything_is_registered(c, tmp_path):
    c.Authenticator.admin_users = {"root"}
    configure(c, resizers=["ann"], resizer_groups=["staff"], service_port=4321)
    assert c.JupyterHub.spawner_class == "elastic-local"
    (service,) = c.JupyterHub.services.get_value([])
    assert service["name"] == "elastic" and service["url"] == "http://127.0.0.1:4321"
    assert service["environment"]["ELASTIC_SPAWNER_CONTROL_URL"].startswith("http://127.0.0.1:")
    roles = {role["name"]: role for role in c.JupyterHub.load_roles.get_value([])}
    assert roles["elastic-resizer"]["users"] == ["ann", "root"]
    assert roles["elastic-resizer"]["groups"] == ["staff"]
    assert "custom:elastic:resize" in roles["elastic-resizer"]["scopes"]
    assert "custom:elastic:resize" in c.JupyterHub.custom_scopes.get_value({})
    assert (tmp_path / "elastic_spawner_secret").exists()


def test_the_admins_own_services_and_roles_stay(c):
    c.JupyterHub.services = [{"name": "mine"}]
    c.JupyterHub.load_roles = [{"name": "mine"}]
    c.JupyterHub.custom_scopes = {"custom:mine": {"description": "mine"}}
    configure(c)
    assert [service["name"] for service in c.JupyterHub.services] == ["mine", "elastic"]
    assert c.JupyterHub.load_roles[0] == {"name": "mine"}
    assert "custom:mine" in c.JupyterHub.custom_scopes


def test_token_and_port_of_the_control_server_outlive_a_restart(c):
    configure(c)
    again = Config()
    configure(again)
    first, second = (config.JupyterHub.services.get_value([])[0]["environment"] for config in (c, again))
    assert first == second


def test_a_short_secret_is_refused(c):
    with pytest.raises(ValueError, match="openssl rand"):
        configure(c, secret="short")


def test_without_the_service_nothing_of_it_is_registered(c):
    configure(c, service=False, spawner=None)
    assert "services" not in c.JupyterHub
    assert "spawner_class" not in c.JupyterHub


@pytest.fixture
def others_folder() -> Iterator[Path]:
    """A folder that belongs to a user without any rights."""
    folder = Path(tempfile.mkdtemp(prefix="elastic-spawner-test-"))
    os.chown(folder, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.hub
@pytest.mark.skipif(os.getuid() != 0, reason="the other tests run without root then")
@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv (util-linux) is missing")
def test_a_hub_without_root_serves_users_that_the_system_does_not_know(others_folder):
    # It may read, because the interpreter may lie in root's home; there is nothing else that it may.
    read = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *read]
    hub = HubProcess(others_folder / "hub", prefix=prefix, env={"HOME": str(others_folder)})
    os.chown(hub.directory, NOBODY, NOBODY)
    with hub:
        hub.start_server("ann")
        browser = hub.login("ann")
        browser.open_server()
        note = browser.open_notebook()
        assert note.run("x = 1; import os; print(os.getuid(), os.getcwd())").stdout == (
            f"{NOBODY} {others_folder}/hub/data/homes/ann\n"
        )
        assert hub.resize("ann", memory="1G").status_code == 202
        assert hub.follow("ann")[-1]["step"] == "done"
        note.reconnect()
        assert note.run("x").text == "1"


@pytest.mark.hub
def test_admins_reach_the_resize_page_and_users_too(tmp_path):
    pytest.importorskip("elastic_spawner.hub.service")
    with HubProcess(tmp_path / "hub", service=True) as hub:
        for user in ("admin", "ann"):
            browser = hub.login(user)
            answer = hub.wait_for(lambda b=browser: page(b), 60, "the page does not answer")
            assert answer.status_code == 200
            assert answer.url.endswith("/services/elastic/")


def page(browser):
    answer = browser.http.get(f"{browser.url}/services/elastic/", timeout=30)
    return answer if answer.status_code != 503 else None


def test_what_the_admin_says_of_our_service_and_roles_is_added_to(c):
    """JupyterHub does not start when a role is defined twice, and many admins define `user` themselves."""
    c.JupyterHub.services = [{"name": "elastic", "display": False, "environment": {"MINE": "1"}}]
    c.JupyterHub.load_roles = [
        {"name": "user", "scopes": ["self", "access:services"]},
        {"name": "elastic-resizer", "groups": ["staff"]},
    ]
    configure(c, resizers=["ann"])
    (service,) = c.JupyterHub.services
    assert service["display"] is False and "-m" in service["command"]
    assert {"MINE", "ELASTIC_SPAWNER_CONTROL_TOKEN"} <= set(service["environment"])
    roles = {role["name"]: role for role in c.JupyterHub.load_roles}
    assert len(roles) == len(c.JupyterHub.load_roles)
    assert roles["user"]["scopes"] == ["access:services", "access:services!service=elastic", "self"]
    assert (roles["elastic-resizer"]["users"], roles["elastic-resizer"]["groups"]) == (["ann"], ["staff"])
    assert "custom:elastic:resize" in roles["elastic-resizer"]["scopes"]


def test_a_role_appended_before_is_added_to_and_what_comes_later_stays(c):
    c.JupyterHub.load_roles.append({"name": "user", "scopes": ["self", "groups"]})
    configure(c)
    c.JupyterHub.load_roles.append({"name": "later"})
    roles = c.JupyterHub.load_roles.get_value([])
    assert [role["name"] for role in roles] == ["user", "elastic-resizer", "later"]
    assert "groups" in roles[0]["scopes"] and "access:services!service=elastic" in roles[0]["scopes"]


def test_a_service_behind_a_proxy_elsewhere_listens_everywhere(c):
    configure(c, service_url="http://hub:8082")
    (service,) = c.JupyterHub.services.get_value([])
    assert service["url"] == "http://hub:8082"
    assert service["environment"]["ELASTIC_SPAWNER_SERVICE_IP"] == ""


def test_the_service_itself_may_do_nothing_at_the_hub(c: Config) -> None:
    """It asks the control server, with the rights of the one who asks: its own token is to open nothing."""
    configure(c)
    assert not [role for role in c.JupyterHub.load_roles.get_value([]) if role.get("services")]

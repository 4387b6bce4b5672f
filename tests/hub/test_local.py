"""ElasticLocalSpawner's processes: whose they are, where they run, what limits they have. No hub is needed for that."""

from __future__ import annotations

import asyncio
import os
import pwd
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from elastic_spawner.hub.local import ElasticLocalSpawner
from elastic_spawner.hub.processes import read_launch
from elastic_spawner.migration import Size

SCRIPT = "id -u; pwd; ulimit -d; ulimit -Hd; sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status"


@pytest.fixture
def make(tmp_path):
    def spawner(user: str, **traits) -> ElasticLocalSpawner:
        return ElasticLocalSpawner(
            user=SimpleNamespace(name=user), data_dir=str(tmp_path / "data"), mem_limit="300M", cpu_limit=1, **traits
        )

    return spawner


def run(spawner: ElasticLocalSpawner) -> list[str]:
    """Start a shell as the spawner starts servers, and return what it finds out about itself."""
    asyncio.run(spawner.prepare_start())
    done = subprocess.run(
        ["/bin/sh", "-c", SCRIPT],
        preexec_fn=spawner.make_preexec_fn(spawner.user.name),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_a_server_runs_as_the_hubs_user_in_a_home_of_its_own(make, tmp_path):
    uid, folder, soft, hard, cpus = run(make("Ann/../x"))
    assert int(uid) == os.getuid()
    assert Path(folder).parent == tmp_path / "data" / "homes"
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    assert soft == hard == str(300 << 10)
    assert cpus.isdigit()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start processes of other users")
def test_with_system_users_a_server_runs_as_the_systems_user(make, tmp_path):
    spawner = make("nobody", system_users=True)
    uid, _, soft, hard, cpus = run(spawner)
    nobody = pwd.getpwnam("nobody")
    assert int(uid) == nobody.pw_uid
    assert soft == hard == str(300 << 10)
    assert cpus.isdigit()
    assert read_launch(spawner._launch_file) is not None  # written with the hub's rights, before they were dropped
    checkpoints = tmp_path / "data" / "checkpoints" / "nobody" / "_"
    assert checkpoints.stat().st_uid == nobody.pw_uid
    assert checkpoints.stat().st_mode & 0o777 == 0o700
    assert "HOME" in spawner.user_env({}) and spawner.user_env({})["HOME"] == nobody.pw_dir


def test_the_size_that_was_granted_is_kept_and_the_rest_is_not_readable(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spawner = make("ann")
    spawner._granted = Size(1 << 30, 2.0)
    spawner.api_token = "a-token-that-nobody-may-read"
    state = spawner.get_state()
    assert "a-token-that-nobody-may-read" not in str(state)
    again = make("ann")
    again.load_state(state)
    assert again.size == Size(1 << 30, 2.0)
    assert again.api_token == "a-token-that-nobody-may-read"


def test_a_move_of_another_version_does_not_keep_the_hub_from_starting(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spawner = make("ann")
    spawner.load_state({"elastic": {"move": {"id": "m", "step": "teleporting"}}})
    assert spawner.move is None


def test_a_size_below_one_cpu_is_out_of_bounds(make):
    assert make("ann", min_cpus=0.1).bounds.min_cpus == 1.0


def test_a_hubs_own_python_runs_the_servers_unless_configured(make):
    assert make("ann").cmd[-1] == "jupyterhub.singleuser"
    assert make("ann", cmd=["mine"]).cmd == ["mine"]

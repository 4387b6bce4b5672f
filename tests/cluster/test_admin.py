"""What an admin has configured goes on to hold, and what a user leaves behind goes with the user."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .hub import ClusterHub
from .sessions import check, container, open_notebook, session

pytestmark = pytest.mark.cluster

CONFIG = """
def hook(spawner, pod):
    pod.metadata.annotations["example.org/hook"] = spawner.user.name
    return pod

c.KubeSpawner.modify_pod_hook = hook
c.KubeSpawner.cmd = ["/bin/sh", "-c", 'echo "[admin]" >&2; exec jupyterhub-singleuser "$@"', "sh"]
c.KubeSpawner.environment = {"JUPYTER_CONFIG_PATH": "/tmp/admin", "COLOUR": "{username}"}
c.KubeSpawner.lifecycle_hooks = {
    "postStart": {"exec": {"command": ["/bin/sh", "-c", "echo started > /tmp/started"]}},
    "preStop": {"exec": {"command": ["/bin/sh", "-c", "exit 7"]}},
}
c.KubeSpawner.extra_pod_config = {"terminationGracePeriodSeconds": 45}
c.KubeSpawner.extra_labels = {"example.org/team": "{username}"}
c.KubeSpawner.profile_list = [
    {"display_name": "Small", "slug": "small", "kubespawner_override": {"mem_limit": "400M", "mem_guarantee": "200M"}},
    {"display_name": "Large", "slug": "large", "kubespawner_override": {"mem_limit": "600M", "mem_guarantee": "300M"}},
]
"""


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., ClusterHub]) -> ClusterHub:
    return make_hub(CONFIG)


def test_the_admin_s_settings_hold_before_and_after_an_eviction(hub: ClusterHub) -> None:
    """Root's file system is read-only and the namespace's Pod Security restricted, as for all tests."""
    with session(hub, "una", options={"profile": "large"}) as note:
        before = hub.pod("una")
        hub.evict("una")
        after = hub.wait_for_another_pod("una", before)
        for pod in (before, after):
            notebook = container(pod)
            assert pod["metadata"]["annotations"]["example.org/hook"] == "una"
            assert pod["metadata"]["labels"]["example.org/team"] == "una"
            assert pod["spec"]["terminationGracePeriodSeconds"] == 45
            assert notebook["resources"]["limits"]["memory"] == str(600 << 20)
            assert notebook["securityContext"]["readOnlyRootFilesystem"] is True
            environment = {each["name"]: each.get("value") for each in notebook["env"]}
            assert environment["COLOUR"] == "una" and environment["JUPYTER_CONFIG_PATH"].endswith(":/tmp/admin")
        assert "[admin]" in hub.kubectl("logs", after["metadata"]["name"], "-c", "notebook")
        check(note)
        assert note.run("print(open('/tmp/started').read())").stdout == "started\n\n"
        # Theirs is run after ours, and fails as they wanted it to.
        failed = hub.kubectl("get", "events", "--field-selector", "reason=FailedPreStopHook", "-o", "name")
        assert failed.count("event/") == 1


def test_a_named_server_comes_back_and_its_checkpoints_go_with_its_user(hub: ClusterHub) -> None:
    note = open_notebook(hub, "nel", "lab", options={"profile": "small"})
    before = hub.pod("nel", "lab")
    assert before["metadata"]["name"] == "jupyter-nel--lab"
    hub.evict("nel", "lab")
    hub.wait_for_another_pod("nel", before, server="lab")
    check(note)
    hub.stop_server("nel", "lab", timeout_s=120)
    assert keys_of(hub, "nel") > 0
    assert hub.api("DELETE", "/users/nel").status_code == 204
    hub.wait_for(lambda: keys_of(hub, "nel") == 0, 60, "the checkpoints of a deleted user stay")


def keys_of(hub: ClusterHub, user: str) -> int:
    """How many objects there are in the store for a user, as the hub sees it."""
    url = hub.store_url(user)
    script = f"from elastic_spawner import stores; print(sum(1 for _ in stores.open_store({url!r}).list('')))"
    return int(hub.kubectl("exec", "hub", "--", "python3", "-c", script))

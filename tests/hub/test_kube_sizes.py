"""The size of a pod: what is granted, and what keeps room for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from elastic_spawner.hub.kube_room import LABEL, placeholder, without
from elastic_spawner.migration import Size

from .kube import manifest, nowhere, spawner  # noqa: F401

pytestmark = pytest.mark.usefixtures("nowhere")
SMALL = {"mem_limit": "1G", "mem_guarantee": "1G", "cpu_limit": 2, "cpu_guarantee": 0.5}


def resources(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [container.get("resources") or {} for container in pod["spec"]["containers"]]


def test_what_keeps_room_needs_what_the_server_needs() -> None:
    """The same resources in as many containers, and all that says where a pod may be."""
    pod = manifest(
        **SMALL,
        node_selector={"pool": "users"},
        tolerations=[{"key": "hub", "operator": "Exists"}],
        priority_class_name="users",
        scheduler_name="packing",
        extra_containers=[{"name": "side", "image": "any/side:1", "resources": {"requests": {"cpu": "1"}}}],
        extra_resource_limits={"nvidia.com/gpu": "1"},
        volumes=[
            {"name": "home", "persistentVolumeClaim": {"claimName": "ada"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    )
    kept = placeholder(pod, "room", "jupyter-ada")
    assert resources(kept) == resources(pod)
    assert resources(kept)[0]["limits"]["nvidia.com/gpu"] == "1"
    for what in ("nodeSelector", "tolerations", "priorityClassName", "schedulerName"):
        assert kept["spec"][what] == pod["spec"][what]
    assert kept["spec"]["volumes"] == [{"name": "home", "persistentVolumeClaim": {"claimName": "ada"}}]
    assert kept["metadata"]["labels"] == {LABEL: "jupyter-ada"}  # nothing by which it would be taken for a server


def test_what_keeps_room_is_restricted_and_knows_nothing() -> None:
    kept = placeholder(manifest(**SMALL, environment={"SECRET": "x"}), "room", "jupyter-ada")
    (container,) = kept["spec"]["containers"]
    assert "env" not in container and "volumeMounts" not in container
    assert container["securityContext"]["runAsNonRoot"] and container["image"] == "any/image:1"
    assert kept["spec"]["automountServiceAccountToken"] is False
    assert kept["spec"]["activeDeadlineSeconds"] > 0  # should no hub be there to remove it


def test_on_the_node_of_the_server_only_what_is_missing_counts() -> None:
    rest = without(manifest(**{**SMALL, "mem_limit": "3G", "mem_guarantee": "3G"}), manifest(**SMALL))
    ((found),) = resources(placeholder(rest, "room", "jupyter-ada", node="node-1"))
    assert found == {"requests": {"memory": str(2 * 2**30), "cpu": "0m"}}
    less = without(manifest(**SMALL), manifest(**{**SMALL, "mem_limit": "3G", "mem_guarantee": "3G"}))
    assert resources(less)[0]["requests"]["memory"] == "0"


def test_working_out_a_size_leaves_nothing_behind() -> None:
    """Another profile, picked after a resize that was refused, has its own size."""

    async def play() -> Any:
        made = spawner(**{**SMALL, "profile_list": PROFILES})
        made.user_options = {"profile": "small"}
        await made.load_user_options()
        before = made.size
        with made._as_if(Size(2**32, 4.0)):
            assert made.mem_guarantee == 2**32
        assert made.size == before
        made.user_options = {"profile": "large"}
        await made.load_user_options()
        return made.size

    assert asyncio.run(play()) == Size(2**33, 2.0)


def test_a_granted_size_wins_over_the_profile_s_until_another_is_picked() -> None:
    async def play() -> list[Any]:
        made = spawner(**{**SMALL, "profile_list": PROFILES})
        made.user_options = made._granted_with = {"profile": "small"}
        made._granted = Size(2**31, 1.0)
        await made.load_user_options()
        sizes = [made.size]
        await made.load_user_options()
        sizes.append(made.size)
        made.user_options = {"profile": "large"}
        await made.load_user_options()
        return [*sizes, made.size]

    assert asyncio.run(play()) == [Size(2**31, 1.0), Size(2**31, 1.0), Size(2**33, 2.0)]


PROFILES = [
    {"display_name": "Small", "slug": "small", "kubespawner_override": {"mem_limit": "1G", "mem_guarantee": "1G"}},
    {"display_name": "Large", "slug": "large", "kubespawner_override": {"mem_limit": "8G", "mem_guarantee": "8G"}},
]

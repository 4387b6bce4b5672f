"""The cluster: started once for all tests that want it, unless KUBECONFIG names another one.

A cluster that ran before is left running; one that was started for the tests is taken down after them, unless
ELASTIC_CLUSTER_KEEP is set. For a cluster of your own see docs/operating.md.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .hub import ClusterHub, Kubectl
from .machine.build import CannotBuild
from .machine.cluster import locked
from .machine.control import kubectl


@dataclass(frozen=True)
class TestCluster:
    """How to speak to the cluster."""

    __test__ = False
    kubectl: Kubectl
    command: list[str]
    """kubectl with its kubeconfig."""
    ours: bool
    """Whether it runs on this machine, so that its nodes can be killed."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[TestCluster]:
    """A running cluster of two nodes at least."""
    if given := os.environ.get("KUBECONFIG"):
        program = shutil.which("kubectl")
        if program is None:
            pytest.fail("KUBECONFIG is given, but there is no kubectl on the PATH")
        run = partial(kubectl, Path(program).parent, Path(given))
        yield TestCluster(run, [program, f"--kubeconfig={given}"], ours=False)
        return
    with locked() as machine:
        was_up = machine.is_up()
        try:
            machine.up()
        except CannotBuild as error:
            pytest.skip(f"NOT RUN, because no cluster can be had here: {error}")
        try:
            yield TestCluster(machine.kubectl, machine.command, ours=True)
        finally:
            if not was_up and not os.environ.get("ELASTIC_CLUSTER_KEEP"):
                machine.down()


@pytest.fixture(scope="session")
def make_hub(cluster: TestCluster) -> Iterator[Callable[..., ClusterHub]]:
    """Deploys hubs, each in a namespace of its own with what is added to its configuration."""
    made: list[ClusterHub] = []

    def make(config: str = "", **options: Any) -> ClusterHub:
        hub = ClusterHub(cluster.kubectl, cluster.command, f"test-{secrets.token_hex(4)}", config, **options)
        made.append(hub)
        hub.start()
        return hub

    yield make
    for hub in made:
        hub.close()


@pytest.fixture(scope="session")
def hub(make_hub: Callable[..., ClusterHub]) -> ClusterHub:
    """One hub for most tests; each takes users of its own."""
    return make_hub()

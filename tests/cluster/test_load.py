"""Many servers leave their node at once, and are all back with their values."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from .conftest import TestCluster
from .hub import ClusterHub
from .load import AT_ONCE, CONFIG, Fleet

pytestmark = pytest.mark.cluster
SERVERS = int(os.environ.get("ELASTIC_LOAD_SERVERS", "10"))
"""More take longer: each start takes seconds of a core. `make benchmarks-cluster` does it with thirty."""


def test_many_at_once(make_hub: Callable[..., ClusterHub], cluster: TestCluster) -> None:
    """Ahead of the eviction, saved a few at a time, and then evicted. What the hub asks for each does not grow with
    their number, and it answers meanwhile: how quickly is printed, for that is a matter of the machine."""
    hub = make_hub(CONFIG)
    fleet = Fleet(hub, cluster.kubectl, SERVERS)
    for what, left in (("told to go", fleet.told_to_go()), ("drained", fleet.drained())):
        print(f"{what}: {left}")
        assert len(left.answers) > 1 and len(left.outages) == SERVERS
        if what == "told to go":  # what is evicted is saved by the kubelets
            assert 1 <= left.saves_at_once <= AT_ONCE
        assert left.asked["POST pods"] <= 2.5 * SERVERS  # each pod, and what keeps its room
        assert left.asked.total() <= 16 * SERVERS

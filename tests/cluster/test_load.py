"""Many servers leave their node at once, and are all back with their values."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from .conftest import TestCluster
from .hub import ClusterHub
from .load import CONFIG, Fleet

pytestmark = pytest.mark.cluster
SERVERS = int(os.environ.get("ELASTIC_LOAD_SERVERS", "10"))
"""More take longer: each start takes seconds of a core. `make benchmarks-cluster` does it with thirty."""


def test_many_are_drained_at_once(make_hub: Callable[..., ClusterHub], cluster: TestCluster) -> None:
    """What the hub asks of the API server for each does not grow with their number, and it answers meanwhile: how
    quickly is printed, for that is a matter of the machine."""
    left = Fleet(make_hub(CONFIG), cluster.kubectl, SERVERS).drained()
    print(left)
    assert len(left.outages) == SERVERS and len(left.answers) > 1
    assert SERVERS <= left.asked["POST pods"] <= 2 * SERVERS
    watches = sum(left.asked[f"GET {kind}"] for kind in ("pods", "events", "nodes"))  # as long as it takes
    assert left.asked.total() - watches <= 15 * SERVERS

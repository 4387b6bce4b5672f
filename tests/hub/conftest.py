"""Real hubs for the tests: JupyterHub with its proxy, in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from elastic_spawner.testing import HubProcess
from tests.conftest_s3 import bucket, s3_server

__all__ = ["bucket", "hub", "s3_server"]

CONFIG = Path(__file__).with_name("pausing_config.py").read_text()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub for all tests of one file; each test takes users of its own."""
    with HubProcess(tmp_path_factory.mktemp("hub"), CONFIG) as running:
        yield running

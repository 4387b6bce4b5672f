"""What is off on a hub is said once, for as long as it holds."""

from __future__ import annotations

import logging

import pytest
from prometheus_client import REGISTRY

from elastic_spawner.hub import metrics, notices

LOG = logging.getLogger("test-notices")


@pytest.fixture(autouse=True)
def none_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_notices", {})


def test_the_same_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    for text in ("no right", "no right", "another reason"):
        notices.notice(LOG, "nodes", text)
    notices.notice(LOG, "store", "no bucket")
    assert [record.getMessage() for record in caplog.records] == [
        "elastic_spawner: no right",
        "elastic_spawner: another reason",
        "elastic_spawner: no bucket",
    ]
    assert notices.notices() == ["another reason", "no bucket"]


def test_what_works_again_is_said_and_no_longer_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    notices.settle(LOG, "store", "it works again")
    notices.notice(LOG, "store", "no bucket")
    notices.settle(LOG, "store", "it works again")
    assert [record.getMessage() for record in caplog.records] == [
        "elastic_spawner: no bucket",
        "elastic_spawner: it works again",
    ]
    assert notices.notices() == []


def test_how_many_there_are_is_measured() -> None:
    def measured() -> float | None:
        return REGISTRY.get_sample_value("elastic_spawner_notices")

    assert metrics.NOTICES and measured() == 0
    notices.notice(LOG, "nodes", "no right")
    assert measured() == 1

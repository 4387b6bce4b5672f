"""Events of moves: written beside all else, a few at a time, and not at all where the hub may not."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from kubernetes_asyncio.client import ApiException

from elastic_spawner.hub import kube_events, notices

LOG = logging.getLogger("test-events")


class FakeApi:
    """A fake of the API server's part that takes events: slow, and forbidding when it is told to be."""

    def __init__(self, status: int = 201) -> None:
        self.status = status
        self.made: list[dict[str, Any]] = []
        self.asked = self.now = self.most = 0

    async def create_namespaced_event(self, namespace: str, event: dict[str, Any]) -> None:
        self.asked += 1
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
        if self.status != 201:
            error = ApiException(status=self.status, reason="no")
            error.body = json.dumps({"message": 'User "hub" cannot create resource "events"'})
            raise error
        self.made.append(event)


@pytest.fixture(autouse=True)
def none_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_notices", {})
    monkeypatch.setattr(kube_events, "_off", set())


def tell_many(api: FakeApi, count: int) -> None:
    async def play() -> None:
        for number in range(count):
            metadata = {"name": f"jupyter-{number}", "namespace": "hubs", "uid": f"u{number}", "labels": {}}
            kube_events.tell(api, LOG, {"metadata": metadata}, "ElasticMoveBegun", "word " * 1000, warning=number == 0)
        kube_events.tell(api, LOG, None, "ElasticMoveBegun", "there is no pod")
        while kube_events._writing:
            await asyncio.sleep(0.01)

    asyncio.run(play())


def test_each_is_of_its_pod_and_a_few_are_written_at_a_time() -> None:
    api = FakeApi()
    tell_many(api, 30)
    assert api.most == kube_events.AT_ONCE
    assert {event["involvedObject"]["uid"] for event in api.made} == {f"u{number}" for number in range(30)}
    assert [event["type"] for event in api.made].count("Warning") == 1
    assert all(len(event["message"]) <= 1024 for event in api.made)  # what the API takes


def test_without_the_right_it_is_said_once_and_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    api = FakeApi(403)
    tell_many(api, 30)
    assert api.asked <= kube_events.AT_ONCE
    tell_many(api, 3)
    assert api.asked <= kube_events.AT_ONCE
    (text,) = notices.notices()
    assert "`create` on `events`" in text and "cannot create" in text
    assert caplog.text.count("`create` on `events`") == 1


def test_any_other_trouble_is_no_reason_to_give_up() -> None:
    api = FakeApi(500)
    tell_many(api, 7)
    assert api.asked == 7 and not notices.notices()

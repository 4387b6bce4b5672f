"""A store that hangs costs neither the server's loop nor a growing number of threads."""

from __future__ import annotations

import asyncio
import threading

import pytest

from elastic_spawner.agent.threads import Caller
from elastic_spawner.errors import StoreFull, StoreUnavailable


def test_gives_what_the_function_gives() -> None:
    assert asyncio.run(Caller()(lambda a, b: a + b, 1, 2, timeout=60, doing="adding")) == 3


def test_raises_what_the_function_raises() -> None:
    def fail() -> None:
        raise StoreFull("no room")

    with pytest.raises(StoreFull, match="no room"):
        asyncio.run(Caller()(fail, timeout=60, doing="failing"))


def test_gives_up_a_call_that_hangs_and_begins_no_more_beside_it_until_it_is_over() -> None:
    release, done = threading.Event(), []

    async def scenario() -> None:
        caller = Caller(1)
        with pytest.raises(StoreUnavailable, match="hanging took longer than 0.05 s"):
            await caller(release.wait, timeout=0.05, doing="hanging")
        with pytest.raises(StoreUnavailable, match="another has to wait"):
            await caller(done.append, 1, timeout=60, doing="another")
        assert done == []
        release.set()
        while True:
            try:
                await caller(done.append, 2, timeout=60, doing="another")
                break
            except StoreUnavailable:
                await asyncio.sleep(0.01)
        assert done == [2]

    asyncio.run(scenario())

"""What need not be loaded on trial, because any Python loads it as it was."""

from __future__ import annotations

import collections
import pathlib
import random
import uuid
from typing import Any

import pytest

from elastic_spawner.checkpoint import pickling
from elastic_spawner.objects.walk import walk


def _subclass(base: type) -> type:
    return type("Own", (base,), {"__module__": "__main__"})


@pytest.mark.parametrize(
    "value",
    [
        collections.deque([1, [2]], 5),
        collections.OrderedDict(b=1, a=[2]),
        collections.Counter("hello"),
        collections.defaultdict(list, {1: [2]}),
        random.Random(3),
        uuid.UUID(int=7),
        pathlib.PurePosixPath("/a/b"),
        pathlib.Path("a/../b"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_standard_librarys_own_classes_are_plain(value: Any) -> None:
    """They come back equal in all that a walk tells, and need no forked child to show it."""
    before = walk(value)
    payload = pickling.dump({"x": value}, [before], {}, "pickle")
    assert payload.plain
    assert walk(pickling.load(payload.stream, payload.buffers)["x"]).digest == before.digest


@pytest.mark.parametrize(
    "value",
    [
        collections.defaultdict(lambda: 1),
        collections.deque([_subclass(dict)()]),
        _subclass(collections.OrderedDict)(),
        _subclass(random.Random)(3),
    ],
    ids=["defaultdict", "deque", "OrderedDict", "Random"],
)
def test_what_has_the_sessions_code_in_it_is_not(value: Any) -> None:
    """Nobody vouches for how that loads."""
    assert not pickling.dump({"x": value}, [walk(value)], {}, "pickle").plain

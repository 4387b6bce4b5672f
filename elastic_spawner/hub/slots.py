"""At most so many of a kind at once in a hub process, so that the drain of a large node is no thundering herd."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any
from weakref import WeakKeyDictionary

_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, int], asyncio.Semaphore]] = WeakKeyDictionary()


def slot(kind: str, count: int) -> AbstractAsyncContextManager[Any]:
    """A place among ``count`` that do the same kind of thing, first come, first served; 0: no limit.

    Cancelled while it waits, it has taken no place.
    """
    if not count:
        return nullcontext()
    kinds = _slots.setdefault(asyncio.get_running_loop(), {})
    return kinds.setdefault((kind, count), asyncio.Semaphore(count))

"""Calling what blocks, such as a store, without stopping the server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from elastic_spawner.errors import StoreUnavailable

T = TypeVar("T")

MAX_HANGING = 16
"""How many calls may hang before no more are begun."""


class Caller:
    """Calls functions in threads, at most `limit` of them at a time.

    The threads are daemons: a store that hangs must hang neither its caller nor the end of the server, as a thread
    pool's would. A call that takes too long goes on, and its result is thrown away; it counts until it is over.
    """

    def __init__(self, limit: int = MAX_HANGING) -> None:
        self._limit = limit
        self._running = 0

    async def __call__(self, function: Callable[..., T], *args: Any, timeout: float, doing: str) -> T:
        """Call the function in a thread and return its result.

        Raises what it raises, and StoreUnavailable when it takes longer than `timeout` seconds or too many others hang.
        """
        if self._running >= self._limit:
            raise StoreUnavailable(f"{doing} has to wait: the store has not answered what was asked of it before")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def deliver(result: T | None, error: BaseException | None) -> None:
            self._running -= 1
            if future.done():
                return
            if error is None:
                future.set_result(result)  # type: ignore[arg-type]
            else:
                future.set_exception(error)

        def run() -> None:
            result, caught = None, None
            try:
                result = function(*args)
            except BaseException as error:
                caught = error
            try:
                loop.call_soon_threadsafe(deliver, result, caught)
            except RuntimeError:  # the loop was closed meanwhile: nobody waits any more
                pass

        self._running += 1
        threading.Thread(target=run, name=f"elastic-spawner: {doing}", daemon=True).start()
        try:
            return await asyncio.wait_for(future, timeout)
        except asyncio.TimeoutError:
            raise StoreUnavailable(
                f"{doing} took longer than {timeout:g} s; see whether the store can be reached"
            ) from None


in_thread = Caller()
"""For what may be done beside each other."""

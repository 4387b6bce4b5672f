"""Calling what blocks, such as a store, without stopping the server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from elastic_spawner.errors import StoreUnavailable

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *args: Any, timeout: float, doing: str) -> T:
    """Call the function in a thread and return its result. Raises what it raises, and StoreUnavailable after
    `timeout` seconds.

    The thread is a daemon's: a store that hangs must hang neither this call nor the end of the server, as a thread
    pool's would. After a timeout or a cancellation it goes on, and its result is thrown away.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
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

    threading.Thread(target=run, name=f"elastic-spawner: {doing}", daemon=True).start()
    try:
        return await asyncio.wait_for(future, timeout)
    except asyncio.TimeoutError:
        raise StoreUnavailable(
            f"{doing} took longer than {timeout:g} s; see whether the store can be reached"
        ) from None

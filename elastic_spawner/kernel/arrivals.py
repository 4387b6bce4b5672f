"""Whether somebody waits for the kernel while it is busy for us: a cell that was sent, most likely.

Messages wait in a socket which the kernel's event loop watches, in ipykernel 6 as in 7. The loop does not turn while we
run, but its selector can be asked without taking anything from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


def watch_arrivals() -> Callable[[], bool] | None:
    """A function that tells whether anything has arrived for the loop that runs here since this call; None where the
    loop cannot be asked."""
    loop: Any = asyncio._get_running_loop()
    selector, own = getattr(loop, "_selector", None), getattr(loop, "_ssock", None)
    if selector is None or own is None:
        return None
    try:
        before = {own.fileno(), *_ready(selector)}
    except Exception:
        return None

    def arrived() -> bool:
        try:
            return not _ready(selector) <= before
        except Exception:
            return False

    return arrived


def _ready(selector: Any) -> set[int]:
    return {key.fd for key, _ in selector.select(0)}

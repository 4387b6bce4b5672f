"""Reading once more what another thread changed meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_TRIES = 5

T = TypeVar("T")


def while_it_changes(read: Callable[[], T]) -> T:
    """Return ``read()``, tried again where it met a container that changed under it; else raises what it raises."""
    for _ in range(_TRIES - 1):
        try:
            return read()
        except RuntimeError as e:
            if "during iteration" not in str(e):
                raise
        time.sleep(0)  # whoever is changing it may get to an end of it
    return read()

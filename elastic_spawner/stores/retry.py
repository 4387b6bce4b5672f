"""Trying again what a network may have spoilt."""

from __future__ import annotations

import time
from collections.abc import Iterator


def attempts(tries: int = 4, pause_s: float = 0.2, factor: float = 4) -> Iterator[bool]:
    """One item for each attempt, after a pause that grows: whether it is the last, which is to raise what it meets."""
    for number in range(tries):
        if number:
            time.sleep(pause_s * factor ** (number - 1))
        yield number == tries - 1

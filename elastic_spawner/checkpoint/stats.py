"""What reading and writing chunks has cost so far: the plan weighs storing by it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

DEFAULT_BANDWIDTH = {False: 400e6, True: 60e6}
"""Bytes per second to a store, by whether it is remote, until enough was written to tell."""
_ENOUGH_BYTES = 8 << 20


@dataclass
class Stats:
    """What one repository object has done so far. Sizes in bytes, times in seconds."""

    bytes_written: int = 0
    """As stored, after compression."""
    bytes_plain: int = 0
    """The same before compression."""
    bytes_reused: int = 0
    """Plain bytes that were in the store already."""
    chunks_written: int = 0
    chunks_reused: int = 0
    seconds: float = 0.0
    """Wall time in `put` and `commit`."""
    write_seconds: float = 0.0
    """Of this, the part in which the store was waited for (summed over threads, divided by their number)."""
    bytes_read: int = 0
    """Plain bytes."""
    bytes_fetched: int = 0
    """The same as they are stored."""
    read_seconds: float = 0.0
    fetch_seconds: float = 0.0
    """Wall time in which the store was waited for, by however many threads."""
    default_bandwidth: float = 400e6
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _fetching: int = 0
    _fetch_began: float = 0.0

    def fetched(self, get: Callable[[], int]) -> int:
        """What ``get`` returns: bytes that it has read from the store, beside whoever else does."""
        with self._lock:
            if not self._fetching:
                self._fetch_began = time.perf_counter()
            self._fetching += 1
        size = 0
        try:
            size = get()
        finally:
            with self._lock:
                self.bytes_fetched += size
                self._fetching -= 1
                if not self._fetching:
                    self.fetch_seconds += time.perf_counter() - self._fetch_began
        return size

    @property
    def bandwidth(self) -> float:
        """Bytes per second that the store has taken; a guess by its kind until enough was written to tell."""
        if self.bytes_written < _ENOUGH_BYTES or self.write_seconds <= 0:
            return self.default_bandwidth
        return self.bytes_written / self.write_seconds

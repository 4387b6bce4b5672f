"""What reading and writing chunks has cost so far: the plan weighs storing by it."""

from __future__ import annotations

from dataclasses import dataclass

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
    read_seconds: float = 0.0
    default_bandwidth: float = 400e6

    @property
    def bandwidth(self) -> float:
        """Bytes per second that the store has taken; a guess by its kind until enough was written to tell."""
        if self.bytes_written < _ENOUGH_BYTES or self.write_seconds <= 0:
            return self.default_bandwidth
        return self.bytes_written / self.write_seconds

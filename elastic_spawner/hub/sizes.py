"""Sizes as people write them, and the bounds which an admin sets."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ..errors import SizeError
from ..migration import Size

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


def parse_memory(value: object) -> int:
    """Return bytes for a number of bytes or a text such as ``2G``, ``512M`` or ``1.5 GiB`` (units of 1024).

    Raises SizeError for anything else.
    """
    if isinstance(value, str):
        match = _MEMORY.fullmatch(value.strip())
        if match:
            return _whole_bytes(float(match[1]) * _UNITS[match[2].upper()], value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return _whole_bytes(float(value), value)
    raise SizeError(f"{value!r} is no size of memory: give bytes, or a number with K, M, G or T, such as 2G")


def _whole_bytes(number: float, value: object) -> int:
    if not math.isfinite(number) or number < 1:
        raise SizeError(f"{value!r} is no size of memory: it must be at least one byte")
    return int(number)


def parse_cpus(value: object) -> float:
    """Return a number of CPUs for a number or a text such as ``2`` or ``0.5``.

    Raises SizeError for anything else.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        cpus = float(value)
        if not math.isfinite(cpus) or cpus <= 0:
            raise ValueError
    except ValueError:
        raise SizeError(f"{value!r} is no number of CPUs: give a number above 0, such as 2 or 0.5") from None
    return cpus


def format_memory(memory: int | None) -> str:
    """Return bytes as people write them: ``2G``, ``1.5G``, ``300M``; ``unlimited`` for None."""
    if memory is None:
        return "unlimited"
    for unit in "TGMK":
        amount = memory / _UNITS[unit]
        if amount >= 1:
            return f"{amount:.2f}".rstrip("0").rstrip(".") + unit
    return f"{memory}B"


def format_size(size: Size) -> str:
    """Return a size in words: ``2G of memory and 2 CPUs``."""
    memory = "unlimited memory" if size.memory is None else f"{format_memory(size.memory)} of memory"
    if size.cpus is None:
        return f"{memory} and all CPUs"
    return f"{memory} and {size.cpus:g} CPU{'' if size.cpus == 1 else 's'}"


@dataclass(frozen=True)
class Bounds:
    """What an admin allows a size to be; None: no bound."""

    min_memory: int | None = None
    """Bytes."""
    max_memory: int | None = None
    min_cpus: float | None = None
    max_cpus: float | None = None

    def check(self, size: Size) -> Size:
        """Return the size when it lies within the bounds.

        Raises SizeError that names the bounds otherwise.
        """
        if size.memory is not None and not _within(self.min_memory, size.memory, self.max_memory):
            low, high = format_memory(self.min_memory or 1), format_memory(self.max_memory)
            raise SizeError(
                f"{format_memory(size.memory)} of memory is out of bounds: choose from {low} to {high}"
                if self.max_memory is not None
                else f"{format_memory(size.memory)} of memory is out of bounds: choose {low} or more"
            )
        if size.cpus is not None and not _within(self.min_cpus, size.cpus, self.max_cpus):
            low_cpus = f"{self.min_cpus or 0:g}"
            raise SizeError(
                f"{size.cpus:g} CPUs are out of bounds: choose from {low_cpus} to {self.max_cpus:g}"
                if self.max_cpus is not None
                else f"{size.cpus:g} CPUs are out of bounds: choose {low_cpus} or more"
            )
        return size

    def clamp(self, size: Size) -> Size:
        """Return the nearest size that is allowed."""
        return Size(
            None if size.memory is None else int(_clamp(self.min_memory, size.memory, self.max_memory)),
            None if size.cpus is None else _clamp(self.min_cpus, size.cpus, self.max_cpus),
        )


def _within(low: float | None, value: float, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _clamp(low: float | None, value: float, high: float | None) -> float:
    value = value if low is None else max(low, value)
    return value if high is None else min(high, value)

"""Text for a terminal. Much of it comes from users' sessions, so nothing may reach the terminal that it would obey."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Sequence
from typing import Any


def printable(text: str, lines: bool = False) -> str:
    """Return a text in which control characters are spelled out, line ends too unless ``lines`` are wanted."""
    kept = "\n" if lines else ""
    return "".join(c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text)


def text_of(value: Any) -> str:
    """A field that should be a text or number, made fit for a terminal; empty for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return printable(str(value))


def number_of(value: Any) -> float | None:
    """A field that should be a number, if it is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def dict_of(value: Any) -> dict[str, Any]:
    """A field that should be an object; an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def dicts_of(value: Any) -> list[dict[str, Any]]:
    """A field that should be a list of objects, without what is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def bytes_text(count: float | None) -> str:
    """``3.1 MiB``; nothing for None."""
    if count is None:
        return ""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def moment_text(moment: float | None) -> str:
    """A moment (seconds since the epoch) in local time; nothing for None or one that no calendar has."""
    if moment is None:
        return ""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
    except (OverflowError, ValueError, OSError):
        return ""


def size_text(size: dict[str, Any]) -> str:
    """``2.0 GiB, 2 CPUs``."""
    memory, cpus = number_of(size.get("memory")), number_of(size.get("cpus"))
    count = "all CPUs" if cpus is None else f"{cpus:g} CPU{'' if cpus == 1 else 's'}"
    return f"{bytes_text(memory) or 'unlimited'}, {count}"


def table(rows: Iterable[Sequence[str]], heading: Sequence[str], right: Sequence[int] = ()) -> str:
    """Columns as wide as what is in them; those numbered in ``right`` are set to the right."""
    cells = [list(heading), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heading))]
    lines = []
    for row in cells:
        parts = [cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))

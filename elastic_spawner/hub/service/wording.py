"""Figures and states in words, for the pages."""

from __future__ import annotations

import time
from typing import Any

from ...migration import Size
from ..sizes import format_memory, format_size

_STEPS = {
    "requested": "checking the size",
    "saving": "saving",
    "stopping": "stopping",
    "starting": "starting with the new size",
    "restoring": "restoring",
    "discarding": "removing what did not start",
    "returning": "going back to the old size",
    "restoring_old": "restoring with the old size",
}
_PENDING = {"spawn": "starting", "stop": "stopping", "check": "being checked", "resize": "resizing"}


def size_words(size: Any) -> str:
    """``2G of memory and 2 CPUs``."""
    return format_size(Size.from_json(size if isinstance(size, dict) else {}))


def memory_words(memory: int | None) -> str:
    return format_memory(memory)


def cpus_words(cpus: float | None) -> str:
    return "all" if cpus is None else f"{cpus:g}"


def bytes_words(count: float | None) -> str:
    """``3.1 MiB``; nothing for None."""
    if count is None:
        return ""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def about(seconds: float) -> str:
    """An estimate: ``about 0.4 s``, ``under 0.1 s``."""
    return seconds_words(seconds) if seconds < 0.1 else f"about {seconds_words(seconds)}"


def seconds_words(seconds: float | None) -> str:
    """``0.4 s``, ``12 s``, ``3 min``; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 0.1:
        return "under 0.1 s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def age_words(moment: float, now: float | None = None) -> str:
    """``5 minutes ago``."""
    seconds = max(0.0, (time.time() if now is None else now) - moment)
    if seconds < 5:
        return "just now"
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit:
            return f"{counted(int(seconds // unit), name)} ago"
    return f"{counted(int(seconds), 'second')} ago"


def counted(count: int, name: str) -> str:
    """``1 cell``, ``2 cells``."""
    return f"{count} {name}{'' if count == 1 else 's'}"


def state_of(server: dict[str, Any]) -> tuple[str, str]:
    """Return what a server is doing, as a kind (``running``, ``moving``, ``pending``, ``stopped``) and in words."""
    move = server.get("migration")
    if isinstance(move, dict) and not move.get("done", True):
        return "moving", f"resizing: {_STEPS.get(str(move.get('step')), move.get('step'))}"
    pending = server.get("pending")
    if pending:
        return "pending", _PENDING.get(str(pending), str(pending))
    return ("running", "running") if server.get("ready") else ("stopped", "stopped")

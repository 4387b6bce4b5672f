"""What of ours is off in this hub process, and why: said in the log once, and on the admins' page while it holds."""

from __future__ import annotations

from typing import Any

_notices: dict[str, str] = {}


def notice(log: Any, subject: str, text: str) -> None:
    """Say that something is off; again with the same words: no effect."""
    if _notices.get(subject) != text:
        log.warning("elastic_spawner: %s", text)
    _notices[subject] = text


def settle(log: Any, subject: str, text: str) -> None:
    """Say that it works again; no effect when nothing was said of it."""
    if _notices.pop(subject, None) is not None:
        log.info("elastic_spawner: %s", text)


def notices() -> list[str]:
    """What is off now, in the order in which it was found."""
    return list(_notices.values())

"""Servers as the resize service shows them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..migration import Move, Size, progress

if TYPE_CHECKING:
    from .mixin import ElasticSpawnerMixin


def describe_active(spawner: ElasticSpawnerMixin) -> dict[str, Any]:
    """A server that runs, or is about to, or was a moment ago."""
    mover = spawner.mover
    return {
        "user": spawner.user.name,
        "server": spawner.name,
        "ready": bool(spawner.ready) and not spawner.moving,
        "pending": spawner.pending or ("resize" if spawner.moving else None),
        "size": spawner.size.to_json(),
        "node": spawner.node,
        "url": spawner.user.server_url(spawner.name),
        "last_checkpoint": spawner.last_checkpoint,
        "migration": describe_move(mover.shown, mover.detail) if mover else describe_move(spawner.move),
    }


def describe_stopped(user: str, server: str, url: str, ours: Mapping[str, Any]) -> dict[str, Any]:
    """A server that is stopped, from what is kept of it in the hub's database."""
    return {
        "user": user,
        "server": server,
        "ready": False,
        "pending": None,
        "size": ours.get("size") or Size().to_json(),
        "node": None,
        "url": url,
        "last_checkpoint": ours.get("checkpoint"),
        "migration": describe_move(Move.from_json(ours["move"]) if ours.get("move") else None),
    }


def describe_move(move: Move | None, detail: str = "") -> dict[str, Any] | None:
    """A move: its progress (``detail`` in the place of the step's words), and all that the state machine knows of
    it."""
    return None if move is None else {**move.to_json(), **progress(move, time.time(), detail).to_json()}

"""Who may see and resize what. Everything that decides about it is here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyterhub.services.auth import check_scopes

RESIZE_SCOPE = "custom:elastic:resize"
"""Held without a filter: see and resize everybody's servers. ``custom:elastic:resize!user=ada``: only hers."""


@dataclass(frozen=True)
class Rights:
    """What the one who asks may do."""

    name: str
    is_user: bool
    """False for another service, whose name means nothing among users."""
    scopes: frozenset[str]

    @classmethod
    def of(cls, model: Mapping[str, Any]) -> Rights:
        """Read them from the hub's model of a user or service."""
        return cls(model["name"], model.get("kind", "user") == "user", frozenset(model.get("scopes") or ()))

    @property
    def resize_all(self) -> bool:
        """Whether the rights hold for everybody's servers."""
        return RESIZE_SCOPE in self.scopes

    def may_resize(self, user: str, server: str) -> bool:
        """Whether the scopes cover this server: unfiltered, or filtered to this user or server."""
        if self.resize_all:
            return True
        if any(mark in user + server for mark in "!=,"):
            return False  # would be read as another filter
        return bool(check_scopes({f"{RESIZE_SCOPE}!server={user}/{server}"}, set(self.scopes)))

    def may_see(self, user: str, server: str) -> bool:
        """Whether size, checkpoint, plan and reports of this server may be shown."""
        return (self.is_user and self.name == user) or self.may_resize(user, server)

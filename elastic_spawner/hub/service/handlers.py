"""What all requests have in common: who asks, what they may do, security headers, errors.

Cross-site requests: JupyterHub accepts its OAuth cookie only together with the XSRF token for everything but plain
navigation, reading by script included, so our pages send that token with each request. A request with an API token in
its Authorization header needs none, for no other site can send it.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from tornado import web

from ...errors import SizeError
from .control_client import DEFAULT_SERVER, ControlClient, ControlError
from .rights import Rights
from .settings import Settings

SECURITY_HEADERS = {
    # Everything that a page needs is a file of ours: no inline script or style runs, wherever it came from.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class SecureHeaders(web.RequestHandler):
    def set_default_headers(self) -> None:
        for name, value in SECURITY_HEADERS.items():
            self.set_header(name, value)


class StaticHandler(SecureHeaders, web.StaticFileHandler):
    """Scripts and styles; there is nothing in them that would need a login."""


class ServiceHandler(HubOAuthenticated, SecureHeaders):
    """Base of all handlers that need to know who asks."""

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    async def prepare(self) -> None:
        # Asked for here, `current_user` does not have to block the loop for the hub's answer.
        await self.hub_auth.get_user(self, sync=False)
        if self.current_user is None:
            self.not_allowed()

    def not_allowed(self) -> None:
        """Raise 403, saying why."""
        if getattr(self, "_cached_hub_user", None):
            raise web.HTTPError(403, "your account or token may not use this service (scope access:services)")
        if self.get_cookie(self.hub_auth.cookie_name):
            raise web.HTTPError(403, "your login has ended or the page is outdated: reload the page")
        raise web.HTTPError(403, "log in, or send a JupyterHub API token: 'Authorization: Bearer <token>'")

    @property
    def service(self) -> Settings:
        settings: Settings = self.settings["service"]
        return settings

    @property
    def control(self) -> ControlClient:
        client: ControlClient = self.settings["control"]
        return client

    @property
    def rights(self) -> Rights:
        return Rights.of(self.current_user)

    async def visible_servers(self) -> list[dict[str, Any]]:
        """The servers that the one who asks may see, in the order of their names."""
        rights = self.rights
        servers = [found for found in await self.control.servers() if rights.may_see(found["user"], found["server"])]
        servers.sort(key=lambda found: (found["user"], found["server"]))
        return [self.with_rights(found) for found in servers]

    async def visible_notices(self) -> list[str]:
        """What is off on this hub, for those who look after everybody's servers."""
        return await self.control.notices() if self.rights.resize_all else []

    def with_rights(self, server: dict[str, Any]) -> dict[str, Any]:
        """Add what the one who asks may do with a server."""
        return {**server, "may_resize": self.rights.may_resize(server["user"], server["server"])}

    def visible(self, user: str, server: str) -> str:
        """Return a server's name as the hub has it.

        Raises 403 when it is not theirs who ask, whether or not there is such a server.
        """
        name = "" if server == DEFAULT_SERVER else server
        if not self.rights.may_see(user, name):
            raise web.HTTPError(403, f"{self.rights.name!r} may not see the servers of {user!r}")
        return name

    def resizable(self, user: str, server: str) -> str:
        """Like ``visible``, for those who want to resize it."""
        name = self.visible(user, server)
        if not self.rights.may_resize(user, name):
            raise web.HTTPError(403, f"{self.rights.name!r} may not resize this server: ask an admin")
        return name

    def server_path(self, server: dict[str, Any]) -> str:
        """The part of a URL that names a server."""
        return f"{quote(server['user'], safe='')}/{quote(server['server'] or DEFAULT_SERVER, safe='')}"

    def explain(self, status_code: int, **kwargs: Any) -> tuple[int, str, str]:
        """Return status, code and message of an error."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, ControlError):
            return error.status, error.code, str(error)
        if isinstance(error, SizeError):
            return 400, "bad_size", str(error)
        code = {400: "bad_request", 403: "forbidden", 404: "not_found", 405: "bad_method"}.get(status_code, "failed")
        if isinstance(error, web.HTTPError):
            message = error.log_message % error.args if error.log_message else self._reason
            return status_code, code, message
        return status_code, code, "something went wrong in the service; its log says more"

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        # Refusals are told to the one who asked; they are no fault of the service.
        if not isinstance(value, ControlError | SizeError):
            super().log_exception(typ, value, tb)


class ApiHandler(ServiceHandler):
    """Answers in JSON, errors too: ``{"error": {"code", "message"}}``."""

    def finish_json(self, answer: Any, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(answer))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        status, code, message = self.explain(status_code, **kwargs)
        self.finish_json({"error": {"code": code, "message": message}}, status)


class CallbackHandler(SecureHeaders, HubOAuthCallbackHandler):
    """Where the hub sends a browser back to after its login."""

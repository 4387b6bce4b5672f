"""The REST API. ``openapi.json`` describes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tornado import web
from tornado.iostream import StreamClosedError

from ...migration import Size
from ..sizes import parse_cpus, parse_memory
from .control_client import ControlError
from .handlers import ApiHandler

OPENAPI = Path(__file__).with_name("openapi.json")
MAX_BODY_BYTES = 64 << 10


class ServersHandler(ApiHandler):
    async def get(self) -> None:
        self.finish_json(await self.visible_servers())


class NoticesHandler(ApiHandler):
    async def get(self) -> None:
        if not self.rights.resize_all:
            raise web.HTTPError(403, "what is off on this hub is told to those who may resize everybody's servers")
        self.finish_json(await self.visible_notices())


class ServerHandler(ApiHandler):
    async def get(self, user: str, server: str) -> None:
        name = self.visible(user, server)
        self.finish_json(self.with_rights(await self.control.server(user, name)))


class PlanHandler(ApiHandler):
    async def get(self, user: str, server: str) -> None:
        self.finish_json(await self.control.plan(user, self.visible(user, server)))


class StatusHandler(ApiHandler):
    async def get(self, user: str, server: str) -> None:
        self.finish_json(await self.control.status(user, self.visible(user, server)))


class ResizeHandler(ApiHandler):
    async def post(self, user: str, server: str) -> None:
        name = self.resizable(user, server)
        self._check_own_bounds(self._body())
        self.finish_json(await self.control.resize(user, name, self.request.body), 202)

    def _body(self) -> dict[str, Any]:
        try:
            body = json.loads(self.request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise web.HTTPError(400, 'the body is to be a JSON object, such as {"memory": "2G", "cpus": 2}')
        return body

    def _check_own_bounds(self, body: dict[str, Any]) -> None:
        """Hold those to their bounds who may resize their own servers only. Raises SizeError."""
        if self.rights.resize_all:
            return
        memory, cpus = body.get("memory"), body.get("cpus")
        self.service.self_bounds.check(
            Size(
                None if memory is None else parse_memory(memory),
                None if cpus is None else parse_cpus(cpus),
            )
        )


class ProgressHandler(ApiHandler):
    """Server-sent events: the steps of the move under way so far, then each change until its end."""

    async def get(self, user: str, server: str) -> None:
        name = self.visible(user, server)
        self._began = False
        try:
            async for piece in self.control.progress(user, name):
                if not self._began:
                    self._begin()
                self.write(piece)
                await self.flush()
        except StreamClosedError:
            return
        except ControlError as error:
            if not self._began:
                raise
            self.write(f"event: error\ndata: {json.dumps({'message': str(error)})}\n\n")

    def _begin(self) -> None:
        self._began = True
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("X-Accel-Buffering", "no")  # else nginx, where it stands in front of the hub, waits for the end


class OpenApiHandler(ApiHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(OPENAPI.read_bytes())


class NoApiHandler(ApiHandler):
    """All other paths below api/."""

    def get(self) -> None:
        raise web.HTTPError(404, f"there is no {self.request.path}; the API is described in openapi.json")

    post = put = patch = delete = get


_SERVER = r"api/servers/([^/]+)/([^/]+)"

HANDLERS: list[tuple[str, type[ApiHandler]]] = [
    (r"api/servers", ServersHandler),
    (r"api/notices", NoticesHandler),
    (_SERVER, ServerHandler),
    (_SERVER + "/plan", PlanHandler),
    (_SERVER + "/status", StatusHandler),
    (_SERVER + "/resize", ResizeHandler),
    (_SERVER + "/progress", ProgressHandler),
    (r"api/openapi\.json", OpenApiHandler),
    (r"api/.*", NoApiHandler),
]

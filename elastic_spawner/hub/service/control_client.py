"""Talking to the control server inside the hub."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse

from ...errors import ElasticError

DEFAULT_SERVER = "-"
"""What stands in a URL for the server without a name."""

CONNECT_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 15.0
PLAN_TIMEOUT_S = 90.0


class ControlError(ElasticError):
    """The control server refused, or does not answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status that says it to our own client."""
        self.code = code


class ControlClient:
    """Each call raises ControlError. When one is cancelled, the hub goes on with what it was asked to do."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    async def servers(self) -> list[dict[str, Any]]:
        """All servers that the hub knows."""
        answer = await self._call("GET", "/servers", timeout_s=REQUEST_TIMEOUT_S)
        if not isinstance(answer, list):
            raise ControlError(502, "bad_answer", "the hub's control server answered with something unexpected")
        return answer

    async def server(self, user: str, server: str) -> dict[str, Any]:
        """One of them. 404 when the hub does not know it."""
        for found in await self.servers():
            if found.get("user") == user and found.get("server") == server:
                return found
        name = f"server {server!r}" if server else "server that runs or has a checkpoint"
        raise ControlError(404, "not_found", f"{user!r} has no {name}")

    async def plan(self, user: str, server: str) -> dict[str, Any]:
        """What a move of this server would store and re-run."""
        return await self._object("GET", _path(user, server, "plan"), timeout_s=PLAN_TIMEOUT_S)

    async def status(self, user: str, server: str) -> dict[str, Any]:
        """The kernels of this server, with the report of their last restore."""
        return await self._object("GET", _path(user, server, "status"), timeout_s=REQUEST_TIMEOUT_S)

    async def notices(self) -> list[str]:
        """What is off on this hub, and why."""
        answer = await self._object("GET", "/notices", timeout_s=REQUEST_TIMEOUT_S)
        return [str(text) for text in answer.get("notices") or ()]

    async def resize(self, user: str, server: str, body: bytes) -> dict[str, Any]:
        """Begin a move."""
        return await self._object("POST", _path(user, server, "resize"), body, REQUEST_TIMEOUT_S)

    async def progress(self, user: str, server: str) -> AsyncIterator[bytes]:
        """Server-sent events of the move as they come, in pieces of any length, until its end."""
        pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        status = 0

        def read_status(line: str) -> None:
            nonlocal status
            if line.startswith("HTTP/"):
                status = int(line.split()[1])

        request = HTTPRequest(
            self._url + _path(user, server, "progress"),
            headers=self._headers,
            connect_timeout=CONNECT_TIMEOUT_S,
            request_timeout=0,
            header_callback=read_status,
            streaming_callback=pieces.put_nowait,
        )
        # When nobody listens any more this goes on until the move ends: tornado's client cannot hang up half-way.
        fetch = asyncio.ensure_future(self._fetch(request))
        fetch.add_done_callback(lambda _: pieces.put_nowait(None))
        refusal = b""
        while (piece := await pieces.get()) is not None:
            if status == 200:
                yield piece
            else:
                refusal += piece
        response = await fetch
        if response.code != 200:
            raise _error(response.code, response.reason, refusal)

    async def _object(
        self, method: str, path: str, body: bytes | None = None, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> dict[str, Any]:
        answer = await self._call(method, path, body, timeout_s)
        if not isinstance(answer, dict):
            raise ControlError(502, "bad_answer", "the hub's control server answered with something unexpected")
        return answer

    async def _call(self, method: str, path: str, body: bytes | None = None, timeout_s: float = 0.0) -> Any:
        response = await self._fetch(
            HTTPRequest(
                self._url + path,
                method=method,
                headers=self._headers,
                body=body,
                connect_timeout=CONNECT_TIMEOUT_S,
                request_timeout=timeout_s,
                follow_redirects=False,
            )
        )
        if response.code not in (200, 202):
            raise _error(response.code, response.reason, response.body or b"")
        try:
            # What comes from a user's kernel may hold NaN or Infinity, which are not JSON to anybody but Python.
            return json.loads(response.body, parse_constant=lambda _: None)
        except ValueError:
            raise ControlError(502, "bad_answer", "the hub's control server did not answer in JSON") from None

    async def _fetch(self, request: HTTPRequest) -> HTTPResponse:
        # A client of its own: the shared one has ten slots, which ten people who watch a move would fill.
        client = AsyncHTTPClient(force_instance=True)
        try:
            return await client.fetch(request, raise_error=False)
        except (HTTPClientError, OSError, asyncio.TimeoutError) as error:
            raise _silent(str(error)) from error
        finally:
            client.close()


def _path(user: str, server: str, what: str) -> str:
    return f"/servers/{quote(user, safe='')}/{quote(server or DEFAULT_SERVER, safe='')}/{what}"


def _silent(reason: str) -> ControlError:
    return ControlError(
        502,
        "control_unreachable",
        f"the hub's control server does not answer ({reason}): is the hub running? Its log says why",
    )


def _error(status: int, reason: str, body: bytes) -> ControlError:
    if status == 599:  # tornado's own: it was the connection that failed
        return _silent(reason)
    if status in (401, 403):
        return ControlError(
            502, "control_denied", "the hub's control server does not take this service's token: restart the hub"
        )
    try:
        error = json.loads(body)["error"]
        return ControlError(status if status < 600 else 502, str(error["code"]), str(error["message"]))
    except (ValueError, KeyError, TypeError):
        return ControlError(502, "bad_answer", f"the hub's control server answered {status} {reason}")

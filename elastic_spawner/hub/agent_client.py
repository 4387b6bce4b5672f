"""The hub's calls to the agent on a single-user server."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Sequence
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse

from ..errors import ElasticError

CONNECT_TIMEOUT_S = 5.0
SAVE_MARGIN_S = 30.0
"""Seconds that the agent may take beyond its deadline before the hub stops listening to it."""


class AgentError(ElasticError):
    """The agent could not be reached, or refused."""

    def __init__(self, code: str, message: str, kernels: list[dict[str, Any]] | None = None, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        """``unreachable``, ``missing``, ``denied``, or what the agent says: ``busy``, ``loss``, ..."""
        self.status = status
        """The HTTP status; 0 when there was no answer."""
        self.kernels = kernels or []

    @property
    def reachable(self) -> bool:
        return self.code != "unreachable"


class AgentClient:
    """Talks to one server's agent. Each call raises AgentError; when it is cancelled, the agent goes on by itself."""

    def __init__(self, server_url: str, tokens: Sequence[str], ssl_context: ssl.SSLContext | None = None) -> None:
        """``tokens`` are tried one after the other: an agent knows the one of the secret that it was started under."""
        self.url = server_url.rstrip("/") + "/api/elastic/"
        self._tokens = tokens
        self._ssl = ssl_context

    async def status(self, timeout_s: float = 10.0) -> dict[str, Any]:
        return await self._call("GET", "status", timeout_s=timeout_s)

    async def plan(self, timeout_s: float = 60.0) -> dict[str, Any]:
        return await self._call("GET", "plan", timeout_s=timeout_s)

    async def restore_report(self, timeout_s: float = 10.0) -> dict[str, Any]:
        return await self._call("GET", "restore", timeout_s=timeout_s)

    async def checkpoint(self, deadline_s: float, on_busy: str, reason: str, on_loss: str = "accept") -> dict[str, Any]:
        """Save all kernels within ``deadline_s`` seconds; return the agent's report once the checkpoint is
        committed."""
        body = {"deadline_s": deadline_s, "on_busy": on_busy, "on_loss": on_loss, "reason": reason}
        return await self._call("POST", "checkpoint", body, timeout_s=deadline_s + SAVE_MARGIN_S)

    async def evict(self, deadline_s: float) -> dict[str, Any]:
        """Wait for the save that is made before the server is taken away, or have it made; return its report."""
        return await self._call("GET", f"evict?deadline_s={deadline_s:g}", timeout_s=deadline_s + SAVE_MARGIN_S)

    async def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, timeout_s: float = 10.0
    ) -> dict[str, Any]:
        for token in self._tokens:
            response = await self._ask(token, method, path, body, timeout_s)
            if response.code not in (401, 403):
                break
        return self._result(response)

    async def _ask(
        self, token: str, method: str, path: str, body: dict[str, Any] | None, timeout_s: float
    ) -> HTTPResponse:
        request = HTTPRequest(
            self.url + path,
            method=method,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            body=None if body is None else json.dumps(body),
            connect_timeout=CONNECT_TIMEOUT_S,
            request_timeout=timeout_s,
            ssl_options=self._ssl,
            follow_redirects=False,
        )
        # A client of its own: the shared one has ten slots, which long checkpoints of ten servers would fill.
        client = AsyncHTTPClient(force_instance=True)
        try:
            return await client.fetch(request, raise_error=False)
        except HTTPClientError as error:
            raise AgentError("unreachable", f"the agent at {self.url} does not answer: {error}") from error
        except (OSError, asyncio.TimeoutError) as error:
            raise AgentError("unreachable", f"the agent at {self.url} does not answer: {error}") from error
        finally:
            client.close()

    def _result(self, response: HTTPResponse) -> dict[str, Any]:
        if response.code == 599:  # tornado's own: it was the connection that failed
            raise AgentError("unreachable", f"the agent at {self.url} does not answer: {response.reason}")
        try:
            answer = json.loads(response.body or b"{}")
        except ValueError:
            answer = None
        if response.code == 200 and isinstance(answer, dict):
            return answer
        error = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(error, dict):
            raise AgentError(
                str(error.get("code") or "failed"),
                str(error.get("message") or f"the agent answered {response.code}"),
                error.get("kernels"),
                response.code,
            )
        if response.code in (401, 403):
            raise AgentError("denied", "the agent does not know this hub's token: was the hub secret changed?")
        if response.code in (302, 404):
            raise AgentError(
                "missing", "this server runs without the agent: stop and start it, so that it is loaded", status=404
            )
        raise AgentError("failed", f"the agent answered {response.code} {response.reason}", status=response.code)

"""A fake of the control server, for what the real one cannot be made to do at will: to break, or to hold still."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

TOKEN = "0" * 64


class FakeControl:
    """Answers each path as it is told to; its ``url`` is that of the real one. A context manager."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.events: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, bytes]] = []
        (self._socket,) = bind_sockets(0, "127.0.0.1")
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def answer(self, path: str, value: Any, status: int = 200) -> None:
        """Answer requests for this path with JSON, or with bytes as they are."""
        self.answers[path] = status, value if isinstance(value, bytes) else json.dumps(value).encode()

    def refuse(self, path: str, status: int, code: str, message: str) -> None:
        """Answer with an error as the real one writes it."""
        self.answer(path, {"error": {"code": code, "message": message}}, status)

    def __enter__(self) -> FakeControl:
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)))
        self._thread.start()
        started.wait()
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = HTTPServer(web.Application([(r".*", _Handler, {"fake": self})], log_function=lambda _: None))
        server.add_sockets([self._socket])
        started.set()
        await self._stop.wait()
        server.stop()
        await server.close_all_connections()


class _Handler(web.RequestHandler):
    def initialize(self, fake: FakeControl) -> None:
        self.fake = fake

    async def get(self) -> None:
        request = self.request
        self.fake.requests.append((request.method or "", request.path, request.body))
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.set_status(403)
        elif request.path.endswith("/progress") and request.path not in self.fake.answers:
            self.set_header("Content-Type", "text/event-stream")
            for event in self.fake.events:
                self.write(f"data: {json.dumps(event)}\n\n")
                await self.flush()
        else:
            status, body = self.fake.answers.get(request.path, (404, b"{}"))
            self.set_status(status)
            self.write(body)

    post = get

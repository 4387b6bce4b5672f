"""A network that fails: a proxy in front of the real S3 server, which spoils the n-th request in a chosen way."""

from __future__ import annotations

import http.client
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

FAULTS = ("refused", "request cut", "answer cut", "answer lost", "time-out", "500", "503")
"""Each happens once, at one request. After `answer lost` the server has done it, and the client cannot know."""


class FaultyNetwork:
    """Listens on `url`; use as a context manager."""

    def __init__(self, server: str) -> None:
        self.plan(0, "")
        self.asleep = threading.Event()
        self._lock = threading.Lock()
        network, host = self, urlsplit(server).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None:
                """Nobody reads it."""

            def answer(self) -> None:
                network.pass_on(self, host)

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = answer

        self._listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._listener.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"

    def plan(self, at: int, fault: str) -> None:
        """At the `at`-th request from now (0: never) the fault happens, once.

        `down` happens at all later ones too: the client was killed, or the network does not come back.
        """
        self.at, self.fault, self.times = at, fault, 10**9 if fault == "down" else 1
        self.requests = 0

    def pass_on(self, handler: BaseHTTPRequestHandler, host: str) -> None:
        """Send one request to the server and its answer back, or do not."""
        with self._lock:
            self.requests += 1
            spoilt = 0 < self.at <= self.requests and self.times > 0
            self.times -= spoilt
        fault = self.fault if spoilt else ""
        if fault in ("refused", "down"):
            self._hang_up(handler)
            return
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if fault in ("500", "503"):
            code = {"500": "InternalError", "503": "SlowDown"}[fault]
            text = f"<Error><Code>{code}</Code><Message>try again</Message></Error>".encode()
            handler.send_response(int(fault))
            handler.send_header("Content-Length", str(len(text)))
            handler.end_headers()
            handler.wfile.write(b"" if handler.command == "HEAD" else text)
            return
        if fault == "request cut":
            with socket.create_connection(host.split(":"), timeout=5) as half:  # type: ignore[arg-type]
                head = f"{handler.command} {handler.path} HTTP/1.1\r\n{handler.headers}".encode()
                half.sendall(head.replace(b"\n\n", b"\r\n\r\n") + body[: len(body) // 2])
            self._hang_up(handler)
            return
        server = http.client.HTTPConnection(host, timeout=30)
        headers = {name: value for name, value in handler.headers.items() if name.lower() != "expect"}
        server.request(handler.command, handler.path, body=body, headers=headers)
        answer = server.getresponse()
        content = answer.read()
        server.close()
        if fault == "time-out":
            self.asleep.wait(10)
        if fault in ("answer lost", "time-out"):
            self._hang_up(handler)
            return
        handler.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                handler.send_header(name, value)
        length = answer.getheader("Content-Length") if handler.command == "HEAD" else str(len(content))
        handler.send_header("Content-Length", length or "0")
        handler.end_headers()
        if fault == "answer cut":
            handler.wfile.write(content[: len(content) // 2])
            self._hang_up(handler)
        else:
            handler.wfile.write(content)

    def _hang_up(self, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.flush()
        handler.close_connection = True
        try:
            handler.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def __enter__(self) -> FaultyNetwork:
        threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.asleep.set()
        self._listener.shutdown()
        self._listener.server_close()

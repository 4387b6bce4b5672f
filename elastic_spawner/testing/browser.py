"""A user's browser, as far as cookies and websockets go, and a notebook in it."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import requests
import websocket


class Browser:
    """A session of one user, with the cookies that a real browser would have."""

    def __init__(self, url: str, user: str) -> None:
        """Log in to a hub with the dummy authenticator at ``url``."""
        self.url = url.rstrip("/")
        self.user = user
        self.http = requests.Session()
        page = self.http.get(f"{self.url}/hub/login", timeout=30)
        page.raise_for_status()
        answer = self.http.post(
            f"{self.url}/hub/login",
            data={"username": user, "password": "x", "_xsrf": self._xsrf("/hub/")},
            timeout=30,
            allow_redirects=False,
        )
        if answer.status_code != 302:
            raise RuntimeError(f"{user} could not log in: {answer.status_code} {answer.text[:500]}")

    def _xsrf(self, path: str) -> str:
        found = [c for c in self.http.cookies if c.name == "_xsrf" and path.startswith(c.path)]
        return max(found, key=lambda cookie: len(cookie.path)).value or "" if found else ""

    def server_path(self, server: str = "") -> str:
        return f"/user/{self.user}/{server}/" if server else f"/user/{self.user}/"

    def open_server(self, server: str = "") -> None:
        """Open the running server's page, which does the OAuth dance; the cookies then let this browser in."""
        answer = self.http.get(f"{self.url}{self.server_path(server)}lab", timeout=60)
        answer.raise_for_status()

    def get(self, path: str, server: str = "", timeout_s: float = 30.0) -> requests.Response:
        """GET a path of the user's server by cookie, as JupyterLab does; redirects are not followed."""
        url = f"{self.url}{self.server_path(server)}{path}"
        return self.http.get(url, timeout=timeout_s, allow_redirects=False)

    def post(self, path: str, body: Any, server: str = "", timeout_s: float = 30.0) -> requests.Response:
        base = self.server_path(server)
        headers = {"X-XSRFToken": self._xsrf(base)}
        return self.http.post(f"{self.url}{base}{path}", json=body, headers=headers, timeout=timeout_s)

    def open_notebook(self, path: str = "note.ipynb", kernel: str = "python3", server: str = "") -> Notebook:
        """Start a session with a kernel for a notebook, and connect to it. Raises requests.HTTPError."""
        body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": kernel}}
        answer = self.post("api/sessions", body, server, timeout_s=60)
        answer.raise_for_status()
        session = answer.json()
        return Notebook(self, server, session["id"], session["kernel"]["id"])

    def connect(self, kernel_id: str, server: str = "") -> websocket.WebSocket:
        """Open a websocket to a kernel by cookie."""
        path = f"{self.server_path(server)}api/kernels/{kernel_id}/channels"
        cookies = "; ".join(f"{c.name}={c.value}" for c in self.http.cookies if path.startswith(c.path))
        address = self.url.replace("http", "ws", 1)
        query = f"session_id={uuid.uuid4().hex}&_xsrf={self._xsrf(self.server_path(server))}"
        return websocket.create_connection(
            f"{address}{path}?{query}", cookie=cookies, origin=self.url, timeout=60, enable_multithread=False
        )


@dataclass
class Reply:
    """What came of one cell."""

    status: str
    """``ok`` or ``error``."""
    execution_count: int | None = None
    text: str = ""
    """The plain text of the cell's value."""
    stdout: str = ""
    error: str = ""
    """The name and message of the error."""
    messages: list[dict[str, Any]] = field(default_factory=list, repr=False)


class Notebook:
    """A notebook that is open in a browser."""

    def __init__(self, browser: Browser, server: str, session_id: str, kernel_id: str) -> None:
        self.browser = browser
        self.server = server
        self.session_id = session_id
        self.kernel_id = kernel_id
        self._socket: websocket.WebSocket | None = None

    def run(self, code: str, timeout_s: float = 60.0) -> Reply:
        """Run a cell and return what came of it. Raises TimeoutError when it takes too long."""
        return self.wait(self.send(code), timeout_s)

    def send(self, code: str) -> str:
        """Send a cell to the kernel and return the message's id; connects when that is needed."""
        message_id = uuid.uuid4().hex
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        header = {
            "msg_id": message_id,
            "msg_type": "execute_request",
            "username": self.browser.user,
            "session": "browser",
            "version": "5.3",
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        if self._socket is None:
            self._socket = self.browser.connect(self.kernel_id, self.server)
        self._socket.send(json.dumps(message))
        return message_id

    def wait(self, message_id: str, timeout_s: float = 60.0) -> Reply:
        """Wait for the end of a cell that was sent."""
        reply, idle, done = Reply("none"), False, False
        deadline = time.monotonic() + timeout_s
        assert self._socket is not None
        while not (idle and done):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"the cell did not end within {timeout_s:g} s")
            self._socket.settimeout(left)
            try:
                message = json.loads(self._socket.recv())
            except websocket.WebSocketTimeoutException:
                continue
            if (message.get("parent_header") or {}).get("msg_id") != message_id:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            reply.messages.append(message)
            if kind == "status":
                idle = content["execution_state"] == "idle"
            elif kind == "stream" and content["name"] == "stdout":
                reply.stdout += content["text"]
            elif kind == "execute_result":
                reply.text = content["data"].get("text/plain", "")
            elif kind == "error":
                reply.error = f"{content['ename']}: {content['evalue']}"
            elif kind == "execute_reply":
                reply.status, reply.execution_count, done = content["status"], content.get("execution_count"), True
        return reply

    def reconnect(self) -> None:
        """Drop the websocket; the next cell opens another one, as JupyterLab does by itself."""
        if self._socket is not None:
            try:
                self._socket.close()
            except OSError:
                pass
        self._socket = None

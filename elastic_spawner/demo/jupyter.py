"""A notebook's front end without a screen: one kernel, through the hub's proxy."""

from __future__ import annotations

import ast
import json
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import websocket

from .hub import Tab

LOOK = Path(__file__).with_name("look.py")


class KernelLost(Exception):
    """A tab would have shown the kernel as dead: the server answered, and did not know the kernel or the token."""


@dataclass
class Reply:
    """What came of one execution."""

    status: str
    count: int
    seconds: float
    text: str = ""
    """Output and result, or the traceback."""
    expressions: dict[str, Any] = field(default_factory=dict)


class Kernel:
    """A notebook's kernel, as an open tab has it: by cookies, and by a websocket that may break."""

    def __init__(self, tab: Tab, kernel_id: str) -> None:
        self.tab = tab
        self.id = kernel_id
        self.client = uuid.uuid4().hex
        self.socket: websocket.WebSocket | None = None

    @classmethod
    def open(cls, tab: Tab, path: str, notebook: dict[str, Any]) -> Kernel:
        """Put a notebook on the user's server and start its kernel, as JupyterLab does.

        Raises requests.HTTPError.
        """
        tab.open_server()
        tab.put(f"api/contents/{path}", {"type": "notebook", "format": "json", "content": notebook})
        session = tab.open_notebook(path)
        return cls(tab, session.kernel_id)

    def connect(self, timeout_s: float = 60) -> None:
        """Connect as a tab does: retry while the server is away, give up when it does not know the kernel or us.

        Raises KernelLost, TimeoutError.
        """
        end = time.monotonic() + timeout_s
        while True:
            try:
                status = self.tab.get(f"api/kernels/{self.id}").status_code
                if status == 200:
                    break
                if status not in (424, 502, 503, 504):
                    raise KernelLost(f"GET api/kernels/{self.id} was answered by {status}")
            except requests.ConnectionError:
                pass
            if time.monotonic() > end:
                raise TimeoutError(f"the server did not come back within {timeout_s:.0f} s")
            time.sleep(0.1)
        self.close()
        self.socket = self.tab.connect(self.id)

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def execute(self, code: str, *, silent: bool = False, timeout_s: float = 600, **expressions: str) -> Reply:
        """Run a cell and wait for its end. Raises TimeoutError, and websocket's errors when the connection breaks."""
        assert self.socket is not None, "connect() first"
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": self.client}
        header |= {"username": "", "version": "5.3", "date": ""}
        content = {"code": code, "silent": silent, "store_history": not silent, "user_expressions": expressions}
        content |= {"allow_stdin": False, "stop_on_error": True}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self.socket.send(json.dumps(message | {"buffers": []}))
        start, text, reply, idle = time.perf_counter(), [], None, False
        while reply is None or not idle:
            left = timeout_s - (time.perf_counter() - start)
            if left <= 0:
                raise TimeoutError(f"the cell did not end within {timeout_s:.0f} s: {code[:60]!r}")
            self.socket.settimeout(left)
            try:
                answer = json.loads(self.socket.recv())
            except websocket.WebSocketTimeoutException:
                continue
            if answer["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            body = answer["content"]
            match answer["msg_type"]:
                case "stream":
                    text.append(body["text"])
                case "execute_result":
                    text.append(body["data"].get("text/plain", ""))
                case "error":
                    text.append("\n".join(body["traceback"]))
                case "status":
                    idle = idle or body["execution_state"] == "idle"
                case "execute_reply":
                    reply, seconds = body, time.perf_counter() - start
        values = {k: _value(v) for k, v in (reply.get("user_expressions") or {}).items()}
        return Reply(reply["status"], reply.get("execution_count") or 0, seconds, "".join(text), values)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression that evaluates to JSON text; leaves no trace in the session.

        Raises RuntimeError with the kernel's error.
        """
        return json.loads(self.execute("", silent=True, value=expression).expressions["value"])

    def look(self) -> dict[str, Any]:
        """All variables as they are now; see `look.look`."""
        source = LOOK.read_text(encoding="utf-8")
        namespace = "{'__name__': 'elastic_demo_look'}"
        return self.evaluate(
            f"(lambda ns: (__import__('builtins').exec({source!r}, ns), ns['look'](get_ipython()))[1])({namespace})"
        )

    def restore_report(self) -> dict[str, Any] | None:
        """What the kernel itself says about its last restore."""
        return self.evaluate(
            "(lambda r: __import__('json').dumps(r and r.to_dict()))(__import__('elastic_spawner').last_restore())"
        )


def _value(answer: dict[str, Any]) -> Any:
    if answer["status"] != "ok":
        raise RuntimeError(f"{answer.get('ename')}: {answer.get('evalue')}")
    return ast.literal_eval(answer["data"]["text/plain"])

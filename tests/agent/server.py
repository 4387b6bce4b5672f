"""A real Jupyter server under the agent, started as the spawner starts it, and killed as a lost node kills it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import websocket

from elastic_spawner.agent.settings import CONFIG_FOLDER, agent_token
from elastic_spawner.lib import build_lib

SECRET = bytes(range(32))
PATIENCE = 60.0
"""Seconds until a test gives up waiting; reached only when something is broken."""


@dataclass
class Answer:
    """What an HTTP request got."""

    status: int
    body: Any


@dataclass
class Cell:
    """What running a cell gave."""

    status: str
    execution_count: int | None
    text: str = ""
    """What it printed."""
    value: str = ""
    """The text form of its last expression."""
    error: str = ""


@dataclass
class JupyterServer:
    """One server's home, store and process."""

    root: Path
    kernels: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Kernel specifications by name, besides `python3`."""
    options: tuple[str, ...] = ()
    store_url: str = ""
    secret: bytes = SECRET
    python: str = sys.executable
    """The interpreter that the server runs in."""
    encrypt: str = "no"
    save_interval: float = 0.0
    launch: str = ""
    fallback: str = ""
    former: str = ""
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    def __post_init__(self) -> None:
        self.home = self.root / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.store = self.root / "store"
        self.store_url = self.store_url or self.store.as_uri()
        # What else is installed beside the tests is not needed, and takes seconds to start.
        (self.root / "config").mkdir(exist_ok=True)
        others = ("jupyterlab", "notebook_shim", "jupyter_lsp", "jupyter_server_terminals", "jupyterhub")
        configuration = {"ServerApp": {"jpserver_extensions": dict.fromkeys(others, False)}}
        (self.root / "config" / "jupyter_server_config.json").write_text(json.dumps(configuration))
        for name, specification in self.kernels.items():
            folder = self.root / "jupyter" / "kernels" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "kernel.json").write_text(json.dumps(specification))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/user/ada/"

    @property
    def log(self) -> str:
        return (self.root / "server.log").read_text(errors="replace")

    def start(self) -> list[dict[str, Any]]:
        """Start it and return the kernels that its very first answer lists."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
            "HOME": str(self.home),
            "JUPYTER_PATH": str(self.root / "jupyter"),
            "JUPYTER_RUNTIME_DIR": str(self.root / "runtime"),
            "JUPYTER_CONFIG_DIR": str(self.root / "config"),
            "JUPYTER_CONFIG_PATH": str(CONFIG_FOLDER),
            "IPYTHONDIR": str(self.root / "ipython"),
            "ELASTIC_SPAWNER_STORE_URL": self.store_url,
            "ELASTIC_SPAWNER_SECRET": self.secret.hex(),
            "ELASTIC_SPAWNER_ENCRYPT": self.encrypt,
            "ELASTIC_SPAWNER_SAVE_INTERVAL": str(self.save_interval),
            "ELASTIC_SPAWNER_LAUNCH": self.launch,
            "ELASTIC_SPAWNER_FALLBACK": self.fallback,
            "ELASTIC_SPAWNER_FORMER_SECRETS": self.former,
            "ELASTIC_SPAWNER_LIB": str(build_lib(self.root / "lib")),
        }
        command = [
            self.python, "-m", "jupyter_server", f"--port={self.port}", "--port-retries=0", "--ip=127.0.0.1",
            "--no-browser", "--allow-root", "--IdentityProvider.token=letmein", "--ServerApp.base_url=/user/ada/",
            f"--ServerApp.root_dir={self.home}", *self.options,
        ]  # fmt: skip
        with (self.root / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, cwd=self.home, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log
            try:
                return list(self.get("api/kernels"))
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.02)
        raise AssertionError(f"the server does not answer:\n{self.log}")

    def kill(self) -> None:
        """Kill the server and its kernels at once, as when the node is lost."""
        if self.process is None:
            return
        pids = [self.process.pid, *descendants(self.process.pid)]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process = None

    def terminate(self) -> None:
        """Stop it politely, as the spawner does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        self.process = None

    # HTTP

    def request(self, method: str, path: str, body: Any = None, token: str = "token letmein") -> Answer:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": token} if token else {}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                text = response.read()
                return Answer(response.status, json.loads(text) if text else None)
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                return Answer(error.code, json.loads(text))
            except ValueError:
                return Answer(error.code, text)

    def get(self, path: str) -> Any:
        answer = self.request("GET", path)
        assert answer.status == 200, answer
        return answer.body

    def elastic(self, path: str, body: Any = None) -> Answer:
        """Call the agent as the hub does."""
        method = "GET" if body is None else "POST"
        return self.request(method, f"api/elastic/{path}", body, f"Bearer {agent_token(self.secret)}")

    def checkpoint(self, **body: Any) -> Answer:
        return self.elastic("checkpoint", {"deadline_s": 30, "on_busy": "refuse", "reason": "test", **body})

    def state(self, kernel_id: str) -> dict[str, Any]:
        """The kernel as the agent's status has it."""
        return next(kernel for kernel in self.elastic("status").body["kernels"] if kernel["id"] == kernel_id)

    def restored(self, kernel_id: str) -> dict[str, Any]:
        """The report of what came back into a kernel, once it is over."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for report in self.elastic("restore").body["kernels"]:
                if report["id"] == kernel_id and report["status"] != "restoring":
                    return dict(report)
            time.sleep(0.05)
        raise AssertionError(f"no report of a restore: {self.elastic('restore').body}\n{self.log}")

    def tracked(self, kernel_id: str) -> dict[str, Any]:
        """The kernel's state, once the kernel part is loaded or given up."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            state = self.state(kernel_id)
            if state["tracked"] or state["problem"]:
                return state
            time.sleep(0.05)
        raise AssertionError(self.log)

    def open_notebook(self, path: str, kernel: str = "python3") -> dict[str, Any]:
        """What JupyterLab does when a notebook is opened; returns the session."""
        (self.home / path).parent.mkdir(parents=True, exist_ok=True)
        name = Path(path).name
        answer = self.request(
            "POST", "api/sessions", {"path": path, "name": name, "type": "notebook", "kernel": {"name": kernel}}
        )
        assert answer.status == 201, answer
        return dict(answer.body)

    def front_end(self, kernel_id: str) -> FrontEnd:
        return FrontEnd(self, kernel_id)

    def run(self, kernel_id: str, code: str) -> Cell:
        """Run one cell by a front end of its own."""
        with self.front_end(kernel_id) as front_end:
            return front_end.run(code)


class FrontEnd:
    """A browser's connection to a kernel."""

    def __init__(self, server: JupyterServer, kernel_id: str) -> None:
        self.server = server
        self.session = uuid.uuid4().hex
        url = server.url.replace("http", "ws", 1) + f"api/kernels/{kernel_id}/channels?session_id={self.session}"
        self.socket = websocket.create_connection(url, timeout=PATIENCE, header=["Authorization: token letmein"])
        self.seen: list[dict[str, Any]] = []

    def __enter__(self) -> FrontEnd:
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()

    def send(self, code: str, silent: bool = False) -> str:
        message = uuid.uuid4().hex
        header = {
            "msg_id": message, "session": self.session, "username": "ada", "version": "5.3",
            "msg_type": "execute_request", "date": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        content = {
            "code": code, "silent": silent, "store_history": not silent, "user_expressions": {},
            "allow_stdin": False, "stop_on_error": True,
        }  # fmt: skip
        parts = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self.socket.send(json.dumps({**parts, "buffers": []}))
        return message

    def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.socket.recv())
        self.seen.append(message)
        return message

    def wait_busy(self, request: str) -> None:
        """Wait until the kernel has begun with a request."""
        end = time.monotonic() + 2 * PATIENCE
        while time.monotonic() < end:
            message = self.receive()
            ours = message["parent_header"].get("msg_id") == request
            if ours and message["content"].get("execution_state") == "busy":
                return
        raise AssertionError(self.server.log)

    def wait(self, request: str) -> Cell:
        """Wait until a request is done."""
        cell, idle, replied = Cell("", None), False, False
        end = time.monotonic() + 2 * PATIENCE  # the server's pings go on when nothing else does
        while not (idle and replied):
            assert time.monotonic() < end, self.server.log
            message = self.receive()
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status":
                idle = content["execution_state"] == "idle"
            elif kind == "stream":
                cell.text += content["text"]
            elif kind == "execute_result":
                cell.value = content["data"]["text/plain"]
            elif kind == "error":
                cell.error = content["ename"]
            elif kind == "execute_reply":
                replied = True
                cell.status, cell.execution_count = content["status"], content.get("execution_count")
                idle = idle or content["status"] == "aborted"
        return cell

    def run(self, code: str) -> Cell:
        return self.wait(self.send(code))


def descendants(pid: int) -> list[int]:
    """All processes that descend from this one."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found

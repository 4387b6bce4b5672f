"""Real kernels to measure: the plain one, and the one with us in it, each in a folder of its own."""

from __future__ import annotations

import ast
import json
import shutil
import time
from pathlib import Path
from typing import Any

from tests.kernel import runner

KEY = "00" * 32
SESSION = "benchmark"
PATIENCE = 600.0
"""Seconds that one request may take."""


class Failed(Exception):
    """A cell or a request raised in the kernel."""


class Kernel(runner.Kernel):
    """A kernel process with a clock around its answers, and its memory as the operating system counts it."""

    def __init__(self, folder: Path, tag: str, python: str, watched: bool) -> None:
        super().__init__(folder, tag, python)
        self.folder = folder
        if watched:
            self.ask("__import__('IPython').get_ipython().run_line_magic('load_ext', 'elastic_spawner')")

    def cell(self, code: str) -> float:
        """Run a cell of the user's; returns its wall seconds. Raises Failed."""
        seconds, reply = self._timed(code, silent=False)
        if reply["status"] != "ok":
            raise Failed(f"{reply['ename']}: {reply['evalue']}")
        return seconds

    def ask(self, code: str) -> tuple[float, str]:
        """Run code that is not the user's; returns its wall seconds and what it printed. Raises Failed."""
        seconds, reply = self._timed(code, silent=True)
        if reply["status"] != "ok":
            raise Failed(f"{reply['ename']}: {reply['evalue']}")
        return seconds, reply["out"]

    def inside(self, function: str, **arguments: Any) -> Any:
        """Call a function of `inside` in the kernel; returns its result, which must be JSON. Raises Failed."""
        call = f"__import__('benchmarks.inside', fromlist=['x']).answer({function!r}, {arguments!r})"
        found = self.execute("", silent=True, it=call)["user_expressions"]["it"]
        if found["status"] != "ok":
            raise Failed(f"{found['ename']}: {found['evalue']}")
        return json.loads(ast.literal_eval(found["data"]["text/plain"]))

    def clocked(self, function: str, **arguments: Any) -> tuple[float, Any]:
        """The same, with the wall seconds that whoever asks has to wait."""
        started = time.perf_counter()
        result = self.inside(function, **arguments)
        return time.perf_counter() - started, result

    def call(self, method: str, **parameters: Any) -> tuple[float, dict[str, Any]]:
        """Ask the kernel part as the agent does; returns wall seconds and the result. Raises Failed."""
        code = f"__import__('elastic_spawner.kernel.rpc', fromlist=['x']).call({method!r}, {json.dumps(parameters)!r})"
        started = time.perf_counter()
        found = self.execute("", silent=True, it=code)["user_expressions"]["it"]
        seconds = time.perf_counter() - started
        if found["status"] != "ok":
            raise Failed(f"{found['ename']}: {found['evalue']}")
        answer = json.loads(ast.literal_eval(found["data"]["text/plain"]))
        if not answer["ok"]:
            raise Failed("{type}: {message}".format(**answer["error"]))
        return seconds, answer["result"]

    def memory(self) -> dict[str, int]:
        """Bytes in memory now (``now``) and at most since `forget_peak` (``peak``)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return {"now": int(fields["VmRSS"].split()[0]) << 10, "peak": int(fields["VmHWM"].split()[0]) << 10}

    def forget_peak(self) -> None:
        """Let the peak begin anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _timed(self, code: str, silent: bool) -> tuple[float, dict[str, Any]]:
        started = time.perf_counter()
        reply = self.execute(code, silent=silent)
        return time.perf_counter() - started, reply


class Bench:
    """Makes kernels that share one working folder, and kills them."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder, self.python = folder, python
        self.kernels: list[Kernel] = []
        (folder / "cwd").mkdir(parents=True)
        (folder / "home").mkdir()

    def kernel(self, watched: bool) -> Kernel:
        """Start a kernel; with us in it when ``watched``."""
        kernel = Kernel(self.folder, f"k{len(self.kernels)}", self.python, watched)
        self.kernels.append(kernel)
        return kernel

    def beside(self, name: str) -> Bench:
        """Another one whose working folder is a copy: what runs there leaves our files alone."""
        other = Bench(self.folder / name, self.python)
        shutil.copytree(self.folder / "cwd", other.folder / "cwd", dirs_exist_ok=True)
        return other

    def close(self) -> None:
        """Kill them all."""
        for kernel in self.kernels:
            if kernel.lives():
                kernel.kill()
        self.kernels.clear()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


runner.PATIENCE = PATIENCE

# ruff: noqa: E501 - the cells are written as a user writes them
"""Runs a session of `cases` in a real kernel: cells, save, SIGKILL, new process, restore, probes."""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any, ClassVar

from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("ELASTIC_TEST_PYTHON", sys.executable)
"""The interpreter of the kernels: it needs ipykernel, and for each case the libraries that it names."""
PATIENCE = 120.0
_HIDDEN = ("JPY_", "JUPYTER", "MPLBACKEND", "ELASTIC_")


class KernelDied(Exception):
    """The kernel process ended, or does not answer."""


class Nursery:
    """Processes that fork kernels (see `nursery`)."""

    _all: ClassVar[dict[tuple[str, int], Nursery]] = {}
    _lock = threading.Lock()

    def __init__(self, python: str) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_HIDDEN)}
        self._process = subprocess.Popen(
            [python, str(Path(__file__).with_name("nursery.py"))],
            env=environment | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @classmethod
    def of(cls, python: str, number: int = 0) -> Nursery:
        """The nursery of this interpreter and number, which is started when there is none."""
        with cls._lock:
            if (python, number) not in cls._all:
                cls._all[python, number] = cls(python)
            return cls._all[python, number]

    def bear(self, **kernel: Any) -> int:
        """The process id of a new kernel."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(kernel) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    @classmethod
    def close(cls) -> None:
        """End them all; their kernels live on."""
        for nursery in cls._all.values():
            nursery._process.communicate()
        cls._all.clear()


class Kernel:
    """One kernel process, and a client connected to it."""

    def __init__(self, folder: Path, tag: str, python: str = PYTHON, nursery: Nursery | None = None) -> None:
        self.python = python
        self.connection = str(folder / f"kernel-{tag}.json")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_HIDDEN)}
        home = folder / "home"
        environment |= {"HOME": str(home), "IPYTHONDIR": str(home / ".ipython"), "PYTHONPATH": str(ROOT)}
        self.log = folder / f"{tag}.log"
        for _attempt in range(3):  # another kernel may have taken one of its ports meanwhile
            write_connection_file(self.connection)
            self.pid = (nursery or Nursery.of(python)).bear(
                connection=self.connection, cwd=str(folder / "cwd"), env=environment, log=str(self.log)
            )
            self.client = BlockingKernelClient(connection_file=self.connection)
            self.client.load_connection_file()
            self.client.start_channels()
            if self._answers():
                return
            self.kill()
            os.unlink(self.connection)
        raise KernelDied("no kernel starts: see its log")

    def lives(self) -> bool:
        """Whether the process is there."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _answers(self) -> bool:
        """Wait until the kernel has answered on both channels; False when it has ended or takes too long."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.lives():
            self.client.kernel_info()
            try:
                self.client.get_shell_msg(timeout=2)
                self.client.get_iopub_msg(timeout=1)
                return self._can_ask(end)
            except Empty:
                continue
        return False

    def _can_ask(self, end: float) -> bool:
        """Wait until a question of the kernel arrives: one that is sent before the channel stands is lost."""
        while time.monotonic() < end and self.lives():
            asked = False
            self.client.execute("input()", silent=True, allow_stdin=True)
            while time.monotonic() < end and self.lives():
                try:
                    self.client.get_stdin_msg(timeout=1)
                    asked = True
                except Empty:
                    pass
                self.client.input("")  # unasked too, so that a question that was lost does not wait for ever
                try:
                    self.client.get_shell_msg(timeout=1)
                    break
                except Empty:
                    continue
            if asked:
                return True
        return False

    def execute(
        self, code: str, silent: bool = False, answer: str | None = None, interrupt: bool = False, **expressions: str
    ) -> dict[str, Any]:
        """Run code; returns the reply with its output under ``out``. Raises KernelDied."""
        out: list[str] = []

        def collect(message: Any) -> None:
            content = message["content"]
            out.append(content.get("text") or "\n".join(content.get("traceback", ())))

        timer = threading.Timer(2.0, os.kill, (self.pid, signal.SIGINT))
        if interrupt:
            timer.start()
        try:
            reply = self.client.execute_interactive(
                code,
                silent=silent,
                store_history=not silent,
                user_expressions=expressions,
                allow_stdin=True,
                stop_on_error=False,
                timeout=PATIENCE,
                output_hook=collect,
                stdin_hook=lambda _message: self.client.input("nobody is here" if answer is None else answer),
            )
        except (TimeoutError, Empty) as e:
            raise KernelDied(f"no answer to {code[:60]!r} ({self._state()})") from e
        finally:
            timer.cancel()
        return {**reply["content"], "out": "".join(out)}

    def value(self, expression: str) -> str:
        """repr of the expression's value, or ``ERROR ...``."""
        found = self.execute("", silent=True, it=expression)["user_expressions"]["it"]
        return found["data"]["text/plain"] if found["status"] == "ok" else f"ERROR {found['ename']}: {found['evalue']}"

    def magic(self, line: str) -> str:
        """Run ``%elastic line``; returns what it printed, or raises RuntimeError with what it said."""
        reply = self.execute(f"get_ipython().run_line_magic('elastic', {line!r})", silent=True)
        if reply["status"] != "ok":
            raise RuntimeError(f"{reply['ename']}: {reply['evalue']}")
        return str(reply["out"])

    def report(self) -> dict[str, Any]:
        """What the last restore says of itself."""
        told = self.value("__import__('json').dumps(__import__('elastic_spawner').last_restore().to_dict())")
        return dict(json.loads(ast.literal_eval(told)))

    def _state(self) -> str:
        """What the process does, as far as can be told: the nursery has faulthandler write the stacks into its log."""
        if not self.lives():
            return "dead"
        os.kill(self.pid, signal.SIGRTMAX)
        time.sleep(1)
        return "alive: " + self.log.read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        """SIGKILL for the process and all that it started."""
        self.client.stop_channels()
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        end = time.monotonic() + PATIENCE
        while self.lives() and time.monotonic() < end:
            time.sleep(0.01)


@contextmanager
def watched(folder: Path, setup: str) -> Iterator[Kernel]:
    """A kernel with the extension, in a folder of its own, that has run ``setup`` as its first cell."""
    for name in ("cwd", "home"):
        (folder / name).mkdir()
    made = Kernel(folder, "a")
    try:
        made.execute("get_ipython().run_line_magic('load_ext', 'elastic_spawner')", silent=True)
        made.execute(setup)
        yield made
    finally:
        made.kill()


@dataclass
class Outcome:
    """What became of a case: ``pass``, ``reported`` (lost, and said so), or one of the ways to fail."""

    verdict: str = "pass"
    probes: list[str] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    detail: str = ""


def run(case: Any, folder: Path, control: bool = False, python: str = PYTHON) -> Outcome:
    """Run one case; ``folder`` is empty and its own. ``control``: nothing is saved, the probes are asked right away."""
    for name in ("cwd", "home", "store"):
        (folder / name).mkdir()
    outcome = Outcome()
    kernels: list[Kernel] = []
    try:
        _run(case, folder, outcome, kernels, control, python)
    except KernelDied as e:
        outcome.verdict, outcome.detail = "crash", str(e)
    finally:
        for kernel in kernels:
            kernel.kill()
    return outcome


def _run(case: Any, folder: Path, outcome: Outcome, kernels: list[Kernel], control: bool, python: str) -> None:
    first = Kernel(folder, "0", python)
    kernels.append(first)
    first.execute("get_ipython().run_line_magic('load_ext', 'elastic_spawner')", silent=True)
    for index in case.schedule():
        reply = first.execute(case.cells[index], answer=case.stdin, interrupt=index in case.interrupt)
        if (reply["status"] == "error") != (index in case.raises or index in case.interrupt):
            outcome.verdict, outcome.detail = "broken_cells", f"cell {index}: {reply['out'][-1500:] or reply['status']}"
            return
    captured = {name: first.value(expression) for name, expression in case.capture.items()}
    if control:
        _probe(case, first, captured, outcome)
        return
    kernel = _move(case, folder, outcome, kernels)
    if kernel is not None and case.again:
        for cell in case.again:
            reply = kernel.execute(cell)
            if reply["status"] == "error":
                outcome.verdict, outcome.detail = "broken_cells", f"after the restore: {reply['out'][-1500:]}"
                return
        kernel = _move(case, folder, outcome, kernels)
    if kernel is not None:
        _probe(case, kernel, captured, outcome)


def _move(case: Any, folder: Path, outcome: Outcome, kernels: list[Kernel]) -> Kernel | None:
    """Save the session of the last kernel, kill it, and restore it in a new one; None when that fails."""
    url = (folder / "store").as_uri()
    try:
        outcome.detail = kernels[-1].magic(f"checkpoint {url}")
    except RuntimeError as e:
        outcome.verdict, outcome.detail = "ckpt_error", str(e)
        return None
    kernels[-1].kill()
    if case.meanwhile:
        subprocess.run([kernels[0].python, "-c", case.meanwhile], cwd=folder / "cwd", check=True)
    python = kernels[0].python
    kernel = Kernel(folder, str(len(kernels)), python, Nursery.of(python, len(kernels) % 2))
    kernels.append(kernel)
    kernel.execute("get_ipython().run_line_magic('load_ext', 'elastic_spawner')", silent=True)
    try:
        kernel.magic(f"restore {url}")
    except RuntimeError as e:
        outcome.verdict, outcome.detail = "restore_error", str(e)
        return None
    # before the probes: what they do to the json module is theirs
    outcome.report = kernel.report()
    variables = outcome.report["variables"]
    outcome.lost.update({n: v["reason"] for n, v in variables.items() if v["status"] == "lost"})
    return kernel


def _probe(case: Any, kernel: Kernel, captured: dict[str, str], outcome: Outcome) -> None:
    for probe in case.probes:
        for name, value in captured.items():
            probe = probe.replace(f"${name}$", value)
        outcome.probes.append(kernel.value(f"True if ({probe}) else False"))
    bad = [p for p in outcome.probes if p != "True"]
    if bad:
        silent = "missing" if all(p.startswith("ERROR NameError") for p in bad) else "wrong"
        outcome.verdict = "reported" if outcome.lost or outcome.report.get("notes") else silent


def absent(needs: tuple[str, ...], python: str = PYTHON) -> list[str]:
    """Which of these modules the kernels' interpreter lacks."""
    for name in needs:
        if (python, name) not in _known:
            code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is None)"
            _known[python, name] = subprocess.run([python, "-c", code], check=False).returncode == 0
    return [n for n in needs if not _known[python, n]]


_known: dict[tuple[str, str], bool] = {}


def main() -> int:
    """Run cases by hand: ``python -m tests.kernel.runner [PART OF ID ...] [-j N] [-v]``."""
    from .cases import load

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("only", nargs="*")
    parser.add_argument("-j", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="save nothing: whether the probes are true at all")
    parser.add_argument("-v", action="store_true", help="also show what was loaded")
    options = parser.parse_args()
    chosen = [c for c in load() if not options.only or any(o in c.id for o in options.only)]

    told = subprocess.run([PYTHON, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, check=True)
    version = tuple(map(int, told.stdout.split()))

    def one(case: Any) -> tuple[Any, Outcome]:
        missing = absent(case.needs) if case.since <= version else ["Python {}.{}".format(*case.since)]
        if missing:
            return case, Outcome("absent", detail=", ".join(missing))
        folder = Path(tempfile.mkdtemp(prefix=f"elastic-{case.id}-"))
        try:
            return case, run(case, folder, options.control)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    counts: dict[str, int] = {}
    with ThreadPoolExecutor(options.j) as pool:
        for case, outcome in pool.map(one, chosen):
            counts[outcome.verdict] = counts.get(outcome.verdict, 0) + 1
            print(f"{outcome.verdict:13} {case.id}", flush=True)
            if outcome.verdict != "pass" or options.v or set(outcome.lost) - set(case.may_lose):
                for probe, found in zip(case.probes, outcome.probes):
                    if found != "True" or options.v:
                        print(f"    {found}: {probe}")
                for name, v in outcome.report.get("variables", {}).items():
                    if v["status"] != "loaded" or options.v:
                        print(f"    {name} {v['status']} (In [{v['cell']}]): {v['reason']}")
                print(
                    "   ",
                    outcome.detail[:1500] if not outcome.report else [outcome.report[k] for k in ("rerun", "notes")],
                    flush=True,
                )
    print(counts)
    Nursery.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

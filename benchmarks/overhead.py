"""What watching costs while nothing happens: a kernel with us beside the same kernel without us, cell by cell."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from .kernels import Bench, Kernel

LOOP = "total = 0\nfor _i in range({turns}):\n    total += _i % 7"
"""A loop at Python level over global names: what patching the namespace would slow down."""


def states(scale: float) -> dict[str, str]:
    """The cell that makes each of the states beside which ``x = 1`` is run."""

    def size(full: int) -> int:
        return max(10, int(full * scale))

    return {
        "1 GB of arrays": f"import numpy as np\narrays = [np.random.default_rng(i).random({size(13_421_772)})\n"
        "          for i in range(10)]",
        "500 variables": f"for _k in range({size(500)}):\n    globals()[f'v{{_k}}'] = [_k, str(_k)]",
        "list of a million objects": "class Record:\n    def __init__(self, number):\n        self.number = number\n"
        f"        self.tags = [number]\nrecords = [Record(i) for i in range({size(1_000_000)})]",
        "frame of 3 million rows": "import numpy as np, pandas as pd\nrng = np.random.default_rng(0)\n"
        f"frame = pd.DataFrame({{'value': rng.random({size(3_000_000)}),\n"
        f"                      'name': [f'id-{{i % 100000}}' for i in range({size(3_000_000)})]}})",
    }


def beside(build: str, folder: Path, python: str, repeat: int) -> dict[str, Any]:
    """Run ``x = 1`` ``repeat`` times in turns in both kernels beside one state; wall seconds, and our hooks' own."""
    with Bench(folder, python) as bench:
        plain, watched = _pair(bench)
        for kernel in (plain, watched):
            kernel.cell(build)
        found: dict[str, Any] = {
            "memory_plain": plain.memory()["now"],
            "memory_watched": watched.memory()["now"],
            "plain_s": [],
            "watched_s": [],
        }
        watched.inside("metered")
        for number in range(repeat):
            for kernel, key in _turns(plain, watched, number):
                found[key].append(kernel.cell(f"x = {number}"))
        found["hooks"] = watched.inside("metered")
        return found


def many_cells(folder: Path, python: str, cells: int) -> dict[str, Any]:
    """Memory of both kernels over a long session; bytes after each tenth of it."""
    with Bench(folder, python) as bench:
        plain, watched = _pair(bench)
        found: dict[str, Any] = {"cells": cells, "plain": [], "watched": []}
        for number in range(cells):
            code = f"v{number % 50} = [{number}, v{(number * 7) % 50}[0] if {number} > 50 else 0]"
            for kernel in (plain, watched):
                kernel.cell(code)
            if number % max(1, cells // 10) == 0 or number == cells - 1:
                found["plain"].append(plain.memory()["now"])
                found["watched"].append(watched.memory()["now"])
        found["hooks"] = watched.inside("metered")
        return found


def loops(folder: Path, python: str, repeat: int, turns: int) -> dict[str, list[float]]:
    """CPU seconds of a loop at Python level in both kernels, in turns."""
    with Bench(folder, python) as bench:
        plain, watched = _pair(bench)
        code = "import time\n_started = time.process_time()\n" + LOOP.format(turns=turns)
        code += "\n_spent = time.process_time() - _started"
        found: dict[str, list[float]] = {"plain_s": [], "watched_s": []}
        for number in range(repeat):
            for kernel, key in _turns(plain, watched, number):
                kernel.cell(code)
                found[key].append(float(kernel.value("_spent")))
        return found


def imports(python: str, repeat: int) -> dict[str, Any]:
    """Seconds that loading the extension adds to a process which has IPython already: with compiled files beside the
    sources (warm), and without any (as at the very first import)."""
    code = (
        "import sys, time, IPython, ipykernel.ipkernel, ipykernel.zmqshell\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\nbefore = set(sys.modules)\n"
        "started = time.perf_counter()\nshell.run_line_magic('load_ext', 'elastic_spawner')\n"
        "print(time.perf_counter() - started, len(set(sys.modules) - before))"
    )
    found: dict[str, Any] = {"warm_s": [], "uncompiled_s": []}
    for number in range(repeat + 1):
        for key in ("warm_s", "uncompiled_s"):
            with tempfile.TemporaryDirectory() as folder:
                environment = {**os.environ, "HOME": folder, "IPYTHONDIR": folder}
                own = code
                if key == "uncompiled_s":  # only for what is imported from here on: IPython has its compiled files
                    own = code.replace("started =", f"sys.pycache_prefix = {folder!r}\nstarted =", 1)
                done = subprocess.run(
                    [python, "-c", own], capture_output=True, text=True, check=True, env=environment, cwd=_root()
                )
            seconds, modules = done.stdout.split()[-2:]
            if number:  # the first warms the disk's cache
                found[key].append(float(seconds))
            found["modules"] = int(modules)
    return found


def _root() -> Path:
    return Path(__file__).resolve().parents[1]


def _pair(bench: Bench) -> tuple[Kernel, Kernel]:
    plain, watched = bench.kernel(watched=False), bench.kernel(watched=True)
    watched.inside("meter")
    for kernel in (plain, watched):
        kernel.cell("x = 0")
    return plain, watched


def _turns(plain: Kernel, watched: Kernel, number: int) -> list[tuple[Kernel, str]]:
    """Both kernels, the other one first each time."""
    pair = [(plain, "plain_s"), (watched, "watched_s")]
    return pair[::-1] if number % 2 else pair


def added(found: dict[str, Any]) -> float:
    """Median of what a cell takes longer with us, in seconds, each with its neighbour in time."""
    return statistics.median(w - p for p, w in zip(found["plain_s"], found["watched_s"]))

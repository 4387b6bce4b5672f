"""A gate before what is read behind a restore: it opens when a file appears, so that a test knows what comes first.

Loaded into the kernel under test, by an expression, which leaves no name there.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elastic_spawner.checkpoint.repository import Repository


def install(ipython: Path, path: Path) -> None:
    """Close the gate in every kernel that is started with this IPython directory from now on."""
    startup = ipython / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    lines = f"__import__('sys').path.append({str(Path(__file__).resolve().parents[2])!r})\n"
    lines += f"__import__('tests.kernel.gate', fromlist=['close']).close({str(path)!r})\n"
    (startup / "gate.py").write_text(lines)


def close(path: str) -> None:
    """Nothing is read by the threads of `kernel.pending` from now on, until there is a file at ``path``."""
    read_into = Repository.read_into

    def wait(self: Repository, refs: Sequence[Any], buffer: memoryview) -> None:
        while threading.current_thread().name.startswith("elastic-spawner-pending") and not os.path.exists(path):
            time.sleep(0.01)
        read_into(self, refs, buffer)

    Repository.read_into = wait  # type: ignore[method-assign]

"""Running the command line as a shell does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Done:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ``elastic-spawner`` with these arguments, in an environment without hub, token or key."""

    def run(*arguments: object, timeout: float = 60, **environment: str) -> Done:
        names = ("JUPYTERHUB_", "ELASTIC_SPAWNER_", "XDG_DATA_HOME")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(names)}
        done = subprocess.run(
            [sys.executable, "-m", "elastic_spawner.cli", *map(str, arguments)],
            env={**clean, "HOME": str(tmp_path), **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    return run

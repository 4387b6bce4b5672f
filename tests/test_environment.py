"""Environments are made from the interpreters that are there; where one is not, that is said by a status of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent.parent / ".ci" / "environment.py"


def test_a_python_that_cannot_be_had(tmp_path: Path) -> None:
    """Neither on the PATH, nor in pyenv, nor by apt-get: status 3 and the reason, and nothing is left behind."""
    version = "3.14" if sys.version_info[1] != 14 else "3.13"
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    environ = {"PATH": str(nothing), "PYENV_ROOT": str(nothing), "ELASTIC_ENVIRONMENTS": str(tmp_path / "made")}
    command = [sys.executable, str(PROGRAM), f"kernel-{version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environ})
    assert done.returncode == 3, done.stderr
    assert f"Python {version} is not on this machine" in done.stderr
    assert done.stdout == ""
    assert [p for p in tmp_path.rglob("*") if p.name.startswith(("kernel", "python"))] == []

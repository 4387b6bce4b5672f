"""Environments are made from the interpreters that are there; where one is not, that is said by a status of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("ignored", [False, True], ids=["", "interrupts are ignored"])
def test_what_runs_beside_the_tests_ends_with_them(ignored: bool, tmp_path: Path) -> None:
    """What has begun to be built when an environment cannot be made; the same way hubs and a Kubernetes do."""
    (tmp_path / "bin").mkdir()
    programs = {
        "bin/python": f"trap 'touch {tmp_path}/ended; exit 2' INT TERM; touch {tmp_path}/began; "
        "while :; do sleep 0.1; done",
        "environments": f"[ $2 = main ] && echo {tmp_path} && exit; "
        f"until [ -e {tmp_path}/began ]; do sleep 0.1; done; exit 1",
    }
    for name, script in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    environment["PYTHON"] = str(tmp_path / "environments")
    interrupts = signal.SIG_IGN if ignored else signal.SIG_DFL
    done = subprocess.run(
        [PROGRAM.with_name("test")],
        env=environment,
        check=False,
        timeout=120,
        preexec_fn=lambda: signal.signal(signal.SIGINT, interrupts),
    )
    assert done.returncode == 1
    assert (tmp_path / "ended").exists()

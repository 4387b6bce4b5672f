"""SIGKILL at every write, fsync, rename, link, unlink, mkdir and utime of the save of a real session; all points, not a
sample."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("what", "least"), [("first", 40), ("second", 20)])
def test_killed_at_every_point(tmp_path: Path, what: str, least: int) -> None:
    """What was committed last comes back with equal values, the next commit works, and a collection leaves nothing."""
    # A process of its own, without threads: it forks a kernel for every point.
    done = subprocess.run(
        [sys.executable, "-m", "tests.kernel.crash_session", what, str(tmp_path / "store")],
        env={**os.environ, "HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path / ".ipython"), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.splitlines()[-1]) >= least  # as many calls as such a save makes: the injection works

"""SIGKILL at every write, fsync, rename, link, unlink, mkdir and utime of a save and of a collection; all points, not a
sample."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("what", "least"),
    [
        ("save", 40),
        ("collect", 7),
        ("collect_beside_a_writer", 6),  # what is small shares one chunk: there is only one to delete
        ("collection_within_a_save", 30),
        ("collection_within_a_killed_save", 30),
        ("save_within_a_collection", 7),
        ("save_within_a_killed_collection", 7),
    ],
)
def test_killed_at_every_point(tmp_path: Path, what: str, least: int) -> None:
    """The last committed generation loads, the next save works, and a collection leaves nothing behind."""
    script = Path(__file__).with_name("crash_points.py")
    # A process of its own, without threads: it forks one child for every point.
    done = subprocess.run(
        [sys.executable, str(script), what, str(tmp_path / "store")], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) >= least  # as many system calls as such a save makes: the injection works

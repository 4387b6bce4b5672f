"""A small file system, to fill for real."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    if os.geteuid() != 0:
        pytest.skip("LOUD: mounting a small file system needs root: filling a disk was NOT tested")
    where = tmp_path / "disk"
    where.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(where)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"LOUD: this root may not mount ({done.stderr.strip()}): filling a disk was NOT tested")
    yield where
    subprocess.run(["umount", "--lazy", str(where)], check=True)  # also where a failed test holds a file open

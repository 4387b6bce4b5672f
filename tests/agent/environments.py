"""Environments that kernels run in, made once and kept in the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "elastic-spawner" / "tests"


def environment(name: str, *requirements: str) -> Path:
    """The interpreter of a virtual environment with these packages and what they need, and nothing else."""
    folder = CACHE / f"{name}-py{sys.version_info[0]}{sys.version_info[1]}"
    python = folder / "bin" / "python"
    if python.exists():
        return python
    CACHE.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=CACHE))
    try:
        run = {"check": True, "stdout": subprocess.DEVNULL, "env": {**os.environ, "PYTHONPATH": ""}}
        subprocess.run([sys.executable, "-m", "venv", making], **run)  # type: ignore[call-overload]
        pip = [making / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *requirements], **run)  # type: ignore[call-overload]
        making.chmod(0o755)
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return python

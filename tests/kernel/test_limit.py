"""A cell that is run again and does not end: it is interrupted, what it makes is lost, and the kernel is there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.kernel.runner import Kernel, watched

HANGS = {
    "an endless loop": "while os.path.exists('endless'): pass",
    "one that minds no interrupt once": """\
while os.path.exists('endless'):
    try:
        while True: pass
    except KeyboardInterrupt:
        os.remove('endless')""",
    "a lock that nobody gives back": "import threading\nif os.path.exists('endless'): threading.Event().wait()",
    "at the top level": "import asyncio\nif os.path.exists('endless'): await asyncio.Event().wait()",
}
SHORT = (
    "import elastic_spawner.checkpoint.stage as s, elastic_spawner.kernel.limit as l; "
    "s.RERUN_LEAST_S, s.RERUN_TIMES, l.AGAIN_S = 1.0, 0.0, 0.5"
)


@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
def test_a_cell_that_does_not_end_again(tmp_path: Path, hang: str) -> None:
    url = (tmp_path / "store").as_uri()
    with watched(tmp_path, "import os; kept = [1]") as first:
        assert first.execute(f"{hang}\ng = (i for i in range(3)); next(g)")["status"] == "ok"
        assert first.execute("h = (i for i in range(3)); next(h)")["status"] == "ok"
        first.magic(f"checkpoint {url}")
    (tmp_path / "cwd" / "endless").touch()
    kernel = Kernel(tmp_path, "b")
    try:
        kernel.execute("get_ipython().run_line_magic('load_ext', 'elastic_spawner')", silent=True)
        kernel.execute(SHORT, silent=True)
        began = time.monotonic()
        kernel.magic(f"restore {url}")
        assert time.monotonic() - began < 60
        variables = kernel.report()["variables"]
        assert variables["g"]["status"] == "lost", variables
        assert "In [2], run again, had not ended after 1 s" in variables["g"]["reason"]
        assert variables["h"]["status"] == "recomputed" and variables["kept"]["status"] == "loaded", variables
        assert kernel.execute("kept.append(next(h)); print(kept)")["out"].endswith("[1, 1]\n")
    finally:
        kernel.kill()

"""What reads of a store show of its speed reaches the plans, and the session after a move."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from elastic_spawner.kernel import session as sessions

session = sessions.start(InteractiveShell.instance())
url, key = sys.argv[1], bytes(32)
if sys.argv[2] == "save":
    session.stage.shell.run_cell("import os; data = os.urandom(40_000_000)")
    session.costs.observe_read(1e9, 1000.0)
    session.checkpoint(url, "s", key)
else:
    told = []
    model = type(session.costs)
    session._costs.clear()
    observe = model.observe_read
    model.observe_read = lambda self, *what: told.append(what) or observe(self, *what)
    before = session.repository(url, key).latest("s")["rates"]["read"]
    session.restore(url, "s", key)
    session.checkpoint(url, "s", key)
    print(json.dumps([told, before, session.costs.read.bytes]))
"""


def test_a_restore_tells_how_fast_the_store_is(tmp_path: Path) -> None:
    """The next plan goes by it, on top of what the session before knew; each read counts once."""
    url = (tmp_path / "store").as_uri()
    for what in ("save", "restore"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, url, what], capture_output=True, text=True, check=True, cwd=tmp_path
        )
    ((size, seconds),), before, learnt = json.loads(done.stdout.splitlines()[-1])
    assert 40_000_000 <= size < 41_000_000 and seconds > 0
    assert before[0] > 1e9 and before[1] > 900
    assert learnt == before[0] + size

"""Importing between cells what a save needs."""

from __future__ import annotations

import json
import subprocess
import sys

CODE = """
import json, sys
import elastic_spawner.kernel.session
from elastic_spawner.kernel import loading

def ours():
    return {n for n in sys.modules if n.startswith("elastic_spawner.")}

story = [len(ours())]
for _ in loading.steps():
    story.append(len(ours()))
before = ours()
from elastic_spawner.checkpoint.save import save
from elastic_spawner.planning import CostModel
print(json.dumps({"story": story, "missed": sorted(ours() - before), "again": len(list(loading.steps()))}))
"""


def test_a_save_finds_its_modules_there_and_no_step_brings_them_all() -> None:
    """In a new process: each step brings some, and afterwards a save has nothing of ours left to import."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(done.stdout)
    brought = [b - a for a, b in zip(found["story"], found["story"][1:])]
    assert found["missed"] == []
    assert len(brought) > 5 and all(brought)
    assert max(brought) <= sum(brought) / 2
    assert found["again"] == 0

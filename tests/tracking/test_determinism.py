"""Which cells would not give the same again, and why."""

from __future__ import annotations

import pytest

from elastic_spawner.history import Rerun

from .notebook import Notebook

SETUP = (
    "import time, datetime, uuid, os, secrets, random, tempfile, threading\n"
    "import datetime as dt\n"
    "from time import time as now_please\n"
    "from uuid import uuid4\n"
    "import numpy as np, pandas as pd\n"
    "class Job:\n    def now(self): return 1\n"
    "job = Job()\n"
    "def stamp(): return time.time()"
)


@pytest.fixture
def prepared(notebook: Notebook) -> Notebook:
    """A notebook with imports."""
    notebook.run(SETUP)
    return notebook


@pytest.mark.parametrize(
    "source",
    [
        "x = time.time()",
        "x = time.perf_counter_ns()",
        "x = now_please()",
        "x = datetime.datetime.now()",
        "x = dt.date.today()",
        "x = pd.Timestamp.now()",
        "x = uuid.uuid4()",
        "x = uuid4()",
        "x = os.urandom(3)",
        "x = os.getpid()",
        "x = secrets.token_hex()",
        "x = stamp()",
        "x = list(map(lambda _: stamp(), [1]))",
        "def later(): return time.time()\nx = later()",
        "import time as t\nx = t.time()",
        "from time import monotonic\nx = monotonic()",
        "x = np.random.default_rng()",
        "x = random.Random()",
        "x = threading.get_ident()",
        "x = tempfile.gettempdir()",
    ],
)
def test_what_cannot_be_had_again_forbids_a_rerun(prepared: Notebook, source: str) -> None:
    """Clocks, identities and fresh entropy: the reason is told."""
    made = prepared.run(source)
    assert made.error is None
    assert made.rerun is Rerun.FORBIDDEN
    assert made.reasons


@pytest.mark.parametrize(
    "source",
    [
        "x = {1, 2}",
        "x = set('ab')",
        "x = [{i for i in 'ab'}]",
        "x = id(job)",
        "x = hash('a')",
    ],
)
def test_what_may_differ_is_doubtful(prepared: Notebook, source: str) -> None:
    """Orders of sets and addresses differ from process to process: the cell is re-run only if nothing else is left."""
    made = prepared.run(source)
    assert made.rerun is Rerun.DOUBTFUL
    assert made.reasons


@pytest.mark.parametrize(
    "source",
    [
        "x = [1]",
        "x = job.now()",
        "x = datetime.datetime(2024, 1, 1)",
        "x = pd.Timestamp('2024')",
        "time.sleep(0)",
        "x = np.random.default_rng(5).random()",
        "x = random.Random(5).random()",
        "x = os.path.join('a', 'b')",
        "x = sorted('ab')",
        "x = 'time.time()'",
    ],
)
def test_what_repeats_is_safe(prepared: Notebook, source: str) -> None:
    """Code that gives the same again is not accused of anything."""
    made = prepared.run(source)
    assert (made.error, made.rerun, made.reasons) == (None, Rerun.SAFE, ())


def test_random_numbers_are_repeatable_by_their_state(prepared: Notebook) -> None:
    """Drawing from the global generators is no objection: the state before is kept and is put back for a re-run."""
    made = prepared.run("x = random.random(), np.random.rand()")
    assert made.rerun is Rerun.SAFE
    assert {"random", "numpy.random"} <= made.hidden.keys()

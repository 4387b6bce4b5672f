"""State that no variable holds: it is seen, kept as text, and put back, each kind in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic_spawner.tracking import hidden

PROGRAM = """
import json, sys
from elastic_spawner.tracking import hidden
kind, prepare, change, show = sys.argv[1:5]
exec(prepare, globals())
state = hidden.HiddenState()
before, seen = hidden.read(kind), eval(show)
quiet = sorted(state.refresh())
exec(change, globals())
changed = state.refresh()
after, new = hidden.read(kind), eval(show)
text = {name: hidden.encode(data) for name, data in (("before", before), ("after", after))}
hidden.apply(kind, hidden.decode(text["before"]))
restored, seen_again = hidden.read(kind), eval(show)
hidden.apply(kind, hidden.decode(text["after"]))
print(json.dumps({
    "quiet": quiet,
    "changed": sorted(changed),
    "noted": changed.get(kind) == (before, after),
    "restored": [restored == before, repr(seen_again) == repr(seen)],
    "repeated": [hidden.read(kind) == after, repr(eval(show)) == repr(new)],
    "differs": repr(new) != repr(seen),
}))
"""

DRAW = "(lambda s: ({draw}, {put})[0])({get})"

CASES = {
    "environment": (
        "import os",
        "os.environ['ELASTIC_TEST'] = 'a'; os.environ.pop('HOME', None)",
        "(os.environ.get('ELASTIC_TEST'), os.environ.get('HOME'))",
    ),
    "search path": ("import sys", "sys.path.insert(0, '/somewhere')", "sys.path[0]"),
    "folder": ("import os", "os.chdir('/')", "os.getcwd()"),
    "random": (
        "import random; random.seed(1)",
        "random.gauss(0, 1)",
        DRAW.format(draw="random.random()", put="random.setstate(s)", get="random.getstate()"),
    ),
    "numpy.random": (
        "import numpy; numpy.random.seed(1)",
        "numpy.random.standard_normal()",
        DRAW.format(draw="numpy.random.rand()", put="numpy.random.set_state(s)", get="numpy.random.get_state()"),
    ),
    "torch.random": (
        "import torch; torch.manual_seed(1)",
        "torch.rand(3)",
        DRAW.format(draw="torch.rand(1)", put="torch.set_rng_state(s)", get="torch.get_rng_state()"),
    ),
    "torch": (
        "import torch",
        "torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False); torch.set_printoptions(precision=2)",
        "(torch.get_default_dtype(), torch.is_grad_enabled(), str(torch.tensor(1 / 3)))",
    ),
    "compiler": (
        "from IPython.core.interactiveshell import InteractiveShell; from traitlets.config import Config;"
        "shell = InteractiveShell.instance(config=Config({'HistoryManager': {'enabled': False}}))",
        "shell.compile('from __future__ import annotations', 'cell', 'exec')",
        "shell.compile.flags",
    ),
    "interpreter": ("import sys", "sys.setrecursionlimit(4321)", "sys.getrecursionlimit()"),
    "decimal": (
        "import decimal",
        "decimal.getcontext().prec = 5; decimal.getcontext().traps[decimal.Inexact] = True",
        "(decimal.getcontext().prec, decimal.getcontext().traps[decimal.Inexact])",
    ),
    "locale": ("import locale", "locale.setlocale(locale.LC_ALL, 'C.UTF-8')", "locale.setlocale(locale.LC_ALL)"),
    "warnings": (
        "import warnings",
        "warnings.filterwarnings('error', 'text', UserWarning, 'mod', 3)",
        "[(f[0], getattr(f[1], 'pattern', f[1]), f[2], f[4]) for f in warnings.filters]",
    ),
    "logging": (
        "import logging",
        "logging.basicConfig(level='DEBUG', format='%(message)s!'); logging.getLogger('a.b').setLevel(7)",
        "(logging.root.level, logging.getLogger('a.b').level)",
    ),
    "pandas": ("import pandas", "pandas.set_option('display.max_rows', 7)", "pandas.get_option('display.max_rows')"),
    "numpy.printoptions": ("import numpy", "numpy.set_printoptions(precision=2)", "str(numpy.array([1 / 3]))"),
    "numpy.errors": ("import numpy", "numpy.seterr(divide='raise')", "numpy.geterr()['divide']"),
    "matplotlib": (
        "import matplotlib",
        "matplotlib.rcParams['lines.linewidth'] = 9; matplotlib.rcParams['figure.figsize'] = [1, 2]",
        "(matplotlib.rcParams['lines.linewidth'], matplotlib.rcParams['figure.figsize'])",
    ),
    "matplotlib.backend": (
        "import matplotlib; matplotlib.use('svg')",
        "matplotlib.use('agg')",
        "matplotlib.get_backend().lower()",
    ),
}


@pytest.mark.parametrize("kind", hidden.KINDS)
def test_a_kind_is_seen_kept_and_put_back(kind: str, tmp_path: Path) -> None:
    """A change is noted with the state before; putting back either state brings back what the program then sees."""
    for library in ("torch", "matplotlib"):
        if kind.startswith(library):
            pytest.importorskip(library, reason=f"{library} is not installed: its state goes untested here")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind, *CASES[kind]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == {
        "quiet": [],
        "changed": [kind],
        "noted": True,
        "restored": [True, True],
        "repeated": [True, True],
        "differs": True,
    }


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(deadline=None)
@given(PLAIN)
def test_any_plain_state_survives_as_text(value: object) -> None:
    """States go into the history as ASCII text and come out as they were."""
    import pickle

    text = hidden.encode(pickle.dumps(value, 4))
    assert text.isascii()
    assert hidden.decode(text) == value


def test_what_was_not_imported_has_no_state() -> None:
    """Looking imports nothing."""
    program = (
        "import sys; before = set(sys.modules)\n"
        "from elastic_spawner.tracking import hidden\n"
        "found = {k for k in hidden.KINDS if hidden.read(k) is not None}\n"
        "print(sorted(found & {'numpy.random', 'pandas', 'torch.random', 'matplotlib', 'decimal'}),\n"
        "      sorted({'numpy', 'pandas', 'torch', 'matplotlib', 'decimal'} & set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["[]", "[]"]


def test_a_cell_that_only_changes_hidden_state_is_kept(notebook: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes no variable; the history says which state it changed and what that was before."""
    import os

    from .notebook import Notebook

    assert isinstance(notebook, Notebook)
    monkeypatch.setenv("ELASTIC_TEST", "old")
    notebook.run("import os, random")
    made = notebook.run("os.environ['ELASTIC_TEST'] = 'new'")
    assert set(made.hidden) == {"environment"}
    before = hidden.decode(notebook.tracker.history.hidden_values[made.hidden["environment"]])
    assert before["set"]["ELASTIC_TEST"] == "old"
    assert os.environ["ELASTIC_TEST"] == "new"
    assert set(notebook.run("random.seed(3)").hidden) == {"random"}
    assert notebook.run("x = 1").hidden == {}


def _elsewhere(state: str, show: str, **environment: str) -> object:
    """Put a state back in a new process, and what it then sees."""
    program = f"import json, os, sys; from elastic_spawner.tracking import hidden\n{state}\nprint(json.dumps({show}))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    return json.loads(done.stdout)


def test_folders_of_another_installation_are_not_searched() -> None:
    """A session moves to another interpreter: its own folders come along, around what belongs to the new one."""
    paths = ["/mine", "", "/opt/other/lib/python312.zip", "/opt/other/lib/python3.12",
             "/opt/other/lib/python3.12/site-packages", "/mine/too"]  # fmt: skip
    show = "[list(filter(hidden._INSTALLATION.search, sys.path)), sys.path]"
    before, _ = _elsewhere("", show)
    installation, after = _elsewhere(f"hidden.apply('search path', {paths!r})", show)
    assert before == installation
    assert after == ["/mine", "", *before, "/mine/too", str(Path(hidden.__file__).parents[2])]


def test_the_environment_of_another_machine_stays_its_own() -> None:
    """Only what the session itself changed is put back."""
    show = "{n: os.environ.get(n) for n in ('POD', 'MINE', 'GONE', 'NEW')}"
    state = "hidden.apply('environment', {'set': {'MINE': 'changed', 'NEW': 'made'}, 'gone': ['GONE']})"
    seen = _elsewhere(state, show, POD="b", MINE="as started", GONE="here")
    assert seen == {"POD": "b", "MINE": "changed", "GONE": None, "NEW": "made"}


def test_options_of_pandas_are_told_each_time() -> None:
    """What was seen before does not hide a change, nor that it was taken back."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed: its options go untested here")
    before = hidden.read("pandas")
    with pandas.option_context("display.width", 77):
        during = hidden.read("pandas")
    assert during != before
    assert hidden.read("pandas") == before

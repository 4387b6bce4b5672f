"""Sessions that the reference implementation of ElasticNotebook gets silently wrong, one test each."""

from __future__ import annotations

import pytest

from elastic_spawner.history import Rerun

from .notebook import Notebook

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")


def reads(notebook: Notebook, source: str) -> set[str]:
    """Names that a cell is found to read."""
    return {name for name, _ in notebook.run(source).reads}


def test_a_later_version_is_no_prerequisite_of_an_earlier_result(notebook: Notebook) -> None:
    """y was made from the first x: its cell keeps reading that snapshot when x is written again."""
    first = notebook.run("x = [1]")
    made = notebook.run("y = [x[0] + 1]")
    again = notebook.run("x = [5]")
    history = notebook.tracker.history
    assert history.cells[made.number].reads == {("x", first.number)}
    assert history.active == {"x": again.number, "y": made.number}


def test_a_number_read_inside_a_function_is_an_input(notebook: Notebook) -> None:
    """``y = f()`` reads the global that f reads, though the cell does not name it."""
    notebook.cells("x = 5", "def f(): return x + 1")
    assert reads(notebook, "y = f()") == {"f", "x"}


@pytest.mark.parametrize(
    "source",
    [
        "y = list(map(f, [1]))",
        "y = pd.Series([1]).apply(f)",
        "y = sorted([1], key=f)",
        "y = (lambda v: f(v))(1)",
        "y = thing.method()",
        "y = thing.prop",
        "y = Thing.static()",
        "y = thing + 1",
        "y = [i for i in thing]",
        "with thing: pass",
        "y = cached(1)",
        "y = partial()",
        "y = wrapped(1)",
        "y = closure()",
        "y = table['f'](1)",
        "y = [g(1) for g in [table]] if False else table['deep'][0](1)",
        "y = list(generator)",
        "y = Sub().method()",
        "y = eval('x')",
        "exec('y = x')",
        "y = globals()['x']",
        "y = __import__('builtins').eval('x', globals())",
        "import asyncio\ny = asyncio.run(coroutine(1))",
    ],
)
def test_reads_hidden_in_code_are_seen(notebook: Notebook, source: str) -> None:
    """Functions as arguments, lambdas, methods, operators, properties, wrappers, closures, containers, and escapes."""
    notebook.cells(
        "import functools\nimport pandas as pd\nx = 5",
        "def f(v): return x + v",
        "async def coroutine(v): return f(v)",
        "class Thing:\n    def method(self): return x\n    prop = property(lambda self: x)\n"
        "    static = staticmethod(lambda: x)\n    def __add__(self, other): return x\n"
        "    def __iter__(self): return iter([x])\n    def __enter__(self): return x\n"
        "    def __exit__(self, *a): pass\nthing = Thing()",
        "class Sub(Thing): pass",
        "cached = functools.lru_cache(None)(f)",
        "partial = functools.partial(f, 1)",
        "wrapped = functools.wraps(f)(lambda v: f(v))",
        "def make():\n    inner = f\n    return lambda: inner(1)\nclosure = make()",
        "table = {'f': f, 'deep': [f]}",
        "generator = (x for _ in range(2))",
    )
    made = notebook.run(source)
    assert made.error is None
    assert "x" in {name for name, _ in made.reads}


def test_functions_that_were_there_before_the_tracker_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function defined before tracking began is read from the code it carries."""
    notebook = Notebook()
    notebook.execute("x = 5\ndef f(): return x")
    assert reads(notebook, "y = f()") == {"f", "x"}


@pytest.mark.parametrize(
    "holder",
    [
        "d = {'a': l}",
        "d = {1: [l]}",
        "class C: pass\nd = C()\nd._private = l",
        "class C:\n    __slots__ = ('v',)\nd = C()\nd.v = l",
        "import collections\nd = collections.deque([l])",
        "import collections\nd = collections.defaultdict(list, a=l)",
        "import collections\nd = collections.OrderedDict(a=l)",
        "import collections\nd = collections.namedtuple('P', 'v')(l)",
        "class L(list): pass\nd = L([l])",
        "d = (lambda l: lambda: l)(l)",
        "d = l.append",
        "def d(v=l): return v",
        "import numpy as np\nd = np.empty(1, dtype=object); d[0] = l",
        "import pandas as pd\nd = pd.DataFrame({'a': [1]}); d.attrs['l'] = l",
    ],
)
def test_an_alias_is_linked_and_written_with_its_object(notebook: Notebook, holder: str) -> None:
    """Whatever holds the list is linked with it, and has changed when the list has."""
    notebook.cells("l = [1]", holder)
    assert {"l", "d"} <= notebook.component("l")
    assert {"l", "d"} <= notebook.run("l.append(2)").writes


@pytest.mark.parametrize(
    ("setup", "view"),
    [
        ("import numpy as np; a = np.zeros((4, 4))", "b = a[1:3]"),
        ("import numpy as np; a = np.zeros((4, 4))", "b = a.T.ravel(order='F')"),
        ("import numpy as np; a = np.zeros((4, 4))", "b = {'deep': a[:, 2]}"),
        ("import numpy as np; a = np.zeros((4, 4))", "b = memoryview(a)"),
    ],
)
def test_a_view_is_linked_with_its_base(notebook: Notebook, setup: str, view: str) -> None:
    """Memory is shared though no object is: a write through the one is a write of the other."""
    notebook.cells(setup, view)
    assert {"a", "b"} <= notebook.component("a")
    assert {"a", "b"} <= notebook.run("a[2, 2] = 1").writes


@pytest.mark.parametrize(
    ("setup", "change"),
    [
        ("x = np.zeros(4)", "x.shape = (2, 2)"),
        ("x = np.zeros(4, 'i8')", "x[2] = 1"),
        ("x = [1]", "x[0] = 1.0"),
        ("x = [1]", "x[0] = True"),
        ("x = pd.DataFrame({'a': [1], 'b': [2]})", "del x['b']"),
        ("x = pd.DataFrame({'a': [1]})", "x.attrs['k'] = 1"),
        ("class x: pass", "x.count = 1"),
        ("class C: pass\nx = C()", "C.count = 1"),
        ("class C:\n    def __init__(self): self._hidden = []\nx = C()", "x._hidden.append(1)"),
        ("def change(v): v.append(1)\nx = []", "change(x)"),
        ("x = [3, 1]", "x.sort()"),
        ("x = np.arange(3.0)", "np.add(x, 1, out=x)"),
    ],
)
def test_a_change_in_place_is_a_write(notebook: Notebook, setup: str, change: str) -> None:
    """The cell that changed the object is its writer, and reads the version before."""
    notebook.run("import numpy as np, pandas as pd")
    before = notebook.run(setup)
    made = notebook.run(change)
    assert "x" in made.writes
    assert ("x", before.number) in made.reads


def test_a_change_of_a_sparse_matrix_is_a_write(notebook: Notebook) -> None:
    """Written through one of its arrays."""
    pytest.importorskip("scipy", reason="scipy is not installed: sparse matrices go untested here")
    notebook.cells("import scipy.sparse as s", "x = s.csr_matrix([[0, 1], [2, 0]])")
    assert "x" in notebook.run("x.data[0] = 9").writes


@pytest.mark.parametrize(
    "change",
    ["s.iloc[0] = 9.0", "s[0] = 9.0", "df.loc[0, 'a'] = 9.0", "df['a'] = df['a'].fillna(0)", "arr[0] = 9.0"],
)
def test_watching_makes_nothing_read_only(notebook: Notebook, change: str) -> None:
    """What the user may write stays writable after any number of comparisons."""
    notebook.cells(
        "import numpy as np, pandas as pd",
        "df = pd.DataFrame({'a': [1.0, None]}); s = pd.Series([1.0, 2.0]); arr = s.to_numpy(copy=True)",
        "df.sum(), s.sum(), arr.sum()",
        "df.sum(), s.sum(), arr.sum()",
    )
    made = notebook.run(change)
    assert made.error is None
    assert made.writes


@pytest.mark.parametrize(
    "frame",
    [
        "pd.DataFrame({'a': pd.Categorical(['x', 'y'])})",
        "pd.DataFrame({'a': pd.date_range('2024', periods=2, tz='UTC')})",
        "pd.DataFrame({'a': pd.array([1, None], dtype='Int64')})",
        "pd.DataFrame({'a': ['x', 'y']}).set_index('a')",
        "np.array(['2024-01-01'], 'M8[D]')",
        "np.random.default_rng(1)",
        "{'x', 'y', 'z'}",
        "type('C', (), {})()",
    ],
)
def test_reading_is_not_writing(notebook: Notebook, frame: str) -> None:
    """A cell that only looks at a value does not become its writer, however hard the value is to compare."""
    notebook.cells("import numpy as np, pandas as pd", f"x = {frame}")
    for _ in range(3):
        made = notebook.run("y = repr(x), len(str(x))")
        assert "x" not in made.writes
        assert "x" in {name for name, _ in made.reads}


def test_a_cell_with_only_hidden_effects_is_kept(notebook: Notebook) -> None:
    """It writes nothing that has a name, and still is part of the history, with the state that it changed."""
    notebook.cells("import random, sys", "random.seed(2)", "x = 1")
    made = notebook.run("random.seed(3)")
    assert made.writes == frozenset()
    assert set(made.hidden) == {"random"}
    assert notebook.tracker.history.cells[made.number] is made


def test_underscored_names_are_variables(notebook: Notebook) -> None:
    """``_tmp`` is tracked like any other."""
    assert notebook.run("_tmp = [1]").writes == {"_tmp"}
    assert notebook.run("_tmp.append(2)").writes == {"_tmp"}


def test_names_from_outside_of_cells_are_known_and_not_repeatable(notebook: Notebook) -> None:
    """A variable that no cell made gets a cell of its own, which may not be re-run."""
    notebook.run("x = 1")
    notebook.execute("z = [1]")
    made = notebook.run("y = z")
    (number,) = {n for name, n in made.reads if name == "z"}
    assert notebook.tracker.history.cells[number].rerun is Rerun.FORBIDDEN


@pytest.mark.parametrize(
    "value", ["np.array(['2024-01-01'], 'M8[D]')", "np.array([1], 'm8[s]')", "np.datetime64('NaT')"]
)
def test_time_arrays_are_walked(notebook: Notebook, value: str) -> None:
    """The element types that buffers cannot express are compared all the same."""
    notebook.cells("import numpy as np", f"x = {value}")
    assert notebook.tracker.states["x"].walk is not None
    assert notebook.run("x").writes == frozenset()


def test_a_tensor_with_gradient_is_walked(notebook: Notebook) -> None:
    """Tensors that require gradients are compared, and backward() is a write."""
    pytest.importorskip("torch", reason="torch is not installed: tensors go untested here")
    notebook.cells("import torch", "x = torch.ones(3, requires_grad=True)")
    assert "x" not in notebook.run("y = (x * 2).sum()").writes
    assert "x" in notebook.run("y.backward()").writes


def test_deleting_is_followed_whoever_does_it(notebook: Notebook) -> None:
    """By a cell, by a function, and outside of any cell."""
    notebook.cells("a = [1]; b = [2]; c = [3]", "def drop():\n    global b\n    del b")
    assert notebook.run("del a").deletes == {"a"}
    assert notebook.run("drop()").deletes == {"b"}
    notebook.execute("del c")
    made = notebook.run("d = 1")
    assert made.deletes == frozenset()
    assert notebook.tracker.history.active.keys() == {"drop", "d"}

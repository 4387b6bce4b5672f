"""What IPython's magics in a cell do, read off the transformed cell."""

from __future__ import annotations

import ast

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from elastic_spawner.history import Rerun
from elastic_spawner.tracking import magics

from .notebook import Notebook


def calls(cell: str) -> list[magics.MagicCall | None]:
    """Magic calls of a cell as the user writes it."""
    return list(magics.calls(ast.parse(TransformerManager().transform_cell(cell))))


@pytest.mark.parametrize(
    ("cell", "name", "line", "body"),
    [
        ("%time x = 1", "time", "x = 1", ""),
        ("y = %time x", "time", "x", ""),
        ("!ls a", "system", "ls a", ""),
        ("x = !ls", "system", "ls", ""),
        ("%%time\nx = 1", "time", "", "x = 1\n"),
        ("%%bash -s a\necho 1", "bash", "-s a", "echo 1\n"),
        ("if a:\n    %matplotlib inline", "matplotlib", "inline", ""),
    ],
)
def test_magics_are_read_off(cell: str, name: str, line: str, body: str) -> None:
    """Line magics, cell magics and commands, also inside blocks and assignments."""
    assert calls(cell) == [magics.MagicCall(name, line, body)]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (magics.MagicCall("time", "x = 1"), "x = 1"),
        (magics.MagicCall("timeit", "-n1 -r 3 f(x)"), "f(x)"),
        (magics.MagicCall("timeit", "-q setup()", "f(x)\n"), "setup()\nf(x)\n"),
        (magics.MagicCall("capture", "out", "x = 1\n"), "x = 1\n"),
        (magics.MagicCall("prun", "-s cumulative", "f()\n"), "f()\n"),
        (magics.MagicCall("time", "", "x = 1\n"), "x = 1\n"),
    ],
)
def test_the_code_that_a_magic_runs(call: magics.MagicCall, code: str) -> None:
    """Options are no code."""
    assert call.code() == code


def test_a_magic_with_unknown_arguments_is_told() -> None:
    """A call whose arguments are computed cannot be read off."""
    tree = ast.parse("get_ipython().run_line_magic(name, 'x')")
    assert list(magics.calls(tree)) == [None]


def run(notebook: Notebook, cell: str) -> object:
    """Run a cell whose magics do nothing: what the tracker makes of it is asked, not what IPython does."""

    class Shell:
        def __getattr__(self, name: str) -> object:
            return lambda *args: None

    notebook.namespace["get_ipython"] = Shell
    return notebook.run(cell, TransformerManager().transform_cell(cell))


@pytest.fixture
def shell_notebook(notebook: Notebook) -> Notebook:
    """A notebook with variables and a shell."""
    own = notebook.names
    notebook.tracker.names = lambda: [n for n in own() if n != "get_ipython"]
    notebook.cells("x = [1]", "y = 2", "def f(): return y")
    return notebook


@pytest.mark.parametrize(
    ("cell", "rerun", "reads"),
    [
        ("%matplotlib inline", Rerun.SAFE, ""),
        ("%time x", Rerun.SAFE, "x"),
        ("%time f()", Rerun.SAFE, "f y"),
        ("%%time\nx", Rerun.SAFE, "x"),
        ("%%capture out\nx", Rerun.SAFE, "x"),
        ("!echo", Rerun.FORBIDDEN, "f x y"),
        ("%%bash\necho", Rerun.FORBIDDEN, "f x y"),
        ("%pip install a", Rerun.FORBIDDEN, "f x y"),
        ("%cd a", Rerun.FORBIDDEN, "f x y"),
        ("%somebodys magic", Rerun.DOUBTFUL, "f x y"),
    ],
)
def test_what_a_magic_means_for_its_cell(shell_notebook: Notebook, cell: str, rerun: Rerun, reads: str) -> None:
    """Harmless ones mean nothing, those that run code read what the code reads, unknown ones may read everything."""
    made = run(shell_notebook, cell)
    assert made.rerun is rerun  # type: ignore[attr-defined]
    assert {name for name, _ in made.reads} == set(reads.split())  # type: ignore[attr-defined]


def test_the_shell_is_not_searched_for_code(shell_notebook: Notebook) -> None:
    """What a magic does is known: what else the shell leads to is nothing that the cell reads."""
    shell_notebook.namespace["Shell"] = type("Shell", (), {"__getattr__": lambda self, name: lambda *args: None})
    exec("def get_ipython(shell=Shell): return y and shell()", shell_notebook.namespace)
    del shell_notebook.namespace["Shell"]
    made = shell_notebook.run("%%time\nz = x", TransformerManager().transform_cell("%%time\nz = x"))
    assert made is not None
    assert {name for name, _ in made.reads} == {"x"}

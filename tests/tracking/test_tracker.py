"""The history that a tracker writes, cell by cell."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic_spawner.history import History, Rerun
from elastic_spawner.tracking import budget
from elastic_spawner.tracking.files import file_digest

from .notebook import Notebook

np = pytest.importorskip("numpy")


def names(snapshots: frozenset[tuple[str, int]]) -> set[str]:
    """The names of snapshots."""
    return {name for name, _ in snapshots}


def test_a_cell_is_noted_as_it_ran(notebook: Notebook) -> None:
    """Source, number, prompt, time and outcome."""
    made = notebook.run("x = [1]\ny = 1 / 0")
    assert (made.number, made.execution_count, made.source) == (1, 1, "x = [1]\ny = 1 / 0")
    assert made.error == "ZeroDivisionError"
    assert made.writes == {"x"}
    assert made.seconds > 0


def test_names_assigned_before_they_are_read_are_no_inputs(notebook: Notebook) -> None:
    """A cell that makes its own x does not depend on the x of before."""
    notebook.cells("x = [1]", "y = [2]")
    assert names(notebook.run("x = [3]\ny.append(x)").reads) == {"y"}


def test_a_function_reads_the_old_value_before_the_cell_assigns_a_new_one(notebook: Notebook) -> None:
    """``z = g(); x = 2; x`` needs the x of before: g read it, though the cell reads x only after writing it."""
    first = notebook.run("x = 1")
    notebook.run("def g(): return x")
    made = notebook.run("z = g()\nx = 2\nprint(x)")
    assert ("x", first.number) in made.reads


def test_an_equal_value_is_no_new_version(notebook: Notebook) -> None:
    """Running ``n = 5`` again leaves n's writer as it was."""
    first = notebook.run("n = 5")
    assert notebook.run("n = 5").writes == frozenset()
    assert notebook.snapshot("n") == ("n", first.number)


@pytest.mark.parametrize(
    "source",
    [
        "for _ in range(2): x = x + 1.0",
        "exec('for _ in range(2): x = x + 1.0')",
        "x = None; x = 2.5",
        "globals().update(x=None); globals().update(x=2.5)",
    ],
)
def test_a_number_at_the_address_of_the_last_one_is_a_new_version(notebook: Notebook, source: str) -> None:
    """An object may lie where the one before it lay: the id says nothing about a value that was stored again."""
    for _ in range(5):
        notebook.run("x = 1.5 * 1")
        before = notebook.namespace["x"]
        made = notebook.run(source)
        assert notebook.namespace["x"] != before
        assert "x" in made.writes


def test_a_list_at_the_address_of_the_last_one_is_a_new_version(notebook: Notebook) -> None:
    """The same for an object that is freed before its successor is made."""
    for i in range(5):
        notebook.run("x = [1]")
        assert "x" in notebook.run(f"del x\nx = [{i}, 'new']").writes


def test_global_statements_in_functions_write(notebook: Notebook) -> None:
    """A function that assigns a global makes its caller the writer."""
    notebook.cells("n = 0", "def bump():\n    global n\n    n += 1")
    made = notebook.run("bump()")
    assert made.writes == {"n"}
    assert {"bump", "n"} <= names(made.reads)


def test_a_star_import_writes_what_it_brings(notebook: Notebook) -> None:
    """Names that no code mentions are found by what is there afterwards."""
    made = notebook.run("from math import *")
    assert {"sin", "pi"} <= made.writes


def test_an_escape_reads_everything(notebook: Notebook) -> None:
    """After exec, eval or globals nothing can be ruled out."""
    notebook.cells("a = [1]", "b = [2]", "def hidden(): return eval('a')")
    for source in ("exec('b.append(1)')", "globals()['b'].append(1)", "hidden()", "vars()['a']"):
        assert {"a", "b"} <= names(notebook.run(source).reads)
    assert notebook.run("exec('b.append(1)')").writes == {"b"}


def test_an_own_function_called_eval_is_no_escape(notebook: Notebook) -> None:
    """The name alone says nothing when the user has given it another meaning."""
    notebook.cells("a = [1]", "def eval(v): return v")
    assert names(notebook.run("y = eval(3)").reads) == {"eval"}


def test_what_a_failed_cell_changed_is_written(notebook: Notebook) -> None:
    """The part that ran before the error counts."""
    notebook.cells("x = [1]", "y = [2]")
    made = notebook.run("x.append(2)\nraise ValueError\ny.append(1)")
    assert made.writes == {"x"}
    assert made.error == "ValueError"


def test_a_cell_that_does_not_compile_is_noted_without_effect(notebook: Notebook) -> None:
    """A syntax error reads and writes nothing."""
    notebook.run("x = 1")
    made = notebook.run("y = = x")
    assert (made.error, made.reads, made.writes) == ("SyntaxError", frozenset(), frozenset())


def test_files_read_are_kept_with_what_they_held(notebook: Notebook, tmp_path: pytest.TempPathFactory) -> None:
    """A re-run can then be refused when the file is another one."""
    path = f"{tmp_path}/data.txt"
    with open(path, "w") as f:
        f.write("abc")
    notebook.tracker.effects.install()
    made = notebook.run(f"x = open({path!r}).read()")
    (file,) = made.files
    assert (file.path, file.size) == (path, 3)
    assert file.digest == file_digest(path)
    assert made.rerun is Rerun.SAFE


def test_writing_to_a_file_that_was_open_forbids_a_rerun(notebook: Notebook, tmp_path: pytest.TempPathFactory) -> None:
    """No event tells of it; the file's position does."""
    notebook.run(f"log = open({f'{tmp_path}/log.txt'!r}, 'w')")
    made = notebook.run("log.write('line')")
    assert made.rerun is Rerun.FORBIDDEN
    assert "log" in made.reasons[0]
    assert notebook.run("log.name").rerun is Rerun.SAFE
    notebook.run("log.close()")


def test_using_a_connection_forbids_a_rerun(notebook: Notebook) -> None:
    """Nothing can be compared of a socket: any use may have sent something."""
    notebook.run("import socket\none, two = socket.socketpair()")
    made = notebook.run("one.send(b'a')")
    assert made.rerun is Rerun.FORBIDDEN
    assert "one" in " ".join(made.reasons)
    notebook.run("one.close(); two.close()")


def test_an_iterator_is_written_by_who_draws_from_it(notebook: Notebook) -> None:
    """next() changes the iterator, and what it draws from hangs together with it."""
    notebook.cells("data = [1, 2, 3]", "it = iter(data)")
    assert "it" in notebook.run("first = next(it)").writes
    assert {"it", "data"} <= notebook.component("it")


# -- what could not be compared


@pytest.fixture
def hurried(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A notebook whose comparisons have no time at all."""
    monkeypatch.setattr(budget, "SECONDS", 0.0)
    monkeypatch.setattr(budget, "SHARE", 0.0)
    return notebook


LARGE = "big = [[i] for i in range(20_000)]"


def test_what_is_too_large_to_compare_counts_as_changed(notebook: Notebook) -> None:
    """A cell that names it is its writer; one that does not is not."""
    notebook.run(LARGE)
    assert notebook.tracker.states["big"].walk is None
    assert "big" in notebook.run("len(big)").writes
    assert "big" not in notebook.run("other = 1").writes


def test_what_may_share_with_the_unknown_is_linked(notebook: Notebook) -> None:
    """An element taken out of a large list may be changed through either name."""
    notebook.run(LARGE)
    notebook.run("element = big[7]")
    assert "big" in notebook.component("element")
    assert {"big", "element"} <= notebook.run("element.append(1)").writes


def test_settling_makes_the_unknown_known(notebook: Notebook) -> None:
    """Given time, everything is walked, and suspicions without ground are dropped."""
    notebook.run(LARGE)
    notebook.run("element = big[7]")
    notebook.run("apart = [len(big)]; too = apart")
    assert "big" in notebook.component("apart")
    notebook.tracker.settle()
    assert notebook.tracker.states["big"].walk is not None
    assert notebook.component("apart") == {"apart", "too"}
    assert notebook.component("element") == {"big", "element"}


def test_settling_changes_no_version_without_need(notebook: Notebook) -> None:
    """Values that are as they were keep their writers."""
    notebook.cells("a = [1]", "b = {'k': a}", "c = 5", "s = {'x', 'y'}")
    before = dict(notebook.tracker.history.active)
    notebook.tracker.settle()
    notebook.tracker.settle()
    assert notebook.tracker.history.active == before


def test_settling_finds_what_changed_outside_of_cells(notebook: Notebook) -> None:
    """A thread or a widget changed it: that version cannot be recomputed."""
    notebook.cells("a = [1]", "b = [2]")
    notebook.namespace["a"].append(2)
    notebook.tracker.settle()
    number = notebook.tracker.history.active["a"]
    assert notebook.tracker.history.cells[number].rerun is Rerun.FORBIDDEN
    assert notebook.tracker.history.active["b"] == 2


def test_a_large_array_without_time_counts_as_changed_and_stays_linked(hurried: Notebook) -> None:
    """Its memory is known without reading it."""
    hurried.cells("import numpy as np", "a = np.zeros(1_000_000)", "view = a[10:]")
    assert {"a", "view"} <= hurried.component("a")
    assert {"a", "view"} <= hurried.run("view.sum()").writes
    assert not {"a", "view"} & hurried.run("z = 1").writes


def test_small_values_are_compared_without_time(hurried: Notebook) -> None:
    """A handful of objects costs nothing worth saving."""
    hurried.run("x = [1, {'a': 2}]")
    assert "x" not in hurried.run("len(x)").writes
    assert "x" in hurried.run("x.append(3)").writes


def test_an_object_that_raises_when_it_is_looked_at_is_unknown(notebook: Notebook) -> None:
    """The user's cell goes through; the variable counts as changed by whoever uses it."""
    notebook.run("class Meta(type):\n    def __getattribute__(cls, name): raise RuntimeError(name)")
    made = notebook.run("x = Meta('C', (), {})")
    assert made.error is None
    assert "x" in made.writes
    assert "x" in notebook.run("x is None").writes


# -- going on after a restore, and after our own errors


def test_a_restored_history_goes_on(notebook: Notebook) -> None:
    """Numbers continue, variables keep their writers, and what did not come back is deleted."""
    notebook.cells("a = [1]", "b = [a]", "c = 3")
    history = History.from_json(notebook.tracker.history.to_json())
    restored = Notebook()
    restored.execute("a = [1]; b = [a]")
    restored.tracker.adopt(history)
    assert {n: v for n, v in restored.tracker.history.active.items()} == {"a": 1, "b": 2}
    made = restored.run("a.append(2)")
    assert made.number > 3
    assert made.writes == {"a", "b"}


def test_an_abandoned_cell_leaves_what_it_bound_unrepeatable(notebook: Notebook) -> None:
    """After an error of the tracker itself its cell's variables are there, made by nobody's code."""
    notebook.tracker.begin("x = [1]", "x = [1]")
    notebook.execute("x = [1]")
    notebook.tracker.abandon()
    notebook.run("y = 1")
    number = notebook.tracker.history.active["x"]
    assert notebook.tracker.history.cells[number].rerun is Rerun.FORBIDDEN


# -- whatever the user does

CELLS = st.lists(
    st.sampled_from(
        [
            "a = [1]",
            "b = a",
            "b = {'k': a}",
            "c = [a, b]",
            "a.append(len(a))",
            "b = list(a)",
            "c[0].append(3)",
            "b['k'] = a",
            "del a",
            "del b",
            "n = 1",
            "n += 1",
            "a = n * 1.5",
            "def f(): return a.append(n)",
            "f()",
            "def g():\n    global n\n    n = n + 1.5",
            "g()",
            "c = f",
            "exec('a.append(9)')",
            "a, b = b, a",
            "for n in range(3): pass",
            "it = iter([1, 2, 3])",
            "next(it)",
            "class K:\n    v = []",
            "a = K()",
            "K.v.append(1)",
            "a.w = b",
        ]
    ),
    max_size=14,
)


@settings(deadline=None, max_examples=150)
@given(CELLS)
def test_no_change_goes_unnoticed(cells: list[str]) -> None:
    """After any cells: a name whose value differs from what it was was written by the cell that changed it."""
    from elastic_spawner.objects.walk import walk

    notebook = Notebook()
    before: dict[str, str] = {}
    for source in cells:
        made = notebook.run(source)
        now = {n: walk(notebook.namespace[n], namespace=notebook.namespace).digest for n in notebook.names()}
        assert {n for n in now if now[n] != before.get(n)} <= made.writes
        assert before.keys() - now.keys() == made.deletes
        assert notebook.tracker.history.active.keys() == now.keys()
        before = now


@settings(deadline=None, max_examples=100)
@given(CELLS)
def test_re_running_the_cells_of_a_history_gives_the_session_again(cells: list[str]) -> None:
    """Running each variable's cell and all that it reads, back to the beginning, in order, makes equal values."""
    from elastic_spawner.objects.walk import walk

    notebook = Notebook()
    for source in cells:
        notebook.run(source)
    history = notebook.tracker.history
    for name, number in history.active.items():
        needed: set[int] = set()
        pending = [number]
        while pending:
            step = pending.pop()
            if step not in needed:
                needed.add(step)
                pending += [n for _, n in history.cells[step].reads]
        again: dict[str, object] = {"__name__": "__main__"}
        for step in sorted(needed):
            try:
                exec(compile(history.cells[step].source, "<cell>", "exec", dont_inherit=True), again)
            except Exception as e:
                assert type(e).__name__ == history.cells[step].error
        expected = walk(notebook.namespace[name], namespace=notebook.namespace).digest
        assert walk(again[name], namespace=again).digest == expected

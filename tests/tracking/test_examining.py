"""Looking in full, between cells, at what was too large to compare after one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from elastic_spawner.tracking import budget

from .notebook import Notebook

BIG = "big = [[i] for i in range(20_000)]"


@pytest.fixture
def examined(notebook: Notebook) -> Notebook:
    """A notebook with a large list that was looked at in full after its cell."""
    notebook.run(BIG)
    finish(notebook)
    assert notebook.tracker.states["big"].known
    return notebook


def finish(notebook: Notebook) -> None:
    """Do all that is to be done between cells."""
    while (name := notebook.tracker.unfinished()) is not None:
        for _ in notebook.tracker.examine(name):
            pass
    notebook.tracker.conclude()


def begin(notebook: Notebook) -> Iterator[None]:
    """Begin to examine ``big``, and stop half-way."""
    assert notebook.tracker.unfinished() == "big"
    job = notebook.tracker.examine("big")
    for _ in range(3):
        next(job)
    return job


def writer(notebook: Notebook) -> int:
    """The cell that counts as the last to have changed ``big``."""
    return notebook.tracker.history.active["big"]


def test_a_cell_that_only_read_is_no_writer_after_all(examined: Notebook) -> None:
    """It counted as one as long as that was not known; what later cells read is the version of before, too."""
    reader = examined.run("n = len(big)")
    assert "big" in reader.writes
    later = examined.run("m = [n]")
    finish(examined)
    history = examined.tracker.history
    assert "big" not in history.cells[reader.number].writes
    assert ("big", 1) in history.cells[reader.number].reads
    assert writer(examined) == 1
    assert later.number in history.cells


def test_a_cell_that_changed_it_stays_its_writer(examined: Notebook) -> None:
    """However deep the change is."""
    made = examined.run("big[19_999].append(1)")
    finish(examined)
    assert writer(examined) == made.number


def test_of_two_cells_in_between_neither_is_cleared(examined: Notebook) -> None:
    """The second may have undone what the first did, and read it meanwhile."""
    examined.run("big[3].append(1)")
    undone = examined.run("total = sum(map(len, big)); big[3].pop()")
    finish(examined)
    assert examined.tracker.states["big"].known
    assert writer(examined) == undone.number


def test_a_replaced_value_is_a_new_version_though_it_is_equal(examined: Notebook) -> None:
    """Another object may be shared in another way."""
    made = examined.run("big = [[i] for i in range(20_000)]")
    finish(examined)
    assert writer(examined) == made.number


def test_what_was_never_seen_in_full_before_is_not_cleared(notebook: Notebook) -> None:
    """There is nothing to compare it with."""
    notebook.run(BIG)
    made = notebook.run("n = len(big)")
    finish(notebook)
    assert writer(notebook) == made.number


def test_saving_clears_cells_too(examined: Notebook) -> None:
    """A save looks at everything in full."""
    examined.run("n = len(big)")
    examined.tracker.settle()
    assert writer(examined) == 1


def test_an_interrupted_look_proves_nothing(examined: Notebook) -> None:
    """A cell that touches the value ends the look at it, and is one more that counts as its writer."""
    examined.run("n = len(big)")
    job = begin(examined)
    made = examined.run("m = len(big)")
    assert examined.tracker.disturbed
    job.close()  # type: ignore[attr-defined]
    assert writer(examined) == made.number
    assert not examined.tracker.states["big"].known


@pytest.mark.parametrize("source", ["del big", "big = 1", "exec('pass')", "other = big", "first.append(1)"])
def test_what_a_cell_may_touch_is_let_go_of_before_it_runs(examined: Notebook, source: str) -> None:
    """Nothing of ours holds on to a value that the user deletes, replaces or looks at."""
    examined.run("first = big[0]")
    job = begin(examined)
    examined.tracker.begin(source, source)
    assert examined.tracker.disturbed
    job.close()  # type: ignore[attr-defined]


def test_a_look_goes_on_after_a_cell_that_did_not_touch_the_value(examined: Notebook) -> None:
    """What has been seen already is not seen again."""
    examined.run("n = len(big)")
    job = begin(examined)
    examined.run("x = 1")
    assert not examined.tracker.disturbed
    for _ in job:
        pass
    assert writer(examined) == 1


def test_what_ran_outside_of_cells_makes_a_look_worthless(examined: Notebook) -> None:
    """A widget's callback in the middle of it."""
    examined.run("n = len(big)")
    job = begin(examined)
    examined.tracker.activity.told()
    for _ in job:
        pass
    assert not examined.tracker.states["big"].known
    assert examined.tracker.unfinished() is None


def test_beside_a_thread_nothing_is_examined(examined: Notebook) -> None:
    """What changes meanwhile cannot be compared."""
    examined.run("import threading\ngo = threading.Event()")
    examined.run("t = threading.Thread(target=go.wait)\nt.start(); n = len(big)")
    try:
        assert examined.tracker.unfinished() is None
    finally:
        examined.namespace["go"].set()
        examined.namespace["t"].join()


def test_what_cannot_be_walked_is_tried_once(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then there is nothing to do until a cell touches it."""
    monkeypatch.setattr(budget, "SECONDS", 0.0)
    notebook.run("class Meta(type):\n    def __getattribute__(cls, name): raise RuntimeError(name)")
    notebook.run("x = Meta('C', (), {})")
    assert notebook.tracker.unfinished() == "x"
    finish(notebook)
    assert notebook.tracker.unfinished() is None
    notebook.run("x is None")
    assert notebook.tracker.unfinished() == "x"


def test_suspicions_end_when_everything_is_known(examined: Notebook) -> None:
    """What shares nothing with the large value is no longer touched along with it."""
    examined.run("n = [len(big)]; m = n")
    assert "n" in examined.component("big")
    finish(examined)
    assert examined.component("n") == {"n", "m"}


def test_what_is_held_by_one_name_alone_is_suspected_of_nothing(notebook: Notebook) -> None:
    """So a cell that does not name it has not touched it, whatever else it did."""
    notebook.run(BIG)
    notebook.run("n = [len(big)]")
    assert notebook.component("n") == {"n"}
    notebook.run("big[0].append(1)")
    assert notebook.snapshot("n") == ("n", 2)
    notebook.run("big.append(n)")  # and now something else leads to it
    assert notebook.component("n") == {"n", "big"}
    changed = notebook.run("big[-1].append(1)")
    assert notebook.snapshot("n") == ("n", changed.number)

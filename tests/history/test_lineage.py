"""Which snapshot of a name is alive, and who wrote it."""

from __future__ import annotations

import copy

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from elastic_spawner.history import CellExecution, History

UNTIMED = settings(deadline=None)
NAMES = st.sampled_from("abcd")
STEPS = st.lists(st.tuples(st.frozensets(NAMES), st.frozensets(NAMES), st.frozensets(NAMES)), max_size=12)
Step = tuple[frozenset[str], frozenset[str], frozenset[str]]


def run(history: History, reads: frozenset[str], writes: frozenset[str], deletes: frozenset[str]) -> CellExecution:
    """Add a cell that reads what is there of ``reads``."""
    cell = CellExecution(history.next_number, "", None, 0.0, history.snapshots(reads), writes, deletes - writes)
    history.add(cell)
    return cell


def cell(number: int, writes: str = "", reads: frozenset[tuple[str, int]] = frozenset()) -> CellExecution:
    """A cell that writes the one-letter names of ``writes``."""
    return CellExecution(number, "", None, 0.0, reads, frozenset(writes))


@UNTIMED
@given(STEPS)
def test_the_active_snapshot_is_the_last_writers(steps: list[Step]) -> None:
    """A name is active when a cell wrote it after the last that deleted it, in the version of the last writer."""
    history = History()
    expected: dict[str, int] = {}
    for reads, writes, deletes in steps:
        made = run(history, reads, writes, deletes)
        for name in made.deletes:
            expected.pop(name, None)
        expected.update(dict.fromkeys(made.writes, made.number))
        assert history.active == expected


@UNTIMED
@given(STEPS)
def test_a_cell_reads_only_what_was_written_before(steps: list[Step]) -> None:
    """Every snapshot that is read was written by an earlier cell: the graph has no cycle and no loose end."""
    history = History()
    for step in steps:
        run(history, *step)
    for made in history.cells.values():
        for name, number in made.reads:
            assert number < made.number
            assert name in history.cells[number].writes


@UNTIMED
@given(STEPS, st.data())
def test_taking_back_a_write_leaves_no_trace_of_the_snapshot(steps: list[Step], data: st.DataObject) -> None:
    """After unwrite nobody reads or holds that snapshot, its readers read the one before, and all else is as it was."""
    history = History()
    writers: dict[str, list[int]] = {}
    for step in [(frozenset(), frozenset("abcd"), frozenset()), *steps]:
        made = run(history, *step)
        for name in made.deletes:
            writers.pop(name, None)
        for name in made.writes:
            writers.setdefault(name, []).append(made.number)
    name = data.draw(st.sampled_from(sorted(n for n, w in writers.items() if len(w) > 1) or [""]))
    assume(name)
    position = data.draw(st.integers(1, len(writers[name]) - 1))
    number, previous = writers[name][position], writers[name][position - 1]
    before = copy.deepcopy(history)
    history.unwrite(name, number, previous)
    stale = (name, number)
    assert name not in history.cells[number].writes
    assert history.active[name] == (previous if before.active[name] == number else before.active[name])
    for key, made in history.cells.items():
        old = before.cells[key]
        moved = frozenset((name, previous) if snapshot == stale else snapshot for snapshot in old.reads)
        assert made.reads == moved
        assert made.writes == old.writes - ({name} if key == number else set())
    others = {n: v for n, v in history.active.items() if n != name}
    assert others == {n: v for n, v in before.active.items() if n != name}


def test_cells_are_numbered_one_after_the_other() -> None:
    """A cell out of its turn is refused, and the history stays as it was."""
    history = History()
    history.add(cell(1, "x"))
    for wrong in (1, 3):
        with pytest.raises(ValueError, match=f"cell execution {wrong} does not follow 1"):
            history.add(cell(wrong, "y"))
    assert history.active == {"x": 1}
    assert history.next_number == 2


def test_a_name_deleted_and_written_by_one_cell_is_alive() -> None:
    """``del x; x = 1`` leaves x with this cell's version."""
    history = History()
    history.add(cell(1, "x"))
    history.add(CellExecution(2, "", None, 0.0, frozenset(), frozenset("x"), frozenset("x")))
    assert history.active == {"x": 2}


def test_snapshots_of_names_that_are_not_there_are_left_out() -> None:
    """Only what is active has a snapshot."""
    history = History()
    history.add(cell(1, "x"))
    assert history.snapshots(["x", "y"]) == {("x", 1)}


@UNTIMED
@given(st.lists(st.text(), max_size=20))
def test_hidden_values_are_kept_once_and_never_mixed_up(values: list[str]) -> None:
    """Equal values have one key, different values different ones."""
    history = History()
    keys = [history.keep_hidden("folder", v) for v in values]
    assert [history.hidden_values[k] for k in keys] == values
    assert len(history.hidden_values) == len(set(values))


def test_hidden_values_with_the_same_checksum_stay_apart() -> None:
    """The key is a CRC32: two values of one length that collide in it get two keys."""
    import zlib

    first, second = "plumless", "buckeroo"  # the well-known pair
    assert zlib.crc32(first.encode()) == zlib.crc32(second.encode())
    history = History()
    keys = [history.keep_hidden("folder", v) for v in (first, second, first)]
    assert keys[0] == keys[2] != keys[1]
    assert history.hidden_values == {keys[0]: first, keys[1]: second}

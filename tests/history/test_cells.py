"""Cell executions as data: they survive the way through a manifest."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic_spawner.history import CellExecution, FileRead, History, Rerun

UNTIMED = settings(deadline=None)
NAMES = st.text(min_size=1, max_size=8)
FILES = st.builds(FileRead, path=NAMES, size=st.integers(-1, 2**40), mtime_ns=st.integers(0, 2**62), digest=NAMES)


def cells(number: st.SearchStrategy[int] | int = 1) -> st.SearchStrategy[CellExecution]:
    """Cell executions with every field filled in some way."""
    return st.builds(
        CellExecution,
        number=number if isinstance(number, st.SearchStrategy) else st.just(number),
        source=st.text(max_size=30),
        execution_count=st.none() | st.integers(1, 999),
        seconds=st.floats(0, 1e6),
        reads=st.frozensets(st.tuples(NAMES, st.integers(1, 99)), max_size=4),
        writes=st.frozensets(NAMES, max_size=4),
        deletes=st.frozensets(NAMES, max_size=4),
        error=st.none() | NAMES,
        rerun=st.sampled_from(Rerun),
        reasons=st.lists(NAMES, max_size=3).map(tuple),
        files=st.lists(FILES, max_size=2).map(tuple),
        hidden=st.dictionaries(NAMES, NAMES, max_size=2),
    )


@UNTIMED
@given(cells())
def test_a_cell_survives_json(cell: CellExecution) -> None:
    """A cell execution that was written as JSON text and read again is equal to what it was."""
    assert CellExecution.from_json(json.loads(json.dumps(cell.to_json()))) == cell


@UNTIMED
@given(cells())
def test_the_json_of_equal_cells_is_the_same_text(cell: CellExecution) -> None:
    """Sets are written in order, so that an unchanged history is an unchanged chunk in the store."""
    again = CellExecution.from_json(cell.to_json())
    assert json.dumps(again.to_json()) == json.dumps(cell.to_json())


@UNTIMED
@given(st.lists(cells(), max_size=6), st.lists(st.text(max_size=20), max_size=3))
def test_a_history_survives_json(drafts: list[CellExecution], values: list[str]) -> None:
    """Cells, active snapshots, hidden values and the next number come back."""
    history = build(drafts)
    keys = [history.keep_hidden("random", v) for v in values]
    again = History.from_json(json.loads(json.dumps(history.to_json())))
    assert again.cells == history.cells
    assert again.active == history.active
    assert again.next_number == history.next_number
    assert [again.hidden_values[k] for k in keys] == values


def test_a_history_of_another_format_is_refused_by_name() -> None:
    """A reader refuses what it does not know and says which format it got."""
    data = {**History().to_json(), "format": 99}
    with pytest.raises(ValueError, match="format 99"):
        History.from_json(data)


def test_a_cell_is_called_as_the_user_knows_it() -> None:
    """The label is the prompt; a cell without one is named by its position."""
    assert CellExecution(7, "x", 3, 0.0).label() == "In [3]"
    assert CellExecution(7, "x", None, 0.0).label() == "unnumbered cell 7"


def build(drafts: list[CellExecution]) -> History:
    """A history of the drafts, numbered one after the other."""
    from dataclasses import replace

    history = History()
    for draft in drafts:
        history.add(replace(draft, number=history.next_number))
    return history

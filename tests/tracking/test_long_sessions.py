"""What is kept in a session of thousands of cells: counted, not weighed."""

from __future__ import annotations

import pytest

from elastic_spawner.history import Rerun
from elastic_spawner.tracking import accesses, tracker

from .notebook import Notebook


def kept(notebook: Notebook) -> dict[str, int]:
    """How many of what the tracker keeps, beside the history's cells."""
    links, values = notebook.tracker.links, notebook.tracker.values
    tables = {"owners": links._owners, "ids": links._ids, "ranges": links._ranges, "maybe": links._maybe}
    tables |= {"shared": links._shared, "large": links._large, "states": values.states, "unknown": values._unknown}
    tables |= {"tried": notebook.tracker._tried, "outward": notebook.tracker._outward}
    counts = {name: len(table) for name, table in tables.items()}
    counts["suspects"] = sum(len(s.suspects) for s in values.states.values())
    counts["hidden"] = len(notebook.tracker.hidden.data)
    return counts


def test_five_thousand_cells_leave_nothing_but_their_history(notebook: Notebook) -> None:
    """Variables come and go, are replaced, changed, linked and looked at: what is kept is what there is."""
    notebook.run("big = [[i] for i in range(5_000)]\nlog = []")

    def rounds(first: int, last: int) -> None:
        for i in range(first, last, 5):
            notebook.run(f"x = [{i}]\ny = [x]")
            notebook.run(f"v{i} = {{'k': y}}\nlog.append(1) if len(log) < 9 else log.clear()")
            notebook.run("n = len(big)")
            notebook.run(f"def f{i}(): return v{i}\nf{i}()")
            notebook.run(f"del v{i}, f{i}")
            notebook.tracker.unfinished()

    rounds(0, 1000)
    early = kept(notebook)
    rounds(1000, 5000)
    assert kept(notebook) == early
    assert len(notebook.tracker.history.cells) == notebook.tracker.history.next_number - 1 >= 5000
    assert len(accesses._cache) <= accesses._CACHE_LIMIT


def test_states_of_random_generators_are_kept_up_to_a_bound(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest go first, and with them the leave to run those cells again."""
    monkeypatch.setattr(tracker, "HIDDEN_LETTERS", 100_000)
    notebook.run("import random")
    for i in range(200):
        notebook.run(f"r{i % 3} = random.random()")
    history = notebook.tracker.history
    assert 25_000 < sum(map(len, history.hidden_values.values())) <= 100_000
    drawn = [c for c in history.cells.values() if c.number > 1]
    first = next(i for i, c in enumerate(drawn) if c.hidden)
    assert all(c.rerun is Rerun.FORBIDDEN and not c.hidden for c in drawn[:first])
    assert all(c.rerun is Rerun.SAFE and c.hidden for c in drawn[first:])
    assert {k for c in history.cells.values() for k in c.hidden.values()} == history.hidden_values.keys()

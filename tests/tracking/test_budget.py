"""What watching may take of a session's time, all in all."""

from __future__ import annotations

from time import perf_counter

import pytest

from elastic_spawner.tracking import budget
from elastic_spawner.tracking.budget import Budget


def allowed(ledger: Budget, seconds: float) -> float:
    """All the seconds that comparing may take after a cell of so many; they are taken."""
    ledger.begin(seconds)
    granted = ledger.for_made - perf_counter()
    ledger.take(granted)
    return granted


@pytest.mark.parametrize("cells", [[0.001] * 500, [10.0, 0.01, 0.01] * 20, [0.2] * 100, [300.0, *[0.5] * 50]])
def test_all_cells_together_stay_within_the_share(cells: list[float]) -> None:
    """But for the least that each may take, and what there is at first."""
    ledger = Budget()
    total = sum(allowed(ledger, seconds) for seconds in cells)
    assert total <= budget.SHARE * sum(cells) + budget.START + budget.SECONDS * len(cells)


def test_what_is_done_for_every_cell_is_part_of_it() -> None:
    """What was taken otherwise is not there for comparing."""
    frugal, busy = Budget(), Budget()
    busy.take(0.02)
    assert allowed(busy, 10.0) < allowed(frugal, 10.0) - 0.015


def test_what_was_not_used_is_saved_up() -> None:
    """A cell that follows long ones may be looked at for longer, up to a share of its own time."""
    ledger = Budget()
    for _ in range(10):
        ledger.begin(10.0)
    assert budget.SHARE * 20 < allowed(ledger, 10.0) <= budget.MOST
    ledger.begin(0.1)
    assert ledger.for_made - perf_counter() <= budget.LONGER * 0.1


def test_many_short_cells_are_forgiven() -> None:
    """After them a long cell has its time again."""
    ledger = Budget()
    for _ in range(5000):
        ledger.begin(0.0)
        ledger.take(0.002)
    ledger.begin(60.0)
    assert ledger.for_made - perf_counter() > 0.1


def test_savings_are_spent_on_short_cells_too() -> None:
    """Small values that a short cell reads are known at once: until it was idle they would count as changed."""
    rich, poor = Budget(), Budget()
    rich.begin(2.0)
    poor.take(1.0)
    for ledger, least in ((rich, budget.SPARED), (poor, budget.SECONDS)):
        before = perf_counter()
        ledger.begin(0.01)
        assert least <= ledger.deadline - before <= perf_counter() - before + least

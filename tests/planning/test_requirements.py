"""Which cells recompute a name when loading it failed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic_spawner.errors import PlanError
from elastic_spawner.planning import Problem, Reason, Variable, Why, requirements, solve, together

from .histories import INF, cell, problem, restored, succeeds
from .histories import problems as sessions

MANY = settings(max_examples=250, deadline=None)


def test_old_versions_are_remade_and_available_inputs_are_not() -> None:
    """The cells that made overwritten inputs are needed, those of variables that were loaded are not."""
    p = problem(
        [
            cell(1, writes="a"),
            cell(2, writes="b"),
            cell(3, reads=[("a", 1), ("b", 2)], writes="c"),
            cell(4, writes="a"),
        ],
        [Variable("a", ("a", 4), 1, 1), Variable("b", ("b", 2), 1, 1), Variable("c", ("c", 3), 1, 1)],
    )
    assert requirements(p, ["c"], {"a", "b"}) == (1, 3)
    assert requirements(p, ["c"], {"a"}) == (1, 2, 3)


def test_a_linked_partner_is_recomputed_too() -> None:
    """What shares an object with the name comes from the same re-run, even if it was loaded."""
    p = problem(
        [cell(1, writes="a"), cell(2, reads=[("a", 1)], writes="b"), cell(3, reads=[("b", 2)], writes="c")],
        [Variable(name, (name, number), 1, 1) for name, number in (("a", 1), ("b", 2), ("c", 3))],
        linked=[("b", "a")],
        derived=[("c", "b")],
    )
    assert together(p, ["b"]) == {"a", "b", "c"}
    assert requirements(p, ["b"], {"a", "c"}) == (1, 2, 3)
    assert requirements(p, ["c"], {"a", "b"}) == (3,)


@pytest.mark.parametrize(
    ("cells", "why", "at", "other"),
    [
        (
            [cell(1, INF, writes="a", reason="it wrote a.csv"), cell(2, reads=[("a", 1)], writes="b")],
            Why.FORBIDDEN,
            1,
            None,
        ),
        ([cell(2, reads=[("a", 1)], writes="b")], Why.UNKNOWN, 2, "a"),
        ([], Why.UNKNOWN, None, "b"),
    ],
)
def test_the_reason_names_the_cell(cells: list, why: Why, at: int | None, other: str | None) -> None:
    """When a name cannot be recomputed, the reason says which cell stands in the way, and why."""
    p = problem(cells, [Variable("a", ("a", 1), 1, 1), Variable("b", ("b", 2), 1, 1)])
    reason = requirements(p, ["b"], ())
    assert isinstance(reason, Reason)
    assert (why, at, other) == (reason.why, reason.cell, reason.variable)


def test_a_name_that_is_not_active_is_an_error() -> None:
    """Asking for what is not there says so."""
    with pytest.raises(PlanError, match="'z'"):
        requirements(problem([], []), ["z"], ())


@MANY
@given(sessions(cells=9), st.data())
def test_the_cells_suffice_and_none_is_too_many(p: Problem, data: st.DataObject) -> None:
    """With the available names loaded, re-running the cells gives the names; without any one of them it does not."""
    names = [v.name for v in p.variables]
    available = set(data.draw(st.sets(st.sampled_from(names)))) if names else set()
    available = {v.name for v in p.variables if v.name in available and v.storable}
    wanted = together(p, data.draw(st.sets(st.sampled_from(names), min_size=1)) if names else ())
    have = available - wanted
    cells = requirements(p, wanted, available)
    if isinstance(cells, Reason):
        assert not _all_made(p, wanted, have)
    else:
        assert succeeds(p, have, wanted, cells)
        for number in cells:
            assert not succeeds(p, have, wanted, set(cells) - {number})


def _all_made(p: Problem, wanted: frozenset[str], have: set[str]) -> bool:
    """Whether running every cell that may run and finds its inputs makes all that is wanted."""
    run: list[int] = []
    for number in sorted(p.cells):
        if math.isfinite(p.cells[number].seconds):
            try:
                restored(p, have, [*run, number])
            except AssertionError:
                continue
            run.append(number)
    return succeeds(p, have, wanted, run)


@MANY
@given(sessions(cells=10))
def test_a_plan_asks_for_the_same_cells(p: Problem) -> None:
    """What is required of a plan's recomputed names, with its stored ones loaded, are the cells that it re-runs."""
    plan = solve(p)
    if not any(name in plan.lost for name in together(p, plan.recomputed)):
        assert requirements(p, plan.recomputed, plan.stored) == plan.rerun

"""What the planner decides in sessions that a person can check by hand."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from elastic_spawner.errors import PlanError
from elastic_spawner.planning import Cell, Plan, Problem, Reason, Variable, Why, solve

from .histories import INF, cell, problem


def test_the_cheaper_way_is_taken() -> None:
    """A variable is stored when that is cheaper than its cells, else recomputed."""
    cells = [cell(1, 10, writes="a"), cell(2, 0.1, writes="b")]
    plan = solve(problem(cells, [Variable("a", ("a", 1), 1, 1), Variable("b", ("b", 2), 1, 1)]))
    assert plan == Plan(frozenset("a"), (2,), frozenset("b"), {}, restore_seconds=1.1, store_seconds=1)


def test_a_shared_cell_is_paid_once() -> None:
    """Two variables together are worth a re-run that neither is worth alone."""
    cells = [cell(1, 3, writes="t"), cell(2, 0, [("t", 1)], "a"), cell(3, 0, [("t", 1)], "b")]
    a, b = Variable("a", ("a", 2), 1, 1), Variable("b", ("b", 3), 1, 1)
    assert solve(problem(cells, [a])).stored == {"a"}
    assert solve(problem(cells, [a, b])).rerun == (1, 2, 3)


def test_a_tie_is_broken_in_favour_of_storing() -> None:
    """Equal costs: store."""
    assert solve(problem([cell(1, 2, writes="a")], [Variable("a", ("a", 1), 1, 1)])).stored == {"a"}


def test_a_recomputed_variable_builds_on_a_stored_one() -> None:
    """An active input needs no re-run of its own: it is there before its reader runs."""
    cells = [cell(1, 100, writes="a"), cell(2, 0.1, [("a", 1)], "b")]
    plan = solve(problem(cells, [Variable("a", ("a", 1), 1, 1), Variable("b", ("b", 2), 9, 9)]))
    assert (plan.stored, plan.rerun) == ({"a"}, (2,))


def test_what_is_made_again_anyway_is_stored_where_it_is_distrusted() -> None:
    """A cell that must be re-run for another variable makes this one for nothing, but maybe another value of it."""
    cells = [cell(1, 5, writes="ab")]
    forced = Variable("a", ("a", 1), INF, INF, reason="a generator")
    assert solve(problem(cells, [forced, Variable("b", ("b", 1), 1, 1)])).recomputed == {"a", "b"}
    distrusted = Variable("b", ("b", 1), 1, 1, distrust_seconds=3)
    plan = solve(problem(cells, [forced, distrusted]))
    assert (plan.stored, plan.rerun) == ({"b"}, (1,))
    assert (plan.restore_seconds, plan.store_seconds) == (6, 1)
    linked = solve(problem(cells, [forced, distrusted], linked=[("a", "b")]))
    assert linked.recomputed == {"a", "b"}, "what shares objects is not torn apart for the sake of certainty"


@pytest.mark.parametrize("seconds", [-1.0, INF, math.nan])
def test_distrust_is_a_number_of_seconds(seconds: float) -> None:
    """An infinite one would make a plan impossible where a variable cannot be stored."""
    with pytest.raises(PlanError, match="distrust"):
        problem([cell(1, 1, writes="a")], [Variable("a", ("a", 1), 1, 1, distrust_seconds=seconds)])


def test_linked_variables_move_together() -> None:
    """What shares an object is not split, through a chain of links either."""
    cells = [cell(1, 0.1, writes="abc")]
    variables = [Variable(name, (name, 1), s, 0) for name, s in (("a", 0.0), ("b", 1.0), ("c", 0.0))]
    assert solve(problem(cells, variables, linked=[("a", "b"), ("b", "c")])).recomputed == {"a", "b", "c"}


def test_derived_binds_one_way() -> None:
    """A variable may be recomputed from the stored one it was built from, but not stored beside a recomputed one."""
    cells = [cell(1, 5, writes="y"), cell(2, 0.1, [("y", 1)], "x")]
    big = Variable("x", ("x", 2), 9, 9)
    plan = solve(problem(cells, [big, Variable("y", ("y", 1), 1, 1)], derived=[("x", "y")]))
    assert (plan.stored, plan.recomputed) == ({"y"}, {"x"})
    cells = [cell(1, 0.1, writes="y"), cell(2, 5, [("y", 1)], "x")]
    small = Variable("x", ("x", 2), 0.1, 0.1)
    assert solve(problem(cells, [small, Variable("y", ("y", 1), 1, 1)])).recomputed == {"y"}
    assert solve(problem(cells, [small, Variable("y", ("y", 1), 1, 1)], derived=[("x", "y")])).stored == {"x", "y"}


def test_lost_names_the_cell_and_both_causes() -> None:
    """The user reads why it could not be stored, and which cell must not be re-run."""
    cells = [cell(3, INF, writes="a", reason="it asked for input"), cell(4, 1, [("a", 3)], "b"), cell(5, 9, writes="a")]
    variables = [Variable("a", ("a", 5), 1, 1), Variable("b", ("b", 4), INF, 0, reason="a generator cannot be pickled")]
    plan = solve(problem(cells, variables))
    reason = plan.lost["b"]
    assert (reason.why, reason.cell) == (Why.FORBIDDEN, 3)
    assert reason.describe(lambda n: f"In [{n + 10}]") == (
        "it cannot be stored (a generator cannot be pickled), and recomputing it needs In [13], "
        "which is not run again by itself (it asked for input)"
    )
    assert (plan.stored, plan.rerun) == ({"a"}, ())


def test_what_needs_a_lost_variable_is_lost_too() -> None:
    """A cell that reads a lost variable cannot be re-run."""
    cells = [cell(1, INF, writes="a"), cell(2, 1, [("a", 1)], "b"), cell(3, 1, [("b", 2)], "c")]
    variables = [Variable("a", ("a", 1), INF, 0), Variable("b", ("b", 2), INF, 0), Variable("c", ("c", 3), 9, 9)]
    plan = solve(problem(cells, variables))
    assert (plan.lost.keys(), plan.stored) == ({"a", "b"}, {"c"})
    assert (plan.lost["b"].why, plan.lost["b"].variable) == (Why.LOST_INPUT, "a")
    assert str(plan.lost["b"]).endswith("recomputing it needs cell 2, which reads 'a', which is lost")


def test_partners_of_a_lost_variable_are_freed() -> None:
    """A lock that is lost does not take along the list that it is linked to."""
    cells = [cell(1, INF, writes="a"), cell(2, 9, writes="b")]
    variables = [Variable("a", ("a", 1), INF, INF), Variable("b", ("b", 2), 1, 1)]
    plan = solve(problem(cells, variables, linked=[("a", "b")]))
    assert (plan.lost.keys(), plan.stored) == ({"a"}, {"b"})


def test_partners_of_a_lost_variable_stay_together() -> None:
    """Two names of one list stay one list when a third thing that holds it is lost."""
    cells = [cell(1, 0.1, writes="a"), cell(2, INF, writes="b"), cell(3, 9, writes="c")]
    variables = [Variable("a", ("a", 1), 3, 3), Variable("b", ("b", 2), INF, INF), Variable("c", ("c", 3), 1, 1)]
    assert solve(problem(cells, variables)).recomputed == {"a"}
    assert solve(problem(cells, variables, linked=[("a", "b"), ("b", "c")])).stored == {"a", "c"}


def test_of_two_that_cannot_move_together_the_recomputable_one_is_lost() -> None:
    """The user can get that one back by running its cell; the other is stored."""
    cells = [cell(1, 1, writes="a"), cell(2, INF, writes="b")]
    variables = [Variable("a", ("a", 1), INF, 0), Variable("b", ("b", 2), 1, 1)]
    plan = solve(problem(cells, variables, linked=[("a", "b")]))
    assert (plan.lost, plan.stored) == ({"a": Reason(Why.SEPARATED, 1, "b", unstorable="")}, {"b"})


def test_an_unknown_past_can_only_be_stored() -> None:
    """A variable from before the first recorded cell is stored, at any cost."""
    reader = cell(2, 1, [("t", 0)], "b")
    plan = solve(problem([reader], [Variable("a", ("a", 0), 1e6, 1e6), Variable("b", ("b", 2), INF, 0)]))
    assert plan.stored == {"a"}
    assert (plan.lost["b"].why, plan.lost["b"].cell, plan.lost["b"].variable) == (Why.UNKNOWN, 2, "t")


def test_an_empty_session_has_an_empty_plan() -> None:
    """Nothing in, nothing out."""
    assert solve(Problem({}, ())) == Plan()


def test_a_deadline_stores_what_saves_most_time() -> None:
    """Under a deadline the variables that are dear to recompute are stored, the others recomputed."""
    cells = [cell(1, 30, writes="a"), cell(2, 8, writes="b"), cell(3, 60, writes="c")]
    variables = [Variable(name, (name, n), 3, 0) for n, name in enumerate("abc", 1)]
    plans = [solve(problem(cells, variables, deadline_s=limit)) for limit in (9, 8.9, 6, 5, 3, 2.9)]
    assert [sorted(plan.stored) for plan in plans] == [["a", "b", "c"], ["a", "c"], ["a", "c"], ["c"], ["c"], []]


def test_time_that_the_hull_leaves_over_is_filled() -> None:
    """A plan that is no corner of the convex hull is found when it fits."""
    cells = [cell(1, 100, writes="a"), cell(2, 10, writes="b")]
    variables = [Variable("a", ("a", 1), 10, 0), Variable("b", ("b", 2), 2, 0)]
    assert solve(problem(cells, variables, deadline_s=9)).stored == {"b"}


def test_filling_stores_what_a_derived_variable_was_built_from() -> None:
    """There is room for the derived variable, but not for the one that would have to be stored with it."""
    cells = [cell(1, 50, writes="y"), cell(2, 60, [("y", 1)], "x")]
    variables = [Variable("x", ("x", 2), 3, 0), Variable("y", ("y", 1), 30, 0)]
    derived = [("x", "y")]
    assert solve(problem(cells, variables, derived=derived)).stored == {"x", "y"}
    assert solve(problem(cells, variables, derived=derived, deadline_s=9)).stored == set()


def test_what_must_be_stored_is_stored_after_the_deadline_too() -> None:
    """A deadline never loses a variable: the time to store says that it does not fit."""
    variables = [Variable("a", ("a", 0), 5, 1), Variable("b", ("b", 1), 5, 1)]
    plan = solve(problem([cell(1, 90, writes="b")], variables, deadline_s=0))
    assert (plan.stored, plan.recomputed, plan.store_seconds) == ({"a"}, {"b"}, 5)


def test_a_long_history_needs_no_recursion() -> None:
    """Fifty thousand cells in a chain are planned under the default recursion limit."""
    cells = [
        Cell(n, 0.001, frozenset({("t", n - 1)} if n > 1 else ()), frozenset({("t", n)})) for n in range(1, 50_001)
    ]
    plan = solve(problem(cells, [Variable("t", ("t", 50_000), 60, 0)]))
    assert len(plan.rerun) == 50_000


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: problem([cell(1, -1)], []), "run time of cell 1"),
        (lambda: problem([cell(1, math.nan)], []), "run time of cell 1"),
        (lambda: problem([], [Variable("a", ("a", 1), math.nan, 1)]), "time to store 'a'"),
        (lambda: problem([], [Variable("a", ("a", 1), 1, -1)]), "time to load 'a'"),
        (lambda: problem([], [Variable("a", ("a", 1), 1, 1), Variable("a", ("a", 2), 1, 1)]), "'a' is listed twice"),
        (lambda: problem([cell(1, reads=[("a", 1)])], []), "cell 1 reads 'a'"),
        (lambda: Problem({2: cell(1)}, ()), "under the id 2"),
        (lambda: problem([], [], alpha=INF), "alpha"),
        (lambda: problem([], [], deadline_s=math.nan), "deadline"),
    ],
)
def test_a_problem_that_contradicts_itself_is_refused(make: object, message: str) -> None:
    """The error says what is wrong."""
    with pytest.raises(PlanError, match=message):
        make()  # type: ignore[operator]


def test_importing_the_planner_does_not_import_networkx() -> None:
    """A kernel pays for networkx only when a problem needs it."""
    code = "import sys, elastic_spawner.planning; print('networkx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"

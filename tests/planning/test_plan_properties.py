"""Plans against every other plan there is, on small sessions."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic_spawner.planning import Problem, mincut, solve
from elastic_spawner.planning.lineage import Feasibility, Lineage
from elastic_spawner.planning.network import condense
from elastic_spawner.planning.preflow import Preflow

from .histories import all_plans, bound, cost, restore_time, restored, store_time, succeeds
from .histories import problems as sessions

MANY = settings(max_examples=250, deadline=None)


@MANY
@given(sessions())
def test_no_other_plan_is_cheaper(problem: Problem) -> None:
    """Of all plans that lose no more, the plan has the least cost, and of equal ones it stores the most."""
    plan = solve(problem)
    others = list(all_plans(problem, plan.lost))
    least = min(cost(problem, stored, rerun) for stored, _, rerun in others)
    assert cost(problem, plan.stored, plan.rerun) == pytest.approx(least, abs=1e-6)
    ties = [stored for stored, _, rerun in others if cost(problem, stored, rerun) < least + 1e-6]
    assert all(stored <= plan.stored for stored in ties)


@MANY
@given(sessions(cells=12, names="abcdefghij"))
def test_a_restore_by_the_plan_succeeds(problem: Problem) -> None:
    """Every re-run cell finds its inputs, and everything that is not lost is right in the end."""
    plan = solve(problem)
    names = restored(problem, plan.stored, plan.rerun)
    for variable in problem.variables:
        assert variable.name in plan.lost or names[variable.name] == variable.snapshot[1]


@MANY
@given(sessions(cells=12, names="abcdefghij"))
def test_every_variable_has_one_place(problem: Problem) -> None:
    """Stored, recomputed and lost do not overlap, leave nothing out, and keep together what is bound."""
    plan = solve(problem)
    names = sorted(v.name for v in problem.variables)
    assert sorted([*plan.stored, *plan.recomputed, *plan.lost]) == names
    assert not any(a in plan.recomputed and b in plan.stored for a, b in bound(problem))
    assert list(plan.rerun) == sorted(set(plan.rerun))
    assert plan.store_seconds == pytest.approx(store_time(problem, plan.stored))
    assert plan.restore_seconds == pytest.approx(restore_time(problem, plan.stored, plan.rerun))
    assert math.isfinite(plan.restore_seconds + plan.store_seconds)


@MANY
@given(sessions(bound=False, names="abcd"))
def test_nothing_is_lost_that_a_plan_could_keep(problem: Problem) -> None:
    """Without links, no plan keeps a variable that this one loses."""
    plan = solve(problem)
    names = [v.name for v in problem.variables]
    for size in range(len(names) + 1):
        for lost in combinations(names, size):
            if any(True for _ in all_plans(problem, lost)):
                assert set(plan.lost) <= set(lost)


@MANY
@given(sessions(names="abcd"))
def test_what_can_be_stored_is_never_lost(problem: Problem) -> None:
    """Links cost only what can be recomputed at best, and even then taking one lost variable back fits no plan."""
    plan = solve(problem)
    assert not any(v.storable for v in problem.variables if v.name in plan.lost)
    for name in plan.lost:
        assert not any(True for _ in all_plans(problem, plan.lost.keys() - {name}))


@MANY
@given(sessions(cells=14, names="abcdefghijkl"))
def test_networkx_finds_the_same_plan(problem: Problem) -> None:
    """The search for paths and networkx are two ways to the same, smallest, source side."""
    plan = solve(problem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mincut, "ROUNDS", 0)
        assert solve(problem) == plan


@MANY
@given(sessions(cells=14, names="abcdefghijkl"))
def test_networkx_leaves_no_path_open(problem: Problem) -> None:
    """The flow that networkx completes is a maximum one, and is accounted for on both ends."""
    lineage = Lineage(problem)
    nodes = condense(lineage, Feasibility(lineage)).nodes
    preflow = Preflow([node.needs for node in nodes], [node.store + node.load - node.rerun for node in nodes])
    wanted = sum(preflow.excess) - sum(preflow.deficit)
    mincut.complete(preflow)
    assert sum(preflow.excess) - sum(preflow.deficit) == wanted
    assert preflow.core() == set()


@MANY
@given(sessions(cells=25, names="abcdefghijklmnopqrst"))
def test_the_cut_of_the_plain_graph_costs_the_same(problem: Problem) -> None:
    """The graph as it is defined, without condensing, gives the same cost."""
    plan = solve(problem)
    active = {v.snapshot for v in problem.variables}
    graph = networkx.DiGraph()
    graph.add_nodes_from(["source", "sink"])
    graph.add_edges_from(bound(problem))
    for v in problem.variables:
        if v.name in plan.lost:
            continue
        # What cannot be stored hangs on a capacity larger than all others together: networkx allows no infinite path.
        graph.add_edge(
            "source", v.name, capacity=problem.alpha * v.store_seconds + v.load_seconds if v.storable else 1e6
        )
        made = v.snapshot[1] in problem.cells and v.snapshot in problem.cells[v.snapshot[1]].outputs
        graph.add_edge(v.name, v.snapshot[1] if made else "sink", capacity=2e6)
    for number, cell in problem.cells.items():
        graph.add_edge(number, "sink", capacity=cell.seconds if math.isfinite(cell.seconds) else 2e6)
        for snapshot in cell.inputs - active:
            made = snapshot[1] in problem.cells and snapshot in problem.cells[snapshot[1]].outputs
            graph.add_edge(number, snapshot[1] if made else "sink", capacity=2e6)
        if any(v.snapshot in cell.inputs for v in problem.variables if v.name in plan.lost):
            graph.add_edge(number, "sink", capacity=2e6)
    least, _ = networkx.minimum_cut(graph, "source", "sink")
    assert cost(problem, plan.stored, plan.rerun) == pytest.approx(least, abs=1e-6)


@MANY
@given(sessions(), st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5, 6.0]))
def test_a_deadline_is_kept_whenever_it_can_be(problem: Problem, deadline: float) -> None:
    """The plan is stored in time, or takes the least time there is; what is bound stays together."""
    plan = solve(replace(problem, deadline_s=deadline))
    assert succeeds(problem, plan.stored, plan.recomputed, plan.rerun)
    assert not any(a in plan.recomputed and b in plan.stored for a, b in bound(problem))
    least = min(store_time(problem, stored) for stored, _, _ in all_plans(problem, plan.lost))
    assert plan.store_seconds <= max(deadline, least) + 1e-6


@MANY
@given(sessions(), st.sampled_from([0.5, 1.0, 2.0, 3.5, 6.0]), st.integers(0, 40))
def test_no_plan_of_larger_alpha_that_fits_restores_faster(problem: Problem, deadline: float, more: int) -> None:
    """Among the nested plans the deadline takes the one of the least restore time."""
    hurried = solve(replace(problem, deadline_s=deadline))
    other = solve(replace(problem, alpha=problem.alpha + more / 8))
    if other.store_seconds <= deadline:
        assert hurried.restore_seconds <= other.restore_seconds + 1e-6


@MANY
@given(sessions(cells=12, names="abcdefghij"), st.integers(0, 20))
def test_plans_for_growing_alpha_are_nested(problem: Problem, more: int) -> None:
    """A larger weight on storing never stores a variable that a smaller one did not."""
    larger = solve(replace(problem, alpha=problem.alpha + more / 4))
    assert larger.stored <= solve(problem).stored


@MANY
@given(sessions(cells=12, names="abcdefghij"), st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_listed_does_not_matter(problem: Problem, rng: object) -> None:
    """The same session gives the same plan, reasons included."""

    def shuffled(items: object) -> list[object]:
        out = list(items)  # type: ignore[call-overload]
        rng.shuffle(out)  # type: ignore[attr-defined]
        return out

    other = Problem(
        dict(shuffled(problem.cells.items())),  # type: ignore[arg-type]
        shuffled(problem.variables),  # type: ignore[arg-type]
        shuffled(problem.linked),  # type: ignore[arg-type]
        shuffled(problem.derived),  # type: ignore[arg-type]
        problem.alpha,
    )
    assert solve(other) == solve(problem)

"""The graph that goes to the cut is small, ordered and means the same."""

from __future__ import annotations

from hypothesis import given, settings

from elastic_spawner.planning import Cell, Problem, Variable
from elastic_spawner.planning.lineage import Feasibility, Lineage
from elastic_spawner.planning.network import Network, condense

from .histories import INF, cell, problem
from .histories import problems as sessions


def network_of(p: Problem) -> Network:
    lineage = Lineage(p)
    return condense(lineage, Feasibility(lineage))


def test_a_chain_of_cells_is_one_node() -> None:
    """What the same variables need is merged, times added."""
    cells = [Cell(n, 0.25, frozenset({("t", n - 1)} if n > 1 else ()), frozenset({("t", n)})) for n in range(1, 101)]
    [node] = network_of(problem(cells, [Variable("t", ("t", 100), 1, 2)])).nodes
    assert (node.rerun, node.store, node.load, node.names) == (25 * 10**9, 10**9, 2 * 10**9, ["t"])


def test_what_has_only_one_place_is_not_in_the_graph() -> None:
    """A variable that must be stored, one that must be recomputed, and the cells that are run for it anyway."""
    cells = [cell(1, 5, writes="t"), cell(2, 1, [("t", 1)], "a"), cell(3, 1, [("t", 1)], "b"), cell(4, INF, writes="c")]
    variables = [Variable("a", ("a", 2), INF, 0), Variable("b", ("b", 3), 1, 1), Variable("c", ("c", 4), 2, 2)]
    network = network_of(problem(cells, variables))
    assert (network.recomputed, network.stored, network.store) == ({"a"}, {"c"}, 2 * 10**9)
    assert [(node.names, node.rerun) for node in network.nodes] == [(["b"], 10**9)]


def test_derived_chains_are_in_order() -> None:
    """What is derived from what is derived leads on, in whatever order the names come."""
    cells = [cell(n, 1, writes=name) for n, name in enumerate("abcd", 1)]
    variables = [Variable(name, (name, n), 1, 1) for n, name in enumerate("abcd", 1)]
    nodes = network_of(problem(cells, variables, derived=[("c", "a"), ("c", "b"), ("d", "c")])).nodes
    assert [node.names for node in nodes] == [["a"], ["b"], ["c"], ["d"]]
    assert [node.needs for node in nodes] == [{2}, {2}, {3}, set()]


@settings(max_examples=250, deadline=None)
@given(sessions(cells=14, names="abcdefghijkl"))
def test_nodes_come_before_what_they_need(p: Problem) -> None:
    """The order is topological, and no edge is implied by others."""
    nodes = network_of(p).nodes
    below: dict[int, set[int]] = {}
    for i in reversed(range(len(nodes))):
        assert all(need > i for need in nodes[i].needs)
        assert not any(nodes[i].needs & below[need] for need in nodes[i].needs)
        below[i] = nodes[i].needs.union(*(below[need] for need in nodes[i].needs))

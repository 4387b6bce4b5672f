"""The cheapest choice between storing and recomputing, as a minimum cut (ElasticNotebook, VLDB 2024, section 5)."""

from __future__ import annotations

from fractions import Fraction

from .network import Network
from .preflow import Preflow

SOURCE, SINK = -1, -2

ROUNDS = 64
"""Rounds of path search before networkx gets the rest. Sessions of 2,000 cells and 500 variables need fewer than this,
which spares the kernel the import of networkx, a third of a second, and every plan the making of its graph."""


def cheapest(
    network: Network, alpha: Fraction, least: frozenset[int] = frozenset(), most: frozenset[int] | None = None
) -> frozenset[int]:
    """The nodes to recompute so that alpha * store + load + re-run is least; of equal choices the one that stores most.

    In the graph of the cut the source leads to each node with what storing its variables costs, the node to the sink
    with what re-running its cells costs, and to what it needs without limit. Nodes on the source's side of the cut are
    recomputed. The choices for growing alpha are nested: each stores a subset of what the one before stored, so the
    choices for a smaller and a larger alpha, ``least`` and ``most``, leave only what lies between them to decide.
    """
    numbers = range(len(network.nodes)) if most is None else sorted(most)
    between = [i for i in numbers if i not in least]
    place = {i: k for k, i in enumerate(between)}
    needs = [{place[need] for need in network.nodes[i].needs if need in place} for i in between]
    p, q = alpha.numerator, alpha.denominator
    nodes = (network.nodes[i] for i in between)
    preflow = Preflow(needs, [p * node.store + q * (node.load - node.rerun) for node in nodes])
    preflow.sweep()
    if not preflow.augment(ROUNDS):
        complete(preflow)
    return least.union(between[k] for k in preflow.from_excess())


def complete(preflow: Preflow) -> None:
    """Make the preflow a maximum one with networkx, wherever paths with room are left."""
    core = sorted(preflow.core())
    if not core:
        return
    import networkx

    # The quickest of networkx' algorithms on these graphs, by 3 to 10 times over preflow_push and dinitz
    from networkx.algorithms.flow import boykov_kolmogorov

    inside = set(core)
    edges = [(i, need) for i in core for need in sorted(preflow.needs[i]) if need in inside]
    graph: networkx.DiGraph[int] = networkx.DiGraph()
    for i in core:
        if preflow.excess[i]:
            graph.add_edge(SOURCE, i, capacity=preflow.excess[i])
        if preflow.deficit[i]:
            graph.add_edge(i, SINK, capacity=preflow.deficit[i])
    # No capacity means an infinite one. Edges out of the source and into the sink all have one: no path is infinite.
    graph.add_edges_from(edges)
    for i, need in edges:
        if inflow := preflow.flow[need].get(i):
            graph.add_edge(need, i, capacity=inflow)
    residual = boykov_kolmogorov(graph, SOURCE, SINK).adj
    for i, edge in residual[SOURCE].items():
        preflow.excess[i] -= edge["flow"]
    for i in core:
        if preflow.deficit[i]:
            preflow.deficit[i] -= residual[i][SINK]["flow"]
    for i, need in edges:
        if net := residual[i][need]["flow"]:
            preflow.add(i, need, net)

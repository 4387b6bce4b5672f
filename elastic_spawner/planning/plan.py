"""From a problem to its replication plan."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from .deadline import within
from .lineage import Feasibility, Lineage
from .mincut import cheapest
from .model import Plan, Problem
from .network import Network, condense


def solve(problem: Problem) -> Plan:
    """The cheapest plan, or with a deadline the one that restores fastest of those that can be stored in time.

    Cheapest means the least alpha * store + load + re-run; of equal plans the one that stores most is taken. The same
    problem always gives the same plan.
    """
    lineage = Lineage(problem)
    feasibility = Feasibility(lineage)
    network = condense(lineage, feasibility)
    alpha = Fraction(repr(problem.alpha))  # the decimal that was written, not its binary neighbour: small numerators
    if problem.deadline_s is None:
        chosen = cheapest(network, alpha)
    else:
        chosen = within(network, alpha, problem.deadline_s)
    return _plan(lineage, feasibility, network, chosen)


def _plan(lineage: Lineage, feasibility: Feasibility, network: Network, chosen: Iterable[int]) -> Plan:
    recomputed = network.recomputed.union(*(network.nodes[i].names for i in chosen))
    stored = frozenset(lineage.variables.keys() - recomputed - feasibility.lost.keys())
    rerun = lineage.cells_for(recomputed)
    cells, variables = lineage.problem.cells, lineage.variables
    return Plan(
        stored=stored,
        rerun=rerun,
        recomputed=recomputed,
        lost=dict(sorted(feasibility.lost.items())),
        restore_seconds=sum(variables[name].load_seconds for name in sorted(stored))
        + sum(cells[n].seconds for n in rerun),
        store_seconds=sum(variables[name].store_seconds for name in sorted(stored)),
    )

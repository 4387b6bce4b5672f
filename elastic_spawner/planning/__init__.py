"""What to store and what to recompute: cost model and minimum cut, history + costs -> replication plan.

    plan = solve(Problem(cells, variables, linked=[("x", "y")], alpha=1.0, deadline_s=60))

The model and its flow graph are those of ElasticNotebook (VLDB 2024, section 5). Nothing here does I/O or looks at
objects.
"""

from .cost import CostModel
from .lineage import requirements, together
from .model import Cell, Plan, Problem, Reason, Snapshot, Variable, Why
from .plan import solve

__all__ = [
    "Cell",
    "CostModel",
    "Plan",
    "Problem",
    "Reason",
    "Snapshot",
    "Variable",
    "Why",
    "requirements",
    "solve",
    "together",
]

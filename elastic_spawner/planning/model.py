"""The planner's question and its answer: frozen values without behaviour beyond checking themselves.

The words are the paper's (ElasticNotebook, VLDB 2024, section 5): a *cell* is one cell execution, a *snapshot* one
version of a name, a *variable* an active snapshot, that is one which a name is bound to now.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ..errors import PlanError

Snapshot = tuple[str, int]
"""(name, id of the cell that wrote this version of it)"""


@dataclass(frozen=True)
class Cell:
    """One cell execution as the planner sees it."""

    id: int
    """Position in the session; a cell's inputs were written by cells of a smaller id."""
    seconds: float
    """What it costs to run it again; infinite when it must not be re-run."""
    inputs: frozenset[Snapshot] = frozenset()
    outputs: frozenset[Snapshot] = frozenset()
    reason: str = ""
    """Why it must not be re-run, to be repeated to the user; empty for a cell that may."""


@dataclass(frozen=True)
class Variable:
    """One active snapshot and what it costs to carry it over."""

    name: str
    snapshot: Snapshot
    store_seconds: float
    """Still to be spent on storing it; 0 for what is stored already, infinite for what cannot be stored."""
    load_seconds: float
    reason: str = ""
    """Why it cannot be stored, to be repeated to the user; empty for a variable that can."""
    distrust_seconds: float = 0.0
    """What it is worth to have the very value back rather than what another run of its cells makes of it. It tips the
    scales where a cell is re-run anyway, for another variable, and takes no time."""

    @property
    def storable(self) -> bool:
        """Whether it can be stored and loaded at all."""
        return math.isfinite(self.store_seconds) and math.isfinite(self.load_seconds)


@dataclass(frozen=True)
class Problem:
    """A session to be carried over. Raises PlanError when it contradicts itself."""

    cells: Mapping[int, Cell]
    variables: Iterable[Variable]
    """The active ones, each name once; kept as a tuple."""
    linked: Iterable[tuple[str, str]] = ()
    """Pairs that share an object and so are stored together or recomputed together. Read as transitive: a chain of
    pairs through a component is enough. Pairs with a name that is not active are ignored."""
    derived: Iterable[tuple[str, str]] = ()
    """Pairs (x, y) where x was built from y: storing x requires storing y, but x may be recomputed from the stored
    y."""
    alpha: float = 1.0
    """Weight of the time to store against the time to restore: 1 for the least sum, less for a faster restore."""
    deadline_s: float | None = None
    """Seconds that storing may take; None for no limit. See `planning.deadline`."""

    def __post_init__(self) -> None:
        for name in ("variables", "linked", "derived"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not (math.isfinite(self.alpha) and self.alpha >= 0):
            raise PlanError(f"alpha is {self.alpha}; give a finite number that is not negative")
        if self.deadline_s is not None and math.isnan(self.deadline_s):
            raise PlanError("the deadline is not a number; give seconds, or None for no limit")
        for key, cell in self.cells.items():
            if key != cell.id:
                raise PlanError(f"cell {cell.id} is listed under the id {key}")
            _check_seconds(cell.seconds, f"the run time of cell {cell.id}")
            for name, writer in cell.inputs:
                if writer >= cell.id:
                    raise PlanError(
                        f"cell {cell.id} reads {name!r} as cell {writer} left it, which did not run before it"
                    )
        names: set[str] = set()
        snapshots: set[Snapshot] = set()
        for variable in self.variables:
            if variable.name in names or variable.snapshot in snapshots:
                raise PlanError(f"{variable.name!r} is listed twice among the active variables")
            names.add(variable.name)
            snapshots.add(variable.snapshot)
            _check_seconds(variable.store_seconds, f"the time to store {variable.name!r}")
            _check_seconds(variable.load_seconds, f"the time to load {variable.name!r}")
            if not math.isfinite(variable.distrust_seconds) or variable.distrust_seconds < 0:
                raise PlanError(
                    f"the distrust of {variable.name!r} is {variable.distrust_seconds}; give finite seconds"
                )


class Why(enum.Enum):
    """What stands in the way of recomputing a variable."""

    FORBIDDEN = "forbidden"
    """A cell that it needs must not be re-run."""
    UNKNOWN = "unknown"
    """No recorded cell made a version of a name that it needs."""
    LOST_INPUT = "lost input"
    """A cell that it needs reads a variable that is lost."""
    SEPARATED = "separated"
    """It would be recomputed apart from a variable that it shares an object with and that can only be stored."""


@dataclass(frozen=True)
class Reason:
    """Why a variable can neither be stored nor recomputed (or, from `requirements`, not be recomputed)."""

    why: Why
    cell: int | None
    """The cell to name: the one that must not be re-run, or that reads what is missing; None when there is none."""
    variable: str | None = None
    """The other name that is in the way; None when it is the cell itself."""
    detail: str = ""
    """`Cell.reason` of the cell that must not be re-run."""
    unstorable: str | None = None
    """`Variable.reason` of the variable concerned; None when storing it is not in question."""

    def describe(self, label: Callable[[int], str] = "cell {}".format) -> str:
        """The reason as a clause for the user, with cells called as ``label`` says."""
        where = "a cell" if self.cell is None else label(self.cell)
        if self.why is Why.FORBIDDEN:
            text = f"recomputing it needs {where}, which is not run again by itself"
        elif self.why is Why.LOST_INPUT:
            text = f"recomputing it needs {where}, which reads {self.variable!r}, which is lost"
        elif self.why is Why.SEPARATED:
            text = f"it shares an object with {self.variable!r}, which can only be stored"
        elif self.cell is None:
            text = "no recorded cell made it"
        else:
            text = f"recomputing it needs {where}, which reads a {self.variable!r} that no recorded cell made"
        if self.detail:
            text += f" ({self.detail})"
        if self.unstorable is None:
            return text
        return f"it cannot be stored{f' ({self.unstorable})' if self.unstorable else ''}, and {text}"

    def __str__(self) -> str:
        return self.describe()


@dataclass(frozen=True)
class Plan:
    """A replication plan. Every active variable is in exactly one of ``stored``, ``recomputed`` and ``lost``.

    To restore, walk the cells by id: re-run those in ``rerun``, and after the place of each cell, re-run or not, bind
    the stored variables whose active snapshot it wrote, so that they win over what a re-run made of them. In the end
    remove the names that are not active, and the lost ones: a re-run may have made a version of them that was not asked
    for.
    """

    stored: frozenset[str] = frozenset()
    rerun: tuple[int, ...] = ()
    """Ids of the cells to run again, in the order to run them."""
    recomputed: frozenset[str] = frozenset()
    lost: Mapping[str, Reason] = field(default_factory=dict)
    restore_seconds: float = 0.0
    """Time to load the stored variables and to re-run the cells."""
    store_seconds: float = 0.0
    """Time to store the stored variables. Above the deadline when even the least that must be stored takes longer."""


def _check_seconds(value: float, what: str) -> None:
    if not value >= 0:  # also refuses NaN
        raise PlanError(f"{what} is {value}; give seconds that are not negative, or infinity")

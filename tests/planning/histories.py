"""Random small sessions, and what a restore does with a plan, written down as directly as possible."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from itertools import product

from hypothesis import strategies as st

from elastic_spawner.planning import Cell, Problem, Variable

NAMES = "abcdef"
INF = math.inf


def cell(
    number: int, seconds: float = 1.0, reads: Iterable[tuple[str, int]] = (), writes: str = "", **more: str
) -> Cell:
    """Cell ``number`` writes the one-letter names in ``writes``."""
    return Cell(number, seconds, frozenset(reads), frozenset((name, number) for name in writes), **more)


def problem(cells: Iterable[Cell], variables: Iterable[Variable], **more: object) -> Problem:
    """A problem from plain lists."""
    return Problem({c.id: c for c in cells}, tuple(variables), **more)  # type: ignore[arg-type]


@st.composite
def problems(
    draw: st.DrawFn,
    bound: bool = True,
    cells: int = 7,
    names: str = NAMES,
    alphas: Iterable[float] = (0.0, 0.05, 0.5, 1.0, 3.0),
) -> Problem:
    """A session in which every cell reads what is current, as real ones do; some are unrecorded or must not run."""
    seconds = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, INF])
    costs = st.sampled_from([0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 4.0, INF])
    some = st.sets(st.sampled_from(names), max_size=3)
    latest: dict[str, int] = {}
    made: dict[int, Cell] = {}
    for number in range(1, draw(st.integers(1, cells)) + 1):
        reads, writes = draw(some), draw(some)
        if draw(st.integers(0, 9)):
            inputs = frozenset((name, latest[name]) for name in reads if name in latest)
            made[number] = Cell(number, draw(seconds), inputs, frozenset((name, number) for name in writes))
        latest.update(dict.fromkeys(writes, number))
        for name in draw(some) if draw(st.integers(0, 4)) == 0 else ():
            latest.pop(name, None)
    active = [Variable(name, (name, n), draw(costs), draw(costs)) for name, n in sorted(latest.items())]
    pairs = st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=3)
    return Problem(
        made,
        active,
        linked=draw(pairs) if bound else (),
        derived=draw(pairs) if bound else (),
        alpha=draw(st.sampled_from(list(alphas))),
    )


def restored(problem: Problem, stored: Collection[str], rerun: Collection[int]) -> dict[str, int]:
    """Name -> version after a restore. Raises AssertionError when a cell does not find an input as it was."""
    names: dict[str, int] = {}
    last = max([*problem.cells, *(v.snapshot[1] for v in problem.variables)], default=0)
    for number in range(last + 1):
        if number in rerun:
            cell = problem.cells[number]
            assert math.isfinite(cell.seconds), f"cell {number} must not be re-run"
            for name, version in cell.inputs:
                assert names.get(name) == version, f"cell {number} found {name} as of {names.get(name)}, not {version}"
            names.update(cell.outputs)
        names.update(v.snapshot for v in problem.variables if v.name in stored and v.snapshot[1] == number)
    return names


def succeeds(problem: Problem, stored: Collection[str], recomputed: Collection[str], rerun: Collection[int]) -> bool:
    """Whether every variable that is stored or recomputed is right after a restore."""
    try:
        names = restored(problem, stored, rerun)
    except AssertionError:
        return False
    return all(
        names.get(v.name) == v.snapshot[1] for v in problem.variables if v.name in stored or v.name in recomputed
    )


def needed(problem: Problem, stored: Collection[str], recomputed: Collection[str]) -> set[int] | None:
    """The cells that the definition asks for; None when a version is asked for that no recorded cell made."""
    active = {v.snapshot for v in problem.variables}
    wanted = [v.snapshot for v in problem.variables if v.name in recomputed]
    found: set[int] = set()
    while wanted:
        name, number = wanted.pop()
        if number not in problem.cells or (name, number) not in problem.cells[number].outputs:
            return None
        if number not in found:
            found.add(number)
            wanted.extend(s for s in problem.cells[number].inputs if s not in active)
    return found


def bound(problem: Problem) -> list[tuple[str, str]]:
    """Pairs (a, b): b must be recomputed when a is; transitively, and through what is lost."""
    active = {v.name for v in problem.variables}
    edges = (
        {(a, b) for a, b in problem.linked} | {(b, a) for a, b in problem.linked} | {(y, x) for x, y in problem.derived}
    )
    edges = {(a, b) for a, b in edges if a in active and b in active}
    for middle in active:
        edges |= {(a, b) for a in active for b in active if (a, middle) in edges and (middle, b) in edges}
    return sorted(edges)


def cost(problem: Problem, stored: Collection[str], rerun: Collection[int]) -> float:
    """What a plan costs in all."""
    return problem.alpha * store_time(problem, stored) + restore_time(problem, stored, rerun)


def store_time(problem: Problem, stored: Collection[str]) -> float:
    return sum(v.store_seconds for v in problem.variables if v.name in stored)


def restore_time(problem: Problem, stored: Collection[str], rerun: Collection[int]) -> float:
    return sum(v.load_seconds for v in problem.variables if v.name in stored) + sum(
        problem.cells[n].seconds for n in rerun
    )


def all_plans(problem: Problem, lost: Collection[str]) -> Iterator[tuple[frozenset[str], frozenset[str], set[int]]]:
    """Every plan that keeps all but ``lost``: what it stores, recomputes and re-runs."""
    kept = [v for v in problem.variables if v.name not in lost]
    rules = bound(problem)
    for choice in product((True, False), repeat=len(kept)):
        stored = frozenset(v.name for v, store in zip(kept, choice, strict=True) if store)
        recomputed = frozenset(v.name for v, store in zip(kept, choice, strict=True) if not store)
        if any(not v.storable for v in kept if v.name in stored):
            continue
        if any(a in recomputed and b in stored for a, b in rules):
            continue
        rerun = needed(problem, stored, recomputed)
        if rerun is not None and succeeds(problem, stored, recomputed, rerun):
            yield stored, recomputed, rerun

"""How long planning takes for a session of 2,000 cells and 500 variables, in several shapes of history.

    python benchmarks/planning.py [--cells 2000] [--variables 500] [--repeat 5]

Prints for each shape the best and the worst wall time of `solve` in milliseconds, the same under a deadline of half the
time that storing would take, the size of the network that went to the minimum cut, and what the plan does.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from dataclasses import replace

from elastic_spawner.planning import Cell, Problem, Variable, solve
from elastic_spawner.planning.lineage import Feasibility, Lineage
from elastic_spawner.planning.network import condense

Picker = Callable[[random.Random, int, dict[str, int]], tuple[list[str], list[str]]]


def history(cells: int, variables: int, pick: Picker, forbidden: float = 0.0, seed: int = 1) -> Problem:
    """A session whose cell number n reads and writes the names that ``pick`` says."""
    rng = random.Random(seed)
    latest: dict[str, int] = {}
    made: dict[int, Cell] = {}
    for number in range(1, cells + 1):
        reads, writes = pick(rng, number, latest)
        seconds = float("inf") if rng.random() < forbidden else rng.lognormvariate(-1.0, 1.5)
        inputs = frozenset((name, latest[name]) for name in reads if name in latest)
        made[number] = Cell(number, seconds, inputs, frozenset((name, number) for name in writes))
        latest.update(dict.fromkeys(writes, number))
    active = [
        Variable(name, (name, number), rng.lognormvariate(-0.5, 2.0), rng.lognormvariate(-1.0, 2.0))
        for name, number in sorted(latest.items())
    ]
    return Problem(made, active)


def chain(variables: int) -> Picker:
    """Each cell goes on from the one before and keeps a result now and then."""

    def pick(rng: random.Random, number: int, latest: dict[str, int]) -> tuple[list[str], list[str]]:
        return ["state"], ["state", f"v{rng.randrange(variables - 1)}"]

    return pick


def pipelines(variables: int) -> Picker:
    """Twenty strands, each a chain of steps on a few names, which now and then read from another strand."""

    def pick(rng: random.Random, number: int, latest: dict[str, int]) -> tuple[list[str], list[str]]:
        strand, width = rng.randrange(20), variables // 20
        names = [f"v{strand}_{rng.randrange(width)}" for _ in range(4)]
        other = [f"v{rng.randrange(20)}_{rng.randrange(width)}"] if rng.random() < 0.1 else []
        return names[:3] + other, [names[3]]

    return pick


def dense(variables: int) -> Picker:
    """Every cell reads ten names and writes one."""

    def pick(rng: random.Random, number: int, latest: dict[str, int]) -> tuple[list[str], list[str]]:
        return [f"v{rng.randrange(variables)}" for _ in range(10)], [f"v{rng.randrange(variables)}"]

    return pick


def dense_hidden(variables: int) -> Picker:
    """Every cell reads ten names of which half are overwritten all the time, so that few inputs are active."""

    def pick(rng: random.Random, number: int, latest: dict[str, int]) -> tuple[list[str], list[str]]:
        temporary = [f"t{rng.randrange(40)}" for _ in range(9)]
        return temporary + [f"v{rng.randrange(variables)}"], [rng.choice(temporary), f"v{rng.randrange(variables)}"]

    return pick


def dense_wide(variables: int) -> Picker:
    """Ten inputs of the ten cells before: snapshots overlap without ever being the same."""

    def pick(rng: random.Random, number: int, latest: dict[str, int]) -> tuple[list[str], list[str]]:
        back = [f"t{(number - k) % 50}" for k in rng.sample(range(1, 49), 10)]
        return back, [f"t{number % 50}", f"v{rng.randrange(variables)}"]

    return pick


SHAPES: dict[str, tuple[Callable[[int], Picker], float]] = {
    "chain": (chain, 0.0),
    "pipelines": (pipelines, 0.0),
    "pipelines, 5 % not to re-run": (pipelines, 0.05),
    "dense, all inputs active or not": (dense, 0.0),
    "dense, temporary inputs": (dense_hidden, 0.0),
    "dense, sliding window": (dense_wide, 0.0),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--variables", type=int, default=500)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    columns = "{:34} {:>9} {:>9} {:>13} {:>13} {:>8} {:>9}"
    print(columns.format("shape", "best ms", "worst ms", "deadline best", "deadline worst", "nodes", "edges"), end="")
    print(f" {'stored':>7} {'re-run':>7}")
    for label, (shape, forbidden) in SHAPES.items():
        problem = history(options.cells, options.variables, shape(options.variables), forbidden)
        plan = solve(problem)
        times = clock(problem, options.repeat)
        hurried = clock(replace(problem, deadline_s=plan.store_seconds / 2), options.repeat)
        lineage = Lineage(problem)
        network = condense(lineage, Feasibility(lineage))
        row = columns.format(
            label,
            *(f"{t * 1000:.1f}" for t in (min(times), max(times), min(hurried), max(hurried))),
            len(network.nodes),
            sum(len(node.needs) for node in network.nodes),
        )
        print(row, f"{len(plan.stored):>7} {len(plan.rerun):>7}")


def clock(problem: Problem, repeat: int) -> list[float]:
    """Wall seconds of each of several solves."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        solve(problem)
        times.append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    main()

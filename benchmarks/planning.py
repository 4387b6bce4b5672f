"""How long planning takes for a session of 2,000 cells and 500 variables, in several shapes of history, and how long
the history of 5,000 cells takes to be saved."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from elastic_spawner.history import CellExecution, History
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


def measure(cells: int, variables: int, repeat: int) -> list[dict[str, Any]]:
    """Plan each shape ``repeat`` times; CPU milliseconds, sizes of the network that went to the cut, and the plan."""
    found = []
    for label, (shape, forbidden) in SHAPES.items():
        problem = history(cells, variables, shape(variables), forbidden)
        plan = solve(problem)
        hurried = replace(problem, deadline_s=plan.store_seconds / 2)
        lineage = Lineage(problem)
        network = condense(lineage, Feasibility(lineage))
        found.append(
            {
                "shape": label,
                "ms": [s * 1000 for s in clock(lambda p=problem: solve(p), repeat)],
                "deadline_ms": [s * 1000 for s in clock(lambda p=hurried: solve(p), repeat)],
                "nodes": len(network.nodes),
                "edges": sum(len(node.needs) for node in network.nodes),
                "stored": len(plan.stored),
                "rerun": len(plan.rerun),
            }
        )
    return found


def saved_history(cells: int, variables: int, repeat: int) -> dict[str, Any]:
    """CPU milliseconds to turn a history into the bytes that a checkpoint keeps, and back."""
    made = History()
    rng = random.Random(1)
    for number in range(1, cells + 1):
        names = frozenset({f"v{rng.randrange(variables)}"})
        reads = made.snapshots(f"v{rng.randrange(variables)}" for _ in range(4))
        source = f"{next(iter(names))} = compute({number})\n" * 4
        made.add(CellExecution(number, source, number, rng.random(), reads, names))
    text = json.dumps(made.to_json(), separators=(",", ":"))
    return {
        "cells": cells,
        "bytes": len(text),
        "save_ms": [
            s * 1000 for s in clock(lambda: json.dumps(made.to_json(), separators=(",", ":")).encode(), repeat)
        ],
        "load_ms": [s * 1000 for s in clock(lambda: History.from_json(json.loads(text)), repeat)],
    }


def clock(action: Callable[[], object], repeat: int) -> list[float]:
    """CPU seconds of each of several calls: they wait for nothing, and a busy machine makes them no longer."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return times

"""The open part of a problem, condensed for the minimum cut.

In the paper's graph every recomputed variable leads to its producing cell, and every cell to the cells that made its
inputs. Two nodes that the same variables lead to are on the same side of every cut, so they are one node here. That
keeps the edges linear in the history (the transitive req(x) of the paper would be quadratic) and collapses most of it:
a chain of cells is one node. What has only one possible place is decided here and left out, so that every capacity that
remains is finite.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .lineage import Feasibility, Lineage, reachable

NANOSECONDS = 10**9


@dataclass
class Node:
    """Variables and cells that are recomputed together or not at all. Costs are in whole nanoseconds, which makes cuts
    exact and ties real."""

    store: int = 0
    load: int = 0
    rerun: int = 0
    """Of its cells, and what its variables' recomputed values are distrusted."""
    names: list[str] = field(default_factory=list)
    needs: set[int] = field(default_factory=set)
    """Indices of the nodes that are recomputed when this one is. They are larger than the node's own."""


@dataclass
class Network:
    """All that is left to decide, and what was decided before."""

    nodes: list[Node]
    stored: frozenset[str]
    """Variables that cannot but be stored."""
    recomputed: frozenset[str]
    """Variables that cannot but be recomputed."""
    store: int
    """Nanoseconds that storing ``stored`` takes."""


def condense(lineage: Lineage, feasibility: Feasibility) -> Network:
    """The network of what can be either stored or recomputed."""
    lost, stuck = feasibility.lost, feasibility.stuck
    variables = lineage.variables
    kept = [name for name in variables if name not in lost]
    causes: dict[str, set[str]] = {}
    for cause, effects in lineage.implied.items():
        for effect in effects:
            causes.setdefault(effect, set()).add(cause)
    recomputed = reachable((name for name in kept if not variables[name].storable), lineage.implied)
    stored = reachable((name for name in kept if name in stuck), causes)
    open_names = [name for name in variables if name not in recomputed and name not in stored]
    # What forced recomputations need is run anyway: it costs nothing more, and what it reads is there.
    sunk = set(lineage.cells_for(name for name in recomputed if name not in lost))

    leads = _names_that_lead_here(open_names, lineage, lost.keys())
    nodes: list[Node] = []
    index: dict[int, int] = {}

    def node_of(mask: int) -> int:
        if mask not in index:
            index[mask] = len(nodes)
            nodes.append(Node())
        return index[mask]

    masks: dict[int, int] = {}
    for name in open_names:
        writer = lineage.producer[name]
        if name not in lost and writer is not None and writer not in sunk:
            masks[writer] = masks.get(writer, 0) | leads[name]
    for number in reversed(lineage.order):
        if mask := masks.get(number, 0):
            for need in lineage.needs[number]:
                if need not in sunk:
                    masks[need] = masks.get(need, 0) | mask

    for name in open_names:
        if not leads[name]:
            continue  # lost, and nothing depends on it
        here = node_of(leads[name])
        node = nodes[here]
        if name not in lost:
            node.names.append(name)
            node.store += _nanoseconds(variables[name].store_seconds)
            node.load += _nanoseconds(variables[name].load_seconds)
            node.rerun += _nanoseconds(variables[name].distrust_seconds)
            writer = lineage.producer[name]
            if writer in masks:
                node.needs.add(node_of(masks[writer]))
        node.needs.update(node_of(leads[effect]) for effect in lineage.implied.get(name, ()) if effect in leads)
    for number, mask in masks.items():
        here = node_of(mask)
        node = nodes[here]
        node.rerun += _nanoseconds(lineage.problem.cells[number].seconds)
        node.needs.update(node_of(masks[need]) for need in lineage.needs[number] if need in masks)
    stored -= lost.keys()
    recomputed -= lost.keys()
    spent = sum(_nanoseconds(variables[name].store_seconds) for name in stored)
    return Network(_arrange(nodes, index), frozenset(stored), frozenset(recomputed), spent)


def _arrange(nodes: list[Node], index: dict[int, int]) -> list[Node]:
    """The nodes in topological order, without the edges that others imply."""
    order = sorted(index, key=lambda mask: (mask.bit_count(), mask))  # what leads to a node leads to all that it needs
    place = {index[mask]: position for position, mask in enumerate(order)}
    arranged = [nodes[index[mask]] for mask in order]
    below = [0] * len(arranged)
    for here in range(len(arranged) - 1, -1, -1):
        node = arranged[here]
        implied = 0
        direct = set()
        for need in sorted(place[i] for i in node.needs):
            if need != here and not implied >> need & 1:
                direct.add(need)
                implied |= below[need]
        node.needs = direct
        below[here] = implied | 1 << here
    return arranged


def _names_that_lead_here(names: list[str], lineage: Lineage, lost: Iterable[str]) -> dict[str, int]:
    """Name -> the names whose recomputation implies its own, as bits. Lost ones pass on, but do not count."""
    inside = set(names)
    passing = set(lost)
    leads = {name: 0 if name in passing else 1 << bit for bit, name in enumerate(names)}
    todo = [name for name in names if name in lineage.implied]
    while todo:
        name = todo.pop()
        for effect in lineage.implied.get(name, ()):
            if effect in inside and leads[effect] | leads[name] != leads[effect]:
                leads[effect] |= leads[name]
                todo.append(effect)
    return leads


def _nanoseconds(seconds: float) -> int:
    return round(seconds * NANOSECONDS)

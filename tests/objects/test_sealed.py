"""Whether nothing but its name leads to a value."""

from __future__ import annotations

import builtins
import gc
import math
import random
import sys
from typing import Any

import networkx
import numpy
import pytest

from elastic_spawner.objects.sealed import is_sealed

pytestmark = pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="without the interpreter's lock the counts do not tell"
)


def sealed(source: str, name: str = "x") -> bool:
    """Whether ``x`` is, after this was run."""
    namespace: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins, "nx": networkx, "np": numpy}
    exec(source, namespace)
    return is_sealed(namespace, name, math.inf)


@pytest.mark.parametrize(
    "source",
    [
        "x = [[i] for i in range(10_000)]",
        "x = {str(i): (i, [i]) for i in range(100)}",
        "x = []; x.append(x)",
        "inner = [1]; x = [inner, inner]; del inner",
        "from collections import deque, defaultdict, OrderedDict\n"
        "x = [deque([[]]), defaultdict(list, a=[]), OrderedDict(b={1})]",
        "x = nx.path_graph(100)",
        "x = nx.path_graph(100); x.adj, x.nodes",
        "x = ('a', (), frozenset({1}), [()])",
    ],
)
def test_what_one_name_holds_alone(source: str) -> None:
    """However often it refers to itself."""
    assert sealed(source)


@pytest.mark.parametrize(
    "source",
    [
        "x = y = []",
        "x = [[1], [2]]; y = x[1]",
        "x = [([1],)]; y = x[0]",
        "x = [[1], [2]]; y = iter(x)",
        "x = [[1], [2]]; y = (i for i in x)",
        "x = {'a': {}}; y = x.items()",
        "x = {'a': []}; y = x['a'].append",
        "x = nx.path_graph(9); y = x.adj[3]",
        "x = nx.path_graph(9); y = x.subgraph([1, 2])",
        "x = nx.path_graph(9); y = nx.bfs_edges(x, 0); next(y)",
        "x = nx.path_graph(9); import weakref; y = weakref.ref(x)",
    ],
)
def test_what_something_else_leads_to(source: str) -> None:
    """At any depth, by whatever way."""
    assert not sealed(source)


@pytest.mark.parametrize(
    "source",
    [
        "x = [np.zeros(3)]",  # the memory may be another's
        "x = [lambda: y]",
        "class C: pass\nx = C()",  # whoever has the class can change it
        "import weakref\nx = [weakref.WeakValueDictionary()]",
        "x = [nx]",
    ],
)
def test_what_cannot_be_told(source: str) -> None:
    """Types whose references are not all known, and code."""
    assert not sealed(source)


def test_after_the_deadline_nothing_is_found_out() -> None:
    """Then it counts as shared."""
    assert not is_sealed({"x": [[1]]}, "x", 0.0)


def test_looking_leaves_nothing_behind() -> None:
    """Neither references nor changes: it says the same again."""
    namespace: dict[str, Any] = {"x": [[i] for i in range(10)]}
    assert all(is_sealed(namespace, "x", math.inf) for _ in range(3))


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs(seed: int) -> None:
    """A name is sealed exactly when no other one reaches a container that it reaches."""
    chance = random.Random(seed)
    made: list[Any] = [chance.choice((list, dict))() for _ in range(30)]
    for i in range(chance.randint(5, 40)):
        outer, inner = chance.choice(made), chance.choice(made)
        part = (inner, i) if chance.random() < 0.3 else inner
        if isinstance(outer, list):
            outer.append(part)
        else:
            outer[i] = part
    namespace = {f"n{i}": chance.choice(made) for i in range(6)}
    made.clear()
    outer = inner = part = None
    gc.collect()  # what no name reaches may hold what one reaches, as long as it is there
    reached = {name: _containers(value, set()) for name, value in namespace.items()}
    for name in namespace:
        others = set().union(*(ids for other, ids in reached.items() if other != name))
        assert is_sealed(namespace, name, math.inf) == reached[name].isdisjoint(others)


def _containers(value: Any, found: set[int]) -> set[int]:
    if id(value) not in found and isinstance(value, (list, dict, tuple)):
        found.add(id(value))
        for part in value.values() if isinstance(value, dict) else value:
            _containers(part, found)
    return found

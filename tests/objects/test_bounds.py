"""Walks keep to their bounds, and get through structures of any depth and form."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from elastic_spawner.objects.walk import OverBudget, Walker, digest, walk

np = pytest.importorskip("numpy")
DEPTH = 100_000
LONG_AGO = 0.0


def test_an_object_over_the_budget_is_given_up() -> None:
    """More nodes than allowed raise OverBudget; as many as allowed do not."""
    value = [[i] for i in range(100)]
    nodes = walk(value).nodes
    assert walk(value, budget_nodes=nodes).nodes == nodes
    with pytest.raises(OverBudget):
        walk(value, budget_nodes=nodes - 1)


def test_a_huge_container_is_given_up_before_it_is_copied() -> None:
    """The length alone tells that a container is too large: its elements are not gathered first."""
    import tracemalloc

    huge = [None] * 5_000_000
    table = dict.fromkeys(range(1_000_000))
    tracemalloc.start()
    try:
        for value in (huge, table, (huge, 1)):
            with pytest.raises(OverBudget):
                walk(value, budget_nodes=4000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_after_the_deadline_many_objects_are_given_up() -> None:
    """A late walk stops at the first few hundred objects."""
    with pytest.raises(OverBudget):
        walk([[i] for i in range(1000)], deadline=LONG_AGO)


def test_after_the_deadline_memory_is_known_and_its_content_not() -> None:
    """A large array seen too late is partial: what it shares is known, and it never counts as unchanged."""
    array = np.zeros(1_000_000)
    late = walk(array, deadline=LONG_AGO)
    assert late.partial
    assert late.ranges == walk(array).ranges
    assert not late.same(late)
    assert not walk(array).same(late)


def test_small_values_are_seen_however_late_it_is() -> None:
    """A handful of objects and small buffers costs nothing worth refusing."""
    value = {"a": [1, 2], "b": np.arange(10)}
    late = walk(value, deadline=LONG_AGO)
    assert not late.partial
    assert late.same(walk(value))


def test_a_long_text_after_the_deadline_is_partial() -> None:
    """A megabyte of text is not read either when the time is over."""
    assert walk("a" * 5_000_000, deadline=LONG_AGO).partial
    assert not walk("a" * 5_000_000).partial


def nest(kind: str) -> Any:
    """A structure of DEPTH levels."""
    value: Any = ["the bottom"]

    class Node:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

    for _ in range(DEPTH):
        value = {
            "list": lambda v: [v],
            "tuple": lambda v: (v,),
            "dict": lambda v: {"k": v},
            "object": Node,
        }[kind](value)
    return value


@pytest.mark.parametrize("kind", ["list", "tuple", "dict", "object"])
def test_depth_is_no_limit(kind: str) -> None:
    """A structure 100,000 deep is walked without recursion, and a change at its bottom is seen."""
    limit = sys.getrecursionlimit()
    value = nest(kind)
    found = walk(value)
    assert found.nodes > DEPTH
    innermost = value
    for _ in range(DEPTH):
        if isinstance(innermost, (list, tuple)):
            innermost = innermost[0]
        else:
            innermost = innermost["k"] if isinstance(innermost, dict) else innermost.inner
    innermost.append(1)
    assert walk(value).digest != found.digest
    assert sys.getrecursionlimit() == limit
    _take_apart(value)


def _take_apart(value: Any) -> None:
    """Release a deep structure level by level (before 3.12 the interpreter's own way may overflow the C stack)."""
    while not isinstance(value, str):
        inner = value[0] if isinstance(value, (list, tuple)) else value["k"] if isinstance(value, dict) else value.inner
        value = inner


@pytest.mark.parametrize(
    "make",
    [
        "x = []; x.append(x)",
        "x = {}; x['me'] = x",
        "a, b = [], []; a.append(b); b.append(a); x = [a, b]",
        "class C: pass\nx = C(); x.me = x; x.other = C(); x.other.back = x",
        "class C: pass\nC.me = C; x = C()",
        "def x(): return x\nx.me = x",
        "def make():\n    def f(): return f\n    return f\nx = make()",
        "t = ([],); t[0].append(t); x = t",
        "import collections; x = collections.deque(); x.append(x)",
        "class S(set): __hash__ = object.__hash__\nx = S(); x.add(x)",
        "x = ValueError(); x.__dict__['me'] = x; x.args = (x,)",
        "import functools; x = functools.partial(print); x.me = x",
        "import numpy as np; x = np.empty(1, dtype=object); x[0] = x",
    ],
)
def test_cycles_end(make: str) -> None:
    """A structure that holds itself is walked once, and gives the same digest when it is built again."""
    digests = []
    for _ in range(2):
        namespace: dict[str, Any] = {"__name__": "__main__"}
        exec(make, namespace)
        digests.append(digest(namespace["x"], namespace))
    assert digests[0] == digests[1]


def test_bytes_tell_what_storing_takes() -> None:
    """The size is that of the data that an object holds, not of the object alone; what is shared counts once."""

    class Holder:
        def __init__(self) -> None:
            self.data = np.zeros(1_000_000)

    assert walk(Holder()).bytes == pytest.approx(8_000_000, rel=0.01)
    assert walk(["a" * 1_000_000]).bytes == pytest.approx(1_000_000, rel=0.01)
    shared = np.zeros(100_000)
    assert walk([shared] * 50).bytes == pytest.approx(800_000, rel=0.01)


def test_opaque_objects_are_named_and_hide() -> None:
    """An object that can be neither pickled nor compared is named, and says that its content is hidden."""
    import _thread

    found = Walker().walk([_thread._local()])
    assert "_thread._local" in found.opaque
    assert found.hides


def test_connections_are_told_apart_from_files(tmp_path: Any) -> None:
    """A socket is a channel, with nothing to compare; an open file is outward, with a position to compare."""
    import socket

    one, two = socket.socketpair()
    with one, two:
        assert walk([one]).channels == {"socket.socket"}
    with open(tmp_path / "out.txt", "w") as file:
        found = walk({"log": file})
        assert found.outward == {"TextIOWrapper"}
        file.write("abc")
        file.flush()
        assert not walk({"log": file}).same(found)
    with open(tmp_path / "out.txt") as file:
        assert walk(file).outward == set()


def test_elements_of_a_set_count() -> None:
    """They take longer than objects in a list, and a walk without time for them is given up."""
    with pytest.raises(OverBudget):
        walk([set(range(3000)), {str(i) for i in range(3000)}], budget_nodes=2000)

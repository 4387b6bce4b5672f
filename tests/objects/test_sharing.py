"""What two objects share is known: by the ids of what both reach, or by the memory that both look at."""

from __future__ import annotations

from typing import Any

import pytest

from elastic_spawner.objects.walk import Walk, walk

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")


def linked(one: Walk, two: Walk) -> bool:
    """Whether the walks met a common object, or looked at common memory."""
    ranges = any(a < d and c < b for a, b in one.ranges for c, d in two.ranges)
    return ranges or not one.ids.isdisjoint(two.ids)


def run(source: str) -> dict[str, Any]:
    """Run a source as ``__main__``."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("import numpy as np, pandas as pd\n" + source, namespace)
    return namespace


def are_linked(source: str) -> bool:
    """Whether the walks of x and y are linked.

    The walks run one after the other, so that what the first had made for itself lies where the second makes its own.
    """
    namespace = run(source)
    return linked(walk(namespace["x"], namespace=namespace), walk(namespace["y"], namespace=namespace))


CLASS = "class C:\n    def __init__(self, v): self.v = v\n    def m(self): return self.v\n"


@pytest.mark.parametrize(
    "source",
    [
        "x = [1]; y = x",
        "x = [1]; y = {'a': x}",
        "x = [1]; y = {('k',): (0, x)}",
        "x = {1}; y = [x]",
        "x = bytearray(b'a'); y = [x]",
        "x = [1]\nimport collections; y = collections.deque([x])",
        "x = [1]\nimport collections; y = collections.OrderedDict(a=x)",
        "x = [1]\nimport collections; y = collections.namedtuple('P', 'a')(x)",
        "x = [1]\nimport collections; y = collections.defaultdict(x.copy)",
        "x = [1]\nimport collections; y = collections.ChainMap({'a': x})",
        CLASS + "x = [1]; y = C(x)",
        CLASS + "x = C(1); y = x.m",
        CLASS + "x = C(1); y = C(2)",
        CLASS + "x = C; y = C(2)",
        CLASS + "C._hidden = x = [1]; y = C(2)",
        "class S:\n    __slots__ = ('_p',)\ny = S(); x = y._p = [1]",
        "x = [1]\ndef y(): pass\ny.note = x",
        "x = [1]\ndef y(a=x): pass",
        "x = [1]\ndef y(*, a=x): pass",
        "def make():\n    n = []\n    return n, lambda: n\nx, y = make()",
        "def make():\n    n = 0\n    def a():\n        nonlocal n\n        n += 1\n    return a, lambda: n\nx, y = make()",  # noqa: E501
        "x = [1]; y = x.append",
        "x = [1]; y = iter(x)",
        "x = {1: 2}; y = x.items()",
        "x = {1: [2]}; y = iter(x.values())",
        "x = [1]; y = (i for i in x)",
        "def g(v):\n    while True: yield v\nx = [1]; y = g(x); next(y)",
        "x = [1]\nimport functools; y = functools.partial(print, x)",
        "x = [1]\nimport itertools; y = itertools.chain([x], [2])",
        "x = [1]\nimport types; y = types.SimpleNamespace(a=x)",
        "x = {'a': 1}\nimport types; y = types.MappingProxyType(x)",
        CLASS + "x = C(1)\nimport weakref; y = weakref.ref(x)",
        CLASS + "x = C(1)\nimport weakref; y = weakref.WeakSet([x])",
        "x = ValueError([1]); y = x.args[0]",
        "class D(dict): pass\nx = [1]; y = D(a=x)",
        "import argparse as a; x, y = a.Namespace(), a.Namespace(); y.__dict__ = x.__dict__",
        "import argparse as a; x = a.Namespace(); y = vars(x)",
        "class L(list): pass\nx = L(); y = [x]",
        "import random; x = random.Random(1); y = x.random",
        "import threading; x = threading.Lock(); y = [x]",
        "import io; x = io.StringIO(); y = x.write",
        "x = np.zeros(4); y = [x]",
        "x = np.array([[1], None], dtype=object); y = x[0]",
        "x = np.random.default_rng(1); y = {'rng': x}",
        "x = pd.DataFrame({'a': [1]}); y = [x]",
    ],
)
def test_a_shared_object_links(source: str) -> None:
    """Whatever two values hold in common and could change through one of them links them."""
    assert are_linked(source)


@pytest.mark.parametrize(
    "source",
    [
        "x = np.zeros((4, 4)); y = x[1]",
        "x = np.zeros((4, 4)); y = x.T[::-1, ::2]",
        "x = np.zeros(16); y = x.reshape(4, 4)",
        "b = np.zeros((4, 4)); x = b[:, :2]; y = b[:, 1:]",
        "x = np.zeros(4, 'c16'); y = x.real",
        "x = np.zeros(3, [('a', 'i4'), ('b', 'f4')]); y = x['b']",
        "x = np.zeros(4); y = memoryview(x)",
        "x = np.zeros(4); y = np.ma.masked_less(x, 1, copy=False)",
        "x = np.zeros(4); y = [{'deep': x[1:]}]",
        "b = bytearray(8); x = memoryview(b)[:4]; y = memoryview(b)[2:]",
        "x = bytearray(8); y = np.frombuffer(x, 'u1')",
        "import array; x = array.array('d', [1, 2]); y = np.frombuffer(x)",
        "x = bytearray(8); y = memoryview(x)",
        "x = np.zeros(4); y = pd.Series(x, copy=False).array",
    ],
)
def test_shared_memory_links(source: str) -> None:
    """Arrays, views and buffers that look at the same bytes are linked, though no object is common."""
    assert are_linked(source)


@pytest.mark.parametrize(
    "source",
    [
        "x = [1]; y = [1]",
        "x = (1, 'a'); y = [x]",
        "x = [len, print, int]; y = [len, print, int]",
        "x = [None, 1, 'a']; y = [None, 1, 'a']",
        "import math; x = [math]; y = {'m': math}",
        "import datetime as d; x = d.date(2024, 1, 1); y = [x]",
        "import json; x = [json.dumps]; y = [json.dumps]",
        "import re; x = re.compile('a'); y = [x]",
        "import pathlib; x = pathlib.Path('a'); y = [x]",
        "import collections; x = collections.OrderedDict(); y = collections.OrderedDict()",
        "x = np.zeros(4); y = np.zeros(4)",
        "x = np.zeros(4); y = x.copy()",
        "b = np.zeros(10); x = b[:5]; y = b[5:]",
        "x = np.dtype('f8'); y = np.zeros(2)",
        "x = pd.DataFrame({'a': [1]}); y = x.copy(deep=True)",
        "x = pd.DataFrame({'a': ['p']}); y = pd.DataFrame({'b': ['q']})",
        "x = np.random.RandomState(1); y = np.random.RandomState(2)",
        "x = {1: 2}.items(); y = iter({1: 2}.items())",
        "import collections; x = collections.Counter('ab'); y = collections.Counter('ab')",
        "import decimal; x = decimal.Context(); y = decimal.Context()",
        "x = pd.Timestamp('2024'); y = pd.Timestamp('2024')",
        "x = bytearray(8); y = bytearray(8)",
    ],
)
def test_what_shares_nothing_is_not_linked(source: str) -> None:
    """Equal values, immutable values, modules and what belongs to libraries link nothing."""
    assert not are_linked(source)


def test_tensors_are_linked_by_their_storage() -> None:
    """Views of a tensor, and the array that looks at a tensor's memory, are linked with it."""
    torch = pytest.importorskip("torch", reason="torch is not installed: links of tensors go untested here")
    base = torch.zeros(4, 4)
    for view in (base[1], base.T, base.view(-1), base.numpy(), base.detach()):
        assert linked(walk(base), walk(view))
    assert not linked(walk(base), walk(base.clone()))


def test_a_frame_is_linked_with_what_a_write_can_reach() -> None:
    """When an array made from a frame shows the frame's changes or the other way round, the two are linked."""
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    for other in (frame["a"], frame["a"].values, frame.to_numpy(copy=False)):
        values = np.asarray(other)
        observable = False
        if values.flags.writeable:
            old = float(frame.loc[0, "a"])
            values[...] = 7.0
            observable = float(frame.loc[0, "a"]) == 7.0
            frame.loc[0, "a"] = old
        if observable:
            assert linked(walk(frame), walk(other))


def test_the_namespace_is_told_and_not_entered() -> None:
    """An object that holds ``globals()`` reaches everything: that is said, and the variables are not walked."""
    namespace = run("big = [[i] for i in range(100)]\nx = {'ns': globals()}\ny = [1]")
    found = walk(namespace["x"], namespace=namespace)
    assert found.reaches_namespace
    assert id(namespace["big"]) not in found.ids
    assert not walk(namespace["y"], namespace=namespace).reaches_namespace


def test_a_boundary_is_named_and_not_entered() -> None:
    """An object on the boundary is reported by its name, and what it holds is not looked at."""
    large = [[1], [2]]
    found = walk({"a": [large]}, boundary={id(large): "large"})
    assert found.links == {"large"}
    assert found.ids.isdisjoint({id(large), id(large[0])})


@pytest.mark.parametrize(
    "source",
    [
        "class C: pass\nx = C(); x.a = [1]; y = x.__dict__",
        "class C: pass\nx = [[C()]]; import weakref; y = weakref.ref(x[0][0])",
        "class C: pass\nx = [[C()]]; import weakref; y = weakref.WeakSet([x[0][0]])",
        "import collections\nx = collections.OrderedDict(a=[1]); y = iter(x.items())",
        "x = [{1, 2}]; y = iter(x[0])",
        "x = [[[1]]]; y = x[0][0]",
        "x = [[[1]] * 3]; y = [x[0][2]]",
        "import functools\nx = [[1]]; y = functools.partial(len, x[0])",
        "x = [[1]]; y = (lambda v: lambda: v)(x[0])",
        "x = {'a': [[1]]}; y = x['a'][0].append",
    ],
)
def test_what_only_one_container_holds_is_found_from_elsewhere(source: str) -> None:
    """References that do not count, and objects that show copies, are ways to an object all the same."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(source, namespace)
    x, y = (walk(namespace[n], namespace=namespace) for n in "xy")
    assert x.ids & y.ids


SHARED = "import argparse as a; x = [a.Namespace(v=1), a.Namespace(v=1)]\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SHARED, SHARED + "x[1].__dict__ = x[0].__dict__"),
        (SHARED + "x[0] = vars(x[1])", SHARED + "x[0] = dict(vars(x[1]))"),
        (SHARED, SHARED + "import collections as c; x[1].__dict__ = c.OrderedDict(v=1)"),
    ],
)
def test_whose_attributes_a_dictionary_holds_is_part_of_the_digest(one: str, other: str) -> None:
    """Objects that are equal, and whose attributes are one dictionary here and two there, are not the same."""
    apart, again, together = run(one)["x"], run(one)["x"], run(other)["x"]
    assert walk(apart).digest == walk(again).digest != walk(together).digest


def test_who_else_holds_the_dictionary_of_an_instance_is_no_part_of_the_digest() -> None:
    """What refers to the attributes from outside of the value shows in the links alone."""
    x = run(SHARED)["x"]
    before = walk(x).digest
    outside = vars(x[0])
    after = walk(x)
    assert after.digest == before and id(outside) in after.ids


@pytest.mark.parametrize(
    "source",
    [
        "x = pd.Series(['a', 'b', 'c'], dtype=object)",
        "x = pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})",
        "x = pd.Index(['a', 'b'], dtype=object)",
        "class Q:\n"
        "    __module__ = 'library'\n"
        "    def __init__(self): self.a = [1]\n"
        "    def __reduce__(self): return Q, (), {'a': self.a}\n"
        "class P:\n"
        "    __module__ = 'library'\n"
        "    def __reduce__(self): return P, (), {'q': Q()}\n"
        "x = P()",
        "x = [[1], [2]]",
        "class P:\n"
        "    __module__ = 'library'\n"
        "    def __init__(self): self.a = [1]\n"
        "    def __reduce__(self):\n"
        "        made = [self.a]\n"
        "        return P, (), {'a': self.a, 'again': [made, made]}\n"
        "x = P()",
    ],
)
def test_what_is_made_for_a_walk_is_nobodys(source: str) -> None:
    """Two walks of one object that did not change tell of the same sharing: what it hands out anew each time, and
    refers to more than once, is no part of it."""
    namespace = run(source)
    one, two = (walk(namespace["x"], namespace=namespace) for _ in range(2))
    assert one.same(two) and one.identity == two.identity and one.ids == two.ids


def test_what_is_handed_out_and_kept_is_linked() -> None:
    """The list is not made for the walk, though the object hands it out twice."""
    kept = (
        "class P:\n    __module__ = 'library'\n"
        "    def __reduce__(self): return P, (), {'a': [shared, shared]}\nshared = [1]\n"
    )
    assert are_linked(kept + "x, y = P(), shared")


def test_what_an_object_made_for_the_walk_shares_is_linked() -> None:
    """It is nobody's itself, and holds what somebody else has."""
    made = (
        "class Q:\n    __module__ = 'library'\n    def __init__(self): self.a = shared\n"
        "    def __reduce__(self): return Q, (), {'a': self.a}\n"
        "class P:\n    __module__ = 'library'\n    def __reduce__(self): return P, (), {'q': Q()}\nshared = [1]\n"
    )
    assert are_linked(made + "x, y = P(), shared")

"""Every kind of change to an object shows in its digest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic_spawner.objects.walk import digest

from .values import VALUES, read, text_of

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")


def before_and_after(setup: str, change: str, name: str = "x") -> tuple[str, str, str]:
    """Digests of ``name`` after the setup, again without a change, and after the change."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(setup, namespace)
    first = digest(namespace[name], namespace)
    second = digest(namespace[name], namespace)
    exec(change, namespace)
    return first, second, digest(namespace[name], namespace)


PLAIN = [
    ("x = [1, 2]", "x.append(3)"),
    ("x = [1, 2]", "x[0] = 1.0"),
    ("x = [1, 2]", "x[0] = True"),
    ("x = [1, 2]", "x.reverse()"),
    ("x = [[1], [2]]", "x[1].append(3)"),
    ("x = {'a': [1]}", "x['a'].append(2)"),
    ("x = {'a': 1, 'b': 2}", "x['a'] = x.pop('a')"),
    ("x = {'a': 1}", "x[('k', 1)] = x"),
    ("x = {1, 2}", "x.add(3)"),
    ("x = {1, 2}", "x.discard(2)"),
    ("x = {(1, 'a')}", "x.add((1, 'b'))"),
    ("x = [frozenset({1})]", "x[0] |= {2}"),
    ("x = bytearray(b'abc')", "x[1] = 0"),
    ("import array; x = array.array('d', [1, 2])", "x[0] = 5"),
    ("import collections; x = collections.deque([1, 2], 5)", "x.rotate(1)"),
    ("import collections; x = collections.deque([1, 2], 5)", "x = collections.deque(x, 6)"),
    ("import collections; x = collections.OrderedDict(a=1, b=2)", "x.move_to_end('a')"),
    ("import collections; x = collections.defaultdict(list)", "x['k']"),
    ("import collections; x = collections.defaultdict(list)", "x.default_factory = set"),
    ("import collections; x = collections.Counter('ab')", "x.update('a')"),
    ("import collections; x = collections.ChainMap({}, {})", "x.maps[1]['a'] = 1"),
    ("import types; x = types.SimpleNamespace(a=[1])", "x.a.append(2)"),
    ("import types; d = {'a': 1}; x = types.MappingProxyType(d)", "d['a'] = 2"),
    ("x = iter([1, 2, 3])", "next(x)"),
    ("x = zip('abc', [1, 2, 3])", "next(x)"),
    ("import itertools; x = itertools.count()", "next(x)"),
    ("x = (i for i in range(5))", "next(x)"),
    ("import io; x = io.BytesIO(b'abc')", "x.read(1)"),
    ("import io; x = io.StringIO('abc')", "x.write('z')"),
    ("import random; x = random.Random(3)", "x.random()"),
    ("import threading; x = threading.Lock()", "x.acquire()"),
    ("def x(a): pass\nx.__annotations__ = {'a': int}", "x.__annotations__['a'] = str"),
    ("def x(a): pass\nx.__annotations__ = {'a': 'int'}", "x.__annotations__['a'] = int"),
    ("def x(a): pass\nx.__annotations__ = {'a': list[int]}", "x.__annotations__['a'] = list[str]"),
    ("def x(a): pass\nx.__annotations__ = {}", "x.__annotations__['return'] = int | None"),
    ("import threading; x = threading.RLock()", "x.acquire(); x.acquire()"),
    ("import weakref\nclass C: pass\nc = C(); x = weakref.WeakValueDictionary(k=c)", "del c"),
    ("x = ValueError('a')", "x.args = ('b',)"),
    ("x = memoryview(bytearray(b'abc'))", "x[0] = 0"),
    ("import re; x = [re.compile('a')]", "x[0] = re.compile('a', re.I)"),
]

ATTRIBUTES = (
    "class C:\n    def __init__(self):\n        self.a = 1\n        self._b = [2]\n        self.__c = {'k': 3}\n"
)
SLOTS = "class C:\n    __slots__ = ('a', '__b')\n    def __init__(self): self.a = 1; self.__b = [1]\n"
CODE = [
    (ATTRIBUTES + "c = C(); x = {c, 1}", "c.a = 2"),
    (ATTRIBUTES + "c = C(); x = {c, C()}; c.set = x", "c.set.add(3)"),
    (ATTRIBUTES + "x = C()", "x.a = 2"),
    (ATTRIBUTES + "x = C()", "x._b.append(3)"),
    (ATTRIBUTES + "x = C()", "x._C__c['k'] = 4"),
    (ATTRIBUTES + "x = C()", "x.new = None"),
    (ATTRIBUTES + "x = C()", "del x.a"),
    (ATTRIBUTES + "x = {'deep': [(C(),)]}", "x['deep'][0][0]._b.clear()"),
    (ATTRIBUTES + "x = C()", "C.shared = []"),
    (ATTRIBUTES + "x = C()", "C.method = lambda self: 1"),
    (ATTRIBUTES + "C.made = []\nx = [C()]", "C.made.append(1)"),
    (ATTRIBUTES + "class D(C): pass\nx = D()", "C.base = 1"),
    (ATTRIBUTES + "x = C", "x.count = 1"),
    (ATTRIBUTES + "x = C().__init__", "x.__self__.a = 5"),
    (SLOTS + "x = C()", "x.a = 2"),
    (SLOTS + "x = C()", "x._C__b.append(2)"),
    (SLOTS + "x = C()", "del x.a"),
    ("class C(dict): pass\nx = C(a=1)", "x.extra = 2"),
    ("class C(dict): pass\nx = C(a=1)", "x['b'] = 2"),
    ("class C(list): pass\nx = C([1])", "x.append(2)"),
    ("class C(int): pass\nx = [C(1)]", "x[0] = C(2)"),
    ("class C(str): pass\nx = [C('a')]", "x[0] = C('b')"),
    ("class C(tuple): pass\nx = [C([1])]", "x[0] = C([2])"),
    ("class C(set): pass\nx = C([1])", "x.add(2)"),
    ("class C:\n    def __reduce__(self): return C, ()\nx = C()", "x.left_out = 1"),
    ("class C:\n    def __getstate__(self): return None\nx = C()", "x.left_out = 1"),
    ("class C:\n    def __eq__(self, o): return True\n    __hash__ = None\nx = C()", "x.a = 1"),
    ("def x(a=[]): a.append(1); return a", "x()"),
    ("def x(*, k={}): k[1] = 1", "x()"),
    ("def x(): pass", "x.calls = 1"),
    ("def x(): return 1", "def x(): return 2"),
    ("def x(): return 1", "def x(): return 1.0"),
    ("def x(a): return a.b", "def x(a): return a.c"),
    ("def x(a): return a in {'p', 'q'}", "def x(a): return a in {'p', 'r'}"),
    ("def make():\n    n = 0\n    def f():\n        nonlocal n\n        n += 1\n    return f\nx = make()", "x()"),
    ("def make():\n    n = []\n    return lambda: n\nx = make()", "x().append(1)"),
    ("import functools\n@functools.lru_cache(None)\ndef x(a): return a", "x(1)"),
    ("import functools\n@functools.lru_cache(None)\ndef x(a): return a\nx(1)", "x.cache_clear(); x(2)"),
    ("import functools\nx = functools.partial(print, [1])", "x.args[0].append(2)"),
    ("import functools\nx = functools.partial(print)", "x.extra = 1"),
    ("l = []\nx = l.append", "x(1)"),
    ("import dataclasses\n@dataclasses.dataclass\nclass C:\n    a: int = 1\nx = C()", "x.a = 2"),
    ("import enum\nclass E(enum.Enum):\n    A = 1\nx = E.A", "x.note = 1"),
]

ARRAYS = [
    ("x = np.zeros(4)", "x[1] = 1"),
    ("x = np.zeros(4)", "x.shape = (2, 2)"),
    ("x = np.zeros(4)", "x = x.reshape(2, 2)"),
    ("x = np.zeros(4, 'i8')", "x = x.view('f8')"),
    ("x = np.zeros(4)", "x.flags.writeable = False"),
    ("x = np.zeros((2, 2))", "x = np.asfortranarray(x)"),
    ("x = np.asfortranarray(np.zeros((2, 3)))", "x[1, 2] = 1"),
    ("b = np.zeros((4, 4)); x = b[::2, ::2]", "b[2, 2] = 1"),
    ("b = np.zeros((1500, 1500)); x = b[:, ::2]", "b[1499, 1498] = 1"),
    ("b = np.zeros(4); x = b[::-1]", "b[3] = 1"),
    ("x = np.array([[1], None], dtype=object)", "x[0].append(2)"),
    ("x = np.array(['ab', 'cd'])", "x[1] = 'ce'"),
    ("x = np.zeros(2, [('a', 'i4'), ('b', 'f4')])", "x['b'][1] = 1"),
    ("x = np.zeros(2, [('a', 'i4'), ('b', 'f4')])", "x.dtype.names = ('a', 'c')"),
    ("x = np.zeros(2, [('a', object)])\nx['a'][0] = [1]", "x['a'][0].append(2)"),
    ("x = np.array(['2024-01-01'], 'M8[D]')", "x[0] = '2024-01-02'"),
    ("x = np.array(['2024-01-01'], 'M8[D]')", "x = x.astype('M8[s]').view('M8[D]')"),
    ("x = np.array(3.0)", "x[()] = 4"),
    ("x = [np.float32(1)]", "x[0] = np.float64(1)"),
    ("x = np.ma.masked_less(np.arange(4), 2)", "x.mask[3] = True"),
    ("x = np.ma.masked_less(np.arange(4), 2)", "x.fill_value = 9"),
    ("x = np.random.default_rng(1)", "x.random()"),
    ("x = np.random.RandomState(1)", "x.rand()"),
    ("class A(np.ndarray): pass\nx = np.zeros(2).view(A)", "x.info = 1"),
    ("x = np.zeros(3_000_000)", "x[2_999_999] = 1"),
]

FRAMES = [
    ("x = pd.DataFrame({'a': [1, 2]})", "x.loc[0, 'a'] = 5"),
    ("x = pd.DataFrame({'a': [1, 2]})", "x['a'] = x['a'].astype('i4')"),
    ("x = pd.DataFrame({'a': [1, 2]})", "x['b'] = 1"),
    ("x = pd.DataFrame({'a': [1, 2], 'b': 1})", "del x['b']"),
    ("x = pd.DataFrame({'a': [1, 2]})", "x.columns = ['c']"),
    ("x = pd.DataFrame({'a': [1, 2]})", "x.index = [5, 6]"),
    ("x = pd.DataFrame({'a': [1, 2]})", "x.index.name = 'i'"),
    ("x = pd.DataFrame({'a': [1, 2]})", "x.attrs['unit'] = 'm'"),
    ("x = pd.DataFrame({'a': [[1], [2]]})", "x['a'][0].append(3)"),
    ("x = pd.DataFrame({'a': [1, 2]})", "x.flags.allows_duplicate_labels = False"),
    ("x = pd.DataFrame({'a': [2, 1]})", "x.sort_values('a', inplace=True)"),
    ("x = pd.DataFrame({'a': [1, None]})", "x.fillna(0, inplace=True)"),
    ("x = pd.DataFrame({'a': ['p', 'q']})", "x.loc[1, 'a'] = 'r'"),
    ("x = pd.DataFrame({'a': pd.array([1, None], dtype='Int64')})", "x.loc[1, 'a'] = 2"),
    ("x = pd.Series(list('aab')).astype('category')", "x = x.cat.rename_categories({'a': 'z'})"),
    ("x = pd.Series(list('aab')).astype('category')", "x = x.cat.add_categories('z')"),
    ("x = pd.Series(list('aab')).astype('category')", "x = x.cat.as_ordered()"),
    ("x = pd.Series(list('aab')).astype('category')", "x.iloc[0] = 'b'"),
    ("x = pd.Series(pd.date_range('2024', periods=2, tz='UTC'))", "x = x.dt.tz_convert('Europe/Berlin')"),
    ("x = pd.Series([1, 2])", "x.name = 's'"),
    ("x = pd.Series([1, 2])", "x.iloc[0] = 9"),
    ("x = pd.Series(['a', 'b'], dtype='string')", "x.iloc[0] = 'c'"),
    ("x = pd.MultiIndex.from_product([[1, 2], ['a']])", "x = x.set_names(['p', 'q'])"),
]


@pytest.mark.parametrize(("setup", "change"), PLAIN + CODE)
def test_a_change_is_seen(setup: str, change: str) -> None:
    """Containers, iterators, attributes, slots, classes, functions: a change shows, and looking twice shows none."""
    first, second, third = before_and_after(setup, change)
    assert first == second != third


@pytest.mark.parametrize(("setup", "change"), ARRAYS)
def test_a_change_of_an_array_is_seen(setup: str, change: str) -> None:
    """Elements, shape, element type, order of memory, flags, masks, attributes; through views too."""
    first, second, third = before_and_after("import numpy as np\n" + setup, change)
    assert first == second != third


@pytest.mark.parametrize(("setup", "change"), FRAMES)
def test_a_change_of_a_frame_is_seen(setup: str, change: str) -> None:
    """Cells, columns, index, names, attrs, flags, categories and time zones."""
    first, second, third = before_and_after("import pandas as pd\n" + setup, change)
    assert first == second != third


@pytest.mark.parametrize(
    ("setup", "change"),
    [
        ("x = torch.zeros(3)", "x[0] = 1"),
        ("x = torch.zeros(4)", "x.resize_(2, 2)"),
        ("x = torch.zeros(3)", "x.requires_grad_()"),
        ("x = torch.zeros(3)", "x = x.double()"),
        ("b = torch.zeros(4, 4); x = b[1]", "b[1, 2] = 1"),
        ("x = torch.ones(3, requires_grad=True)", "(x * 2).sum().backward()"),
        ("x = torch.nn.Linear(2, 2)", "x.weight.data.zero_()"),
        ("x = torch.nn.Linear(2, 2)", "x.eval()"),
        ("x = torch.Generator().manual_seed(1)", "torch.rand(1, generator=x)"),
    ],
)
def test_a_change_of_a_tensor_is_seen(setup: str, change: str) -> None:
    """Elements, shape, type, gradients, parameters and modes of modules."""
    pytest.importorskip("torch", reason="torch is not installed: changes of tensors go untested here")
    first, second, third = before_and_after("import torch\n" + setup, change)
    assert first == second != third


@pytest.mark.parametrize("part", ["data", "indices", "indptr"])
def test_a_change_of_a_sparse_matrix_is_seen(part: str) -> None:
    """A sparse matrix is three arrays; a change of each is seen."""
    pytest.importorskip("scipy", reason="scipy is not installed: changes of sparse matrices go untested here")
    setup = "import scipy.sparse as s\nx = s.csr_matrix([[0, 1, 0], [2, 0, 0]])"
    first, second, third = before_and_after(setup, f"x.{part}[0] = 2")
    assert first == second != third


@settings(deadline=None)
@given(VALUES, st.data())
def test_any_change_anywhere_is_seen(value: Any, data: st.DataObject) -> None:
    """Whatever a random mutation at a random place does to a value, the digest changes exactly if the value did."""
    value = read(text_of([value]))
    places = list(_containers(value))
    place = data.draw(st.sampled_from(range(len(places))))
    before, text = digest(value), text_of(value)
    _mutate(places[place], data)
    assert (digest(value) == before) == (text_of(value) == text)


def _containers(value: Any) -> Any:
    if isinstance(value, (list, dict, set)):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        yield from _containers(inner)


def _mutate(container: Any, data: st.DataObject) -> None:
    atom = data.draw(st.integers(-2, 2) | st.booleans() | st.text(max_size=2))
    if isinstance(container, set):
        container.symmetric_difference_update({atom})
    elif isinstance(container, dict):
        key = data.draw(st.sampled_from([*container, "new"]))
        if data.draw(st.booleans()) and key in container:
            container[key] = container.pop(key)
        else:
            container[key] = atom
    elif data.draw(st.booleans()) or not container:
        container.insert(data.draw(st.integers(0, len(container))), atom)
    else:
        container[data.draw(st.integers(0, len(container) - 1))] = atom

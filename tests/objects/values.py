"""Plain values, and sessions' sources, to take digests of."""

from __future__ import annotations

import ast
from typing import Any

from hypothesis import strategies as st

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0j, 1j, 1.5 + 2j])
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.just(...)
)
HASHABLE = st.recursive(
    ATOMS, lambda inner: st.tuples(inner, inner) | st.tuples() | st.frozensets(inner, max_size=4), max_leaves=6
)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.sets(HASHABLE, max_size=5)
        | st.tuples(inner, inner)
    ),
    max_leaves=15,
)


def text_of(value: Any) -> str:
    """The value as a literal, sets in an order of their own: equal texts mean equal values of equal types."""
    kind = type(value)
    if kind in (list, tuple):
        inside = ", ".join(map(text_of, value))
        return f"[{inside}]" if kind is list else f"({inside},)" if value else "()"
    if kind in (set, frozenset):
        inside = ", ".join(sorted(map(text_of, value)))
        return f"{kind.__name__}({{{inside}}})" if value else f"{kind.__name__}()"
    if kind is dict:
        return "{" + ", ".join(f"{text_of(k)}: {text_of(v)}" for k, v in value.items()) + "}"
    return repr(value)


def read(text: str) -> Any:
    """The value of a literal as `text_of` writes it: fresh objects that share nothing."""
    return _build(ast.parse(text, mode="eval").body)


def _build(node: ast.expr) -> Any:
    if isinstance(node, ast.List):
        return [_build(e) for e in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple([_build(e) for e in node.elts])
    if isinstance(node, ast.Set):
        return {_build(e) for e in node.elts}
    if isinstance(node, ast.Dict):
        return {_build(k): _build(v) for k, v in zip(node.keys, node.values) if k is not None}
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        made = _build(node.args[0]) if node.args else ()
        return frozenset(made) if node.func.id == "frozenset" else set(made)
    return eval(compile(ast.Expression(node), "<literal>", "eval"))


SESSION = """
import abc, collections, dataclasses, datetime, decimal, enum, fractions, functools, io, itertools, pathlib, random, re
import types, typing, uuid, weakref
import numpy as np, pandas as pd

words = {"alpha", "beta", "gamma", "delta", "epsilon"}
nested = {("alpha", frozenset({"beta", "gamma", "delta"})), frozenset({"a", "b", "c", "d"}), 1, 2.5, None}
paired = {("alpha", frozenset({"beta", "gamma", "delta"})), ("a", (frozenset("bcd"),)), 1}
keyed = {frozenset({"x", "y", "z"}): {"p", "q", "r"}, "k": [1, 2.0, 3j, b"4", None, ..., NotImplemented]}
cycle = [1]
cycle.append(cycle)
shared = [words, words, keyed]
queue = collections.deque([1, 2, 3], maxlen=5)
ordered = collections.OrderedDict(a=1, b=2)
counted = collections.Counter("mississippi")
default = collections.defaultdict(list, {"a": [1]})
proxy = types.MappingProxyType(ordered)
chained = collections.ChainMap({"a": 1}, {"b": 2})
moment = datetime.datetime(2024, 5, 6, tzinfo=datetime.timezone.utc)
price, half, path = decimal.Decimal("1.10"), fractions.Fraction(1, 2), pathlib.Path("a/b")
number = uuid.UUID(int=7)
pattern = re.compile("a+b")
found = pattern.search("xaaab")
generator = random.Random(5)
simple = types.SimpleNamespace(a=1, b=[2])
stream = io.BytesIO(b"abc")
stream.read(1)
window = memoryview(bytearray(b"abcdef"))[1:4]
steps = itertools.count(3)
left = iter([1, 2, 3])
next(left)
text = "a" * 3_000_000

def outer(n, *, flag=frozenset({"x", "y"})):
    seen = []
    def inner(x, known=("a", "b")):
        seen.append(x in {"alpha", "beta", "gamma"})
        return n + x
    return inner

add = outer(3)
twice = functools.partial(add, 2)
square = lambda x: x * x

@functools.lru_cache(None)
def cached(x):
    return x + 1

cached(3)

class Base(abc.ABC):
    registry = {"one", "two", "three"}
    @abc.abstractmethod
    def name(self): ...
    @property
    def size(self): return 1
    @staticmethod
    def make(): return 2
    @classmethod
    def cls(cls): return cls

class Leaf(Base):
    __slots__ = ("a", "__private", "b")
    def __init__(self):
        self.a, self.__private, self.b = 1, [2], {"x", "y"}
    def name(self): return super().__repr__()

class Node:
    def __init__(self, name):
        self.name, self.neighbours = name, set()

graph = [Node(str(i)) for i in range(60)]
for node in graph:
    node.neighbours.update(n for n in graph if n is not node)

ordinal = frozenset()
for _ in range(60):
    ordinal = frozenset({ordinal, *ordinal})

leaf = Leaf()
bound = leaf.name

@dataclasses.dataclass
class Point:
    x: int = 0
    tags: set = dataclasses.field(default_factory=set)

point = Point(1, {"a", "b", "c"})
class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"
colour = Colour.BLUE
class Mode(enum.Flag):
    A = 1
    B = 2
mode = Mode.A | Mode.B
Pair = collections.namedtuple("Pair", "x y")
pair = Pair(1, {"a", "b"})
class Row(typing.NamedTuple):
    a: int
    b: str = "z"
row = Row(5)
class Words(set):
    pass
mine = Words(["alpha", "beta", "gamma"])
mine.extra = 1
class Problem(ValueError):
    pass
problem = Problem("text", 3)
reference = weakref.ref(leaf)

array = np.arange(12.0).reshape(3, 4)
fortran = np.asfortranarray(array)
view = array[::2, 1:3]
objects = np.array([{"a", "b"}, [1], None], dtype=object)
records = np.array([(1, 2.5, "ab")], dtype=[("i", "i4"), ("f", "f8"), ("s", "U5")])
dates = np.array(["2024-01-01", "NaT"], dtype="M8[D]")
masked = np.ma.masked_less(np.arange(5), 2)
rng = np.random.default_rng(3)
scalar = np.float32(1.5)
scalars = {np.int64(1), np.int64(2), np.float32(2.5), np.str_("a"), np.datetime64("2024-01-01"), moment, price, path}
frame = pd.DataFrame({"a": np.arange(5), "b": list("vwxyz"), "c": pd.Categorical(list("aabba"))})
frame["when"] = pd.date_range("2024", periods=5, tz="Europe/Berlin")
frame["n"] = pd.array([1, None, 3, 4, 5], dtype="Int64")
frame.attrs["unit"] = {"m", "s"}
indexed = frame.set_index(["a", "b"])
grouped = frame.groupby("c", observed=True)["a"].sum()
moments = pd.Timestamp("2024-01-01", tz="UTC"), pd.Timedelta("1h"), pd.NaT, pd.NA, pd.Interval(0, 1)
"""
"""One value of most kinds that a session may hold, several of them with sets, whose order the hash seed decides."""

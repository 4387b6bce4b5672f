"""A session that is saved by one version of Python and restored by another, in real kernels.

The interpreters are environments of `.ci/environment.py`, or those that ``ELASTIC_PYTHONS`` names
(``3.10=/path/to/python:3.13=...``): they need ipykernel and this package, that of 3.10 numpy too, the others no numpy.
What is not there is skipped, and said.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from .runner import ROOT, Kernel

PAIRS = [
    ("3.10", "3.13"),
    ("3.13", "3.10"),
    ("3.11", "3.12"),
    ("3.12", "3.11"),
    ("3.10", "3.14"),
    ("3.13", "3.14"),
    ("3.13", "3.15"),
    ("3.14", "3.13"),
    ("3.14", "3.11"),
]

NEWEST = ["3.14", "3.15"]

MADE = '''
import abc, collections, contextlib, datetime, decimal, enum, functools, pathlib, queue, random, re, typing
from dataclasses import dataclass, field

@dataclass(order=True)
class Point:
    x: int
    more: list = field(default_factory=list)
    def twice(self): return self.x * 2

@dataclass(frozen=True)
class Frozen:
    a: int = 1

@dataclass
class Child(Point):
    z: typing.ClassVar[int] = 3
    w: int = 4
    def __post_init__(self): self.sum = self.x + self.w

Pair = collections.namedtuple("Pair", "a b", defaults=[7])

class Typed(typing.NamedTuple):
    q: int
    w: str = "k"

class Colour(enum.Enum):
    RED = 1
    GREEN = 2
    def shown(self): return self.name.lower()

class Meta(type):
    def __call__(cls, *args): made = super().__call__(*args); made.by = "meta"; return made

class Thing(metaclass=Meta):
    __slots__ = ("v", "by")
    def __init__(self, v): self.v = v
    @property
    def half(self): return self.v / 2
    @classmethod
    def make(cls): return cls(9)
    @staticmethod
    def add(a, b): return a + b

class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...

class Square(Shape):
    def area(self): return super().__str__()[:0] + type(self).__name__ + str([i * i for i in range(3)])

T = typing.TypeVar("T")
class Box(typing.Generic[T]):
    def __init__(self, content: T): self.content = content

class Named(typing.TypedDict):
    name: str

@typing.runtime_checkable
class Sized(typing.Protocol):
    def size(self) -> int: ...

class WithSize:
    def size(self): return 1

class Mode(enum.Flag):
    A = 1
    B = 2

f, g, h = (lambda x: x + 1), (lambda x: x - 1), (lambda x: x + 1)
multiples = [lambda x, i=i: x * i for i in range(3)]

def counter():
    n = 0
    def up(by=2, *, twice=False):
        nonlocal n
        n += by * (2 if twice else 1)
        return n
    return up

def noted(call):
    @functools.wraps(call)
    def inner(*args, **more):
        return "noted", call(*args, **more)
    return inner

@noted
def greet(name: str = "you") -> str:
    """Say hello."""
    return f"hello {name}"

@functools.lru_cache(maxsize=None)
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)

@contextlib.contextmanager
def opened(v):
    yield [v for v in range(v)]

async def later(v): return [w async for w in ticks(v)]
async def ticks(v):
    for i in range(v): yield i
def gen(n):
    for i in range(n): yield {j: (lambda: j)() for j in range(i)}
'''

VALUES = """
point, frozen, child, pair, typed = Point(1, [2]), Frozen(3), Child(1), Pair(1), Typed(4)
red, thing, square, box, both = Colour.RED, Thing(5), Square(), Box([1]), Mode.A | Mode.B
up = counter(); up()
fib(20)
data = {"a": [1, 2.5, (3, "x")], "s": {1, "a", b"q"}, "big": 2**100, "f": frozenset({1, 2}), "n": None}
data["self"] = data
when, money, count = datetime.datetime(2020, 1, 1), decimal.Decimal("1.5"), collections.Counter("abca")
pattern, dice, error = re.compile("a+"), random.Random(4), ValueError("no")
line, text, path = queue.Queue(), "é\\ud800" * 3, pathlib.Path("/tmp/x")
line.put(1); held = [line]
letters, pairs = enumerate("xyz"), zip("abc", [1, 2])
next(letters); next(pairs)
with open("effect.txt", "a") as log: log.write("x")
"""

PROBES = """
(point, Point(1) < Point(2), point.twice()) == (Point(1, [2]), True, 2) and type(point) is Point
frozen == Frozen(3) and hash(frozen) == hash(Frozen(3)) and repr(frozen) == "Frozen(a=3)"
(child.sum, child.w, Child(2).sum, Child.z) == (5, 4, 6, 3) and isinstance(child, Point)
(pair, pair._replace(b=1), Pair(5)) == ((1, 7), (1, 1), (5, 7)) and type(pair) is Pair
(typed.q, typed.w, Typed(1)) == (4, "k", (1, "k"))
red is Colour.RED and red.shown() == "red" and Colour(2) is Colour.GREEN
(thing.half, thing.by, Thing.make().v, Thing.add(1, 2), Thing(1).by) == (2.5, "meta", 9, 3, "meta")
square.area() == "Square[0, 1, 4]" and isinstance(square, Shape)
isinstance(thing, Sized) is False and isinstance(WithSize(), Sized) and issubclass(WithSize, Sized)
([Mode.A, Mode.B], (Mode.A | Mode.B) is both, both & Mode.A) == (list(Mode.__members__.values()), True, Mode.A)
(box.content, Box[int].__origin__ is Box, Named.__annotations__) == ([1], True, {"name": str})
(f(1), g(1), h(1), [m(2) for m in multiples]) == (2, 0, 2, [0, 2, 4])
(up(), up(1, twice=True)) == (4, 6)
greet("a") == ("noted", "hello a") and greet.__doc__ == "Say hello." and greet.__name__ == "greet"
fib.cache_info().currsize == 21 and fib(30) == 832040
opened(3).__enter__() == [0, 1, 2]
(lambda c: (c.__name__, c.close()))(later(2))[0] == "later" and list(gen(2)) == [{}, {0: 0}]
data["self"] is data and data["a"] == [1, 2.5, (3, "x")] and data["s"] == {1, "a", b"q"} and data["big"] == 2**100
(when.year, money + 1, count["a"]) == (2020, decimal.Decimal("2.5"), 2)
pattern.match("aa").group() == "aa" and dice.random() == random.Random(4).random() and error.args == ("no",)
text == "é\\ud800" * 3
next(letters) == (1, "y") and next(pairs) == ("b", 2)
line.get_nowait() == 1 and held[0] is line and path == pathlib.Path("/tmp/x") and open("effect.txt").read() == "x"
"""

VERIFIED = {"data", "when", "money", "count", "pattern", "dice", "error", "text", "re", "T"}


@lru_cache
def interpreter(version: str) -> str:
    """The Python of this version that kernels run on; skips the test where there is none."""
    named = os.environ.get("ELASTIC_PYTHONS")
    if named is not None:
        given = dict(entry.split("=", 1) for entry in named.split(os.pathsep))
        if version not in given:
            pytest.skip(f"ELASTIC_PYTHONS names no Python {version}")
        return given[version]
    command = [sys.executable, str(ROOT / ".ci" / "environment.py"), f"kernel-{version}"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"there is no Python {version} to test with: {made.stderr.strip().splitlines()[-1]}")
    return f"{made.stdout.strip()}/bin/python"


def move(
    folder: Path, before: str, after: str, cells: list[str], probes: list[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Run cells in one interpreter, restore in another; returns the report and what the probes gave."""
    for name in ("cwd", "home", "store"):
        (folder / name).mkdir()
    url = (folder / "store").as_uri()
    load = "get_ipython().run_line_magic('load_ext', 'elastic_spawner')"
    first = Kernel(folder, "a", before)
    try:
        first.execute(load, silent=True)
        for cell in cells:
            reply = first.execute(cell)
            assert reply["status"] == "ok", reply["out"]
        first.magic(f"checkpoint {url}")
    finally:
        first.kill()
    second = Kernel(folder, "b", after)
    try:
        second.execute(load, silent=True)
        second.magic(f"restore {url}")
        return second.report(), {p: second.value(p) for p in probes}
    finally:
        second.kill()


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_session_on_another_python(tmp_path: Path, before: str, after: str) -> None:
    """All comes back by loading; what consists of data is known to be what it was."""
    probes = PROBES.strip().splitlines()
    report, shown = move(tmp_path, interpreter(before), interpreter(after), [MADE, VALUES], probes)
    assert {p: v for p, v in shown.items() if v != "True"} == {}
    variables = report["variables"]
    assert {n: v for n, v in variables.items() if v["status"] == "lost"} == {}
    assert {n: v["reason"] for n, v in variables.items() if v["status"] != "loaded"} == {}
    assert {n for n in VERIFIED if not variables[n]["verified"]} == set()
    assert variables["point"]["reason"].startswith(f"not compared: made by Python {before}.")


def test_code_without_a_source_is_not_taken_for_another(tmp_path: Path) -> None:
    """What ``exec`` made is lost on another version, and said to be; nothing wrong stands in its place."""
    cells = ["exec('def made(x): return x * 5'); open('effect.txt', 'a').write('x'); kept = 3"]
    report, shown = move(tmp_path, interpreter("3.11"), interpreter("3.12"), cells, ["'made' in dir()", "kept"])
    assert shown == {"'made' in dir()": "False", "kept": "3"}
    made = report["variables"]["made"]
    assert made["status"] == "lost"
    assert "made was compiled by another Python version and came without its source" in made["reason"]
    assert made["cure"] == "run In [1] again"


def test_a_library_that_is_not_there(tmp_path: Path) -> None:
    """What a missing library made is lost, together with the library to install; the rest comes back."""
    cells = ["import numpy as np, numpy.polynomial", "np.random.seed(1); np.set_printoptions(precision=3)"]
    cells += ["a = np.arange(3)\nb = [1, 2]\nopen('effect.txt', 'a').write('x')"]
    report, shown = move(tmp_path, interpreter("3.10"), interpreter("3.13"), cells, ["b", "'a' in dir()"])
    assert shown == {"b": "[1, 2]", "'a' in dir()": "False"}
    a = report["variables"]["a"]
    assert (a["status"], a["reason"]) == ("lost", "numpy is not installed here")
    assert a["cure"].startswith("install numpy ")
    assert a["cure"].endswith(" and restore again")
    assert report["variables"]["b"]["verified"]
    (note,) = report["notes"]
    assert note.startswith("numpy is not installed here: numpy.polynomial could not be imported; the state of numpy.")
    assert "numpy.random" in note
    assert "numpy.printoptions" in note
    assert report["rerun"] == [], "no cell can make what a missing library makes"


NEW = """
import annotationlib, dataclasses, enum, functools, itertools, typing
from string.templatelib import Template

def f(x: int, y: Later = 3) -> list: return x
def g(a: int, b: "text") -> str: return a
g.__annotations__["more"] = 5

class C:
    class Inner: pass
    z: Later
    def m(self, q: Inner, *, k: Shade = 3) -> C: return __class__

class D:
    u: int = 3
D.__annotations__["extra"] = 1

class Shade(enum.Enum):
    A = 1
    def shown(self, other: Shade) -> str: return self.name

@dataclasses.dataclass
class P:
    x: int
    y: C = None
    def t(self, a: P) -> int: return 1

class NT(typing.NamedTuple):
    a: int
    b: C = None

class TD(typing.TypedDict):
    name: str

@functools.wraps(f)
def w(*a): return f(*a)

def outer():
    class L: pass
    def inner(u: L, t: Later) -> L: return L
    return inner
inner = outer()

def gen[T](x: T) -> T: return x
class Box[T]:
    item: T
    def get(self) -> T: return self.item

def patch(value):
    import string
    string.mine = value
"""

NEW_VALUES = """
count: int = 4
name = "you"
text = t"hello {name!r:>5} and {count}"
ids, colours = itertools.count(7), itertools.cycle("rgb")
next(ids); next(colours)
point, shade, box = P(1), Shade.A, Box()
patch(5)
import warnings; warnings.filterwarnings("ignore", "nothing")
with open("effect.txt", "a") as log: log.write("x")
"""

NEW_PROBES = """
annotationlib.get_annotations(f, format=annotationlib.Format.STRING) == {"x": "int", "y": "Later", "return": "list"}
(globals().update(Later=type("Later", (), {})), f.__annotations__ == {"x": int, "y": Later, "return": list})[1]
g.__annotations__ == {"a": int, "b": "text", "return": str, "more": 5}
annotationlib.get_annotations(g, format=annotationlib.Format.STRING)["return"] == "str"
C.__annotations__ == {"z": Later} and C.m.__annotations__ == {"q": C.Inner, "k": Shade, "return": C}
D.__annotations__ == {"u": int, "extra": 1}
Shade.shown.__annotations__ == {"other": Shade, "return": str} and shade is Shade.A
P.__annotations__ == {"x": int, "y": C} and P.t.__annotations__["a"] is P and point == P(1)
NT.__annotations__ == {"a": int, "b": C} and TD.__annotations__ == {"name": str}
w.__annotations__ == f.__annotations__ and w.__wrapped__ is f
inner.__annotations__["u"] is inner(1, 2)
gen.__annotations__["x"] is gen.__type_params__[0] and Box.__annotations__["item"] is Box.__type_params__[0]
__annotate__(1) == {"count": int}
[type(text), text.strings, text.values] == [Template, ("hello ", " and ", ""), ("you", 4)]
(text.interpolations[0].expression, text.interpolations[0].conversion) == ("name", "r")
__import__("string").mine == 5 and any(f[1] is not None and f[1].pattern == "nothing" for f in warnings.filters)
next(ids) == 8 and [next(colours) for _ in range(3)] == ["g", "b", "r"]
"""


@pytest.mark.parametrize("version", NEWEST)
def test_what_only_the_newest_have(tmp_path: Path, version: str) -> None:
    """Annotations that nobody has asked for yet, templates, and iterators that no longer pickle come back loaded."""
    python = interpreter(version)
    report, shown = move(tmp_path, python, python, [NEW, NEW_VALUES], NEW_PROBES.strip().splitlines())
    assert {p: v for p, v in shown.items() if v != "True"} == {}
    assert {n: v for n, v in report["variables"].items() if v["status"] != "loaded"} == {}


UNASKED = """
import typing
def f(a: int, *b: Later, c: "text" = 1, **d: [e for e in (int,)]) -> typing.Optional["Point"]: pass
class Point:
    class Inner: pass
    x: int
    if True: later: Later
    def m(self, inner: Inner) -> int: pass
class Pair(typing.NamedTuple):
    a: int
    b: Point = None
class Named(typing.TypedDict):
    name: str
class More(Named):
    point: Point
def outer():
    class Local: pass
    def inner(x: Local) -> Local: return Local
    return inner
inner = outer()
open("effect.txt", "a").write("x")
"""

ASKED = """
f.__annotations__ == {"a": int, "b": "Later", "c": "text", "d": [int], "return": typing.Optional["Point"]}
Point.__annotations__ == {"x": int, "later": "Later"} and Point.m.__annotations__["inner"] in (Point.Inner, "Inner")
Pair.__annotations__ == {"a": int, "b": Point} and Named.__annotations__ == {"name": str}
More.__annotations__ == {"name": str, "point": Point} and inner.__annotations__["x"] is inner(1)
"""


def test_annotations_where_they_are_evaluated_at_once(tmp_path: Path) -> None:
    """What a later version had not evaluated yet is evaluated by an older one as its source says, or stays text."""
    python, older = interpreter("3.14"), interpreter("3.11")
    report, shown = move(tmp_path, python, older, [UNASKED], ASKED.strip().splitlines())
    assert {p: v for p, v in shown.items() if v != "True"} == {}
    assert {n: v for n, v in report["variables"].items() if v["status"] != "loaded"} == {}


@pytest.mark.parametrize("version", NEWEST)
def test_iterators_go_on_where_they_were(version: str) -> None:
    """Each kind of itertools, after each step: the same is left after loading, and looking at it takes no step."""
    command = [interpreter(version), "-m", "tests.kernel.half_way"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""

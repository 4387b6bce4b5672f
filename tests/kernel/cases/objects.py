# ruff: noqa: E501 - the cells are written as a user writes them
"""Classes and instances of the session."""

from . import case

case(
    "class_defined_again_with_live_instances",
    [
        "class Shape:\n    def area(self):\n        return 1\nold = Shape()\nOld = Shape",
        "class Shape:\n    def area(self):\n        return 2\nnew = Shape()",
    ],
    [
        "old.area() == 1 and new.area() == 2",
        "type(new) is Shape and type(old) is Old and Old is not Shape",
        "not isinstance(old, Shape)",
    ],
)

case(
    "instances_of_a_class_that_is_gone",
    ["class Gone:\n    def __init__(self, v):\n        self.v = v\na, b = Gone(1), Gone(2)", "del Gone\nb.v = 3"],
    ["a.v == 1 and b.v == 3 and type(a) is type(b)", "'Gone' not in globals()", "type(a)(9).v == 9"],
)

case(
    "slots_of_a_family",
    [
        """
class Base:
    __slots__ = ("a", "__secret")
    def __init__(self):
        self.a, self.__secret = 1, [2]
    def secret(self):
        return self.__secret
class Child(Base):
    __slots__ = ("c", "__weakref__")
class Loose(Base): pass
import weakref
child, loose = Child(), Loose()
ref = weakref.ref(child)
""",
        "child.c = child.secret()\nloose.extra = child",
    ],
    [
        "child.c is child.secret() and child.a == 1",
        "loose.extra is child and ref() is child",
        "not hasattr(child, '__dict__') and loose.secret() == [2]",
    ],
)

case(
    "descriptors",
    [
        """
import weakref
class Positive:
    def __set_name__(self, owner, name):
        self.name = "_" + name
    def __get__(self, obj, owner=None):
        return self if obj is None else obj.__dict__[self.name]
    def __set__(self, obj, value):
        if value <= 0:
            raise ValueError(self.name)
        obj.__dict__[self.name] = value
class Account:
    amount = Positive()
    history = []
    def __init__(self, amount):
        self.amount = amount
    @property
    def double(self):
        return 2 * self.amount
    @double.setter
    def double(self, v):
        self.amount = v / 2
    @classmethod
    def make(cls):
        return cls(1)
    @staticmethod
    def name():
        return "acc"
acc = Account(3)
""",
        "acc.double = 10\nAccount.history.append(acc.amount)",
    ],
    [
        "acc.amount == 5 and acc.double == 10",
        "Account.history == [5] and Account.make().amount == 1 and acc.name() == 'acc'",
        "Account.__dict__['amount'].name == '_amount'",
    ],
)

case(
    "dataclasses_of_every_kind",
    [
        """
import dataclasses, functools
from dataclasses import dataclass, field, InitVar
@dataclass(order=True)
class Plain:
    n: int
    tags: list = field(default_factory=list, compare=False)
    scale: InitVar[int] = 2
    def __post_init__(self, scale):
        self.scaled = self.n * scale
    @functools.cached_property
    def slow(self):
        counts.append(self.n)
        return [self.n]
@dataclass(frozen=True)
class Ice:
    x: int
    y: tuple = ()
@dataclass(slots=True)
class Slim:
    x: int
    other: object = None
counts = []
p, ice, slim = Plain(3, scale=5), Ice(1, (2,)), Slim(4)
""",
        "p.slow.append('kept')\nslim.other = p\nlookup = {ice: p}",
    ],
    [
        "p.slow == [3, 'kept'] and counts == [3]",
        "p.scaled == 15 and p < Plain(4) and slim.other is p",
        "lookup[Ice(1, (2,))] is p and hash(ice) == hash(Ice(1, (2,)))",
        "dataclasses.asdict(slim)['x'] == 4 and dataclasses.replace(ice, x=9).x == 9",
        "[f.name for f in dataclasses.fields(Plain)] == ['n', 'tags']",
    ],
)

case(
    "enums_of_every_kind",
    [
        """
import enum
class Planet(enum.Enum):
    EARTH = (1.0, 2.0)
    MARS = (3.0, 4.0)
    TERRA = (1.0, 2.0)
    def __init__(self, mass, radius):
        self.mass, self.radius = mass, radius
    @property
    def weight(self):
        return self.mass * 10
    @classmethod
    def first(cls):
        return next(iter(cls))
class Level(enum.IntEnum):
    LOW = enum.auto()
    HIGH = enum.auto()
class Access(enum.IntFlag):
    R = 4
    W = 2
class Word(str, enum.Enum):
    YES = "yes"
here = Planet.MARS
Planet.MARS.note = ["red"]
""",
        "ranks = {Level.HIGH: Planet.EARTH}\nboth = Access.R | Access.W",
    ],
    [
        "here is Planet.MARS and here.weight == 30 and Planet.TERRA is Planet.EARTH",
        "Planet.MARS.note == ['red'] and Planet.first() is Planet.EARTH and Planet((3.0, 4.0)) is here",
        "ranks[2] is Planet.EARTH and Level(2) is Level.HIGH and Level.LOW < Level.HIGH",
        "both == 6 and Access.R in both and (both & ~Access.W) is Access.R",
        "Word('yes') is Word.YES and Word.YES == 'yes'",
    ],
)

case(
    "metaclass_with_state",
    [
        """
class Registry(type):
    known = {}
    def __init__(cls, name, bases, body, **options):
        super().__init__(name, bases, body)
        Registry.known[name] = options
    def __new__(meta, name, bases, body, **options):
        return super().__new__(meta, name, bases, body)
    def __getitem__(cls, n):
        return [cls] * n
    @property
    def label(cls):
        return cls.__name__.lower()
class Plug(metaclass=Registry, version=3):
    pass
""",
        "class Sub(Plug, version=4):\n    pass\nitems = Sub[2]",
    ],
    [
        "Registry.known == {'Plug': {'version': 3}, 'Sub': {'version': 4}}",
        "items == [Sub, Sub] and Plug.label == 'plug'",
        "type('Late', (Plug,), {}).__name__ in Registry.known",
    ],
)

case(
    "abstract_protocols_and_generics",
    [
        """
import abc, typing
from typing import Generic, TypeVar, Protocol, TypedDict, NewType, runtime_checkable, Optional, Union, Callable, NamedTuple
T = TypeVar("T", bound="Stack")
K = TypeVar("K")
class Speaks(abc.ABC):
    @abc.abstractmethod
    def speak(self): ...
@runtime_checkable
class Walks(Protocol):
    def walk(self) -> int: ...
class Dog(Speaks):
    def speak(self): return "wuff"
    def walk(self): return 4
@Speaks.register
class Robot: pass
class Stack(Generic[K]):
    def __init__(self): self.items: list[K] = []
class IntStack(Stack[int]): pass
class Movie(TypedDict, total=False):
    name: str
class Row(NamedTuple):
    a: int
    b: list = []
UserId = NewType("UserId", int)
Alias = dict[str, Optional[Union[int, list[K]]]]
Fn = Callable[[int], str]
dog, stack, movie, row, uid = Dog(), IntStack(), Movie(name="m"), Row(1), UserId(5)
""",
        "stack.items.append(uid)\nrow.b.append(dog)",
    ],
    [
        "isinstance(dog, Walks) and isinstance(Robot(), Speaks) and Speaks.__abstractmethods__ == {'speak'}",
        "IntStack.__orig_bases__[0].__args__ == (int,) and stack.items == [5]",
        "Alias[str].__args__ and Movie.__annotations__ == {'name': str} and movie == {'name': 'm'}",
        "Row(2).b == [dog]",
        "UserId.__name__ == 'UserId' and T.__bound__ is not None",
        "Stack.__parameters__ == (K,)",
        "Fn == Callable[[int], str]",
    ],
)

case(
    "weak_references_of_every_kind",
    [
        """
import weakref
class Node:
    def hello(self): return "hi"
n, dead = Node(), Node()
ref, gone = weakref.ref(n), weakref.ref(dead)
method = weakref.WeakMethod(n.hello)
proxy = weakref.proxy(n)
by_key, members = weakref.WeakKeyDictionary({n: [1]}), weakref.WeakSet([n, dead])
""",
        "del dead\nn.x = 5\nby_key[n].append(2)",
    ],
    [
        "ref() is n and gone() is None",
        "method()() == 'hi'",
        "proxy.x == 5",
        "by_key[n] == [1, 2] and list(members) == [n]",
    ],
    may_lose=("method", "proxy"),
)

case(
    "weak_values_go_with_their_owner",
    [
        "import weakref\nclass Img: pass\ncache = weakref.WeakValueDictionary()\nowner = {'a': Img()}\ncache['a'] = owner['a']\ncache['b'] = Img()",
        "calls = []\nowner['a'].fin = weakref.finalize(owner['a'], calls.append, 1)",
    ],
    ["cache['a'] is owner['a'] and 'b' not in cache", "calls == []"],
    may_lose=("cache", "owner"),
)

case(
    "exceptions_with_history",
    [
        """
def fail(n):
    if n == 0:
        raise KeyError("lowest")
    fail(n - 1)
class Mine(Exception):
    def __init__(self, code, *, hint):
        super().__init__(code)
        self.code, self.hint = code, hint
caught = None
try:
    try:
        fail(3)
    except KeyError as low:
        raise Mine(7, hint=["look"]) from low
except Mine as e:
    caught = e
try:
    try:
        1 / 0
    except ZeroDivisionError:
        {}["x"]
except KeyError as e:
    second = e
""",
    ],
    [
        "caught.code == 7 and caught.hint == ['look'] and type(caught) is Mine",
        "isinstance(caught.__cause__, KeyError) and caught.__cause__.args == ('lowest',) and caught.__suppress_context__",
        "isinstance(second.__context__, ZeroDivisionError) and not second.__suppress_context__",
    ],
)

case(
    "tracebacks_can_be_shown",
    [
        "import traceback, sys\ndef inner():\n    raise ValueError('deep')\ntry:\n    inner()\nexcept ValueError as e:\n    err = e\n    text = ''.join(traceback.format_exception(e))",
    ],
    ["err.args == ('deep',)", "''.join(traceback.format_exception(err)) == text"],
    may_lose=("err",),
)

case(
    "exception_groups_and_notes",
    [
        "e = ValueError('v')\ne.add_note('remember')\ngroup = ExceptionGroup('many', [e, ExceptionGroup('in', [TypeError('t')])])\ngroup.add_note('outer')",
    ],
    [
        "group.exceptions[0] is e and e.__notes__ == ['remember']",
        "group.exceptions[1].exceptions[0].args == ('t',) and group.__notes__ == ['outer']",
    ],
    since=(3, 11),
)

case(
    "attributes_made_on_the_fly",
    [
        """
class Lazy:
    made = []
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        Lazy.made.append(name)
        value = [name]
        self.__dict__[name] = value
        return value
    def __setattr__(self, name, value):
        object.__setattr__(self, name, ("set", value))
lazy = Lazy()
""",
        "lazy.first.append(1)\nlazy.second = 2",
    ],
    ["lazy.__dict__ == {'first': ['first', 1], 'second': ('set', 2)}", "Lazy.made == ['first']"],
)

case(
    "singletons_and_flyweights",
    [
        """
class Only:
    _it = None
    def __new__(cls):
        if cls._it is None:
            cls._it = super().__new__(cls)
        return cls._it
MISSING = object()
def default(x=MISSING):
    return x is MISSING
only = Only()
""",
        "only.state = [MISSING]",
    ],
    ["Only() is only and only.state[0] is MISSING", "default() and not default(1)"],
)

case(
    "methods_held_elsewhere",
    [
        "class Counter:\n    total = 0\n    def __init__(self): self.n = 0\n    def hit(self):\n        self.n += 1\n        type(self).total += 1\nc = Counter()\nhit = c.hit\nhooks = [hit]\nplain = Counter.hit\nadd = [].append\nsize = {'a': 1}.get",
        "hit()\nhooks[0]()\nplain(c)\nadd(5)",
    ],
    [
        "c.n == 3 and Counter.total == 3",
        "hooks[0] is hit and hit.__self__ is c",
        "(hit(), c.n == 4)[1]",
        "add.__self__ == [5] and size('a') == 1",
    ],
)

case(
    "equality_that_lies",
    [
        "class Weird:\n    def __init__(self, v): self.v = v\n    def __eq__(self, other): return True\n    def __hash__(self): return 1\n    def __bool__(self): raise TypeError('no truth')\nw = Weird([1])\nbox = {'w': w}",
        "box['w'].v.append(2)",
        "box['w'] = Weird('new')",
    ],
    ["w.v == [1, 2] and box['w'].v == 'new'", "box['w'] is not w"],
)

case(
    "classes_in_functions",
    [
        "def factory(base):\n    class Local(base):\n        def who(self):\n            return __class__.__name__ + str(extra)\n    extra = [1]\n    def grow():\n        extra.append(len(extra) + 1)\n    return Local, grow\nLocal, grow = factory(dict)\nmine = Local(a=1)",
        "grow()",
    ],
    [
        "mine.who() == 'Local[1, 2]' and mine == {'a': 1} and type(mine) is Local",
        "(grow(), mine.who() == 'Local[1, 2, 3]')[1]",
    ],
)

case(
    "total_ordering_and_single_dispatch",
    [
        """
import functools
@functools.total_ordering
class Ver:
    def __init__(self, n): self.n = n
    def __eq__(self, o): return self.n == o.n
    def __lt__(self, o): return self.n < o.n
@functools.singledispatch
def show(x): return "any"
@show.register
def _(x: int): return "int"
@show.register(list)
def show_list(x): return "list"
class Cell:
    def set(self, value, flag): self.value = (value, flag)
    on = functools.partialmethod(set, flag=True)
    @functools.singledispatchmethod
    def neg(self, x): return None
    @neg.register
    def _(self, x: int): return -x
add5 = functools.partial(pow, 5)
cell = Cell()
""",
        "cell.on(3)\n@show.register(dict)\ndef show_dict(x): return 'dict'",
    ],
    [
        "Ver(1) <= Ver(2) and Ver(3) > Ver(2)",
        "show(1) == 'int' and show([]) == 'list' and show({}) == 'dict' and show('') == 'any'",
        "cell.value == (3, True) and cell.neg(4) == -4 and add5(2) == 25",
    ],
    may_lose=("show",),
)

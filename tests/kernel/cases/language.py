# ruff: noqa: E501 - the cells are written as a user writes them
"""The language: scopes, names, patterns, assignment in all its forms, and what code does to names by itself."""

from . import case

case(
    "walrus_match_and_unpacking",
    [
        "data = [1, 2, 3, 4]\nif (n := len(data)) > 3:\n    big = [y for x in data if (y := x * 2) > 4]\na, *rest, z = data\n(p, q), r = (1, [2]), 3",
        "match {'kind': 'point', 'at': [1, 2]}:\n    case {'kind': 'point', 'at': [px, py], **others}:\n        hit = (px, py)\nq.append(n)",
    ],
    [
        "n == 4 and big == [6, 8] and y == 8",
        "(a, rest, z) == (1, [2, 3], 4)",
        "hit == (1, 2) and others == {} and q == [2, 4]",
    ],
)

case(
    "globals_written_by_name",
    [
        "globals()['made'] = [1]\nvars()['also'] = made\nexec('inner = {\"k\": made}')\nfor i in range(3):\n    globals()[f'v{i}'] = [i]",
        "globals().update(extra=5)\nexec(compile('made.append(2)', '<s>', 'exec'))\ndel globals()['v1']\nvalue = eval('inner[\"k\"]')",
    ],
    [
        "made == [1, 2] and also is made and inner['k'] is made and value is made",
        "v0 == [0] and v2 == [2] and 'v1' not in globals()",
        "extra == 5 and i == 2",
    ],
)

case(
    "exec_in_a_namespace_of_its_own",
    [
        "space = {'x': 1}\nexec('def f():\\n    global x\\n    x += 1\\n    return x\\nclass C:\\n    tag = []', space)\ng = space['f']",
        "g(); space['C'].tag.append('t')\nc = space['C']()",
    ],
    ["space['x'] == 2", "g is space['f'] and g() == 3 and space['x'] == 3", "type(c) is space['C'] and c.tag == ['t']"],
)

case(
    "counters_by_nonlocal_and_global",
    [
        "def counter():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n        return n\n    def look():\n        return n\n    return up, look\nup, look = counter()\ntotal = 0\ndef add(k):\n    global total, born\n    total += k\n    born = total",
        "up(); up(); add(5)\nadd(6)",
    ],
    ["look() == 2 and up() == 3 and look() == 3", "total == 11 and born == 11", "(add(1), total == 12)[1]"],
)

case(
    "default_arguments_shared",
    [
        "def collect(x, into=[]):\n    into.append(x)\n    return into\ndef keyed(*, cache={}):\n    return cache\ncollect(1)\nsame = collect.__defaults__[0]",
        "collect(2)\nkeyed()['a'] = same",
    ],
    ["same == [1, 2] and collect(3) is same and same == [1, 2, 3]", "keyed()['a'] is same"],
)

case(
    "loops_leave_their_variables",
    [
        "squares = []\nfor k in range(3):\n    squares.append(lambda: k)\nfor a, (b, *c) in [(1, (2, 3, 4))]: pass\nwith open('f', 'w') as handle: handle.write('x')\ntry:\n    1 / 0\nexcept ZeroDivisionError as err:\n    kept = err"
    ],
    [
        "[f() for f in squares] == [2, 2, 2]",
        "(a, b, c) == (1, 2, [3, 4]) and handle.closed",
        "'err' not in globals() and isinstance(kept, ZeroDivisionError)",
        "(globals().__setitem__('k', 9), squares[0]() == 9)[1]",
    ],
)

case(
    "names_in_other_alphabets",
    [
        "größe = [1]\nπ = 3\nΔx = {'größe': größe}\n变量 = Δx\nＦＵＬＬ = 2",
        "größe.append(π)\nclass Größe:\n    ñ = 1\nо = Größe()",
    ],
    ["größe == [1, 3] and 变量['größe'] is größe and FULL == 2", "о.ñ == 1 and type(о).__name__ == 'Größe'"],
)

case(
    "cells_without_code",
    ["# only a comment", "", "x = [1]  # end\n# tail", "\n\n", "'''a text'''", "pass", "x;"],
    ["x == [1]", "Out[3] == 'a text' if 3 in Out else 'a text' in Out.values()"],
)

case(
    "future_annotations_stay_on",
    [
        "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass P:\n    x: 'Later'\n    y: list[int] = dataclasses.field(default_factory=list)\ndef f(a: Unknown) -> Nothing:\n    return a",
        "p = P(1)\ncount: int = 5\nunset: str",
    ],
    [
        "p.x == 1 and P.__annotations__['y'] == 'list[int]'",
        "f.__annotations__ == {'a': 'Unknown', 'return': 'Nothing'} and f(2) == 2",
        "count == 5 and 'unset' not in globals()",
        "__annotations__['count'] in (int, 'int') and 'unset' in __annotations__",
    ],
)

case(
    "underscores_of_the_user",
    [
        "for _ in range(3): pass\n__version__ = '1.2'\n__all__ = ['a']\n_hidden = [1]\n__x = {'h': _hidden}\n_1a = 4",
        "_, second = 'thrown', 'kept'\n_hidden.append(2)",
        "_i1_copy = _i1\n_7 = 'mine'\n_i = 'also mine'",
    ],
    [
        "_ == 'thrown' and second == 'kept'",
        "__version__ == '1.2' and __all__ == ['a']",
        "_hidden == [1, 2] and __x['h'] is _hidden and _1a == 4",
        "_7 == 'mine'",
    ],
)

case(
    "deleted_and_made_again",
    ["a = [1]\nb = a\nc = [a]", "del a\nb.append(2)", "a = 'new'\ndel c[0]"],
    ["a == 'new' and b == [1, 2] and c == []"],
)

case(
    "an_object_deleted_half_way",
    ["x = list(range(10))\ngen = (v for v in x)\nnext(gen)", "next(gen)\ndel x"],
    ["'x' not in globals()", "next(gen) == 2 and list(gen) == list(range(3, 10))"],
    may_lose=("gen",),
)

case(
    "chained_and_augmented_assignment",
    [
        "a = b = c = []\na += [1]\nb = b + [2]\nd = {}\nd['x'] = e = a\nt = ([],)\ntry:\n    t[0] += [5]\nexcept TypeError: pass",
        "a *= 2\nc.append('c')",
    ],
    ["a is c and a is e and d['x'] is a and a == [1, 1, 'c']", "b == [1, 2] and t == ([5],)"],
)

case(
    "comprehension_scopes_and_class_bodies",
    [
        "x = 'outer'\nclass K:\n    x = 'inner'\n    ys = [x for _ in range(1)]\n    def m(self): return x\n    z = (lambda v=x: v)()\nk = K()\nfs = [lambda i=i: i for i in range(3)]\ngs = [lambda: j for j in range(3)]"
    ],
    [
        "K.ys == ['outer'] or K.ys == ['inner']",
        "k.m() == 'outer' and K.z == 'inner'",
        "[f() for f in fs] == [0, 1, 2] and [g() for g in gs] == [2, 2, 2]",
    ],
)

case(
    "recursive_structures",
    [
        "l = [1]; l.append(l)\nd = {}; d['d'] = d; d['l'] = l\nt = ([],); t[0].append(t)\nclass Node:\n    def __init__(self, v): self.v, self.up, self.kids = v, None, []\nroot = Node(0)\nfor i in range(5):\n    n = Node(i); n.up = root; root.kids.append(n)\ns = {frozenset([1])}\nclass H:\n    def __init__(self): self.group = {self}\nh = H()",
        "l[0] = d\nroot.kids[2].kids.append(root)",
    ],
    [
        "l[1] is l and l[0] is d and d['d'] is d and t[0][0] is t",
        "all(k.up is root for k in root.kids) and root.kids[2].kids[0] is root",
        "h in h.group and len(h.group) == 1",
    ],
)

case(
    "finalizers_and_cyclic_garbage",
    [
        "import gc, weakref\nlog = []\nclass Noisy:\n    def __init__(self, name): self.name = name; self.me = self\n    def __del__(self): log.append(self.name)\na = Noisy('a')\nb = Noisy('b')\nwatch = weakref.finalize(b, log.append, 'finalized b')\ncount = 0",
        "del a\ngc.collect();",
    ],
    [
        "log == ['a']",
        "b.me is b and b.name == 'b'",
        "watch.alive and watch.peek()[0] is b",
        "(globals().pop('b') and None, gc.collect(), sorted(log))[2] == ['a', 'b', 'finalized b']",
        "not watch.alive",
    ],
)

case(
    "effects_of_deletion_happen_once",
    [
        "class File:\n    def __init__(self): open('opened', 'a').write('x')\n    def __del__(self): open('closed', 'a').write('x')\nf = File()\ng = File()",
        "del g\nimport os\nn = os.path.getsize('closed')",
    ],
    ["n == 1 and os.path.getsize('opened') == 2", "os.path.getsize('closed') == 1", "type(f).__name__ == 'File'"],
)

case(
    "huge_numbers_and_odd_floats",
    [
        "import math, sys\nbig = 7 ** 20000\nneg = -(2 ** 100000)\nnan = float('nan')\nnans = [nan, nan, float('nan')]\nzero = -0.0\nsub = 5e-324\ninf = [math.inf, -math.inf]\nc = complex(-0.0, nan)\nd = {nan: 'same'}",
        "big += 1\nkey = next(iter(d))",
    ],
    [
        "big % 7 == 1 and big.bit_length() == 56148 and neg == -(1 << 100000)",
        "nans[0] is nans[1] and nans[0] is nan and nans[2] is not nan and nan != nan",
        "math.copysign(1, zero) == -1 and math.copysign(1, c.real) == -1 and sub > 0 and inf[0] > 0 > inf[1]",
        "d[nan] == 'same' and key is nan",
    ],
)

case(
    "huge_numbers_as_outputs",
    ["import sys\nbits = 3 ** 30000\nbits.bit_length()", "bits % 1000", "x = bits // 10\nNone"],
    ["Out[1] == 47549 and bits == 3 ** 30000 and x == bits // 10"],
)

case(
    "texts_that_do_not_encode",
    [
        "import os\nlone = 'a\\ud800b'\nname = os.fsdecode(b'caf\\xe9')\nd = {lone: [name], '\\x00': 'nul', '\\U0001f600': '\\u202e'}\n'out \\udcff'",
        "d[lone].append('x' * 3)\nbig = lone * 2000",
    ],
    [
        "lone == 'a\\ud800b' and d[lone] == [name, 'xxx'] and d['\\x00'] == 'nul'",
        "os.fsencode(name) == b'caf\\xe9' and len(big) == 6000",
        "Out[1] == 'out \\udcff'",
    ],
)

case(
    "identities_that_matter",
    [
        "class _Missing: pass\nMISSING = object()\nUNSET = _Missing()\ndef get(d, k, default=MISSING):\n    v = d.get(k, MISSING)\n    return 'none' if v is MISSING else v\nd = {'a': UNSET, 'b': MISSING}\nE = Ellipsis\nN = NotImplemented\nempty = ()\nflags = [True, None]",
        "class Single:\n    _it = None\n    def __new__(cls):\n        if cls._it is None: cls._it = super().__new__(cls)\n        return cls._it\ns = Single()\nsame = [s, Single()]",
    ],
    [
        "get({}, 'x') == 'none' and get(d, 'b') == 'none' and d['a'] is UNSET",
        "d['b'] is MISSING and get.__defaults__[0] is MISSING",
        "E is ... and N is NotImplemented and flags[0] is True",
        "Single() is s and same[0] is same[1] is s",
    ],
)

case(
    "an_identity_shared_by_far_apart_variables",
    [
        "TOKEN = object()\nclass Box:\n    default = TOKEN\nbox = Box()\nd = {'k': [TOKEN]}\ndef check(x): return x is TOKEN\nf = lambda t=TOKEN: t",
        "box.own = TOKEN\nlater = (TOKEN, d)",
    ],
    [
        "check(TOKEN) and check(Box.default) and check(box.own) and check(d['k'][0]) and check(f()) and check(later[0])",
        "later[1] is d",
    ],
)

case(
    "async_at_top_level",
    [
        "import asyncio\nasync def work(n):\n    await asyncio.sleep(0)\n    return n * 2\nr = await work(4)\nresults = await asyncio.gather(*(work(i) for i in range(3)))",
        "lock, event, queue = asyncio.Lock(), asyncio.Event(), asyncio.Queue()\nevent.set()\nawait queue.put('item')\nasync with lock:\n    inside = lock.locked()",
        "async def agen():\n    for i in range(3):\n        yield i\nlisted = [i async for i in agen()]\ncoro = work(5)",
    ],
    [
        "r == 8 and results == [0, 2, 4] and inside",
        "listed == [0, 1, 2]",
        "event.is_set() and queue.qsize() == 1 and not lock.locked()",
        "queue.get_nowait() == 'item'",
        "coro.cr_code.co_name == 'work'",
    ],
    may_lose=("coro",),
)

case(
    "type_level_objects",
    [
        "import typing, types\nT = typing.TypeVar('T', bound=int)\nP = typing.ParamSpec('P')\nUserId = typing.NewType('UserId', int)\nAlias = dict[str, list[T]]\nU = int | None\nOpt = typing.Optional[UserId]\nLit = typing.Literal['a', 1]\nCall = typing.Callable[P, T]\nclass Box(typing.Generic[T]):\n    def __init__(self, v): self.v = v\nclass Proto(typing.Protocol):\n    def go(self) -> int: ...\nclass TD(typing.TypedDict):\n    a: int\nclass NT(typing.NamedTuple):\n    x: int\n    y: list = []\nSpec = Box[int]",
        "b = Spec(3)\nnt = NT(1)\ntd: TD = {'a': 1}\nuid = UserId(5)",
    ],
    [
        "T.__bound__ is int and Alias.__parameters__ == (T,) and UserId(3) == 3",
        "Spec.__origin__ is Box and Box.__parameters__ == (T,) and b.v == 3 and isinstance(b, Box)",
        "nt == (1, []) and nt.y is NT._field_defaults['y'] and NT._fields == ('x', 'y')",
        "Opt == typing.Optional[UserId] and U == int | None and Lit == typing.Literal['a', 1]",
        "Call.__args__[-1] is T and TD.__required_keys__ == frozenset({'a'})",
    ],
)

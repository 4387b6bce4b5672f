# ruff: noqa: E501 - the cells are written as a user writes them
"""The standard library: what its objects share, show copies of, or keep in registries of their own."""

from . import case

case(
    "memoryviews_cast_and_released",
    [
        "b = bytearray(range(16))\nm = memoryview(b)\nc = m[4:8]\nd = m.cast('I')\nr = memoryview(b'abc'); r.release()\nro = memoryview(b'xyz')",
        "c[0] = 99\nd[3] = 7",
    ],
    [
        "b[4] == 99 and b[12] == 7",
        "(m.__setitem__(5, 42), c[1] == 42 and b[5] == 42)[1]",
        "d.format == 'I' and d.obj is b and c.obj is b",
        "ro.readonly and bytes(ro) == b'xyz'",
    ],
    may_lose=("r",),
)

case(
    "ctypes_structures_and_pointers",
    [
        "import ctypes\nclass P(ctypes.Structure):\n    _fields_ = [('x', ctypes.c_int), ('y', ctypes.c_double)]\np = P(1, 2.5)\narr = (ctypes.c_int * 4)(1, 2, 3, 4)\nbuf = ctypes.create_string_buffer(b'hi', 8)\nu = ctypes.c_uint8(255)",
        "p.x = 9\narr[1] = 7\npp = [p, p]",
    ],
    [
        "p.x == 9 and p.y == 2.5 and isinstance(p, P) and pp[0] is pp[1] is p",
        "list(arr) == [1, 7, 3, 4]",
        "buf.value == b'hi' and len(buf) == 8 and u.value == 255",
    ],
)

case(
    "ctypes_that_share_memory",
    [
        "import ctypes\narr = (ctypes.c_int * 3)(1, 2, 3)\nptr = ctypes.pointer(arr)\nref = ctypes.cast(arr, ctypes.POINTER(ctypes.c_int))\nfn = ctypes.CDLL(None).abs\nraw = bytearray(8)\nover = (ctypes.c_uint8 * 8).from_buffer(raw)",
        "arr[0] = 5\nover[0] = 77",
    ],
    [
        "arr[0] == 5 and raw[0] == 77",
        "(over.__setitem__(1, 3), raw[1] == 3)[1]",
        "ptr.contents[0] == 5 and ref[1] == 2",
        "fn(-3) == 3",
    ],
    may_lose=("ptr", "ref", "fn", "over", "raw"),
)

case(
    "an_object_that_holds_an_address",
    [
        "import ctypes\nclass Handle:\n    def __init__(self, text):\n        self.memory = ctypes.create_string_buffer(text)\n        self.address = ctypes.cast(self.memory, ctypes.c_void_p)\n    def text(self):\n        return ctypes.string_at(self.address)\nh = Handle(b'abc')",
        "class Pair(ctypes.Structure):\n    _fields_ = [('n', ctypes.c_int), ('at', ctypes.c_char_p)]\npair = Pair(3, b'xyz')",
        "twice = [h, h]",
    ],
    ["h.text() == b'abc' and twice[0] is twice[1] is h", "pair.n == 3 and pair.at == b'xyz'"],
)

case(
    "zip_map_filter_over_one_iterator",
    [
        "it = iter(range(20))\npairs = zip(it, it)\nsq = map(lambda v: v * v, it)\nodd = filter(lambda v: v % 2, it)\nen = enumerate(it, 100)\nfirst = next(pairs), next(sq), next(odd), next(en)",
        "second = next(pairs)",
    ],
    [
        "first == ((0, 1), 4, 3, (100, 4)) and second == (5, 6)",
        "next(it) == 7",
        "next(sq) == 64",
        "next(odd) == 9 and next(pairs) == (10, 11) and next(en) == (101, 12)",
    ],
)

case(
    "chains_and_tees_half_way",
    [
        "import itertools as it\nsrc = iter([1, 2, 3, 4, 5, 6])\na, b = it.tee(src)\nnext(a); next(a)\nch = it.chain(a, [9], b)\ncyc = it.cycle('xyz'); next(cyc)\nacc = it.accumulate([1, 2, 3, 4]); next(acc); next(acc)\nisl = it.islice(it.count(10, 5), 1, None, 2); next(isl)",
        "got = next(ch)",
    ],
    [
        "got == 3",
        "next(b) == 1",
        "next(ch) == 4 and next(cyc) == 'y' and next(acc) == 6",
        "next(isl) == 25",
        "list(ch) == [5, 6, 9, 2, 3, 4, 5, 6]",
    ],
    may_lose=(),
)

case(
    "singledispatch_with_user_types",
    [
        "import functools\n@functools.singledispatch\ndef show(x):\n    return 'any'\nclass K: pass\n@show.register\ndef _(x: int):\n    return 'int'\n@show.register(K)\ndef _k(x):\n    return 'K'",
        "class D(K): pass\nr = show(1), show(K()), show(D()), show('s')\n@show.register(list)\ndef show_list(x): return 'list'",
    ],
    [
        "r == ('int', 'K', 'K', 'any')",
        "show([]) == 'list' and show(D()) == 'K' and show(1.5) == 'any'",
        "show.registry[K] is _k and show.dispatch(D) is _k",
    ],
)

case(
    "contextvars_tokens_and_contexts",
    [
        "import contextvars\nv = contextvars.ContextVar('v', default=0)\nv.set(3)\nctx = contextvars.copy_context()",
        "v.set(4)\ninside = ctx.run(v.get)",
    ],
    ["v.get() == 4 and inside == 3", "ctx[v] == 3 and ctx.run(v.get) == 3"],
    may_lose=("ctx",),
)

case(
    "dataclass_slots_frozen_and_weak",
    [
        "from dataclasses import dataclass, field, replace, KW_ONLY\nimport weakref\n@dataclass(slots=True, frozen=True, order=True)\nclass P:\n    x: int\n    y: list = field(default_factory=list, compare=False)\n@dataclass\nclass Q:\n    p: P\n    _: KW_ONLY\n    k: int = 3\n    @property\n    def twice(self): return self.k * 2\n    @twice.setter\n    def twice(self, v): self.k = v // 2",
        "p = P(1); q = Q(p, k=4); shared = p.y\nq.twice = 20\nshared.append('z')\nr = replace(q, k=1)",
    ],
    [
        "p.y is shared and shared == ['z'] and q.p is p and r.p is p",
        "q.k == 10 and q.twice == 20 and r.k == 1",
        "P(1) < P(2) and hash(P.__dataclass_params__.frozen) is not None and not hasattr(p, '__dict__')",
        "__import__('dataclasses').is_dataclass(p) and [f.name for f in __import__('dataclasses').fields(q)] == ['p', 'k']",
    ],
)

case(
    "typed_dicts_named_tuples_and_generics",
    [
        "from typing import TypedDict, NamedTuple, Generic, TypeVar, Protocol, runtime_checkable, Literal, Annotated\nT = TypeVar('T')\nclass TD(TypedDict, total=False):\n    a: int\nclass NT(NamedTuple):\n    x: int\n    y: str = 'd'\n    def both(self): return (self.y, self.x)\nclass Box(Generic[T]):\n    def __init__(self, v: T): self.v = v\n@runtime_checkable\nclass Has(Protocol):\n    v: int\nIntBox = Box[int]\nAl = Annotated[int, 'meta']",
        "td: TD = {'a': 1}\nnt = NT(3)\nb = IntBox(5)\nu = int | None\nlit = Literal['a', 'b']",
    ],
    [
        "nt.both() == ('d', 3) and nt == (3, 'd') and nt._replace(x=1).x == 1",
        "type(b) is Box and b.__orig_class__ == IntBox and isinstance(b, Has)",
        "TD.__total__ is False and TD.__annotations__.keys() == {'a'} and Box.__parameters__ == (T,)",
        "u == (int | None) and lit == Literal['a', 'b'] and Al.__metadata__ == ('meta',)",
        "(__annotate__(1) if '__annotate__' in globals() else __annotations__)['td'] is TD",  # the first from 3.14 on
    ],
)

case(
    "times_zones_and_calendars",
    [
        "import datetime as dt, zoneinfo, calendar, time\nz = zoneinfo.ZoneInfo('Europe/Berlin') if 'Europe/Berlin' in zoneinfo.available_timezones() else dt.timezone.utc\nt = dt.datetime(2024, 10, 27, 2, 30, tzinfo=z, fold=1)\nfixed = dt.timezone(dt.timedelta(hours=5, minutes=30), 'IST')\nclass Z(dt.tzinfo):\n    def utcoffset(self, d): return dt.timedelta(hours=2)\n    def dst(self, d): return dt.timedelta(0)\n    def tzname(self, d): return 'ZZ'\nmine = dt.datetime(2020, 1, 1, tzinfo=Z())",
        "st = time.struct_time((2020, 1, 2, 3, 4, 5, 3, 2, 0))\ncal = calendar.Calendar(2)\ndays = cal.itermonthdates(2024, 2); d0 = next(days)\niso = dt.date(2020, 1, 1).isocalendar()",
    ],
    [
        "t.tzinfo is z and t.fold == 1 and mine.tzname() == 'ZZ'",
        "fixed.tzname(None) == 'IST' and st.tm_hour == 3 and iso.week == 1",
        "next(days) == d0 + dt.timedelta(1)",
    ],
)

case(
    "packages_edited_on_disk_after_import",
    [
        "import os\nos.makedirs('pk', exist_ok=True)\nopen('pk/__init__.py','w').write('from .a import f\\n')\nopen('pk/a.py','w').write('VER = 1\\ndef f(): return VER\\nclass C:\\n    def g(self): return VER\\n')\nimport pk, pk.a\nc = pk.a.C()\nr = pk.f()",
        "open('pk/a.py','w').write('VER = 2\\ndef f(): return -VER\\nclass C:\\n    def g(self): return -VER\\n')",
        "r2 = pk.f(), c.g()",
    ],
    ["r == 1 and r2 == (1, 1)", "pk.f() == 1 and c.g() == 1 and pk.a.VER == 1"],
)

case(
    "random_streams_shared_and_split",
    [
        "import random\nrandom.seed(4)\na = random.random()\nr = random.Random(9); r.random()\nsysr = random.SystemRandom()",
        "b = [random.gauss(0, 1) for _ in range(3)]\nst = random.getstate()\nshuf = list(range(5)); r.shuffle(shuf)",
    ],
    ["random.random() == $nxt$ and r.random() == $rn$", "(random.setstate(st), random.random() == $nxt$)[1]"],
    capture={
        "nxt": "(lambda s: (random.random(), random.setstate(s)))(random.getstate())[0]",
        "rn": "(lambda s: (r.random(), r.setstate(s)))(r.getstate())[0]",
    },
    may_lose=("sysr",),
)

case(
    "warnings_filters_and_decimal_contexts",
    [
        "import warnings, decimal, locale\nwarnings.filterwarnings('error', category=DeprecationWarning, module='zzz')\nwarnings.simplefilter('always', UserWarning)\nctx = decimal.getcontext(); ctx.prec = 7; ctx.traps[decimal.Inexact] = False\nlocal = decimal.Context(prec=3)",
        "with decimal.localcontext() as lc:\n    lc.prec = 2\n    d2 = decimal.Decimal(1) / 3\nd = decimal.Decimal(1) / 3",
    ],
    [
        "str(d) == '0.3333333' and str(d2) == '0.33' and decimal.getcontext().prec == 7 and decimal.getcontext() is ctx",
        "any(f[0] == 'error' and f[2] is DeprecationWarning for f in warnings.filters) and str(local.divide(1, 3)) == '0.333'",
    ],
)

case(
    "logging_handlers_of_the_user",
    [
        "import logging, io\nbuf = io.StringIO()\nclass H(logging.Handler):\n    def __init__(self): super().__init__(); self.got = []\n    def emit(self, r): self.got.append(r.getMessage())\nlog = logging.getLogger('app.x'); log.setLevel(logging.DEBUG); log.propagate = False\nh = H(); log.addHandler(h); log.addHandler(logging.StreamHandler(buf))\nlog.info('one')",
        "log.debug('two %s', 2)\nflt = logging.Filter('app'); h.addFilter(flt)\nadapter = logging.LoggerAdapter(log, {'k': 1})",
    ],
    [
        "h.got == ['one', 'two 2'] and buf.getvalue() == 'one\\ntwo 2\\n'",
        "(adapter.info('three'), h.got[-1] == 'three' and buf.getvalue().endswith('three\\n'))[1]",
        "logging.getLogger('app.x') is log and log.handlers[0] is h and len(log.handlers) == 2 and h.filters == [flt]",
    ],
)

case(
    "weakrefs_and_garbage",
    [
        "import weakref, gc\nclass N:\n    def __init__(s): s.me = s\nn = N(); dead = weakref.ref(N()); gc.collect()\nlive = weakref.ref(n); px = weakref.proxy(n)\nwm = weakref.WeakMethod(n.__init__)\nwkd = weakref.WeakKeyDictionary({n: 'v'})\nfin = []\nclass F:\n    def __del__(s): fin.append(1)\nF();",
        "y = F(); del y\nk = len(fin)",
    ],
    [
        "live() is n and wkd[n] == 'v' and n.me is n",
        "dead() is None",
        "px.me is n and wm() is not None",
        "k == 2 and fin == [1, 1]",
    ],
    may_lose=("px", "wm"),
)

case(
    "monkeypatched_builtins_and_stdlib",
    [
        "import builtins, textwrap, math\norig = builtins.print\ncaught = []\ndef print2(*a, **k): caught.append(a)\nbuiltins.print = print2\nprint('x')\ntextwrap.dedent = (lambda f: lambda *a, **k: 'J' + f(*a, **k))(textwrap.dedent)\nmath.tau2 = 12",
        "print('y')\nj = textwrap.dedent('[1]')",
    ],
    [
        "caught == [('x',), ('y',)] and j == 'J[1]' and textwrap.dedent('[1]') == 'J[1]' and math.tau2 == 12",
        "(print('z'), caught[-1] == ('z',))[1] and builtins.print is print2",
    ],
)

case(
    "mocks_with_calls",
    [
        "from unittest import mock\nm = mock.MagicMock(name='svc', spec=['go', 'stop'])\nm.go.return_value = 5\nm.go(1, k=2)\nseen = m.go.call_args_list",
        "m.go(3)\nc = mock.call(1, k=2)\np = mock.sentinel.foo\nan = mock.ANY",
    ],
    [
        "m.go.call_count == 2 and m.go(9) == 5 and m.go.call_args_list[0] == c and mock.call(3) in m.go.mock_calls",
        "p is mock.sentinel.foo and an == 4",
        "seen is m.go.call_args_list and m.method_calls[0] == mock.call.go(1, k=2)",
    ],
)

case(
    "simple_namespaces_and_proxies",
    [
        "import types\nns = types.SimpleNamespace(a=[1])\nd = vars(ns)\nro = types.MappingProxyType({'k': ns})\nmod = types.ModuleType('fake'); mod.v = ns",
        "d['b'] = 2\nns.c = d",
    ],
    [
        "ns.b == 2 and vars(ns) is d",
        "(setattr(ns, 'z', 9), d['z'] == 9)[1] and ro['k'] is ns and mod.v is ns and ns.c is d",
    ],
)

case(
    "user_iterators_and_protocols",
    [
        "class It:\n    def __init__(s, n): s.n = n\n    def __iter__(s): return s\n    def __next__(s):\n        if s.n <= 0: raise StopIteration\n        s.n -= 1; return s.n\nclass Lazy:\n    def __getitem__(s, i):\n        if i > 3: raise IndexError\n        return i * 10\nit = It(5); next(it)\nseq = iter(Lazy()); next(seq)\nsent = iter(it.__next__, 1); next(sent)",
        "z = zip(it, seq); z0 = next(z)",
    ],
    ["z0 == (2, 10) and next(seq) == 20", "next(it) == 1 and next(z, None) == (0, 30)"],
)

case(
    "exceptions_kept_with_frames",
    [
        "def bad(x):\n    y = [x]\n    raise ValueError('v', y)\ntry:\n    bad(3)\nexcept ValueError as ex:\n    err = ex\n    import sys, traceback\n    info = sys.exc_info()\n    text = traceback.format_exc()",
        "class My(Exception):\n    def __init__(self, a, b): super().__init__(f'{a}-{b}'); self.a = a\ntry:\n    try: raise My(1, 2)\n    except My as q: raise KeyError('k') from q\nexcept KeyError as k2:\n    chained = k2",
    ],
    [
        "err.args == ('v', [3]) and isinstance(chained.__cause__, My) and chained.__cause__.a == 1 and str(chained.__cause__) == '1-2'",
        "'bad' in text and info[0] is ValueError and info[1] is err",
    ],
    may_lose=("info",),
)

case(
    "functions_of_the_global_streams",
    [
        "import random, numpy as np\nfrom random import random as draw, shuffle\nfrom numpy.random import normal\nrandom.seed(5); np.random.seed(6)\nchoice = random.choice\nuni = np.random.uniform\ntools = {'u': uni, 'd': draw}\nr = np.random.mtrand._rand",
        "a = draw(), normal(), choice(range(100))",
    ],
    [
        "(random.seed(1), draw() == (random.seed(1), random.random())[1])[1]",
        "(np.random.seed(2), uni() == (np.random.seed(2), np.random.uniform())[1])[1]",
        "(np.random.seed(2), normal() == (np.random.seed(2), np.random.normal())[1])[1]",
        "tools['u'].__self__ is np.random.mtrand._rand and choice.__self__ is random._inst and r is np.random.mtrand._rand",
    ],
    needs="numpy",
)
case(
    "streams_go_on_through_aliases",
    [
        "import random, numpy as np\nfrom random import random as draw\nfrom numpy.random import normal\nrandom.seed(5); np.random.seed(6)\nold = np.random.RandomState(3)\nheld = [old, old._bit_generator]",
        "a = draw(), normal(), old.normal()",
    ],
    ["draw() == $x$ and normal() == $y$ and old.normal() == $z$", "held[0] is old"],
    needs="numpy",
    capture={
        "x": "(lambda s: (random.random(), random.setstate(s)))(random.getstate())[0]",
        "y": "float((lambda s: (np.random.normal(), np.random.set_state(s)))(np.random.get_state())[0])",
        "z": "float((lambda s: (old.normal(), old.set_state(s)))(old.get_state())[0])",
    },
)
case(
    "global_rng_in_objects",
    [
        "import numpy as np, random\nclass Sim:\n    def __init__(self, rng=np.random): self.rng = rng; self.r = random\n    def go(self): return float(self.rng.rand()), self.r.random()\nnp.random.seed(1); random.seed(2)\ns = Sim(); t = Sim(np.random.RandomState(4)); g = Sim(np.random.default_rng(3).random) if False else None",
        "v = s.go(), t.go()",
    ],
    ["s.rng is np.random and s.r is random", "s.go() == $x$"],
    capture={
        "x": "(lambda a, b: (s.go(), np.random.set_state(a), random.setstate(b)))(np.random.get_state(), random.getstate())[0]"
    },
    needs="numpy",
)

case(
    "names_of_what_modules_own",
    [
        "import os, sys, warnings, logging, decimal, threading\nenv = os.environ\npath = sys.path\nmods = sys.modules\nargv = sys.argv\nroot = logging.getLogger()\ng = globals()\nip = get_ipython()\nmain = threading.main_thread()\nmeta = sys.meta_path",
        "env['MINE'] = '1'\npath.append('/nowhere')",
    ],
    [
        "env is os.environ and os.environ['MINE'] == '1'",
        "path is sys.path and '/nowhere' in sys.path",
        "mods is sys.modules",
        "argv is sys.argv",
        "root is logging.getLogger()",
        "g is globals()",
        "ip is get_ipython()",
        "main is threading.main_thread()",
        "meta is sys.meta_path",
    ],
    may_lose=("main",),
)

case(
    "the_warnings_filters_by_name",
    [
        "import warnings\nwarnings.filterwarnings('ignore', message='old')\nfound = warnings.filters",
        "warnings.simplefilter('error', ResourceWarning)\nkept = [found]",
    ],
    [
        "found is warnings.filters and kept[0] is found",
        "found[0][0] == 'error' and found[0][2] is ResourceWarning and found[1][1].pattern == 'old'",
        "(warnings.simplefilter('ignore', BytesWarning), found[0][2] is BytesWarning)[1]",
    ],
)

case(
    "names_of_what_libraries_own",
    [
        "import numpy as np, pandas as pd\nimport matplotlib; matplotlib.use('agg')\nimport matplotlib.pyplot as plt\nrc = plt.rcParams\nopts = pd.options\nrc['lines.linewidth'] = 7\nopts.display.max_rows = 5\nerr = np.geterr()",
        "rc2 = matplotlib.rcParams\nlib = plt.style.library",
    ],
    [
        "rc is plt.rcParams and rc2 is rc and plt.rcParams['lines.linewidth'] == 7",
        "pd.get_option('display.max_rows') == 5 and opts is pd.options",
        "(rc.__setitem__('lines.linewidth', 3), plt.rcParams['lines.linewidth'] == 3)[1]",
        "lib is plt.style.library",
    ],
    needs="matplotlib pandas",
)
case(
    "functions_bound_to_what_modules_own",
    [
        "import os, sys, logging, warnings\nget = os.environ.get\nsetd = os.environ.setdefault\nlog = logging.getLogger('b').info\nadd = sys.path.append\nshow = get_ipython().run_line_magic",
        "setd('SOME', 'v')",
    ],
    [
        "get('SOME') == 'v' == os.environ['SOME']",
        "(os.environ.__setitem__('Z', '9'), get('Z') == '9')[1]",
        "log.__self__ is logging.getLogger('b')",
        "(add('/x'), sys.path[-1] == '/x')[1]",
        "show.__self__ is get_ipython()",
    ],
)
case(
    "torch_default_generator_named",
    ["import torch\ntorch.manual_seed(3)\ng = torch.default_generator\na = torch.rand(2)", "b = torch.rand(1)"],
    ["g is torch.default_generator", "float(torch.rand(1)) == $x$"],
    capture={"x": "(lambda s: (float(torch.rand(1)), torch.set_rng_state(s)))(torch.get_rng_state())[0]"},
    needs="torch",
)
case(
    "environment_in_objects",
    [
        "import os\nclass Conf:\n    def __init__(self): self.env = os.environ; self.path = __import__('sys').path\nc = Conf()\nsaved = dict(os.environ)",
        "c.env['K'] = 'v'",
    ],
    ["c.env is os.environ and os.environ['K'] == 'v' and c.path is __import__('sys').path and 'K' not in saved"],
)

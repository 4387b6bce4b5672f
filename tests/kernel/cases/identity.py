# ruff: noqa: E501 - the cells are written as a user writes them
"""Who shares what with whom: aliases, views, links across variables, and changes through any of the names."""

from . import case

case(
    "one_list_in_many_places",
    [
        "l = [1]\nd = {'l': l}\nclass O: pass\no = O(); o.inner = {'deep': (d, [l])}\nt = (l,)\nf = lambda v=l: v\nbound = l.append\nclass K: shared = l\nk = K()",
        "bound(2)\nk.shared.append(3)\no.inner['deep'][1][0].append(4)",
    ],
    [
        "l == [1, 2, 3, 4]",
        "d['l'] is l and o.inner['deep'][0] is d and o.inner['deep'][1][0] is l and t[0] is l and f() is l and K.shared is l",
        "(bound(5), l[-1] == 5)[1]",
        "'shared' not in vars(k)",
    ],
)

case(
    "class_attributes_changed_through_instances",
    [
        "class C:\n    items = []\n    n = 0\n    def add(self, x):\n        self.items.append(x)\n        self.n += 1\n        type(self).total = len(self.items)\na, b = C(), C()\na.add(1); b.add(2)",
        "C.n = 10\nc = C()\nc.add(3)\nclass D(C): pass\nD.items = ['own']\nd = D(); d.add('x')",
    ],
    [
        "C.items == [1, 2, 3] and a.items is C.items and (a.n, b.n, c.n) == (1, 1, 11) and C.n == 10",
        "D.items == ['own', 'x'] and d.items is D.items and D.total == 2 and C.total == 3",
        "C().n == 10",
    ],
)

case(
    "attributes_edited_through_dict",
    [
        "class A: pass\na, b = A(), A()\na.__dict__['odd key'] = 1\na.__dict__.update(x=[1], y=2)\nb.__dict__.update(a.__dict__)\nvars(a)['z'] = a",
        "b.x.append(2)\ndel a.y",
    ],
    [
        "b.x is a.x and b.x == [1, 2] and not hasattr(a, 'y') and b.y == 2",
        "a.z is a and a.__dict__['odd key'] == 1",
    ],
)

case(
    "instances_that_share_their_dict",
    [
        "class Borg:\n    _shared = {}\n    def __init__(self): self.__dict__ = self._shared\nclass Late:\n    __slots__ = ('own', '__dict__')\nclass Free: pass\na, b = Borg(), Borg()\nl, m = Late(), Late()\nl.own, m.own = 1, 2\nf, g = Free(), Free()\nm.__dict__ = l.__dict__",
        "a.items = [1]\nl.x = 1\nf.y = 'f'\ng.__dict__ = f.__dict__\napart = Free(); apart.y = 'apart'",
    ],
    [
        "vars(a) is vars(b) is Borg._shared and b.items == [1]",
        "(setattr(b, 'n', 5), a.n == 5 and Borg().n == 5)[1]",
        "(setattr(m, 'z', 7), l.x == m.x == 1 and l.z == 7 and (l.own, m.own) == (1, 2))[1]",
        "vars(f) is vars(g) and g.y == 'f' and apart.y == 'apart' and vars(apart) is not vars(f)",
    ],
)

case(
    "shared_dict_changed_after_a_restore",
    [
        "class A: pass\na = A(); a.n = 1",
        "b = A(); b.__dict__ = a.__dict__",
        "held = vars(a)",
    ],
    [
        "a.n == b.n == held['n'] == 4 and a.late == b.late == ['x', 'y'] and vars(a) is vars(b) is held",
        "c.n == 3 and vars(c) is not held",
        "(held.update(n=5), a.n + b.n == 10)[1]",
    ],
    again=("b.n = 3", "c = A(); c.__dict__ = dict(a.__dict__)\na.late = ['x']", "held['n'] = 4\nb.late.append('y')"),
)

case(
    "dicts_of_a_class_of_their_own",
    [
        "class AttrDict(dict):\n    def __init__(self, *a, **k):\n        super().__init__(*a, **k)\n        self.__dict__ = self\nclass Noted(dict):\n    def __init__(self): self.note = []\nclass O:\n    def __init__(self): self.__dict__ = Noted()\nd = AttrDict(x=1); d.me = d\ninner = AttrDict(up=d)\no = O(); o.v = 1; vars(o).note.append('n')",
        "d.y = 2\nd['inner'] = inner",
    ],
    [
        "vars(d) is d and d.me is d and d['y'] == 2 and d.inner.up is d and d.inner is inner",
        "(setattr(d, 'z', 3), d['z'] == 3)[1] and (d.update(w=4), d.w == 4)[1]",
        "type(vars(o)) is Noted and vars(o).note == ['n'] and o.v == 1",
    ],
)

case(
    "containers_of_a_class_that_hold_themselves",
    [
        "class AttrDict(dict):\n    def __getattr__(self, k): return self[k]\nclass L(list):\n    def __setstate__(self, s): raise RuntimeError(s)\nclass S(set):\n    def __reduce__(self): raise TypeError('no')\n    def __hash__(self): return 5\nclass Own(dict):\n    def __init__(self): self.__dict__ = self\n    def __getattr__(self, k): return k\nd = AttrDict(n=1); d['me'] = d\nl = L([d]); l.append(l); l.note = d\ns = S(); s.add(s)\no = Own(); o.up = o",
        "d['more'] = [d]",
    ],
    [
        "d.me is d and d.more[0] is d and l[0] is d and l[1] is l and l.note is d and len(l) == 2",
        "next(iter(s)) is s and len(s) == 1",
        "vars(o) is o and o['up'] is o and o.none == 'none'",
    ],
)

case(
    "shared_dict_behind_a_class_that_delegates",
    [
        "class P:\n    _all = {'t': [1]}\n    def __init__(self): object.__setattr__(self, '__dict__', P._all)\n    def __getattr__(self, n): return getattr(self.t, n)\n    def __setattr__(self, n, v): raise AttributeError(n)\nclass S:\n    def __getstate__(self): return dict(self.__dict__)\np, q = P(), P()\ns, u = S(), S(); u.__dict__ = s.__dict__; u.k = 1",
        "p.append(2)",
    ],
    [
        "q.t == [1, 2] and vars(p) is vars(q) is P._all",
        "vars(s) is vars(u) and s.k == 1",
    ],
)

case(
    "methods_patched_on_classes_and_instances",
    [
        "class A:\n    def go(self): return 'class'\n    def __len__(self): return 3\na, b = A(), A()\nimport types\nb.go = types.MethodType(lambda self: ('bound', self is b), b)\na.go2 = lambda: 'free'",
        "A.go = lambda self: 'patched'\nA.prop = property(lambda self: 'p', lambda self, v: self.__dict__.__setitem__('set', v))\nA.__call__ = lambda self, x: x * 2\nA.cm = classmethod(lambda cls: cls.__name__)\nA.sm = staticmethod(lambda: 's')\ndel A.__len__",
    ],
    [
        "a.go() == 'patched' and b.go() == ('bound', True) and a.go2() == 'free'",
        "a.prop == 'p' and (setattr(a, 'prop', 5), a.set == 5)[1]",
        "a(4) == 8 and A.cm() == 'A' and a.sm() == 's' and not hasattr(a, '__len__')",
    ],
)

case(
    "hooks_of_class_creation_do_not_run_again",
    [
        "made = []\nclass Meta(type):\n    registry = {}\n    def __new__(m, name, bases, ns, **kw):\n        cls = super().__new__(m, name, bases, ns)\n        m.registry[name] = cls\n        return cls\n    def __init__(cls, name, bases, ns, **kw):\n        super().__init__(name, bases, ns)\n    def __call__(cls, *a):\n        made.append(cls.__name__)\n        return super().__call__(*a)\nclass Base(metaclass=Meta):\n    subs = []\n    def __init_subclass__(cls, tag=None, **kw):\n        super().__init_subclass__(**kw)\n        Base.subs.append((cls.__name__, tag))\n    def __class_getitem__(cls, k): return (cls.__name__, k)\nclass One(Base, tag='t1'): pass\nclass Field:\n    def __set_name__(self, owner, name): made.append(f'{owner.__name__}.{name}'); self.name = name\n    def __get__(self, o, t=None): return self if o is None else o.__dict__.get(self.name, 'unset')\n    def __set__(self, o, v): o.__dict__[self.name] = v\nclass Two(One, tag='t2'):\n    f = Field()",
        "x = Two(); x.f = 5\ny = One()",
    ],
    [
        "made == ['Two.f', 'Two', 'One'] and Base.subs == [('One', None), ('Two', None)]",
        "list(Meta.registry) == ['Base', 'One', 'Two'] and Meta.registry['Two'] is Two",
        "x.f == 5 and Two.f.name == 'f' and Base['k'] == ('Base', 'k') and type(Two) is Meta",
        "(Two(), made[-1] == 'Two')[1] and Base.__subclasses__() == [One]",
    ],
)

case(
    "objects_that_lie_about_themselves",
    [
        "class Proxy:\n    def __init__(self, t): object.__setattr__(self, '_t', t)\n    def __getattr__(self, n): return getattr(object.__getattribute__(self, '_t'), n)\n    def __setattr__(self, n, v): setattr(object.__getattribute__(self, '_t'), n, v)\n    @property\n    def __class__(self): return type(self._t)\n    def __eq__(self, o): return True\n    def __hash__(self): return 7\n    def __bool__(self): return False\nclass T:\n    def __init__(self): self.v = [1]\nt = T()\np = Proxy(t)\nholder = [p, p]",
        "p.v.append(2)\np.w = 'set through'",
    ],
    [
        "t.v == [1, 2] and t.w == 'set through'",
        "type(p) is Proxy and object.__getattribute__(p, '_t') is t",
        "holder[0] is p and holder[1] is p and isinstance(p, T) and not p",
    ],
)

case(
    "slots_with_and_without_dict",
    [
        "class P:\n    __slots__ = ('x', '_y', '__z')\n    def __init__(self): self.x, self._y, self.__z = [1], 2, 3\n    def z(self): return self.__z\nclass Q(P):\n    __slots__ = ('w', '__weakref__')\nclass R(Q):\n    pass\np, q, r = P(), Q(), R()\nq.w = p.x\nr.free = q",
        "p.x.append(2); del p._y\nimport weakref\nref = weakref.ref(q)",
    ],
    [
        "q.w is p.x and p.x == [1, 2] and not hasattr(p, '_y') and p.z() == 3",
        "r.free is q and ref() is q and not hasattr(q, '__dict__')",
        "P.x.__get__(p) is p.x and not hasattr(Q(), 'w')",
    ],
)

case(
    "cached_properties_and_memo",
    [
        "import functools, dataclasses\nruns = []\n@dataclasses.dataclass\nclass Data:\n    n: int\n    tags: list = dataclasses.field(default_factory=list)\n    @functools.cached_property\n    def big(self):\n        runs.append(self.n)\n        return [self.n] * 3\n@functools.lru_cache(maxsize=None)\ndef slow(k):\n    runs.append(('slow', k))\n    return [k]\n@functools.cache\ndef other(k): return (k, object())\nd = Data(5); b = d.big; s = slow(1); o = other(2)",
        "b.append('x'); s.append('y')\npart = functools.partial(slow, 1)",
    ],
    [
        "d.big is b and b == [5, 5, 5, 'x'] and runs == [5, ('slow', 1)]",
        "slow(1) is s and s == [1, 'y'] and runs[-1] == ('slow', 1)",
        "other(2) is o and part() is s",
    ],
)

case(
    "bounded_caches_are_kept_or_told",
    [
        "import functools\nruns = []\n@functools.lru_cache(maxsize=2)\ndef f(k):\n    runs.append(k)\n    return [k]\na = f(1); b = f(2); f(1)",
        "f(3)\nn = len(runs)",
    ],
    ["n == 3 and runs == [1, 2, 3]", "f.cache_info().maxsize == 2", "f(3) == [3] and f(1) is a and runs == [1, 2, 3]"],
)

case(
    "partials_getters_and_method_objects",
    [
        "import functools, operator\nl = [3, 1, 2]\nadd = functools.partial(l.insert, 0)\nget = operator.itemgetter(0, 2)\nattr = operator.attrgetter('real', 'imag')\ncall = operator.methodcaller('count', 3)\nkey = functools.cmp_to_key(lambda a, b: b - a)\nclass M:\n    pm = functools.partialmethod(lambda self, a, b: (a, b), 'a')\nm = M()\nup = str.upper\nsrt = l.sort\nstatic = dict.fromkeys",
        "add(9)\nsrt()",
    ],
    [
        "l == [1, 2, 3, 9] and get(l) == (1, 3) and attr(1 + 2j) == (1.0, 2.0) and call([3, 3]) == 2",
        "add.func.__self__ is l and srt.__self__ is l",
        "sorted([1, 2], key=key) == [2, 1] and m.pm('b') == ('a', 'b')",
        "up('x') == 'X' and static('ab', 1) == {'a': 1, 'b': 1} and (add(0), l[0] == 0)[1]",
    ],
)

case(
    "weak_containers_with_live_and_dead",
    [
        "import weakref, gc\nclass N:\n    def __init__(self, v): self.v = v\na, b = N(1), N(2)\nwv = weakref.WeakValueDictionary(a=a, b=b)\nwk = weakref.WeakKeyDictionary({a: ['meta a'], b: ['meta b']})\nws = weakref.WeakSet([a, b])\nra = weakref.ref(a, lambda r: gone.append('a'))\npr = weakref.proxy(a)\nwm = weakref.WeakMethod(a.__init__)\ngone = []",
        "del b; gc.collect()\nwk[a].append('more')",
    ],
    [
        "list(wv) == ['a'] and wv['a'] is a and wk[a] == ['meta a', 'more'] and len(ws) == 1 and a in ws",
        "ra() is a and pr.v == 1 and gone == []",
        "wm()(5) is None and a.v == 5",
        "(globals().pop('a') and None, gc.collect(), len(wv) == 0 and ra() is None and gone == ['a'])[2]",
    ],
    may_lose=("ra", "pr", "wm"),
)

case(
    "weak_references_that_call",
    [
        "import weakref\nclass N:\n    def m(self): return 1\na, b, c = N(), N(), N()\ngone = []\ndef tell(what): return lambda r: gone.append(what)",
        "r = weakref.ref(a, tell('a')); p = weakref.proxy(b, tell('b')); m = weakref.WeakMethod(c.m, tell('c')); quiet = weakref.ref(c)",
    ],
    [
        "r() is a and p.m() == 1 and m()() == 1 and quiet() is c and gone == []",
        "(globals().pop('a') and None, globals().pop('b') and None, globals().pop('c') and None, sorted(gone) == ['a', 'b', 'c'])[3]",
    ],
)

case(
    "exceptions_as_values",
    [
        "import traceback\nclass MyErr(ValueError):\n    def __init__(self, code, *, why):\n        super().__init__(f'{code}: {why}')\n        self.code, self.why = code, why\ntry:\n    try:\n        {}['k']\n    except KeyError as k:\n        raise MyErr(5, why=['w']) from k\nexcept MyErr as e:\n    err = e\nlines = traceback.format_exception(err)",
        "err.why.append('more')\nerrs = [err, err.__cause__]",
    ],
    [
        "err.code == 5 and err.why == ['w', 'more'] and str(err) == \"5: ['w']\"",
        "isinstance(err.__cause__, KeyError) and errs[1] is err.__cause__",
        "''.join(traceback.format_exception(err)) == ''.join(lines)",
        "err.__traceback__.tb_lineno == 10",
    ],
)

case(
    "views_and_proxies",
    [
        "import types, collections\nd = {'a': 1}\nmp = types.MappingProxyType(d)\nks, vs = d.keys(), d.values()\nns = types.SimpleNamespace(d=d, l=[])\nns.me = ns\ncm = collections.ChainMap({}, d)\nmv = memoryview(bytearray(b'abcdef'))\npart = mv[2:4]\nsl = slice(1, None, 2)",
        "d['b'] = 2\ncm['c'] = 3\npart[0] = 88",
    ],
    [
        "dict(mp) == {'a': 1, 'b': 2} and list(ks) == ['a', 'b'] and list(vs) == [1, 2]",
        "ns.d is d and ns.me is ns and cm.maps[1] is d and cm['c'] == 3 and 'c' not in d",
        "bytes(mv) == b'abXdef' and bytes(part) == b'Xd'",
        "(d.__setitem__('z', 9), mp['z'] == 9 and 'z' in ks)[1] and (part.__setitem__(1, 89), mv[3] == 89)[1]",
        "[1, 2, 3, 4][sl] == [2, 4]",
    ],
)

case(
    "deep_chains",
    [
        "chain = None\nfor i in range(50_000): chain = (i, chain)\nnested = []\ncur = nested\nfor i in range(20_000):\n    cur.append([]); cur = cur[0]\nclass Link:\n    def __init__(self, nxt): self.nxt = nxt\nhead = None\nfor i in range(20_000): head = Link(head)",
        "n = 0\nx = head\nwhile x is not None: n += 1; x = x.nxt\ndel x",
    ],
    [
        "n == 20_000 and chain[0] == 49_999 and chain[1][0] == 49_998",
        "type(nested[0][0][0]) is list and len(nested) == 1",
        "head.nxt.nxt is not None and type(head) is Link",
    ],
)

case(
    "names_bound_to_types_and_modules_of_the_interpreter",
    [
        "import types, sys\nts = [int, type(None), type(...), types.FunctionType, types.GeneratorType, type(lambda: 0), type({}.keys()), type(iter([])), range, types.ModuleType, type(type), BaseException]\nkinds = {t.__name__: t for t in ts}\nm = [sys, types]\nbuiltin = [len, print, isinstance, sys.getsizeof, ''.join, {}.get, [].append]\nell = [..., NotImplemented, None]",
        "extra = kinds['int']",
    ],
    [
        "ts[0] is int and ts[1] is type(None) and ts[3] is types.FunctionType and ts[5] is types.FunctionType and ts[6] is type({}.keys()) and ts[7] is type(iter([]))",
        "m[0] is sys and builtin[0] is len and builtin[4](['a', 'b']) == 'ab' and ell[0] is ... and extra is int",
    ],
)

case(
    "enums_and_flags_with_state",
    [
        "import enum\nclass Color(enum.Enum):\n    RED = 1\n    BLUE = 'b'\n    ALIAS = 1\n    def __init__(self, v): self.seen = []\n    @property\n    def low(self): return self.name.lower()\n    @classmethod\n    def first(cls): return next(iter(cls))\nclass Perm(enum.Flag):\n    R = enum.auto(); W = enum.auto()\n    RW = R | W\nclass Num(enum.IntEnum):\n    A = 1\nFun = enum.Enum('Fun', 'X Y')\nc = Color.RED\ncombo = Perm.R | Perm.W",
        "c.seen.append('hit')\nd = {Color.BLUE: c, Fun.X: Num.A}",
    ],
    [
        "c is Color.RED is Color.ALIAS is Color(1) and Color.RED.seen == ['hit'] and c.low == 'red' and Color.first() is c",
        "combo is Perm.RW and d[Color.BLUE] is c and d[Fun.X] is Num.A and Num.A == 1",
        "[m.name for m in Fun] == ['X', 'Y']",
    ],
)

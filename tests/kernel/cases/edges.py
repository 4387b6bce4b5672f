# ruff: noqa: E501 - the cells are written as a user writes them
"""Objects at the edges of the standard library and of numpy and pandas, half-way through their work."""

from . import case

case(
    "codecs_half_way_through_a_character",
    [
        "import codecs\ndec = codecs.getincrementaldecoder('utf-8')()\nhead = dec.decode(b'caf\\xc3')\nenc = codecs.getincrementalencoder('utf-16')()\nfirst = enc.encode('a')",
        "import zlib\nzc = zlib.crc32(b'abc')\nplain = zlib.compress(b'x' * 1000)",
        "import hashlib\nh = hashlib.sha256()\nh.update(b'first')\nbefore = h.hexdigest()",
    ],
    [
        "head == 'caf' and dec.decode(b'\\xa9') == '\\u00e9'",
        "first[:2] in (b'\\xff\\xfe', b'\\xfe\\xff') and enc.encode('b') == 'b'.encode('utf-16')[2:]",
        "zlib.decompress(plain) == b'x' * 1000 and zc == zlib.crc32(b'abc')",
        "(h.update(b'second'), h.hexdigest() == hashlib.sha256(b'firstsecond').hexdigest())[1]",
    ],
    may_lose=("dec", "enc", "h"),
)

case(
    "counters_shared_by_closures",
    [
        "def make():\n    n = 0\n    log = []\n    def up():\n        nonlocal n\n        n += 1\n        log.append(n)\n        return n\n    def down():\n        nonlocal n\n        n -= 1\n        return n\n    return up, down, lambda: (n, log)\nup, down, look = make()",
        "up(); up(); down()\nboth = {'up': up, 'bound': [up, down]}",
        "from functools import partial\np = partial(print)\np2 = partial(lambda *a, **k: (a, k), 1)\np2.__dict__['me'] = p2\np2.tag = [1]\nq = partial(p2, 2, key=p2.tag)",
    ],
    [
        "look() == (1, [1, 2]) and up() == 2 and look() == (2, [1, 2, 2])",
        "both['up'] is up and both['bound'][1] is down and down() == 1 and look()[0] == 1",
        "p2.me is p2 and q()[1]['key'] is p2.tag and q()[0] == (1, 2)",
    ],
)

case(
    "state_given_by_getstate_with_slots",
    [
        "class P:\n    __slots__ = ('x', 'y', '__weakref__')\n    def __init__(self, x):\n        self.x = x\n    def __getstate__(self):\n        return {'x': self.x}\n    def __setstate__(self, s):\n        self.x = s['x']\n        self.y = 'set by setstate'\np = P([1])\np.y = p.x",
        "class Lazy:\n    loads = 0\n    def __getattr__(self, name):\n        if name.startswith('__'):\n            raise AttributeError(name)\n        type(self).loads += 1\n        self.__dict__[name] = [name]\n        return self.__dict__[name]\nlazy = Lazy()\na = lazy.alpha\nb = lazy.alpha",
        "import functools, threading\nclass Slow:\n    def __init__(self):\n        self.lock = threading.Lock()\n        self.n = 0\n    @functools.cached_property\n    def value(self):\n        with self.lock:\n            self.n += 1\n            return [self.n]\ns = Slow()\nv = s.value",
    ],
    [
        "p.x == [1] and p.y is p.x",
        "a is b and lazy.alpha is a and Lazy.loads == 1 and list(vars(lazy)) == ['alpha']",
        "s.value is v and s.n == 1 and not s.lock.locked() and s.lock.acquire(False)",
    ],
)

case(
    "containers_with_bounds_and_defaults",
    [
        "from collections import deque, defaultdict, Counter, ChainMap, OrderedDict\nd = deque([1, 2, 3], maxlen=3)\nd.append(4)\ninner = defaultdict(list)\ntree = lambda: defaultdict(tree)\nt = tree()\nt['a']['b']['c'] = 1",
        "cm = ChainMap({'k': 1}, inner)\nchild = cm.new_child()\nchild['new'] = d\nod = OrderedDict(a=1, b=2)\nod.move_to_end('a')",
        "import array, struct\narr = array.array('i', [1, 2, 3])\nmv = memoryview(arr)\nhalf = mv[1:]\nst = struct.Struct('<iH')\nbuf = bytearray(12)\nst.pack_into(buf, 0, 7, 9)\nview = memoryview(buf)[4:]",
    ],
    [
        "list(d) == [2, 3, 4] and d.maxlen == 3 and child['new'] is d",
        "(t['x']['y'], type(t['x']['y']) is defaultdict and t['a']['b'] == {'c': 1})[1]",
        "(inner['z'].append(1), cm['z'] == [1] and child.maps[2] is inner and child.parents.maps[0] is cm.maps[0])[1]",
        "list(od) == ['b', 'a']",
        "arr.itemsize == 4 and (half.__setitem__(0, 50), arr[1] == 50)[1] and half.obj is arr",
        "st.unpack_from(buf) == (7, 9) and (view.__setitem__(0, 1), buf[4] == 1)[1]",
    ],
    may_lose=("mv", "half", "view"),
)

case(
    "views_written_through_in_place",
    [
        "import numpy as np\nbase = np.arange(24.).reshape(4, 6)\nrow = base[1]\nwin = np.lib.stride_tricks.sliding_window_view(base[0], 3)\nst = np.lib.stride_tricks.as_strided(base, (2, 3), (96, 16), writeable=True)\nbc = np.broadcast_to(row, (3, 6))\nrec = np.rec.array([(1, 2.), (3, 4.)], dtype=[('a', int), ('b', float)])\ncol = rec.b",
        "row += 100\ncol *= 2\nst[0, 1] = -1\nm = np.ma.masked_greater(base, 100)\nm2 = m[:2]\nm2[0, 0] = np.ma.masked",
        "def total(x, acc=base):\n    acc[3] += x\n    return acc[3].sum()\nt1 = total(1)\ntry:\n    base[2] = 0\n    raise ValueError('half-way')\nexcept ValueError as e:\n    kept = e",
        "base[0, 5] = 77\nundefined_name",
    ],
    [
        "base[1, 0] == 106 and base[0, 2] == -1 and base[0, 5] == 77 and (base[2] == 0).all()",
        "np.shares_memory(row, base) and np.shares_memory(win, base) and np.shares_memory(st, base) and np.shares_memory(bc, row)",
        "bc.strides == (0, 8) and not bc.flags.writeable and win[3, 2] == 77",
        "rec.b.tolist() == [4.0, 8.0] and type(rec) is np.recarray and np.shares_memory(col, rec)",
        "m.mask[1].all() and m2.mask[0, 0] and m.mask[0, 0]",
        "total.__defaults__[0] is base and (total(1), base[3, 0] == 20)[1]",
        "str(kept) == 'half-way'",
    ],
    needs="numpy",
    raises=(3,),
)

case(
    "frames_with_categories_intervals_and_periods",
    [
        "import pandas as pd, numpy as np\ndf = pd.DataFrame({'c': pd.Categorical(['x', 'y', 'x'], categories=['y', 'x', 'z'], ordered=True), 'p': pd.period_range('2024-01', periods=3, freq='M'), 'i': pd.interval_range(0, 3), 's': pd.array([1, None, 3], dtype='Int64')})\ndf.attrs['unit'] = ['m']\nmi = pd.MultiIndex.from_product([['a', 'b'], [1, 2]], names=['k', 'n'])\nser = pd.Series(range(4), index=mi, name='v')",
        "dtype = df['c'].dtype\nsub = df[['c', 's']]\ngrouped = df.groupby('c', observed=False)\nunits = df.attrs['unit']\nsp = pd.Series(pd.arrays.SparseArray([0, 0, 1]))\ntz = pd.Series(pd.date_range('2024-03-31', periods=3, freq='h', tz='Europe/Berlin'))",
        "df.loc[1, 's'] = 5\ndf['c'] = df['c'].cat.remove_unused_categories()\nser.loc[('a', 1)] = 10",
    ],
    [
        "df['c'].cat.ordered and list(df['c'].cat.categories) == ['y', 'x'] and list(dtype.categories) == ['y', 'x', 'z']",
        "df['p'].dtype == 'period[M]' and df['i'].array.closed == 'right' and df['s'].tolist() == [1, 5, 3] and sub['s'].isna().sum() == 1",
        "(df.loc.__setitem__((0, 's'), 99), sub['s'].iloc[0] == 1 and df['s'].iloc[0] == 99)[1]",
        "df.attrs['unit'] == ['m'] and units == ['m'] and ser.index.names == ['k', 'n'] and ser['a', 1] == 10",
        "grouped.size().to_dict() == {'y': 1, 'x': 2, 'z': 0} and sp.sparse.density < 0.4 and str(tz.dt.tz) == 'Europe/Berlin'",
    ],
    needs="pandas",
)

case(
    "models_with_functions_of_the_user",
    [
        "import numpy as np\nfrom sklearn.pipeline import make_pipeline\nfrom sklearn.preprocessing import FunctionTransformer, StandardScaler\nfrom sklearn.linear_model import LogisticRegression\nshift = 3\npipe = make_pipeline(FunctionTransformer(lambda X: X + shift), StandardScaler(), LogisticRegression())\nX = np.random.default_rng(0).normal(size=(50, 3))\ny = (X[:, 0] > 0).astype(int)\npipe.fit(X, y)",
        "scaler = pipe[1]\nbefore = pipe.predict(X)\nshift = 1000",
    ],
    [
        "pipe[1] is scaler and pipe[0].transform(X)[0, 0] > 900",
        "(globals().__setitem__('shift', 3), (pipe.predict(X) == before).all())[1]",
    ],
    needs="sklearn",
)

case(
    "archives_and_rows_of_databases",
    [
        "import zipfile, tarfile, sqlite3, io\nwith zipfile.ZipFile('a.zip', 'w') as z:\n    z.writestr('x.txt', 'hello')\nzr = zipfile.ZipFile('a.zip')",
        "con = sqlite3.connect('r.db')\ncon.row_factory = sqlite3.Row\ncon.execute('create table t(a, b)')\ncon.execute('insert into t values(1, 2)')\ncon.commit()",
        "con2 = sqlite3.connect('r.db')\ncon2.row_factory = lambda c, r: dict(zip([d[0] for d in c.description], r))\nrow = con2.execute('select * from t').fetchone()",
    ],
    [
        "zr.read('x.txt') == b'hello'",
        "con.execute('select * from t').fetchone()['b'] == 2 and con.execute('select count(*) from t').fetchone()[0] == 1",
        "con2.execute('select * from t').fetchone() == row == {'a': 1, 'b': 2}",
    ],
    may_lose=("zr", "con", "con2"),
)

case(
    "numbers_ids_and_paths_by_value",
    [
        "import decimal, fractions, uuid, pathlib, zoneinfo, datetime, random, enum\nD = decimal.Decimal\nd = D('1.10')\nctx = decimal.Context(prec=7)\nf = fractions.Fraction(3, 7)\nu = uuid.uuid5(uuid.NAMESPACE_DNS, 'x')\nroot = pathlib.Path('.').resolve()\nz = zoneinfo.ZoneInfo('UTC')\nt = datetime.datetime(2024, 1, 1, tzinfo=z, fold=1)",
        "r = random.Random(5)\nr2 = random.Random()\nr2.setstate(r.getstate())\nx = r.random()\nclass Perm(enum.Flag):\n    R = 4\n    W = 2\n    RW = R | W\nperm = Perm.R | Perm.W",
        "import re\npat = re.compile(r'(?P<a>\\w)(\\d)?', re.I | re.X)\nm = pat.search('z9')\nit = pat.finditer('a1 b2 c3')\none = next(it).group()",
    ],
    [
        "str(d) == '1.10' and ctx.prec == 7 and f == fractions.Fraction(6, 14) and u.version == 5 and root == pathlib.Path.cwd()",
        "t.fold == 1 and t.tzinfo is z and zoneinfo.ZoneInfo('UTC') is z",
        "r2.random() == x and r.random() == r2.random()",
        "perm is Perm.RW and Perm.R in perm",
        "m.group('a') == 'z' and m[2] == '9' and pat.flags & re.X and m.re is pat and one == 'a1' and next(it).group() == 'b2'",
    ],
)

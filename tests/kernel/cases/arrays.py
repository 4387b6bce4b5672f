# ruff: noqa: E501 - the cells are written as a user writes them
"""numpy: arrays of every kind, the memory that they share, random streams, and numpy's own settings."""

from . import case

case(
    "array_views_of_views",
    [
        "import numpy as np\nbase = np.arange(24.0)\ngrid = base.reshape(4, 6)\nrow = grid[1]\nback = row[::-1]\nodd = grid[:, 1::2]\nflat = grid.T",
        "row[0] = -1\nodd[0, 0] = -2",
    ],
    [
        "base[6] == -1 and base[1] == -2 and back[-1] == -1",
        "(back.__setitem__(0, 77), base[11] == 77 and grid[1, 5] == 77 and odd[1, 2] == 77)[1]",
        "np.shares_memory(flat, base) and flat.flags.f_contiguous and back.strides == (-8,)",
        "grid.base is base and not row.flags.owndata",
    ],
    "numpy",
)

case(
    "array_views_in_containers_and_attributes",
    [
        "import numpy as np\nclass Holder:\n    def __init__(self, a):\n        self.half = a[: len(a) // 2]\n        self.parts = {'tail': a[-2:], 'all': a}\ndata = np.zeros(10)\nh = Holder(data)\ndel data",
        "h.half[0] = 3\nh.parts['tail'][:] = 9",
    ],
    [
        "h.parts['all'][0] == 3 and h.parts['all'][9] == 9 and 'data' not in globals()",
        "(h.half.__setitem__(1, 5), h.parts['all'][1] == 5)[1]",
    ],
    "numpy",
)

case(
    "structured_array_fields_share_memory",
    [
        "import numpy as np\nt = np.zeros(4, dtype=[('id', 'i4'), ('pos', 'f8', (2,)), ('name', 'U4'), ('raw', 'V3')])\nids = t['id']\npos = t['pos']\none = t[2]\nrec = t.view(np.recarray)\naligned = np.zeros(2, np.dtype([('a', 'i1'), ('b', 'f8')], align=True))",
        "ids[1] = 7\npos[3, 1] = 2.5\none['name'] = 'abcd'",
    ],
    [
        "t['id'].tolist() == [0, 7, 0, 0] and t['pos'][3, 1] == 2.5 and t['name'][2] == 'abcd'",
        "rec.id[1] == 7 and rec.name[2] == 'abcd' and type(rec) is np.recarray",
        "(ids.__setitem__(0, 5), t[0]['id'] == 5 and rec.id[0] == 5)[1]",
        "aligned.dtype.itemsize == 16 and aligned.dtype.isalignedstruct",
        "(one.__setitem__('id', 9), t['id'][2] == 9)[1]",
    ],
    "numpy",
)

case(
    "object_arrays_share_their_elements",
    [
        "import numpy as np\nitem = {'n': 1}\nobj = np.empty((2, 2), dtype=object)\nobj[0, 0] = item\nobj[1, 1] = obj[0, 0]\ncol = obj[:, 1]\nself_ref = np.empty(1, dtype=object)\nself_ref[0] = self_ref\nnested = np.array([np.arange(3), np.arange(4)], dtype=object)",
        "item['n'] = 2\ncol[0] = [1]",
    ],
    [
        "obj[0, 0] is item and obj[1, 1] is item and item['n'] == 2",
        "obj[0, 1] == [1] and (col.__setitem__(0, 'new'), obj[0, 1] == 'new')[1]",
        "self_ref[0] is self_ref",
        "nested[1].tolist() == [0, 1, 2, 3]",
    ],
    "numpy",
)

case(
    "arrays_read_only_fortran_zero_dimensional",
    [
        "import numpy as np\nro = np.arange(4)\nro.flags.writeable = False\nview = np.arange(6)\nlocked = view[:3]\nlocked.flags.writeable = False\nfortran = np.asfortranarray(np.arange(6.0).reshape(2, 3))\nzero = np.array(5)\nalias = zero[()]\nempty = np.empty((0, 3), 'f4')\nhalf = np.float16(1.5)\nbig = np.arange(3, dtype='>i8')\nlong = np.longdouble(1) / 3",
        "zero += 1\nview[0] = 42",
    ],
    [
        "not ro.flags.writeable and not locked.flags.writeable and view.flags.writeable",
        "locked[0] == 42 and (view.__setitem__(1, 43), locked[1] == 43)[1]",
        "fortran.flags.f_contiguous and not fortran.flags.c_contiguous and fortran[1, 2] == 5",
        "zero == 6 and zero.shape == () and alias == 5 and empty.shape == (0, 3) and empty.dtype == 'f4'",
        "type(half) is np.float16 and big.dtype.str == '>i8' and big.tolist() == [0, 1, 2]",
        "long == np.longdouble(1) / 3 and type(long) is np.longdouble",
    ],
    "numpy",
)

case(
    "memory_mapped_arrays",
    [
        "import numpy as np\nm = np.memmap('m.bin', dtype='i4', mode='w+', shape=(4, 3))\nm[:] = 1\nrow = m[2]\nnp.save('saved.npy', np.arange(5))\nr = np.load('saved.npy', mmap_mode='r')\nc = np.load('saved.npy', mmap_mode='c')",
        "m[0, 0] = 9\nrow[1] = 8\nc[0] = 100\nm.flush()",
    ],
    [
        "m[0, 0] == 9 and m[2, 1] == 8 and isinstance(m, np.memmap)",
        "r.tolist() == [0, 1, 2, 3, 4] and not r.flags.writeable",
        "c[0] == 100 and r[0] == 0",
        "(row.__setitem__(0, 7), m[2, 0] == 7)[1]",
    ],
    "numpy",
    may_lose=("c", "row"),
)

case(
    "datetime_arrays_and_scalars",
    [
        "import numpy as np\nd = np.array(['2024-01-31', 'NaT'], dtype='M8[D]')\nns = np.datetime64('2024-01-01T00:00:00.123456789')\nstep = np.timedelta64(90, 'm')\nspan = np.arange('2024-01', '2024-04', dtype='M8[M]')\nbd = np.busdaycalendar(holidays=['2024-01-01'])\nnat = np.timedelta64('NaT')",
        "d[0] += 1",
    ],
    [
        "str(d[0]) == '2024-02-01' and np.isnat(d[1]) and d.dtype == 'M8[D]'",
        "ns.dtype == 'M8[ns]' and str(ns).endswith('123456789') and step == np.timedelta64(5400, 's') and step.dtype == 'm8[m]'",
        "span.astype(str).tolist() == ['2024-01', '2024-02', '2024-03'] and np.isnat(nat)",
        "str(np.busday_offset('2024-01-01', 0, roll='forward', busdaycal=bd)) == '2024-01-02'",
    ],
    "numpy",
)

case(
    "masked_arrays_share_data_and_mask",
    [
        "import numpy as np\nraw = np.arange(6.0)\nma = np.ma.array(raw, mask=[0, 1, 0, 0, 0, 0], copy=False, fill_value=-9)\nhard = np.ma.array([1, 2, 3], mask=[1, 0, 0], hard_mask=True)\nmv = ma[2:5]\nstructured = np.ma.array([(1, 2.0)], mask=[(0, 1)], dtype=[('a', int), ('b', float)])",
        "ma[2] = np.ma.masked\nraw[3] = 33",
    ],
    [
        "ma.mask.tolist() == [False, True, True, False, False, False] and ma.fill_value == -9",
        "ma[3] == 33 and (raw.__setitem__(4, 44), ma[4] == 44)[1]",
        "hard.hardmask and (hard.__setitem__(0, 5), hard.mask[0])[1]",
        "mv.mask.tolist() == [True, False, False] and structured.mask['b'][0]",
        "np.ma.masked is not None and (ma[1] is np.ma.masked)",
    ],
    "numpy",
)

case(
    "broadcast_and_strided_views",
    [
        "import numpy as np\nfrom numpy.lib.stride_tricks import sliding_window_view, as_strided\nv = np.arange(5)\nb = np.broadcast_to(v, (3, 5))\nw = sliding_window_view(v, 3)\ns = as_strided(v, shape=(2, 2), strides=(16, 8))\nreal = np.zeros(3, complex)\nim = real.imag",
        "v[2] = 20\nim[1] = 5",
    ],
    [
        "b.shape == (3, 5) and b[2, 2] == 20 and not b.flags.writeable and b.strides[0] == 0",
        "w[0].tolist() == [0, 1, 20] and s.tolist() == [[0, 1], [20, 3]]",
        "(v.__setitem__(0, -1), b[1, 0] == -1 and w[0, 0] == -1 and s[0, 0] == -1)[1]",
        "real[1] == 5j and (im.__setitem__(2, 7), real[2] == 7j)[1]",
    ],
    "numpy",
)

case(
    "character_and_bytes_arrays",
    [
        "import numpy as np\nu = np.array(['abc', 'é\\u4e2d'])\ns = np.array([b'ab', b'\\xff'])\nch = np.char.array(['x ', 'y'])\nsub = u.view('U1').reshape(2, -1)\nb = bytearray(b'0123456789')\nfb = np.frombuffer(b, dtype='u1')\nmv = memoryview(b)[2:4]",
        "fb[0] = 65\nmv[0] = 66\nsub[0, 0] = 'Z'",
    ],
    [
        "u[0] == 'Zbc' and u[1] == 'é\\u4e2d' and s[1] == b'\\xff' and ch.upper()[1] == 'Y'",
        "b[0] == 65 and b[2] == 66 and fb[2] == 66",
        "(fb.__setitem__(3, 67), b[3] == 67 and mv[1] == 67)[1]",
        "type(ch).__name__ == 'chararray'",
    ],
    "numpy",
)

case(
    "array_subclass_with_attributes",
    [
        """
import numpy as np
class Signal(np.ndarray):
    def __new__(cls, data, rate=1):
        obj = np.asarray(data).view(cls)
        obj.rate = rate
        return obj
    def __array_finalize__(self, obj):
        self.rate = getattr(obj, "rate", None)
sig = Signal(np.arange(6.0), rate=44)
part = sig[2:4]
plain = np.asarray(sig)
""",
        "sig.rate = 48\npart[0] = 99",
    ],
    [
        "type(sig) is Signal and sig.rate == 48 and part.rate == 44 and sig[2] == 99 and plain[2] == 99",
        "(plain.__setitem__(3, 5), part[1] == 5 and sig[3] == 5)[1]",
    ],
    "numpy",
)

case(
    "random_streams_of_numpy",
    [
        "import numpy as np\nnp.random.seed(3)\nrs = np.random.RandomState(1)\ng = np.random.default_rng(2)\nshared = g\nmt = np.random.Generator(np.random.MT19937(5))\nss = np.random.SeedSequence(9)\nkids = ss.spawn(2)\nbound = g.normal",
        "a = np.random.rand(), rs.rand(), g.random(), mt.random()\nnp.random.normal()\nrs.normal()",
    ],
    [
        "shared is g and bound.__self__ is g",
        "(np.random.rand(), np.random.normal()) == tuple($legacy$)",
        "(rs.normal(), rs.rand()) == tuple($rs$)",
        "(g.random(), g.normal(), mt.random()) == tuple($g$)",
        "ss.spawn(1)[0].spawn_key == (2,) and kids[1].spawn_key == (1,)",
    ],
    "numpy",
    capture={
        "legacy": "(lambda s: [s.rand(), s.normal()])((lambda r: (r.set_state(np.random.get_state()), r)[1])(np.random.RandomState()))",
        "rs": "(lambda s: [s.normal(), s.rand()])(__import__('copy').deepcopy(rs))",
        "g": "(lambda s, m: [s.random(), s.normal(), m.random()])(__import__('copy').deepcopy(g), __import__('copy').deepcopy(mt))",
    },
)

case(
    "ufuncs_and_vectorized_functions",
    [
        "import numpy as np\ncount = []\ndef f(x, y=1):\n    count.append(1)\n    return x + y\nvf = np.vectorize(f, otypes=[float])\nuf = np.frompyfunc(lambda a, b: a * b, 2, 1)\nadd = np.add\nred = np.multiply.reduce\np = np.poly1d([1, 0, -1])\nq = np.polynomial.Chebyshev([1, 2, 3], domain=[0, 1])\nlut = np.piecewise",
        "r = vf([1, 2])\np[0] = 5",
    ],
    [
        "vf([1.5]).tolist() == [2.5] and len(count) > 2 and vf.pyfunc is f",
        "uf(3, 4) == 12 and uf.nin == 2 and add is np.add and red([2, 3]) == 6",
        "p(2) == 9 and q(0.5) == np.polynomial.Chebyshev([1, 2, 3], domain=[0, 1])(0.5) and lut is np.piecewise",
    ],
    "numpy",
)

case(
    "numpy_settings",
    [
        "import numpy as np\nnp.set_printoptions(precision=2, suppress=True, linewidth=40)\nold = np.seterr(divide='ignore', over='raise')\nnp.seterrcall(None)\nes = np.errstate(all='raise')",
        "text = str(np.array([1 / 3]))",
    ],
    [
        "text == '[0.33]' and str(np.array([2 / 3])) == '[0.67]'",
        "np.geterr()['divide'] == 'ignore' and np.geterr()['over'] == 'raise'",
        "np.get_printoptions()['linewidth'] == 40 and isinstance(es, np.errstate) and old['divide'] == 'warn'",
    ],
    "numpy",
)

case(
    "iterators_over_arrays",
    [
        "import numpy as np\na = np.arange(6).reshape(2, 3)\nflat = a.flat\nnext(flat); next(flat)\npairs = np.ndenumerate(a)\nnext(pairs)\nrows = iter(a)\nnext(rows)\nzipped = zip(a[0], 'abc')\nnext(zipped)",
        "a[1, 2] = 50",
    ],
    [
        "list(rows)[0].tolist() == [3, 4, 50] and list(zipped) == [(1, 'b'), (2, 'c')]",
        "next(flat) == 2 and flat[5] == 50",
        "next(pairs)[0] == (0, 1)",
    ],
    "numpy",
    may_lose=("flat", "pairs"),
)

case(
    "arrays_over_other_memory",
    [
        "import numpy as np, array, ctypes, mmap\narr = array.array('d', [1, 2, 3])\nover = np.frombuffer(arr)\nc = (ctypes.c_int * 4)(1, 2, 3, 4)\nnc = np.ctypeslib.as_array(c)\nmm = mmap.mmap(-1, 64)\nnm = np.frombuffer(mm, dtype='u1')",
        "over[0] = 10\nnc[1] = 20\nnm[5] = 55",
    ],
    [
        "arr[0] == 10 and (over.__setitem__(1, 11), arr[1] == 11)[1]",
        "c[1] == 20 and (nc.__setitem__(2, 21), c[2] == 21)[1]",
        "mm[5] == 55 and (nm.__setitem__(6, 66), mm[6] == 66)[1]",
    ],
    "numpy",
    may_lose=("mm", "nm", "c", "nc"),
)

case(
    "random_generators_that_share_and_spawn",
    [
        "import numpy as np\nR = np.random\nrngs = [R.Generator(kind(5)) for kind in (R.PCG64, R.MT19937, R.Philox, R.SFC64, R.PCG64DXSM)]\nsecond = R.Generator(rngs[0].bit_generator)\nlegacy = R.RandomState(7)",
        "drawn = [r.integers(9, dtype='i4') for r in rngs]\nx = legacy.standard_normal()\nopen('made.txt', 'a').write('x')",
    ],
    [
        "second.bit_generator is rngs[0].bit_generator and type(rngs[3].bit_generator) is R.SFC64",
        "[int(r.bit_generator.random_raw()) for r in rngs] == $raw$ and legacy.standard_normal() == $normal$",
    ],
    "numpy",
    capture={
        "raw": "[int(__import__('copy').deepcopy(r.bit_generator).random_raw()) for r in rngs]",
        "normal": "float(__import__('copy').deepcopy(legacy).standard_normal())",
    },
)

case(
    "one_array_over_a_buffer",
    [
        "import numpy as np, array\narr = array.array('d', [1, 2, 3])\nover = np.frombuffer(arr)\nraw = bytearray(b'abcd')\npart = np.frombuffer(raw, 'u1')[1:3]\nopen('made.txt', 'a').write('x')",
        "over[0] = 10\npart[0] = 120",
    ],
    [
        "arr[0] == 10 and (over.__setitem__(1, 11), arr[1] == 11)[1]",
        "raw == b'axcd' and (raw.__setitem__(2, 121), part.tolist() == [120, 121])[1]",
    ],
    "numpy",
)

case(
    "arrays_changed_by_shape_and_dtype",
    [
        "import numpy as np\na = np.arange(8, dtype='i4')\nb = np.arange(4.0)\nc = np.arange(3)\nd = c",
        "a.shape = (2, 4)\nb = b.view('i8')\nc.resize((5,), refcheck=False)\nd[4] = 6",
        "a.setflags(write=False)",
    ],
    [
        "a.shape == (2, 4) and not a.flags.writeable and b.dtype == 'i8'",
        "d is c and c.tolist() == [0, 1, 2, 0, 6]",
    ],
    "numpy",
)

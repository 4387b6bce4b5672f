# ruff: noqa: E501 - the cells are written as a user writes them
"""Iterators that stand half-way: they go on where they stood, or are reported; they never begin again."""

from . import case

case(
    "builtin_iterators_half_way",
    [
        "l = [1, 2, 3, 4]\nit = iter(l); next(it)\nrev = reversed(l); next(rev)\nen = enumerate(l, 10); next(en)\nzp = zip(l, 'abcd'); next(zp)\nmp = map(lambda v: v * 2, l); next(mp)\nfl = filter(lambda v: v % 2 == 0, l); next(fl)\nst = iter('text'); next(st)\nby = iter(b'xyz'); next(by)\nra = iter(range(5)); next(ra)",
        "next(it)\nl.append(5)",
    ],
    [
        "list(it) == [3, 4, 5]",
        "list(rev) == [3, 2, 1]",
        "next(en) == (11, 2)",
        "next(zp) == (2, 'b')",
        "list(mp) == [4, 6, 8, 10]",
        "list(fl) == [4]",
        "''.join(st) == 'ext' and bytes(by) == b'yz' and list(ra) == [1, 2, 3, 4]",
    ],
)

case(
    "iterators_over_dictionaries_and_sets",
    [
        "d = {'a': 1, 'b': 2, 'c': 3}\nks, vs, its = iter(d), iter(d.values()), iter(d.items())\nnext(ks); next(vs); next(its)\nrk = reversed(d); next(rk)\nkv = d.keys()\ns = {1}\nsi = iter(s)",
        "d['a'] = 9\nnext(ks)",
    ],
    [
        "list(ks) == ['c'] and list(vs) == [2, 3] and list(its) == [('b', 2), ('c', 3)]",
        "list(si) == [1]",
        "(d.__setitem__('z', 1), 'z' in kv)[1]",
        "list(rk) == ['b', 'a']",
    ],
    may_lose=("rk",),
)

case(
    "itertools_half_way",
    [
        "import itertools as it\ncount = it.count(10, 5); next(count)\ncyc = it.cycle([1, 2, 3]); next(cyc); next(cyc)\nch = it.chain([1], [2, 3]); next(ch)\nacc = it.accumulate([1, 2, 3]); next(acc)\nsl = it.islice(range(100), 5, 50, 10); next(sl)\npr = it.product('ab', [1, 2]); next(pr)\npe = it.permutations('abc'); next(pe)\nco = it.combinations('abcd', 2); next(co)\nrep = it.repeat('x', 3); next(rep)\ntw = it.takewhile(lambda v: v < 3, [1, 2, 5]); next(tw)\ndw = it.dropwhile(lambda v: v < 3, [1, 2, 5, 1]); next(dw)\nzl = it.zip_longest('ab', [1]); next(zl)\nsm = it.starmap(pow, [(2, 3), (3, 2)]); next(sm)\ncp = it.compress('abc', [1, 0, 1]); next(cp)\npw = it.pairwise([1, 2, 3]); next(pw)",
        "shared = iter([1, 2, 3, 4, 5, 6])\na, b = it.tee(shared); next(a); next(a); next(b)\npairs = zip(shared, shared)",
    ],
    [
        "next(count) == 15 and [next(cyc) for _ in range(3)] == [3, 1, 2]",
        "list(ch) == [2, 3] and list(acc) == [3, 6] and next(sl) == 15",
        "next(pr) == ('a', 2) and next(pe) == ('a', 'c', 'b') and next(co) == ('a', 'c')",
        "list(rep) == ['x', 'x'] and list(tw) == [2] and list(dw) == [1]",
        "list(zl) == [('b', None)] and list(sm) == [9] and list(cp) == ['c']",
        "list(pw) == [(2, 3)]",
        "next(a) == 3 and next(b) == 2",
        "next(pairs) == (4, 5)",
    ],
)

case(
    "iterators_of_the_user",
    [
        "class Upto:\n    def __init__(self, n): self.n, self.i = n, 0\n    def __iter__(self): return self\n    def __next__(self):\n        if self.i >= self.n: raise StopIteration\n        self.i += 1\n        return self.i\nu = Upto(5); next(u)\nclass Seq:\n    def __getitem__(self, i):\n        if i > 3: raise IndexError\n        return i * 10\nq = iter(Seq()); next(q)\nticks = [3]\ncl = iter(lambda: ticks.append(len(ticks)) or len(ticks), 6); next(cl)",
        "next(u); next(q)",
    ],
    ["list(u) == [3, 4, 5]", "list(q) == [20, 30]", "list(cl) == [3, 4, 5] and len(ticks) == 6"],
    may_lose=("cl",),
)

case(
    "exhausted_iterators_stay_exhausted",
    [
        "l = [1]\na, b, c = iter(l), zip(l, l), map(str, l)\nfor x in (a, b, c): list(x)\ng = (v for v in l); list(g)\nf = open('t', 'w+'); f.write('x'); f.seek(0); f.read();",
        "l.append(2)",
    ],
    ["list(a) == [] and list(b) == []", "list(g) == []", "f.read() == ''"],
    may_lose=("b", "c", "f", "g"),
)

case(
    "generators_of_every_shape",
    [
        "def simple(n):\n    for i in range(n):\n        yield i\ndef delegating():\n    got = yield from simple(3)\n    yield 'end'\ndef echo():\n    said = []\n    while True:\n        said.append((yield said))\ns, d, e = simple(5), delegating(), echo()\nnext(s); next(d); next(e); e.send('one')\nfresh = simple(2)",
        "next(s); e.send('two')\nrest = simple(3)",
    ],
    [
        "next(s) == 2",
        "list(d) == [1, 2, 'end']",
        "e.send('three') == ['one', 'two', 'three']",
        "list(fresh) == [0, 1] and list(rest) == [0, 1, 2]",
    ],
    may_lose=("s", "d", "e"),
)

case(
    "a_generator_that_drew_numbers",
    [
        "import random\nrandom.seed(3)\ndef draws():\n    while True:\n        yield random.random()\ng = draws()\nfirst = [next(g) for _ in range(3)]",
        "more = next(g)",
    ],
    ["first == $first$ and more == $more$", "next(g) == $then$"],
    capture={
        "first": "first",
        "more": "more",
        "then": "(lambda r: (r.setstate(random.getstate()), r.random())[1])(random.Random())",
    },
    may_lose=("g",),
)

case(
    "a_generator_that_writes",
    [
        "def logged(n):\n    for i in range(n):\n        with open('log.txt', 'a') as f: f.write(f'{i}\\n')\n        yield i\ng = logged(5)",
        "next(g)\nnext(g)",
    ],
    ["open('log.txt').read() == '0\\n1\\n'", "next(g) == 2 and open('log.txt').read() == '0\\n1\\n2\\n'"],
    may_lose=("g",),
)

case(
    "a_generator_that_changes_a_list",
    [
        "seen = []\ndef feed():\n    for i in range(10):\n        seen.append(i)\n        yield i\ng = feed()\nnext(g)",
        "next(g)",
        "seen.append('mine')",
    ],
    ["seen == [0, 1, 'mine']", "next(g) == 2 and seen == [0, 1, 'mine', 2]"],
    may_lose=("g",),
)

case(
    "a_generator_in_many_hands",
    [
        "g = (i * i for i in range(100))\nholder = {'g': g}\nclass Reader:\n    def __init__(self, src): self.src = src\n    def take(self): return next(self.src)\nr = Reader(g)",
        "r.take(); r.take()\nnext(holder['g'])",
    ],
    ["r.src is g and holder['g'] is g", "next(g) == 9 and r.take() == 16"],
    may_lose=("g", "holder", "r"),
)

case(
    "csv_regex_and_text_iterators",
    [
        "import csv, re, io, tokenize\nrows = csv.reader(['a,b', 'c,d', 'e,f']); next(rows)\nfound = re.finditer(r'\\d', 'a1b2c3'); next(found)\nlines = io.StringIO('x\\ny\\nz\\n'); next(lines)\nwriter_target = io.StringIO()\nw = csv.writer(writer_target); w.writerow([1, 2])",
        "next(rows)\nw.writerow([3, 4])",
    ],
    [
        "next(rows) == ['e', 'f']",
        "next(found).group() == '2'",
        "lines.read() == 'y\\nz\\n'",
        "(w.writerow([5]), writer_target.getvalue() == '1,2\\r\\n3,4\\r\\n5\\r\\n')[1]",
    ],
    may_lose=("rows", "found", "w"),
)

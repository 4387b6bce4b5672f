# ruff: noqa: E501 - the cells are written as a user writes them
"""Values of the interpreter itself: numbers, texts, containers, views, iterators."""

from . import case

case(
    "containers_of_every_kind",
    [
        """
import array, collections
l, t, d, s, f = [1], (2, [3]), {"k": [4]}, {5}, frozenset({6})
ba, mv = bytearray(b"seven"), memoryview(bytearray(b"eight"))
dq = collections.deque([1, 2, 3], maxlen=3)
dd = collections.defaultdict(list, a=[1])
od = collections.OrderedDict.fromkeys("zyx")
cm = collections.ChainMap({"a": 1}, {"b": 2})
ct = collections.Counter("mississippi")
ar = array.array("d", [1.5, 2.5])
""",
        """
l.append(t); t[1].append(l); d["self"] = d; s.add("x"); ba += b"!"; mv[0] = 69
dq.append(4); dd["b"].append(2); od.move_to_end("z"); cm["c"] = 3; ct.update("ss"); ar.append(3.5)
""",
    ],
    [
        "l[1] is t and t[1][1] is l and d['self'] is d and 'x' in s",
        "ba == b'seven!' and bytes(mv) == b'Eight'",
        "list(dq) == [2, 3, 4] and dq.maxlen == 3",
        "dd['b'] == [2] and dd['new'] == []",
        "list(od) == ['y', 'x', 'z']",
        "cm.maps[0] == {'a': 1, 'c': 3}",
        "ct['s'] == 6 and ar.tolist() == [1.5, 2.5, 3.5]",
    ],
)

case(
    "user_containers",
    [
        """
import collections
class Bag(collections.UserDict):
    def __setitem__(self, key, value):
        super().__setitem__(key, [value])
class Line(collections.UserList): pass
class Text(collections.UserString): pass
class Fancy(list):
    note = None
bag, line, text, fancy = Bag(a=1), Line("ab"), Text("hello"), Fancy([1])
""",
        "bag['b'] = 2\nline.append('c')\nfancy.note = bag\nfancy.append(fancy)",
    ],
    [
        "bag['a'] == [1] and bag['b'] == [2]",
        "line.data == ['a', 'b', 'c'] and text.upper() == 'HELLO'",
        "fancy.note is bag and fancy[1] is fancy and type(fancy) is Fancy",
    ],
)

case(
    "numbers_at_the_edge",
    [
        """
import sys, math, fractions, decimal
huge = 7 ** 20_000
tiny = sys.float_info.min / 4
minus_zero = -0.0
inf, nan = math.inf, math.nan
many = [nan, nan, float("nan")]
frac = fractions.Fraction(22, 7)
dec = decimal.Decimal("-0E-10")
z = complex(-0.0, math.inf)
flags = [True, 1, 1.0]
""",
        "nothing = 0",
    ],
    [
        "huge == 7 ** 20_000 and tiny > 0",
        "math.copysign(1, minus_zero) == -1",
        "all(map(math.isnan, many)) and inf > 10**300",
        "frac == fractions.Fraction(22, 7) and str(dec) == '-0E-10'",
        "str(z) == str(complex(-0.0, math.inf))",
        "list(map(type, flags)) == [bool, int, float]",
    ],
)

case(
    "odd_texts",
    [
        r"""
lone = "a\ud800b"
nul = "x\0y"
emoji = "\U0001F40D" * 3
keys = {lone: 1, nul: 2, "": 3}
raw = bytes(range(256))
""",
        "joined = lone + nul",
    ],
    [
        r"lone == 'a\ud800b' and keys[lone] == 1",
        r"nul == 'x\0y' and keys['x\0y'] == 2 and keys[''] == 3",
        "len(emoji) == 3 and raw[255] == 255 and joined == lone + nul",
    ],
)

case(
    "nested_deeper_than_the_stack",
    [
        "deep = None\nfor i in range(50_000):\n    deep = [i, deep]",
        "beside = {'a': 1}\ntree = {'left': deep}",
    ],
    [
        "beside == {'a': 1}",
        "deep[0] == 49_999 and deep[1][0] == 49_998",
        "tree['left'] is deep",
        "(lambda n: [n := n[1] for _ in range(49_999)][-1] == [0, None])(deep)",
    ],
)

case(
    "nested_deep_and_changed",
    [
        """
import random
class Link:
    def __init__(self, value, rest):
        self.value, self.rest = value, rest
chain = None
for _ in range(20_000):
    chain = Link(random.random(), chain)
open("seen.txt", "w").write("once")
""",
        "chain.value = 'changed'\nsecond = chain.rest",
    ],
    ["chain.value == 'changed' and chain.rest is second", "second.value == $v$", "type(second) is Link"],
    capture={"v": "second.value"},
)

case(
    "cyclic_garbage_and_back_references",
    [
        """
class Owner: pass
one, two = Owner(), Owner()
one.other, two.other = two, one
waste = Owner(); waste.me = waste
ring = [one]; ring.append(ring)
""",
        "del waste\none.tag = ring",
    ],
    ["one.other.other is one and two.other is one", "one.tag is ring and ring[1] is ring", "'waste' not in globals()"],
)

case(
    "views_and_ranges",
    [
        """
import types
stock = {"a": 1}
keys, values, items = stock.keys(), stock.values(), stock.items()
frozen = types.MappingProxyType(stock)
span, cut = range(0, 10**12, 7), slice(1, None, 2)
space = types.SimpleNamespace(stock=stock, n=1)
""",
        "stock['b'] = 2\nspace.n += 1",
    ],
    [
        "list(keys) == ['a', 'b'] and 2 in values and ('b', 2) in items",
        "(stock.__setitem__('c', 3), len(keys) == len(values) == len(items) == len(frozen) == 3)[1]",
        "space.stock is stock and space.n == 2 and 'c' in frozen",
        "span[10] == 70 and [0, 1, 2, 3][cut] == [1, 3]",
    ],
)

case(
    "one_object_under_many_names",
    [
        "base = [0]\nalias = base\nheld = {'in': base, 'deep': [(base,)]}\ndef keep(x, store=base):\n    return store",
        "alias.append(1)",
        "base = base + [2]",
    ],
    [
        "alias == [0, 1] and base == [0, 1, 2] and held['in'] is alias",
        "held['deep'][0][0] is alias and keep(0) is alias",
        "base is not alias",
    ],
)

case(
    "a_list_of_a_million",
    [
        "numbers = list(range(1_000_000))\npairs = [(i, str(i)) for i in range(100_000)]",
        "numbers[5] = 'five'\nnumbers.append(numbers[5])",
    ],
    [
        "numbers[5] == 'five' and numbers[-1] is numbers[5] and len(numbers) == 1_000_001",
        "pairs[99_999] == (99_999, '99999')",
    ],
)

case(
    "heap_and_bisect",
    [
        "import heapq, bisect\nheap = [5, 1, 4]\nheapq.heapify(heap)\nordered = []",
        "heapq.heappush(heap, 0)\nfor x in (3, 1, 2):\n    bisect.insort(ordered, x)",
    ],
    ["heapq.heappop(heap) == 0 and heap[0] == 1", "ordered == [1, 2, 3]"],
)

case(
    "iterators_of_itertools",
    [
        """
import itertools as it
chain = it.chain([1, 2], [3])
cycle = it.cycle("ab")
repeat = it.repeat("r", 3)
islice = it.islice(range(10), 2, None, 3)
acc = it.accumulate([1, 2, 3])
pairs = it.product("ab", [0, 1])
perms = it.permutations("abc", 2)
combs = it.combinations("abcd", 2)
dropped = it.dropwhile(bool, [1, 0, 2])
longest = it.zip_longest("ab", [1], fillvalue="-")
left, right = it.tee(iter([1, 2, 3]))
starred = it.starmap(pow, [(2, 3), (3, 2)])
compressed = it.compress("abc", [1, 0, 1])
""",
        "for i in (chain, cycle, repeat, islice, acc, pairs, perms, combs, dropped, longest, left, starred, compressed):\n    next(i)",
    ],
    [
        "list(chain) == [2, 3] and next(cycle) == 'b' and next(cycle) == 'a'",
        "list(repeat) == ['r', 'r'] and list(islice) == [5, 8] and list(acc) == [3, 6]",
        "next(pairs) == ('a', 1) and next(perms) == ('a', 'c') and next(combs) == ('a', 'c')",
        "list(dropped) == [2] and list(longest) == [('b', '-')]",
        "next(left) == 2 and list(right) == [1, 2, 3]",
        "list(starred) == [9] and list(compressed) == ['c']",
    ],
)

case(
    "grouping_and_mapping_half_way",
    [
        "import itertools\nsquares = map(lambda x: x * x, range(5))\nodd = filter(lambda x: x % 2, range(9))\nback = reversed([1, 2, 3])\ngroups = itertools.groupby('aabbc')",
        "next(squares), next(odd), next(back)\nkey, group = next(groups)\ninside = next(group)",
    ],
    [
        "list(squares) == [1, 4, 9, 16] and list(odd) == [3, 5, 7] and list(back) == [2, 1]",
        "key == 'a' and list(group) == ['a'] and next(groups)[0] == 'b'",
    ],
)

case(
    "two_iterators_over_one_source",
    ["source = iter(range(10))\nevens = zip(source, source)\nfirst = next(evens)"],
    ["next(evens) == (2, 3)", "next(source) == 4", "next(evens) == (5, 6)"],
)

case(
    "iterator_over_a_changing_list",
    ["todo = ['a', 'b']\nwork = iter(todo)\nnext(work)", "todo.append('c')"],
    ["next(work) == 'b' and next(work) == 'c'", "(todo.append('d'), next(work) == 'd')[1]"],
)

case(
    "generator_over_a_shared_list",
    [
        "data = [1, 2, 3]\ndef walk(items):\n    for x in items:\n        yield x * 10\ng = walk(data)",
        "a = next(g)",
        "data.append(4)",
    ],
    ["a == 10", "list(g) == [20, 30, 40]"],
    may_lose=("g",),
)

case(
    "generator_with_finally_and_send",
    [
        """
log = []
def coro():
    total = 0
    try:
        while True:
            total += yield total
    finally:
        log.append("closed")
c = coro()
next(c)
""",
        "c.send(3)",
        "half = c.send(4)",
    ],
    ["half == 7 and log == []", "c.send(5) == 12"],
    may_lose=("c",),
)

case(
    "generator_made_beside_a_file_written",
    [
        "with open('trace.txt', 'a') as f:\n    f.write('x')\nnumbers = (n * n for n in range(10))\nhead = next(numbers)",
    ],
    ["head == 0 and open('trace.txt').read() == 'x'", "next(numbers) == 1"],
    may_lose=("numbers",),
)

case(
    "structures_in_bytes",
    [
        """
import struct, ctypes
class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_double)]
packed = struct.Struct("<id")
p = Point(3, 4.5)
row = (Point * 2)(Point(1, 1.0), p)
number = ctypes.c_long(8)
""",
        "p.x = 30\nrow[0].x = 10\nnumber.value += 1",
    ],
    [
        "p.x == 30 and p.y == 4.5 and type(p) is Point",
        "row[0].x == 10 and row[1].x == 3 and number.value == 9",
        "packed.pack(1, 2.0) == struct.pack('<id', 1, 2.0)",
    ],
)

case(
    "values_of_the_library",
    [
        """
import datetime as dt, zoneinfo, uuid, ipaddress, fractions, re, pathlib, operator, string, textwrap
when = dt.datetime(2031, 5, 6, 7, tzinfo=zoneinfo.ZoneInfo("Europe/Paris"))
fold = dt.datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
delta, zone = dt.timedelta(days=2, microseconds=3), dt.timezone(dt.timedelta(hours=5.5), "IST")
ident = uuid.UUID(int=77)
net = ipaddress.ip_network("10.0.0.0/29")
pattern = re.compile(r"(?P<word>\\w+)\\s", re.I)
found = pattern.search("Hello world")
getter, attr, call = operator.itemgetter(1, 0), operator.attrgetter("real"), operator.methodcaller("upper")
template = string.Template("$a and $b")
folder = pathlib.Path("some") / "where"
""",
        "hosts = list(net.hosts())",
    ],
    [
        "when.utcoffset() == dt.timedelta(hours=2) and when.tzinfo is zoneinfo.ZoneInfo('Europe/Paris')",
        "fold.fold == 1 and fold.utcoffset() == dt.timedelta(hours=1)",
        "delta.microseconds == 3 and zone.tzname(None) == 'IST' and ident.int == 77",
        "found['word'] == 'Hello' and found.end() == 6 and found.re is pattern",
        "getter('ab') == ('b', 'a') and attr(4) == 4 and call('x') == 'X'",
        "template.substitute(a=1, b=2) == '1 and 2' and len(hosts) == 6 and folder.name == 'where'",
    ],
)

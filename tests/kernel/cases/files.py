# ruff: noqa: E501 - the cells are written as a user writes them
"""Files, databases and other handles to the outside."""

from . import case

case(
    "files_open_for_reading",
    [
        "open('data.txt', 'w').write('one\\ntwo\\nthree\\nfour\\n')\nopen('data.bin', 'wb').write(bytes(range(100)))",
        "text = open('data.txt')\nbinary = open('data.bin', 'rb')\nlatin = open('data.txt', encoding='latin-1', newline='')",
        "line = text.readline()\nhead = binary.read(10)",
    ],
    [
        "line == 'one\\n' and text.readline() == 'two\\n'",
        "binary.tell() == 10 and binary.read(1) == b'\\n'",
        "latin.encoding == 'latin-1' and latin.read(3) == 'one' and not text.closed",
    ],
)

case(
    "text_files_keep_their_line_ends",
    [
        "open('dos.txt', 'wb').write(b'one\\r\\ntwo\\r\\nthree\\r\\n')\nopen('mac.txt', 'wb').write(b'one\\rtwo\\rthree')",
        "plain = open('dos.txt')\nexact = open('dos.txt', newline='')\nunix = open('dos.txt', newline='\\n')\nmac = open('mac.txt', newline='\\r')",
        "out = open('out.txt', 'w', newline='\\r\\n')\nout.write('a\\n')\nboth = open('both.txt', 'w+', newline='')",
        "firsts = [f.readline() for f in (plain, exact, unix, mac)]",
        "import gzip\nwith gzip.open('dos.gz', 'wb') as z:\n    z.write(b'one\\r\\ntwo\\r\\n')\npacked = gzip.open('dos.gz', 'rt', newline='')",
    ],
    [
        "firsts == ['one\\n', 'one\\r\\n', 'one\\r\\n', 'one\\r']",
        "[f.readline() for f in (plain, exact, unix, mac)] == ['two\\n', 'two\\r\\n', 'two\\r\\n', 'two\\r']",
        "(out.write('b\\n'), out.flush(), open('out.txt', 'rb').read() == b'a\\r\\nb\\r\\n')[2]",
        "(both.write('x\\r\\n'), both.seek(0), both.read() == 'x\\r\\n')[2]",
        "packed.readline() == 'one\\r\\n'",
    ],
)

case(
    "files_being_iterated",
    [
        "open('rows.csv', 'w').write('a,b\\n1,2\\n3,4\\n5,6\\n')",
        "import csv\nf = open('rows.csv', newline='')\nreader = csv.reader(f)\nheader = next(reader)\nrow = next(reader)",
        "g = open('rows.csv')\nlines = iter(g)\nfirst = next(lines)",
        "out = open('out.csv', 'w', newline='')\nwriter = csv.writer(out)\nwriter.writerow(['x', 1])\nout.flush()",
    ],
    [
        "header == ['a', 'b'] and row == ['1', '2'] and first == 'a,b\\n'",
        "open('out.csv', newline='').read() == 'x,1\\r\\n'",
        "next(reader) == ['3', '4']",
        "next(lines) == '1,2\\n'",
        "(writer.writerow(['y', 2]), out.flush(), open('out.csv', newline='').read() == 'x,1\\r\\ny,2\\r\\n')[2]",
    ],
    may_lose=("f", "reader", "g", "lines", "out", "writer"),
)

case(
    "a_closed_file_empties_nothing",
    [
        "with open('precious.txt', 'w') as f:\n    f.write('do not lose me')\nwith open('precious.bin', 'wb') as b:\n    b.write(b'nor me')",
        "kept = [f, b]",
    ],
    [
        "open('precious.txt').read() == 'do not lose me' and open('precious.bin', 'rb').read() == b'nor me'",
        "f.closed and f.name == 'precious.txt' and f.mode == 'w' and kept[0] is f",
    ],
)

case(
    "files_written_to_and_buffered",
    [
        "log = open('log.txt', 'a', buffering=1)\nlog.write('first\\n')\nraw = open('raw.bin', 'w+b')\nraw.write(b'abcdef')\nraw.seek(2)\nfresh = open('x.txt', 'x')\nfresh.write('unflushed')",
        "log.write('second\\n')\npiece = raw.read(2)",
    ],
    [
        "open('log.txt').read() == 'first\\nsecond\\n' and piece == b'cd' and open('x.txt').read() == 'unflushed'",
        "raw.tell() == 4 and (raw.write(b'Z'), raw.flush(), open('raw.bin', 'rb').read() == b'abcdZf')[2]",
        "(log.write('third\\n'), log.flush(), open('log.txt').read().count('\\n') == 3)[2]",
        "(fresh.write('!'), fresh.close(), open('x.txt').read() == 'unflushed!')[2]",
    ],
)

case(
    "archives_and_compressed_files",
    [
        "import gzip, zipfile, bz2, io, tarfile\nwith gzip.open('t.gz', 'wt') as z:\n    z.write('line1\\nline2\\n')\nwith zipfile.ZipFile('a.zip', 'w') as zf:\n    zf.writestr('in.txt', 'inside')",
        "gz = gzip.open('t.gz', 'rt')\nl1 = gz.readline()\nza = zipfile.ZipFile('a.zip')\nnames = za.namelist()\nmem = io.BytesIO()\nzm = zipfile.ZipFile(mem, 'w')\nzm.writestr('k', 'v')",
    ],
    [
        "l1 == 'line1\\n' and names == ['in.txt']",
        "gz.readline() == 'line2\\n'",
        "za.read('in.txt') == b'inside'",
        "(zm.close(), zipfile.ZipFile(mem).read('k') == b'v')[1]",
    ],
    may_lose=("gz", "za", "zm", "mem"),
)

case(
    "sqlite_in_memory",
    [
        "import sqlite3\ndb = sqlite3.connect(':memory:')\ndb.row_factory = sqlite3.Row\ndb.execute('create table t(a integer primary key, b text)')\ndb.executemany('insert into t(b) values (?)', [('x',), ('y',)])\ndb.commit()",
        "cur = db.execute('select * from t order by a')\nrow = cur.fetchone()\nrows = db.execute('select b from t').fetchall()",
    ],
    [
        "row['b'] == 'x' and [tuple(r) for r in rows] == [('x',), ('y',)]",
        "db.execute('select count(*) from t').fetchone()[0] == 2",
        "db.execute('select b from t').fetchone()['b'] == 'x'",
        "cur.fetchone()['b'] == 'y'",
    ],
    may_lose=("cur", "row", "rows"),
)

case(
    "sqlite_in_a_transaction",
    [
        "import sqlite3\nfiledb = sqlite3.connect('f.db')\nfiledb.execute('create table if not exists t(a)')\nfiledb.execute('insert into t values (1)')\nfiledb.commit()\nmem = sqlite3.connect(':memory:')\nmem.execute('create table m(a)')\nmem.execute('insert into m values (5)')",
        "filedb.execute('insert into t values (2)')",
        "n = filedb.execute('select count(*) from t').fetchone()[0]",
    ],
    [
        "n == 2",
        "mem.execute('select a from m').fetchall() == [(5,)]",
        "filedb.execute('select count(*) from t').fetchone()[0] == 2",
    ],
    may_lose=("filedb", "mem"),
)

case(
    "sqlite_uncommitted_in_memory_can_be_rolled_back",
    [
        "import sqlite3\nm = sqlite3.connect(':memory:')\nm.execute('create table t(a)')\nm.commit()\nm.execute('insert into t values (1)')"
    ],
    [
        "m.execute('select count(*) from t').fetchone() == (1,)",
        "m.in_transaction and (m.rollback(), m.execute('select count(*) from t').fetchone() == (0,))[1]",
    ],
    may_lose=("m",),
)

case(
    "sqlite_with_functions_of_the_user",
    [
        "import sqlite3\ndb = sqlite3.connect(':memory:')\ndb.create_function('triple', 1, lambda x: 3 * x)\nclass Join:\n    def __init__(self): self.parts = []\n    def step(self, v): self.parts.append(str(v))\n    def finalize(self): return '-'.join(self.parts)\ndb.create_aggregate('joined', 1, Join)\ndb.create_collation('rev', lambda a, b: (a < b) - (a > b))\ndb.execute('create table t(a)')\ndb.executemany('insert into t values (?)', [(1,), (2,)])",
        "total = db.execute('select sum(triple(a)) from t').fetchone()[0]",
    ],
    [
        "total == 9",
        "db.execute('select triple(2)').fetchone() == (6,)",
        "db.execute('select joined(a) from t').fetchone() == ('1-2',)",
        "[r[0] for r in db.execute('select a from t order by cast(a as text) collate rev')] == [2, 1]",
    ],
    may_lose=("db",),
)

case(
    "shelves_and_dbm",
    ["import shelve\nshelf = shelve.open('shelf')\nshelf['k'] = [1]\nshelf.sync()", "v = shelf['k']"],
    ["v == [1]", "shelf['k'] == [1]"],
    may_lose=("shelf",),
)

case(
    "temporary_files",
    [
        "import tempfile, os\nd = tempfile.TemporaryDirectory()\nt = tempfile.NamedTemporaryFile('w+', suffix='.x')\nt.write('temp')\nt.flush()\nanon = tempfile.TemporaryFile()\nanon.write(b'123')\nspool = tempfile.SpooledTemporaryFile(max_size=100, mode='w+')\nspool.write('spooled')",
        "path, where = t.name, d.name",
    ],
    [
        "path.endswith('.x') and isinstance(where, str)",
        "os.path.isdir(d.name) and d.name == where",
        "(t.seek(0), t.read() == 'temp')[1]",
        "(anon.seek(0), anon.read() == b'123')[1]",
        "(spool.seek(0), spool.read() == 'spooled')[1]",
    ],
    may_lose=("d", "t", "anon", "spool"),
)

case(
    "memory_maps",
    [
        "import mmap\nopen('m.bin', 'wb').write(b'0' * 4096)\nf = open('m.bin', 'r+b')\nm = mmap.mmap(f.fileno(), 0)\nm[:3] = b'abc'\nm.flush()\nanon = mmap.mmap(-1, 64)\nanon.write(b'hello')",
        "piece = bytes(m[:3])\nview = memoryview(bytearray(b'xyz'))[1:]",
    ],
    ["piece == b'abc' and bytes(view) == b'yz'", "m[:3] == b'abc'", "anon[:5] == b'hello' and anon.tell() == 5"],
    may_lose=("m", "anon"),
)

case(
    "streams_in_memory",
    [
        "import io\nb = io.BytesIO(b'0123456789')\nw = io.TextIOWrapper(io.BytesIO(), encoding='utf-8', write_through=True)\nw.write('text')\nbr = io.BufferedReader(io.BytesIO(b'abcdef'))\nhead = br.read(2)\nview = b.getbuffer()\nclosed = io.StringIO('x')\nclosed.close()",
        "del view\nb.seek(-3, 2)\nlines = io.StringIO('a\\nb\\nc')\nnext(lines)",
    ],
    [
        "b.read() == b'789' and next(lines) == 'b\\n'",
        "br.read(2) == b'cd'",
        "w.buffer.getvalue() == b'text'",
        "closed.closed",
    ],
    may_lose=("w", "br", "closed"),
)

case(
    "a_file_changed_after_it_was_read",
    [
        "import json\nopen('conf.json', 'w').write(json.dumps({'k': 1}))",
        "conf = json.load(open('conf.json'))\nnumbers = list(range(300_000 * conf['k']))\ngen = (v for v in conf.items())",
        "open('conf.json', 'w').write(json.dumps({'k': 3}))",
    ],
    ["conf == {'k': 1} and len(numbers) == 300_000", "next(gen) == ('k', 1)"],
    may_lose=("gen",),
)

case(
    "a_file_changed_behind_the_back",
    [
        "open('in.txt', 'w').write('7')",
        "n = int(open('in.txt').read())\nbig = [n] * 500_000\nlazy = (n for _ in range(3))",
    ],
    ["n == 7 and big[0] == 7 and len(big) == 500_000", "next(lazy) == 7"],
    meanwhile="open('in.txt', 'w').write('8')",
    may_lose=("lazy",),
)

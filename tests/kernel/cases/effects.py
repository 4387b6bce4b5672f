# ruff: noqa: E501 - the cells are written as a user writes them
"""What a cell did to the outside is done once, whatever of its results has to be carried over."""

from . import case

# each cell acts, and beside that makes a generator, which nothing can store: the temptation to run it again
_GEN = "\ng = (i for i in range(5))\nnext(g)"

case(
    "a_line_appended_once",
    [
        "with open('log.txt', 'a') as f:\n    f.write('ran\\n')\nresult = [1, 2, 3]" + _GEN,
        "result.append(4)\nh = (r for r in result)",
    ],
    ["open('log.txt').read() == 'ran\\n'", "result == [1, 2, 3, 4]"],
    may_lose=("g", "h"),
)

case(
    "a_file_removed_renamed_and_truncated",
    [
        "import os, shutil, pathlib\nfor n in 'abcd': open(n, 'w').write(n)\npathlib.Path('sub').mkdir()",
        "os.remove('a')\nos.rename('b', 'b2')\nos.truncate('c', 0)\nshutil.copy('d', 'sub/d')\npathlib.Path('d').unlink()\ng = (x for x in sorted(os.listdir()))\nnext(g)",
        "open('a', 'w').write('new')\nopen('c', 'w').write('kept')\nopen('d', 'w').write('kept')",
    ],
    [
        "open('a').read() == 'new' and open('c').read() == 'kept' and open('d').read() == 'kept'",
        "os.path.exists('b2') and not os.path.exists('b') and os.listdir('sub') == ['d']",
    ],
    may_lose=("g",),
)

case(
    "a_row_committed_once",
    [
        "import sqlite3\ndb = sqlite3.connect('data.db')\ndb.execute('create table if not exists t (a)')\ndb.commit();",
        "db.execute('insert into t values (1)')\ndb.commit()\nrows = (r for r in range(3))\nnext(rows)",
        "n = db.execute('select count(*) from t').fetchone()[0]",
    ],
    ["n == 1", "__import__('sqlite3').connect('data.db').execute('select count(*) from t').fetchone()[0] == 1"],
    may_lose=("rows",),
)

case(
    "a_request_posted_once",
    [
        "%%writefile server.py\nimport http.server, sys\nclass H(http.server.BaseHTTPRequestHandler):\n    def do_POST(self):\n        body = self.rfile.read(int(self.headers['Content-Length']))\n        open('posted.txt', 'ab').write(body + b'\\n')\n        self.send_response(200); self.end_headers(); self.wfile.write(b'ok')\n    def log_message(self, *a): pass\ns = http.server.HTTPServer(('127.0.0.1', 0), H)\nopen('port.tmp', 'w').write(str(s.server_port))\nimport os; os.rename('port.tmp', 'port')\ns.handle_request(); s.handle_request()",
        "import subprocess, sys, time, os, urllib.request\nproc = subprocess.Popen([sys.executable, 'server.py'], start_new_session=False)\nwhile not os.path.exists('port'): time.sleep(0.05)\nport = int(open('port').read())",
        "answer = urllib.request.urlopen(f'http://127.0.0.1:{port}/', data=b'order 1').read()\ngen = (b for b in answer)\nnext(gen)",
    ],
    ["answer == b'ok' and open('posted.txt').read() == 'order 1\\n'"],
    may_lose=("proc", "gen"),
)

case(
    "a_child_started_once",
    [
        "import subprocess\ndone = subprocess.run('echo started >> children.txt', shell=True)\nout = subprocess.check_output(['sh', '-c', 'echo hi; echo again >> children.txt'])"
        + _GEN,
        "!echo third >> children.txt\nbang = (c for c in 'ab'); next(bang);",
    ],
    ["open('children.txt').read() == 'started\\nagain\\nthird\\n'", "done.returncode == 0 and out == b'hi\\n'"],
    may_lose=("g", "bang"),
)

case(
    "a_question_asked_once",
    [
        "name = input('who? ')\nwith open('asked', 'a') as f: f.write(name + '\\n')\nletters = (c for c in name)\nnext(letters)",
        "greeting = f'hello {name}'",
    ],
    ["name == 'Ann' and greeting == 'hello Ann'", "open('asked').read() == 'Ann\\n'"],
    stdin="Ann",
    may_lose=("letters",),
)

case(
    "a_clock_read_once",
    [
        "import time, datetime, uuid, os\nt = time.time()\nnow = datetime.datetime.now()\nident = uuid.uuid4()\nsecret = os.urandom(8)\npid = os.getpid()",
        "stamp = now.isoformat()\nkey = f'{ident}-{secret.hex()}'\nlater = (t + i for i in range(3))\nnext(later)",
    ],
    ["t == $t$ and stamp == $stamp$ and key == $key$ and pid == $pid$", "abs(next(later) - t - 1) < 1e-6"],
    capture={"t": "t", "stamp": "stamp", "key": "key", "pid": "pid"},
    may_lose=("later",),
)

case(
    "unseeded_draws_are_kept",
    [
        "import random, secrets\nr = random.random()\nrs = random.SystemRandom().random()\nshuffled = list(range(10)); random.shuffle(shuffled)\ntoken = secrets.token_hex(4)",
        "both = [r, rs]\ngen = (r + i for i in range(3)); next(gen);",
    ],
    ["(r, rs, shuffled, token) == $all$ and both == [r, rs]", "next(gen) == r + 1"],
    capture={"all": "(r, rs, shuffled, token)"},
    may_lose=("gen",),
)

case(
    "effects_hidden_in_functions_and_methods",
    [
        "class Journal:\n    def __init__(self, path): self.path = path\n    def __setattr__(self, k, v):\n        super().__setattr__(k, v)\n    def note(self, text):\n        with open(self.path, 'a') as f: f.write(text + '\\n')\n        return len(text)\nj = Journal('journal.txt')\nfns = {'n': j.note}",
        "sizes = list(map(fns['n'], ['one', 'three']))\nit = iter(sizes); pair = (s for s in it); next(pair);",
        "@property\ndef dummy(self): pass\nj.note('last')\nmore = (x for x in [1, 2]); next(more);",
    ],
    ["open('journal.txt').read() == 'one\\nthree\\nlast\\n' and sizes == [3, 5]"],
    may_lose=("it", "pair", "more"),
)

case(
    "effects_before_an_error",
    [
        "open('half.txt', 'a').write('begun ')\nsteps = [1]\ng = (i for i in 'xy'); next(g)\nraise RuntimeError('stop')",
        "steps.append(2)",
    ],
    ["open('half.txt').read() == 'begun '", "steps == [1, 2]"],
    raises=(0,),
    may_lose=("g",),
)

case(
    "files_in_every_mode_stay_as_they_are",
    [
        "w = open('w.txt', 'w'); w.write('written')\na = open('a.txt', 'a'); a.write('appended')\nx = open('x.txt', 'x'); x.write('exclusive'); x.flush()\nrw = open('rw.bin', 'w+b'); rw.write(b'0123456789'); rw.seek(3);",
        "w.write(' more'); w.flush(); a.flush()\nrw.write(b'XX');",
    ],
    [
        "open('w.txt').read() == 'written more' and open('a.txt').read() == 'appended' and open('x.txt').read() == 'exclusive'",
        "(w.write('!'), w.flush(), open('w.txt').read() == 'written more!')[2]",
        "(a.write('+'), a.flush(), open('a.txt').read() == 'appended+')[2]",
        "rw.tell() == 5 and rw.read() == b'56789'",
    ],
)

case(
    "downloads_and_caches_on_disk",
    [
        "import os, json, pathlib\ndef cached(key):\n    p = pathlib.Path(f'cache-{key}.json')\n    if p.exists(): return json.loads(p.read_text())\n    with open('misses', 'a') as f: f.write(key)\n    p.write_text(json.dumps([key] * 3))\n    return cached(key)\nv = cached('k')\ng = (i for i in v); next(g);",
        "w = cached('k')\nh = (i for i in w); next(h);",
    ],
    ["open('misses').read() == 'k' and v == w == ['k'] * 3"],
    may_lose=("g", "h"),
)

case(
    "messages_sent_once_by_socket",
    [
        "import socket\na, b = socket.socketpair()\na.sendall(b'hello ')\nudp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nudp.bind(('127.0.0.1', 0))\nhome = udp.getsockname()\nout = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nout.sendto(b'ping', home)\ngot = udp.recv(10)\nlog = [got]",
        "a.sendall(b'world')\nreceived = b.recv(100)",
    ],
    ["got == b'ping' and log[0] is got or log == [b'ping']", "received == b'hello world'"],
    may_lose=("a", "b", "udp", "out"),
)

case(
    "environment_set_for_children_once",
    [
        "import os\nos.environ['COUNT'] = str(int(os.environ.get('COUNT', '0')) + 1)\ng = (i for i in range(3)); next(g);",
        "x = !echo $COUNT",
    ],
    ["os.environ['COUNT'] == '1' and list(x) == ['1']", "next(g) == 1 and os.environ['COUNT'] == '1'"],
    may_lose=("g",),
)

case(
    "interrupted_cells_are_not_run_again",
    ["import time\ng = (i for i in range(5)); first = next(g)\nwhile True:\n    time.sleep(0.05)", "x = first + 1"],
    ["first == 0 and x == 1", "next(g) == 1"],
    interrupt=(0,),
    may_lose=("g",),
)
case(
    "a_question_is_not_asked_again",
    ["g = (c for c in input('who? ')); first = next(g)", "x = first"],
    ["first == 'A' and x == 'A'", "next(g) == 'd'"],
    stdin="Ada",
    may_lose=("g",),
)
case(
    "an_answer_kept_makes_what_hangs_on_it",
    ["name = input('who? ')", "g = (c for c in name); first = next(g)"],
    ["first == 'A' and next(g) == 'd'"],
    stdin="Ada",
)

# ruff: noqa: E501 - the cells are written as a user writes them
"""Threads, locks, event loops, executors, processes, sockets: what can be kept, and what must be said to be lost."""

from . import case

case(
    "locks_of_every_kind",
    [
        """
import threading
plain, again = threading.Lock(), threading.RLock()
cond, sem = threading.Condition(), threading.BoundedSemaphore(3)
event, barrier, local = threading.Event(), threading.Barrier(2), threading.local()
shared = threading.Condition(plain)
class Safe:
    def __init__(self):
        self.lock, self.n = threading.RLock(), 0
    def add(self):
        with self.lock:
            self.n += 1
safe = Safe()
""",
        "sem.acquire()\nevent.set()\nagain.acquire()\nlocal.x = [1]\nsafe.add()",
    ],
    [
        "not plain.locked() and event.is_set() and shared._lock is plain",
        "sem._value == 2 and (sem.release(), sem._value == 3)[1]",
        "(safe.add(), safe.n == 2)[1]",
        "(cond.acquire(), cond.notify_all(), cond.release(), True)[3]",
        "barrier.parties == 2 and barrier.n_waiting == 0",
        "local.x == [1]",
    ],
    may_lose=("local",),
)

case(
    "queues_with_content",
    [
        "import queue, collections\nq, stack, pq, simple = queue.Queue(maxsize=5), queue.LifoQueue(), queue.PriorityQueue(), queue.SimpleQueue()\nitem = ['shared']\nfor x in (3, 1, 2):\n    stack.put(x); pq.put(x)\nq.put(item)\nsimple.put('s')",
        "pq.get()\nitem.append(1)",
    ],
    [
        "q.get_nowait() is item and q.maxsize == 5",
        "stack.get_nowait() == 2 and pq.get_nowait() == 2",
        "simple.get_nowait() == 's'",
    ],
    may_lose=("simple",),
)

case(
    "a_thread_that_is_done",
    [
        "import threading\nresults = []\nt = threading.Thread(target=results.append, args=(7,), name='worker')\nt.start()\nt.join()"
    ],
    ["results == [7]", "t.name == 'worker' and not t.is_alive()"],
    may_lose=("t",),
)

case(
    "a_thread_that_still_writes",
    [
        "import threading, time\nstate = {'n': 0}\ndef work():\n    while state['n'] < 10**9:\n        state['n'] += 1\n        time.sleep(0.01)\nt = threading.Thread(target=work, daemon=True)\nt.start()\ntime.sleep(0.3)",
        "keep = [1, 2]",
    ],
    ["state['n'] >= 5", "keep == [1, 2]", "t.is_alive()"],
    may_lose=("t",),
)

case(
    "a_thread_that_writes_without_a_pause",
    [
        """
import sys, threading, time
log, table, stop = [], {}, threading.Event()
def work():
    while not stop.is_set() and len(log) < 2_000_000:
        log.append(len(log)); table[len(log)] = str(len(log))
t = threading.Thread(target=work, daemon=True)
t.start()
time.sleep(0.05)""",
        "keep = [1, 2]",
    ],
    [
        "len(log) > 10 and log == list(range(len(log)))",
        "len(table) > 10 and all(v == str(k) for k, v in table.items())",
        "keep == [1, 2]",
        "abs(sys.getswitchinterval() - 0.005) < 1e-9",
    ],
    may_lose=("t",),
)

case(
    "executors_and_futures",
    [
        "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)\nfuture = pool.submit(pow, 2, 10)\nvalue = future.result()",
        "more = list(pool.map(str, range(3)))",
    ],
    [
        "value == 1024 and more == ['0', '1', '2']",
        "future.done() and future.result() == 1024",
        "pool.submit(int).result() == 0",
    ],
    may_lose=("pool", "future"),
)

case(
    "processes",
    [
        "import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], stdout=subprocess.PIPE)\npid = p.pid",
        "done = subprocess.run([sys.executable, '-c', 'print(5)'], capture_output=True, text=True)",
    ],
    ["isinstance(pid, int) and done.stdout == '5\\n' and done.returncode == 0", "p.pid == pid"],
    may_lose=("p",),
)

case(
    "sockets_and_servers",
    [
        "import socket\na, b = socket.socketpair()\na.sendall(b'hello')\nserver = socket.create_server(('127.0.0.1', 0))\nport = server.getsockname()[1]",
        "got = b.recv(2)",
    ],
    ["got == b'he' and port > 0", "b.recv(3) == b'llo'", "server.fileno() > 0"],
    may_lose=("a", "b", "server"),
)

case(
    "an_http_server_beside_data",
    [
        "import http.server, threading, urllib.request\nhits = []\nclass H(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n        hits.append(self.path)\n        self.send_response(200); self.end_headers(); self.wfile.write(b'ok')\n    def log_message(self, *a): pass\nsrv = http.server.ThreadingHTTPServer(('127.0.0.1', 0), H)\nth = threading.Thread(target=srv.serve_forever, daemon=True); th.start()",
        "body = urllib.request.urlopen(f'http://127.0.0.1:{srv.server_port}/x').read()",
    ],
    ["body == b'ok' and hits == ['/x']", "H.__name__ == 'H' and th.is_alive()", "srv.server_port > 0"],
    may_lose=("srv", "th"),
)

case(
    "event_loop_objects",
    [
        "import asyncio\nlock, ev, q = asyncio.Lock(), asyncio.Event(), asyncio.Queue()\nawait q.put([1])\nev.set()\nasync def twice(x):\n    await asyncio.sleep(0)\n    return 2 * x\nvalues = await asyncio.gather(*(twice(i) for i in range(3)))",
        "async with lock:\n    inside = lock.locked()",
    ],
    [
        "values == [0, 2, 4] and inside and not lock.locked()",
        "ev.is_set() and q.get_nowait() == [1]",
        "asyncio.iscoroutinefunction(twice)",
    ],
)

case(
    "a_background_task_that_works_on",
    [
        "import asyncio\nticks = []\nasync def tick():\n    while True:\n        ticks.append(len(ticks))\n        await asyncio.sleep(0.02)\ntask = asyncio.create_task(tick())",
        "await asyncio.sleep(0.2)\nseen = len(ticks)",
    ],
    ["seen >= 3 and len(ticks) >= seen", "not task.done()"],
    may_lose=("task",),
)

case(
    "a_task_that_is_done_and_a_coroutine_not_begun",
    [
        "import asyncio\nasync def job(x):\n    return [x]\ntask = asyncio.create_task(job(3))\nresult = await task\ncoro = job(4)",
        "result.append('mine')",
    ],
    ["result == [3, 'mine']", "task.done() and task.result() is result", "coro.cr_code.co_name == 'job'"],
    may_lose=("task", "coro", "result"),
)

case(
    "async_generators_and_iterators",
    [
        "async def agen(n):\n    for i in range(n):\n        yield i\nag = agen(5)\nfirst = await ag.__anext__()\nrest = [x async for x in agen(3)]",
        "second = await anext(ag)",
    ],
    ["first == 0 and second == 1 and rest == [0, 1, 2]", "ag.ag_code.co_name == 'agen' and ag.ag_frame is not None"],
    may_lose=("ag",),
)

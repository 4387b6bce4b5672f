"""What will be lost is said under the cell that made it, once, in real kernels."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from .runner import Kernel, watched

STATE = "__import__('elastic_spawner.kernel.session', fromlist=['current']).current()"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for all tests here; names are of one test each."""
    setup = "import socket\ndef serve(): return socket.create_server(('127.0.0.1', 0))"
    with watched(tmp_path_factory.mktemp("notices"), setup) as made:
        yield made


def shown(kernel: Kernel, source: str) -> tuple[str, list[dict[str, Any]]]:
    """Run a cell, wait until nothing is left to do after it; what was shown under it, and all that came meanwhile."""
    client = kernel.client
    mine = client.execute(source)
    reply = client.get_shell_msg(timeout=60)
    assert reply["parent_header"]["msg_id"] == mine
    assert reply["content"]["status"] == "ok", reply["content"]
    count = reply["content"]["execution_count"]
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(0.05)
        # without reading what comes on the other channel
        asked = client.execute("", silent=True, user_expressions={"rests": f"{STATE}.idle.rests"})
        reply = client.get_shell_msg(timeout=60)
        assert reply["parent_header"]["msg_id"] == asked
        if reply["content"]["user_expressions"]["rests"]["data"]["text/plain"] == "True":
            break
    asked = client.kernel_info()
    messages = []
    while True:
        message = client.get_iopub_msg(timeout=60)
        messages.append(message)
        done = message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
        if done and message["parent_header"].get("msg_id") == asked:
            break
    client.get_shell_msg(timeout=60)
    under = [m["content"] for m in messages if m["parent_header"].get("msg_id") == mine]
    texts = [c["data"]["text/plain"] for c in under if "data" in c]
    return "\n".join(texts).replace(f"cell {count}", "cell N"), messages


def test_a_connection_is_told_of_at_once_and_once(kernel: Kernel) -> None:
    """Under the cell that made it; not again when it is used, and again when it is another one."""
    made = "one, other = serve(), serve()"
    text, messages = shown(kernel, made)
    assert "`one` (cell N) will be lost on a move: it is a live connection" in text.splitlines()
    assert len(text.splitlines()) == 2
    (html,) = {m["content"]["data"]["text/html"] for m in messages if "`one`" in str(m["content"].get("data"))}
    assert "<span" in html and "one (cell" in html
    assert shown(kernel, "one.fileno() > 0; one.settimeout(1)")[0] == ""
    assert "`one`" in shown(kernel, "one.close(); other.close()\none, other = serve(), serve()")[0]
    shown(kernel, "del one, other")


@pytest.mark.parametrize(
    "source",
    [
        "x1 = [1]",
        "g1 = (i for i in range(3)); next(g1)",  # made again by its cell
        "import sqlite3; c1 = sqlite3.connect(':memory:'); c1.execute('create table t (a)')",
        "import threading; l1 = threading.Lock()",
        "class Own:\n    def __reduce__(self): raise TypeError('no')\no1 = Own(); o1.a = 1",
        "f1 = lambda: 1",
        "f2 = open('made.txt', 'w'); f2.write('a'); f2.flush()",
    ],
)
def test_what_can_be_stored_or_recomputed_is_not_worth_a_word(kernel: Kernel, source: str) -> None:
    """Nothing is said, and the cell's own output stays as it is."""
    text, _ = shown(kernel, source + "\nNone")
    assert text == ""


def test_what_may_not_be_made_again_is_told_of(kernel: Kernel) -> None:
    """The generator of a cell that wrote a file: it can be neither stored nor recomputed."""
    text, _ = shown(kernel, "print('x', file=open('t.txt', 'w'))\ng2 = (i for i in [1, 2])\nprint(next(g2))")
    assert text == "`g2` (cell N) will be lost on a move: it is a generator, half-way through its code"


def test_nothing_is_said_where_nobody_sees_it(kernel: Kernel) -> None:
    """A silent request has no cell to be shown under; quiet is quiet."""
    kernel.execute("s1, s2 = serve(), serve()", silent=True)
    _, messages = shown(kernel, "y1 = 1")
    assert not [m for m in messages if "will be lost" in str(m["content"])]
    shown(kernel, "%elastic quiet")
    _, messages = shown(kernel, "s3, s4 = serve(), serve()")
    assert not [m for m in messages if "will be lost" in str(m["content"])]
    shown(kernel, "%elastic quiet off")
    assert "`s5`" in shown(kernel, "s5, s6 = serve(), serve()")[0]


def test_the_session_is_well(kernel: Kernel) -> None:
    """None of it failed behind the scenes."""
    assert kernel.value(f"{STATE}.warnings") == "[]"

"""Large data come behind a restore: what does not need them runs at once, and whoever looks waits and sees the truth.

Real kernels, restored as the agent does it. A gate decides when the data come.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from elastic_spawner.agent import channel
from elastic_spawner.kernel import entrances

from .runner import Kernel
from .tampering import flip

KEY = bytes(range(32)).hex()
CELLS = [
    "import os, time",
    "token = os.urandom(9 << 20)",  # cannot be recomputed
    "time.sleep(1); words = bytearray(b'elastic ' * (2 << 20))",  # can be
    "small = {'a': 1}; text = 'len(token)'",
    "def length(): return len(token) + len(words)\ndef count(): return small['a']",
    "print(hash(token))\ncheck = __import__('hashlib').sha256(token).hexdigest()",
]
RIGHT = "__import__('hashlib').sha256(token).hexdigest() == check and words == b'elastic ' * (2 << 20)"
LATE = {"token", "words"}


class Session:
    """A kernel to which things are sent as a front end and as the agent send them."""

    def __init__(self, folder: Path, store: Path, tag: str) -> None:
        self.url = store.as_uri()
        self.gate = folder / "gate"
        self.gates = 0
        for name in ("cwd", "home"):
            (folder / name).mkdir(exist_ok=True)
        self.kernel = Kernel(folder, tag)
        self.kernel.execute("get_ipython().run_line_magic('load_ext', 'elastic_spawner')", silent=True)

    def rpc(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the kernel part."""
        expression = (
            f"__import__('elastic_spawner.kernel.rpc', fromlist=['call']).call({method!r}, {json.dumps(params)!r})"
        )
        session = self.kernel.client.session
        before, session.username = session.username, channel.USERNAME
        try:
            answer = json.loads(ast.literal_eval(self.kernel.value(expression)))
        finally:
            session.username = before
        assert answer["ok"], answer
        return dict(answer["result"])

    def save(self, name: str = "s") -> dict[str, Any]:
        return self.rpc("checkpoint", url=self.url, session=name, key=KEY)

    def restore(self, name: str = "s", shut: bool = True) -> dict[str, Any]:
        if shut:
            self.gates += 1
            self.gate = self.gate.with_name(f"gate-{self.gates}")
            self.kernel.value(f"__import__('tests.kernel.gate', fromlist=['close']).close({str(self.gate)!r})")
        return self.rpc("restore", url=self.url, session=name, key=KEY)

    def open(self) -> None:
        self.gate.touch()

    def open_while_it_waits(self) -> threading.Timer:
        """Open the gate a moment after the next request was sent."""
        timer = threading.Timer(0.5, self.open)
        timer.start()
        return timer

    def restore_and_shut(self) -> None:
        """Restore with nothing but small data there."""
        report = self.restore()
        assert {n for n, f in report["variables"].items() if f["status"] == "pending"} == LATE
        assert report["pending"] == 2

    def coming(self) -> int:
        return int(self.rpc("status")["pending"])

    def fates(self) -> dict[str, str]:
        report = self.rpc("status")["last_restore"]
        return {n: f["status"] for n, f in report["variables"].items() if n in LATE}

    def run(self, source: str) -> str:
        """Run a cell that must not fail; what it printed."""
        reply = self.kernel.execute(source)
        assert reply["status"] == "ok", reply["out"]
        return str(reply["out"])

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the session ``s``."""
    folder = tmp_path_factory.mktemp("saved")
    session = Session(folder, folder / "store", "first")
    try:
        for cell in CELLS:
            session.run(cell)
        plan = session.save()["plan"]
        assert {v["name"] for v in plan["store"]} >= LATE
    finally:
        session.kernel.kill()
    return folder / "store"


@pytest.fixture
def fresh(saved: Path, tmp_path: Path) -> Iterator[Session]:
    """A new kernel with a copy of the store."""
    shutil.copytree(saved, tmp_path / "store")
    made = Session(tmp_path, tmp_path / "store", "second")
    try:
        yield made
    finally:
        made.open()
        made.kernel.kill()


@pytest.fixture
def waiting(fresh: Session) -> Session:
    """Restored, with the gate shut."""
    fresh.restore_and_shut()
    return fresh


@pytest.fixture(scope="module")
def shared(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A kernel in which the session is restored again and again."""
    made = Session(tmp_path_factory.mktemp("shared"), saved, "shared")
    try:
        yield made
    finally:
        made.open()
        made.kernel.kill()


def test_small_cells_run_and_the_rest_comes(waiting: Session) -> None:
    """Cells that do not touch it run; then it comes by itself, as it was. In the kernel nothing stays behind."""
    assert waiting.run("small['b'] = 2; print(count(), small)") == "1 {'a': 1, 'b': 2}\n"
    assert waiting.coming() == 2
    waiting.open()
    waiting.until(lambda: not waiting.coming())
    assert set(waiting.fates().values()) == {"loaded"}
    assert waiting.kernel.value(RIGHT) == "True"
    assert waiting.kernel.value("[n for n in vars(get_ipython().kernel) if n.startswith('do_')]") == "[]"
    assert waiting.rpc("status")["warnings"] == []


@pytest.mark.parametrize(
    "source, out",
    [
        ("print(len(token))", "9437184\n"),
        ("print(length())", "26214400\n"),
        ("print([f() for f in (length,)][0])", "26214400\n"),
        ("print(eval(text))", "9437184\n"),
        ("e = eval; print(e(text))", "9437184\n"),
        ("import __main__ as m; n = 'tok' + 'en'; print(len(getattr(m, n)))", "9437184\n"),
        ("import sys; print(len(sys._getframe().f_globals['tok' + 'en']))", "9437184\n"),
        ("%who_ls bytes", ""),
        ("print('words' in dir())", "True\n"),
        ("words.append(1); print(len(words))", "16777217\n"),
        ("def f(): return len(words)\nprint(f())", "16777216\n"),
        ("async def g(): return len(words)\nprint(await g())", "16777216\n"),
    ],
)
def test_a_cell_that_looks_waits(shared: Session, source: str, out: str) -> None:
    """Whatever way it takes."""
    shared.restore_and_shut()
    shared.open_while_it_waits()
    assert shared.run(source) == out or source.startswith("%")
    assert "NameError" not in shared.run("print(token[:0], len(words))")


def test_assigned_and_deleted(waiting: Session) -> None:
    """The user's new value stays, and what was deleted does not come back."""
    waiting.open_while_it_waits()
    waiting.run("token = 5")
    waiting.run("del words")
    waiting.until(lambda: not waiting.coming())
    assert waiting.kernel.value("(token, 'words' in globals())") == "(5, False)"


def test_expressions_without_code(waiting: Session) -> None:
    """They run no hook of IPython's."""
    waiting.open_while_it_waits()
    assert waiting.kernel.value("len(token)") == "9437184"


def test_silent_code(waiting: Session) -> None:
    """It is no cell."""
    waiting.open_while_it_waits()
    assert waiting.kernel.execute("print(len(words))", silent=True)["status"] == "ok"
    assert waiting.coming() == 0


def test_completion_and_inspection(waiting: Session) -> None:
    """They see everything."""
    waiting.open_while_it_waits()
    reply = waiting.kernel.client.complete("tok", reply=True, timeout=60)
    assert "token" in reply["content"]["matches"]
    reply = waiting.kernel.client.inspect("words", reply=True, timeout=60)
    assert reply["content"]["found"]


def test_a_save_is_complete(waiting: Session) -> None:
    """It waits, and what it saves can be restored."""
    waiting.run("small['c'] = 3")
    waiting.open_while_it_waits()
    done = waiting.save()
    assert {v["name"] for v in done["plan"]["store"]} >= LATE
    assert done["plan"]["lost"] == []
    assert waiting.kernel.value(RIGHT) == "True"
    assert done["bytes_written"] < 1 << 20  # its chunks are there


def test_a_second_restore(waiting: Session) -> None:
    """Over the first, while that is still coming."""
    waiting.open_while_it_waits()
    waiting.restore(shut=False)
    assert waiting.kernel.value(RIGHT) == "True"


def test_by_hand_it_is_complete(fresh: Session) -> None:
    """``%elastic restore`` returns when everything is there."""
    session = "__import__('elastic_spawner.kernel.session', fromlist=['current']).current()"
    source = f"report = {session}.restore({fresh.url!r}, 's', bytes.fromhex({KEY!r}))"
    fresh.run(source)
    assert fresh.coming() == 0
    assert fresh.kernel.value(RIGHT) == "True"


@pytest.mark.parametrize(
    "source", ["print(len(token))\nran = 1", "await __import__('asyncio').sleep(0)\nx = token\nran = 1"]
)
def test_an_interrupt_while_a_cell_waits(waiting: Session, source: str) -> None:
    """It does not run, and nothing is lost."""
    timer = threading.Timer(0.7, os.kill, (waiting.kernel.pid, signal.SIGINT))
    timer.start()
    reply = waiting.kernel.execute(source)
    assert reply["status"] == "error"
    assert reply["ename"] == "KeyboardInterrupt"
    assert waiting.coming() == 2
    assert waiting.run("print(count())") == "1\n"
    waiting.open_while_it_waits()
    assert waiting.kernel.value(f"({RIGHT}, 'ran' in globals())") == "(True, False)"


def test_an_interrupt_while_an_expression_waits(waiting: Session) -> None:
    """It is answered."""
    timer = threading.Timer(0.7, os.kill, (waiting.kernel.pid, signal.SIGINT))
    timer.start()
    reply = waiting.kernel.execute("", silent=True, it="len(token)")
    assert (reply["status"], reply["ename"]) == ("error", "KeyboardInterrupt")
    assert waiting.coming() == 2


def damage(store: Path, length: int) -> None:
    """Change a bit of the chunk that is the largest of those of a variable of so many bytes."""
    from elastic_spawner.checkpoint import Repository
    from elastic_spawner.checkpoint.chunks import references
    from elastic_spawner.stores import DirectoryStore

    with Repository(DirectoryStore(store), bytes.fromhex(KEY)) as repository:
        manifest = repository.latest("s")
    assert manifest is not None
    for component in manifest["components"]:
        if abs(component["bytes"] - length) < 1000:
            refs = references([component["payload"], component["buffers"]])
            flip(store / max(refs, key=lambda ref: ref.size).key)


def test_what_cannot_be_loaded_is_recomputed(fresh: Session) -> None:
    """Before the cell that needs it, from what its cells had then; what the user changed since stays. It is told."""
    damage(Path(fresh.url[7:]), 16 << 20)
    fresh.restore()
    fresh.run("small['a'] = 7; time2 = time; time = 3; seven = 7")
    fresh.open_while_it_waits()
    out = fresh.run("print(words == b'elastic ' * (2 << 20), small, time, seven)")
    assert "True {'a': 7} 3 7" in out
    assert "words, which was still coming, is recomputed: chunk " in out
    assert fresh.run("print(length())") == "26214400\n"
    assert fresh.fates() == {"token": "loaded", "words": "recomputed"}
    assert fresh.save()["plan"]["lost"] == []


def test_what_can_neither_be_loaded_nor_recomputed_is_lost(fresh: Session) -> None:
    """It is told before the cell that needs it fails."""
    damage(Path(fresh.url[7:]), 9 << 20)
    fresh.restore()
    fresh.open()
    fresh.until(lambda: fresh.fates()["words"] == "loaded")
    assert fresh.coming() == 1
    reply = fresh.kernel.execute("print(len(token))")
    assert reply["ename"] == "NameError"
    assert "lost: token (bytes): chunk " in reply["out"]
    assert "run In [2] again" in reply["out"]
    assert fresh.fates() == {"token": "lost", "words": "loaded"}
    assert fresh.coming() == 0


def test_the_agents_name_is_known_in_the_kernel() -> None:
    """By it the kernel tells the agent's requests, which wait by themselves where they have to."""
    assert entrances.OURS == channel.USERNAME

"""What runs outside of cells: whatever it may have changed is looked at again, the rest is taken as known."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable
from typing import TypeVar

import pytest

from elastic_spawner.history import Rerun
from elastic_spawner.objects.walk import Walker
from elastic_spawner.tracking import budget
from elastic_spawner.tracking.activity import foreign_threads

from .notebook import Notebook

T = TypeVar("T")

BIG = "import numpy as np\nbig = np.zeros(1_000_000)"


def settled(notebook: Notebook) -> int:
    """Settle; the version of ``big``."""
    notebook.tracker.settle()
    return notebook.tracker.states["big"].version


def changed_outside(notebook: Notebook) -> bool:
    """Whether the history says that ``big`` was changed by no cell."""
    history = notebook.tracker.history
    return history.cells[history.active["big"]].rerun is Rerun.FORBIDDEN


def test_what_nothing_touched_is_not_walked_again(notebook: Notebook) -> None:
    """A large array is read once, however often the session is saved."""
    notebook.run(BIG)
    version = settled(notebook)
    walk = notebook.tracker.states["big"].walk
    notebook.cells("x = 1", "y = [x]")
    assert settled(notebook) == version
    assert notebook.tracker.states["big"].walk is walk


def test_small_values_are_looked_at_every_time(notebook: Notebook) -> None:
    """What costs nothing to compare is compared, whatever is known of it."""
    notebook.cells(BIG, "a = [1]")
    settled(notebook)
    version = notebook.tracker.states["a"].version
    notebook.namespace["a"].append(2)
    settled(notebook)
    assert notebook.tracker.states["a"].version != version


def test_reading_keeps_the_version_and_writing_does_not(notebook: Notebook) -> None:
    """Versions follow the content, not the cells."""
    notebook.run(BIG)
    version = settled(notebook)
    notebook.run("total = big.sum()")
    assert settled(notebook) == version
    notebook.run("big[5] = 1")
    assert settled(notebook) != version
    assert not changed_outside(notebook)


def test_a_thread_that_is_alive_after_its_cell_makes_us_look(notebook: Notebook) -> None:
    """Also when it has ended by the time of the save."""
    notebook.cells(BIG, "import threading\ngo = threading.Event()")
    notebook.run("def later():\n    go.wait()\n    big[3] = 1")
    notebook.run("t = threading.Thread(target=later)\nt.start()")
    version = settled(notebook)
    notebook.namespace["go"].set()
    notebook.namespace["t"].join()
    assert settled(notebook) != version
    assert changed_outside(notebook)
    # and when it has gone, nothing is walked for its sake any more
    version, walk = settled(notebook), notebook.tracker.states["big"].walk
    assert (settled(notebook), notebook.tracker.states["big"].walk) == (version, walk)


def test_a_thread_without_a_threading_object_makes_us_look(notebook: Notebook) -> None:
    """``_thread`` starts threads that ``threading`` knows nothing of."""
    notebook.cells(BIG, "import _thread, time\nlock = _thread.allocate_lock(); done = _thread.allocate_lock()")
    notebook.run("def later():\n    with lock: big[3] = 1\n    done.release()")
    notebook.run("lock.acquire(); done.acquire(); _thread.start_new_thread(later, ())")
    version = settled(notebook)
    notebook.namespace["lock"].release()
    notebook.namespace["done"].acquire()
    assert settled(notebook) != version


def test_an_idle_pool_changes_nothing(notebook: Notebook) -> None:
    """Workers that wait for work run nothing until somebody gives them some."""
    notebook.cells(BIG, "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)")
    notebook.run("pool.submit(int).result()")
    try:
        # the worker may still be on its way back to its queue
        end = time.monotonic() + 60
        while notebook.tracker.activity.alive() and time.monotonic() < end:
            time.sleep(0.01)
        assert not notebook.tracker.activity.alive()
    finally:
        notebook.namespace["pool"].shutdown()


def in_loop(loop: asyncio.AbstractEventLoop, step: Callable[[], T]) -> T:
    """What ``step`` returns when a callback of the loop runs it, as a kernel runs its cells."""
    found: list[T] = []
    loop.call_soon(lambda: (found.append(step()), loop.stop()))
    loop.run_forever()
    return found[0]


@pytest.mark.parametrize(
    "start",
    [
        "async def later():\n    big[3] = 1\ntask = loop().create_task(later())",
        "loop().call_soon(lambda: big.__setitem__(3, 1))",
        "loop().call_later(0.01, lambda: big.__setitem__(3, 1))",
        "loop().call_soon(functools.partial(big.fill, 1))",
        "loop().call_soon(big.fill, 1)",
        "loop().add_reader(r.fileno(), lambda: (r.recv(1), big.fill(1)))\nw.send(b'x')",
    ],
    ids=["task", "soon", "later", "partial", "method", "socket"],
)
def test_what_waits_in_the_loop_makes_us_look(notebook: Notebook, start: str) -> None:
    """Tasks, timers and callbacks of the user on the loop that the cells run on."""
    loop = asyncio.new_event_loop()
    try:
        in_loop(loop, lambda: notebook.cells(BIG, "import asyncio, functools, socket\nr, w = socket.socketpair()"))
        notebook.run("from asyncio import get_running_loop as loop")
        in_loop(loop, lambda: settled(notebook))
        assert not notebook.tracker.activity.happened
        in_loop(loop, lambda: notebook.run(start))
        version = settled(notebook)
        while not notebook.namespace["big"][3]:
            loop.call_later(0.01, loop.stop)
            loop.run_forever()
        assert in_loop(loop, lambda: settled(notebook)) != version
        assert changed_outside(notebook)
    finally:
        loop.close()
        for end in "rw":
            notebook.namespace[end].close()


def test_a_signal_handler_makes_us_look(notebook: Notebook) -> None:
    """A signal comes at any time."""
    notebook.cells(BIG, "import signal")
    before = signal.getsignal(signal.SIGUSR1)
    try:
        notebook.run("signal.signal(signal.SIGUSR1, lambda *_: big.__setitem__(3, 1))")
        version = settled(notebook)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert settled(notebook) != version
    finally:
        signal.signal(signal.SIGUSR1, before)


HANDED_ON = {
    "lambda": ["atexit.register(lambda: big.__setitem__(3, 1))"],
    "function": ["def set_it(): big[3] = 1", "atexit.register(set_it)"],
    "function without a name": ["def set_it(): big[3] = 1", "atexit.register(set_it)\ndel set_it"],
    "partial": ["def set_it(i): big[i] = 1", "atexit.register(functools.partial(set_it, 3))"],
    "value": ["def set_it(array): array[3] = 1", "atexit.register(set_it, big)"],
    "value in a partial": ["def set_it(array): array[3] = 1", "atexit.register(functools.partial(set_it, big))"],
    "value of a method": ["atexit.register(big.fill, 1)"],
    "value in a closure": ["def setter(array): return lambda: array.fill(1)", "atexit.register(setter(big))"],
    "shared value": ["shared = [big]", "atexit.register(big.fill, 1)"],
    "method": ["class Owner:\n    def change(self): big[3] = 1", "atexit.register(Owner().change)"],
    "method of a variable": [
        "class Owner:\n    def change(self): big[3] = 1\nowner = Owner()", "atexit.register(owner.change)"
    ],
    "instance": ["class Owner:\n    def __call__(self): big[3] = 1", "atexit.register(Owner())"],
    "generator": ["def sets():\n    yield\n    big.fill(1)\ng = sets()\nnext(g)", "atexit.register(next, g, 0)\ndel g"],
    "made by a function": ["def give(): atexit.register(lambda: big.fill(1))", "give()"],
    "among much": ["atexit.register(lambda: big.fill(1))\nmuch = [[i] for i in range(50_000)]"],
}  # fmt: skip
"""How a library comes by something of the session that it may use at any time; atexit stands for any that keeps it
where nobody sees it."""


@pytest.mark.parametrize("fire", ["", "atexit._run_exitfuncs()"], ids=["outside", "by a cell"])
@pytest.mark.parametrize("looks", [1, 2])
@pytest.mark.parametrize("cells", HANDED_ON.values(), ids=HANDED_ON)
def test_a_callback_that_a_library_holds_makes_us_look(
    notebook: Notebook, cells: list[str], looks: int, fire: str
) -> None:
    """It reaches the session's variables though none of them reaches it; called once, it is gone."""
    import atexit

    try:
        notebook.cells(BIG, "import atexit, functools", *cells)
        for _ in range(looks):
            version = settled(notebook)
        gc.collect()
        notebook.run(fire) if fire else atexit._run_exitfuncs()
        assert notebook.namespace["big"][3] == 1
        assert settled(notebook) != version
        assert changed_outside(notebook)
    finally:
        atexit._clear()


@pytest.mark.parametrize(
    "cells",
    [
        ["def total(): return big.sum()", "total()", "f = total"],
        ["(lambda a: a)(big).sum()"],
        ["shared = [big]", "view = big[5:]"],
        ["import pandas\nframe = pandas.DataFrame({'a': range(100_000)})", "frame.apply(lambda c: big.sum())"],
    ],
)
def test_what_nobody_holds_is_not_looked_at_again(notebook: Notebook, cells: list[str]) -> None:
    """Functions and values that are only variables, and what has come and gone within a cell."""
    notebook.cells(BIG, *cells)
    version = settled(notebook)
    walk = notebook.tracker.states["big"].walk
    assert settled(notebook) == version
    assert notebook.tracker.states["big"].walk is walk


@pytest.mark.parametrize(
    "cells",
    [
        ["first = [big]", "second = [first]"],
        ["class Owner:\n    data = big", "one, other = Owner(), Owner()"],
        ["view = big[5:]", "views = [view]", "same = view"],
        ["view = memoryview(big)", "second = view[8:]"],
    ],
)
def test_what_variables_hold_in_common_is_counted_once(notebook: Notebook, cells: list[str]) -> None:
    """Somebody else who holds the value beside them is not taken for one of them."""
    notebook.cells(BIG, *cells)
    kept = [notebook.namespace["big"]]
    for _ in range(2):
        version = settled(notebook)
    kept[0][3] = 1
    assert settled(notebook) != version
    assert changed_outside(notebook)


def test_who_shares_what_is_in_a_value_need_not_hold_it(notebook: Notebook) -> None:
    """A list of the same many objects in another order."""
    notebook.cells("big = [[i] for i in range(30_000)]", "other = big[::-1]")
    kept = [notebook.namespace["big"]]
    for _ in range(2):
        version = settled(notebook)
    kept[0].append(1)
    assert settled(notebook) != version


def test_what_is_shown_is_held_by_the_shell(notebook: Notebook) -> None:
    """As often as it says, and not more."""
    outputs: list[object] = []
    notebook.tracker.callbacks.shown = lambda: outputs
    notebook.cells(BIG, "x = 1")
    settled(notebook)
    walk = notebook.tracker.states["big"].walk
    outputs += [notebook.namespace["big"]] * 2
    settled(notebook)
    assert notebook.tracker.states["big"].walk is walk
    kept = [notebook.namespace["big"]]
    settled(notebook)
    assert notebook.tracker.states["big"].walk is not walk
    assert kept


def test_nothing_that_is_frozen_is_overlooked(notebook: Notebook) -> None:
    """The collector does not tell what refers to it."""
    notebook.run(BIG)
    settled(notebook)
    walk = notebook.tracker.states["big"].walk
    gc.freeze()
    try:
        settled(notebook)
        assert notebook.tracker.states["big"].walk is not walk
    finally:
        gc.unfreeze()


def test_looking_for_threads_keeps_nothing(notebook: Notebook) -> None:
    """The frames that are running then, and all that they hold, may go when they end."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()

    class Held:
        pass

    def look() -> weakref.ref[Held]:
        held = Held()
        assert foreign_threads()
        return weakref.ref(held)

    gc.disable()
    try:
        assert look()() is None
    finally:
        gc.enable()
        end.set()
        thread.join()


def test_an_output_is_another_way_to_a_variable(notebook: Notebook) -> None:
    """``_`` and ``Out`` hold what a cell showed."""
    notebook.names = lambda: [n for n in notebook.namespace if not n.startswith("_")]  # type: ignore[method-assign]
    notebook.tracker.names = notebook.names
    notebook.cells("x = [1]", "y = [x]")
    notebook.namespace["_"] = notebook.namespace["x"]
    notebook.namespace["_3"] = [notebook.namespace["x"]]
    assert notebook.run("_.append(2)").writes == {"x", "y"}
    assert notebook.run("_3[0].append(2)").writes == {"x", "y"}
    assert notebook.run("_3").writes == set()


def test_a_long_text_is_known_in_full_when_it_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot change; but when there was no time to read it after its cell, its digest is not the value's yet."""
    monkeypatch.setattr(budget, "SECONDS", 0.0)
    notebook = Notebook()
    notebook.run("text = b'elastic' * (1 << 20)")
    notebook.tracker.settle()
    walk = notebook.tracker.states["text"].walk
    assert walk is not None and walk.digest == Walker().walk([b"elastic" * (1 << 20)]).digest

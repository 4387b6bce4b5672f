"""What a save needs to know is found out between cells, in real kernels, and nobody notices."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .runner import Kernel, watched

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is tried without fork")

STATE = "__import__('elastic_spawner.kernel.session', fromlist=['current']).current()"
TRIAL = "vars(__import__('elastic_spawner.checkpoint.trial', fromlist=['trial']))"
COUNT = """
tried, real = [], _one_child
def _one_child(sizes, *rest):
    tried.append(len(sizes))
    return real(sizes, *rest)
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel of its own."""
    with watched(tmp_path, "class A:\n    def __init__(self, x): self.x = x") as made:
        yield made


def rest(kernel: Kernel) -> None:
    """Wait until nothing is left to do between cells; an empty cell does not disturb it."""
    end = time.monotonic() + 60
    while kernel.value(f"{STATE}.idle.rests") != "True":
        assert time.monotonic() < end
        time.sleep(0.02)


def try_slowly(kernel: Kernel, code: str) -> None:
    """Make something of `Slow`, which takes its time in a child; return while a child tries it."""
    kernel.execute(
        "import os, time\nme = os.getpid()\nclass Slow:\n    def __hash__(self):\n"
        "        time.sleep(0.7 * (os.getpid() != me))\n        return 7"
    )
    kernel.execute(code)
    end = time.monotonic() + 60
    while kernel.value(f"{STATE}._trying") != "True":
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_save_after_a_pause_tries_nothing(kernel: Kernel, tmp_path: Path) -> None:
    """What was loaded on trial meanwhile is not loaded again; what has changed since is."""
    kernel.execute("a, b = A([1]), A([2])")
    rest(kernel)
    kernel.execute(f"exec({COUNT!r}, {TRIAL})", silent=True)
    save = f"{STATE}.checkpoint({(tmp_path / 'store').as_uri()!r}, 's', bytes(32))"
    assert kernel.value(f"[v['name'] for v in {save}['plan']['lost']]") == "[]"
    assert kernel.value(f"sum({TRIAL}['tried'])") == "0"
    kernel.execute("b.x.append(3)")
    assert kernel.value(f"[v['name'] for v in {save}['plan']['lost']]") == "[]"
    assert kernel.value(f"sum({TRIAL}['tried'])") == "1"


def test_no_cell_finds_a_child(kernel: Kernel) -> None:
    """Whatever moment it comes at: here it comes while one is there that takes its time."""
    try_slowly(kernel, "found = []; made = {Slow(): 1}")
    time.sleep(0.1)
    kernel.execute("try:\n    found.append(os.waitpid(-1, os.WNOHANG))\nexcept ChildProcessError as e:\n    found = e")
    assert kernel.value("type(found).__name__") == "'ChildProcessError'"


def test_nothing_is_held_meanwhile(kernel: Kernel) -> None:
    """While a child is there, an object that the session drops is gone."""
    try_slowly(kernel, "import gc, weakref; a, made = A(1), {Slow(): 1}; ref = weakref.ref(a)")
    # an expression beside an empty cell, of which nobody is told
    assert kernel.value("(globals().pop('a') and None, gc.collect(), ref())[2]") == "None"
    assert kernel.value(f"{STATE}._trying") == "True"

"""What a save writes, what it leaves alone because it is there, and how much memory it takes."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from elastic_spawner.checkpoint import ahead, trial
from elastic_spawner.checkpoint.chunks import references
from elastic_spawner.stores import DirectoryStore

from .notebooks import Saved

np = pytest.importorskip("numpy")

MIB = 1 << 20
ONCE = "import os; token = os.urandom(2)\n"
"""A cell that begins so is never run again, so that what it makes is stored."""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Saved]:
    """A session and its store."""
    made = Saved(DirectoryStore(tmp_path / "store"))
    yield made
    made.repository.close()


def chunks(session: Saved) -> list[Path]:
    """The files of the chunks."""
    root: Any = session.repository.store
    return [p for p in Path(root.root, "chunks").rglob("*") if p.is_file()]


def test_many_small_variables_are_few_chunks(session: Saved) -> None:
    """All that is small of one save shares a chunk, and each value comes back out of it."""
    session.run(ONCE + "\n".join(f"v{i} = [{i}, 'text {i}', {{'k': {i}}}]" for i in range(200)))
    session.save()
    assert len(chunks(session)) == 2  # values, and the record of the cells
    stored = session.stored()
    assert all(stored[f"v{i}"] == [i, f"text {i}", {"k": i}] for i in range(200))


def test_a_small_change_writes_little(session: Saved) -> None:
    """One element of one array: a piece of it, and not the rest; one small variable: not the others."""
    session.cells(ONCE + "import numpy as np; rng = np.random.default_rng(1)")
    for i in range(3):
        session.run(f"a{i} = rng.standard_normal({2 * MIB})")
    session.run(ONCE + "\n".join(f"v{i} = ['x' * 1000, {i}]" for i in range(100)))
    first = session.save()
    assert first["bytes_written"] > 45 * MIB
    session.run("a1[7] = 0.5")
    second = session.save()
    assert second["bytes_written"] < 5 * MIB
    session.run("v3.append(1)")
    third = session.save()
    assert third["bytes_written"] < 8192
    stored = session.stored()
    assert stored["a1"][7] == 0.5
    assert (stored["a1"] == session.namespace["a1"]).all() and (stored["a0"] == session.namespace["a0"]).all()
    assert stored["v3"] == ["x" * 1000, 3, 1] and stored["v4"] == ["x" * 1000, 4]


def test_what_is_known_notices_every_change(session: Saved) -> None:
    """By a cell, behind the back of the cells, of what is shared, by another value under the name, and of type."""
    session.run(ONCE + "a, b, c = [1, [2]], {'k': [3]}, [4.0]")
    session.save()
    session.run("a[1].append(5)")
    session.save()
    assert session.stored()["a"] == [1, [2, 5]]
    session.namespace["b"]["k"].append(6)
    session.save()
    assert session.stored()["b"] == {"k": [3, 6]}
    session.run(ONCE + "c = [4]")
    session.save()
    assert repr(session.stored()["c"]) == "[4]"
    session.run(ONCE + "a = c")
    session.save()
    stored = session.stored()
    assert stored["a"] is stored["c"]
    session.run(ONCE + "a = [4]")
    session.save()
    stored = session.stored()
    assert stored["a"] == stored["c"] and stored["a"] is not stored["c"]
    session.run("del b")
    session.save()
    assert "b" not in session.stored()


def test_views_that_look_elsewhere_in_equal_memory_are_noticed(session: Saved) -> None:
    """The same values, the same names, another place of the view: what is written through it lands elsewhere."""
    session.run(ONCE + "import numpy as np; a = np.zeros(100); b = a[2:5]")
    session.save()
    session.run(ONCE + "b = a[7:10]")
    session.save()
    stored = session.stored()
    stored["b"][:] = 1
    assert list(stored["a"].nonzero()[0]) == [7, 8, 9]


def test_unchanged_components_are_not_serialised_again(session: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor tried: a second save pickles only what changed."""
    session.run(ONCE + "a, b = [1], {'k': object}\ndef f(): return 1")
    session.save()
    from elastic_spawner.checkpoint import pickling

    seen: list[set[str]] = []
    real = pickling.dump

    def dump(values: dict[str, Any], *arguments: Any) -> pickling.Payload:
        seen.append(set(values))
        return real(values, *arguments)

    monkeypatch.setattr(pickling, "dump", dump)
    session.run("a.append(2)")
    session.save()
    assert seen == [{"a"}]


def test_a_chunk_that_vanished_is_written_again(session: Saved) -> None:
    """Whatever was known of the store, a checkpoint is whole when it is committed."""
    session.cells(ONCE + "import numpy as np; a = np.arange(200_000); b = list(range(100))")
    session.save()
    for file in chunks(session):
        file.unlink()
    session.save()
    assert session.repository.verify("s").ok
    assert session.stored()["b"] == list(range(100)) and session.stored()["a"][-1] == 199_999


def test_another_store_gets_everything(session: Saved, tmp_path: Path) -> None:
    """What is known to be in one store is not taken to be in another."""
    from elastic_spawner.checkpoint import Repository

    from .notebooks import KEY

    session.run(ONCE + "a = [1, 2]")
    session.save()
    session.repository.close()
    session.repository = Repository(DirectoryStore(tmp_path / "other"), KEY)
    session.save()
    assert session.repository.verify("s").ok and session.stored()["a"] == [1, 2]


def test_many_saves_leave_few_packs(session: Saved) -> None:
    """Each save stores a little; what is in use is united now and then, and collected."""
    session.run(ONCE + "\n".join(f"v{i} = ['x' * 500, {i}]" for i in range(60)))
    for i in range(40):
        session.run(f"v{i}.append('changed')")
        session.save()
    packs = {r.hash for r in references(session.manifest()["packs"])}
    assert len(packs) < 20
    stored = session.stored()
    assert all(stored[f"v{i}"] == session.namespace[f"v{i}"] for i in range(60))
    session.repository.gc(keep=1, grace_s=0)
    assert session.repository.verify("s").ok
    assert len(chunks(session)) <= len({r.hash for r in references(session.manifest())})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is tried without fork")
def test_idle_time_finds_out_what_a_save_needs_to_know(session: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was tried ahead is not tried again, what was refused is known, and a change makes both worthless."""
    session.run(
        ONCE + "class A:\n    def __init__(self): self.x = [1]\n"
        "def f(x): return x\n"
        "g = (f(i) for i in range(3))\n"
        "import decimal; c = decimal.Context(prec=5)\n"
    )
    monkeypatch.setattr(ahead, "_RESIDENT", 1 << 40)  # whatever other tests have left in this process
    for _ in ahead.steps(session.view(), session.cache):
        pass
    tried: list[int] = []
    real = trial.try_loading
    monkeypatch.setattr(trial, "try_loading", lambda p, n: tried.append(len(p)) or real(p, n))
    session.save()
    assert sum(tried) == 0
    assert session.plan_of("c") == "store"
    assert session.stored()["c"].prec == 5
    session.run("c.prec = 7")
    session.save()
    assert sum(tried) == 1 and session.stored()["c"].prec == 7


@pytest.mark.parametrize(
    ("cells", "largest"),
    [
        (
            [
                "import numpy as np",
                *(f"{ONCE}a{i} = np.random.default_rng({i}).random({5 * MIB // 2})" for i in range(10)),
            ],
            0,
        ),
        ([ONCE + "big = [(i, 'text %d' % i, i * 0.5) for i in range(150_000)]"], 24 * MIB),
    ],
    ids=["200 MB of arrays", "one large graph"],
)
def test_a_save_streams(session: Saved, cells: list[str], largest: int) -> None:
    """It holds some pieces on their way, whatever the size of the session; a pickler also keeps its list of objects."""
    session.cells(*cells)
    session.save()  # imports, rates
    session.view()
    for name in session.names():
        if name != "np":
            session.run(f"{name}[0] = {name}[1]")
    session.view()
    tracemalloc.start()
    try:
        session.save()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < largest + 64 * MIB
    assert session.repository.verify("s").ok

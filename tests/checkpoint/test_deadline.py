"""Saves that have less time than they need."""

from __future__ import annotations

from pathlib import Path

import pytest

from elastic_spawner.checkpoint import save as saving
from elastic_spawner.errors import SaveError

from .notebooks import Saved, SlowStore

np = pytest.importorskip("numpy")

MIB = 1 << 20
MAKE = "import os, numpy as np"
"""What follows reads the system's random numbers, so that it is never run again."""


def random_bytes(name: str, mib: int) -> str:
    """A cell that makes an array of so many MiB which nothing but storing can keep."""
    return f"{name} = np.frombuffer(os.urandom({mib * MIB}), dtype='u1').copy()"


def make(path: Path, bytes_per_second: float) -> Saved:
    """A session with a store of that speed."""
    session = Saved(SlowStore(path, bytes_per_second))
    session.run(MAKE)
    return session


def test_what_is_written_by_the_deadline_is_kept(tmp_path: Path) -> None:
    """The rest is lost, and told so; the first checkpoint of a session is no worse than none."""
    session = make(tmp_path, 20e6)
    session.run("small = [os.urandom(4)]")
    session.run(random_bytes("big", 48))
    done = session.save(deadline_s=1.0)
    lost = {e["name"]: e["reason"] for e in done["plan"]["lost"]}
    assert set(lost) <= {"big"}
    stored = session.stored()
    assert stored["small"] == session.namespace["small"]
    assert ("big" in stored) != (saving.DEADLINE in lost.get("big", ""))


def test_what_takes_longest_to_recompute_is_written_first(tmp_path: Path) -> None:
    """By the byte: of arrays of one size the one that nothing can make again, then the one of the slow cell."""
    session = make(tmp_path, 1e9)
    session.cells("a = np.ones(500_000)", "import time\nb = np.ones(500_000); time.sleep(0.3)", random_bytes("c", 4))
    prepared = saving.prepare(session.view(), session.costs, 60.0, session.cache)
    prepared.plan = type(prepared.plan)(frozenset({"a", "b", "c"}), (), frozenset(), {}, 0.0, 0.0)
    saver = saving.Saver(prepared, session.repository, "s", session.costs, float("inf"), True)
    assert [c.names for c in saver._waiting()] == [("c",), ("b",), ("a",)]


def test_manifests_are_committed_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever dies before the end has left a checkpoint of what was written; of one save only the last one stays."""
    monkeypatch.setattr(saving, "EARLY_S", 0.0)
    session = make(tmp_path, 200e6)
    for name in "abcd":
        session.run(random_bytes(name, 2))
    session.save(deadline_s=600.0)
    generations = [g.generation for g in session.repository.generations("s")]
    assert len(generations) == 1 and generations[0] > 2
    assert set("abcd") <= session.stored().keys()
    assert session.manifest()["partial"] == []


def test_a_partial_checkpoint_does_not_hide_a_whole_one(tmp_path: Path) -> None:
    """What it lost the one before it has: that one is restored, and survives a collection; the next whole one wins."""
    session = make(tmp_path, 1e9)
    session.cells(random_bytes("big", 24), "x = [os.urandom(2)]")
    whole = session.save()["generation"]
    session.run("big[::4096] ^= 1; x.append(1)")
    store = session.repository.store
    assert isinstance(store, SlowStore)
    for _ in range(3):
        store.bytes_per_second = 4e6
        session.costs.write.seconds = 1e-6  # it has no idea how slow the store has become
        partial = session.save(deadline_s=0.5)["generation"]
        assert session.manifest(partial)["partial"] == ["big"]
        assert session.stored(partial)["x"] == session.namespace["x"]
        session.repository.gc(keep=1, grace_s=0)
        assert [g.generation for g in session.repository.generations("s")] == [whole, partial]
        assert session.manifest()["generation"] == whole
    store.bytes_per_second = 1e9
    session.costs.write.seconds = 1e-6
    last = session.save(deadline_s=600.0)["generation"]
    assert session.manifest()["generation"] == last
    assert (session.stored()["big"] == session.namespace["big"]).all()
    assert [g.generation for g in session.repository.generations("s")] == [whole, last]


def test_a_loss_that_was_not_accepted_is_an_error(tmp_path: Path) -> None:
    """Nothing is committed then."""
    session = make(tmp_path, 4e6)
    session.run(random_bytes("big", 24))
    session.costs.write.seconds = 1e-6
    with pytest.raises(SaveError, match="deadline"):
        session.save(deadline_s=0.3, accept_loss=False)
    assert session.repository.latest("s") is None

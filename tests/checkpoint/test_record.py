"""The record of a session: segments of cells and of inputs that are stored once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from elastic_spawner.checkpoint import Repository, record
from elastic_spawner.checkpoint.packs import ExtentReader, Packer, Packs
from elastic_spawner.checkpoint.record import Record, read_history, read_lists
from elastic_spawner.history import CellExecution, History
from elastic_spawner.stores import DirectoryStore

from .notebooks import KEY

CELLS = 5000


def long_history() -> History:
    """5,000 cells, each reading what the one before wrote; now and then one moves a random generator."""
    history = History()
    for n in range(1, CELLS + 1):
        hidden = {"random": history.keep_hidden("random", f"state {n // 7}")} if n % 3 == 0 else {}
        reads = history.snapshots([f"v{n - 1}"])
        history.add(CellExecution(n, f"v{n} = v{n - 1} + {n}", n, 0.1, reads, frozenset({f"v{n}"}), hidden=hidden))
    history.keep_hidden("locale", "of no cell")
    return history


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A store."""
    return Repository(DirectoryStore(tmp_path), KEY)


def put(kept: Record, history: History, repository: Repository) -> tuple[list[Any], list[Any]]:
    """Store a history as a save does; its extents and packs as the manifest has them."""
    packer = Packer(repository)
    found = kept.put_history(history, packer)
    packer.flush()
    packs = Packs()
    return [e.to_json(packs) for e in found], packs.to_json()


def test_a_long_history_comes_back(repository: Repository) -> None:
    """Every cell, all that is active, every hidden value."""
    history = long_history()
    extents, packs = put(Record(), history, repository)
    assert read_history(extents, ExtentReader(repository, packs)).to_json() == history.to_json()


def test_only_segments_that_changed_are_encoded_again(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more cell: the last segment. One old cell edited: its segment, and those of the cells that read from it."""
    encoded: list[int] = []
    real = record._encode_cells

    def encode(segment: record.Segment, history: History) -> bytes:
        encoded.append(segment.members[0].number)
        return real(segment, history)

    monkeypatch.setattr(record, "_encode_cells", encode)
    kept, history = Record(), long_history()
    put(kept, history, repository)
    assert len(encoded) == -(-CELLS // record.CELLS)
    encoded.clear()
    history.add(CellExecution(CELLS + 1, "z = 1", CELLS + 1, 0.1))
    put(kept, history, repository)
    assert encoded == [CELLS // record.CELLS * record.CELLS + 1]
    encoded.clear()
    history.unwrite("v9", 9, 8)
    extents, packs = put(kept, history, repository)
    assert encoded == [1]
    assert read_history(extents, ExtentReader(repository, packs)).to_json() == history.to_json()


def test_lists_of_texts_come_back(repository: Repository) -> None:
    """Growing, edited, and cut short."""
    kept, texts = Record(), [f"x = {i}" for i in range(1000)]
    for change in (
        lambda: None,
        lambda: texts.append("é\n"),
        lambda: texts.__setitem__(3, "new"),
        lambda: texts.clear(),
    ):
        change()
        packer = Packer(repository)
        found = kept.put_list("inputs", texts, packer)
        packer.flush()
        packs = Packs()
        extents = {"inputs": [e.to_json(packs) for e in found]}
        assert read_lists(extents, ExtentReader(repository, packs.to_json())) == {"inputs": texts}

"""Taking over what a former key has signed, in the store itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from elastic_spawner.checkpoint.chunks import ChunkRef
from elastic_spawner.checkpoint.rekey import take_over
from elastic_spawner.checkpoint.repository import Repository
from elastic_spawner.errors import CheckpointError, SignatureError, StoreUnavailable
from elastic_spawner.stores import Store, open_store

OLD, NEW, OTHER = b"the former secret", b"the present secret", b"a stranger's secret"
DATA = bytes(range(256)) * 50_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "store").as_uri())


def fill(store: Store, key: bytes, encrypt: bool, *sessions: str) -> None:
    repository = Repository(store, key, encrypt)
    for session in sessions:
        for number in (1, 2):
            refs = repository.put(DATA + bytes([number]))
            repository.commit(session, {"kind": "kernel", "number": number, "deep": [{"refs": refs}]})
    repository.write_note("journal", {"cells": [1, 2]})


def held(repository: Repository, session: str, number: int) -> bytes:
    refs = repository.load(session, number)["deep"][0]["refs"]
    return bytes(repository.read([ChunkRef.from_json(ref) for ref in refs]))


@pytest.mark.parametrize("before", [False, True], ids=["clear", "encrypted"])
@pytest.mark.parametrize("after", [False, True], ids=["then clear", "then encrypted"])
def test_all_generations_and_notes_are_the_present_key_s(store: Store, before: bool, after: bool) -> None:
    """Whole, with numbers and dates; encrypted or not as it is wanted now. A second time there is nothing left."""
    fill(store, OLD, before, "kernel-1", "server")
    old = Repository(store, OLD)
    dates = {(name, n): old.load(name, n)["created"] for name in old.sessions() for n in (1, 2)}
    new = Repository(store, NEW, after)
    assert take_over(new, old) == 5
    assert {(name, n): new.load(name, n)["created"] for name, n in dates} == dates
    for name, number in dates:
        assert new.load(name, number)["number"] == number
        report = new.verify(name, number)
        assert report.ok and report.signed
        assert held(new, name, number) == DATA + bytes([number])
        document = json.loads(store.get(f"manifests/{name}/{number:08d}.json"))
        assert ("encrypted" in document) is after
    note = new.read_note("journal")
    assert note is not None and note["cells"] == [1, 2]
    assert take_over(new, old) == 0
    with pytest.raises(SignatureError):
        old.load("server", 1)


def test_what_neither_key_has_signed_stays_as_it_is(store: Store) -> None:
    fill(store, OTHER, False, "kernel-1")
    before = {entry.key: store.get(entry.key) for entry in store.list()}
    assert take_over(Repository(store, NEW), Repository(store, OLD)) == 0
    assert {entry.key: store.get(entry.key) for entry in store.list()} == before


def test_an_end_in_the_middle_leaves_each_readable_under_one_key(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """At whichever write the store is gone; and the next time goes on."""
    fill(store, OLD, True, "kernel-1", "server")
    put = store.put
    for limit in range(6):
        left = [limit]

        def failing(key: str, data: bytes, left: list[int] = left) -> None:
            left[0] -= key.startswith(("manifests/", "notes/"))
            if left[0] < 0:
                raise StoreUnavailable("gone")
            put(key, data)

        monkeypatch.setattr(store, "put", failing)
        try:
            take_over(Repository(store, NEW, True), Repository(store, OLD))
        except StoreUnavailable:
            pass
        monkeypatch.setattr(store, "put", put)
        for name in ("kernel-1", "server"):
            for number in (1, 2):
                assert any(readable(store, key, name, number) for key in (OLD, NEW)), (limit, name, number)
    assert all(readable(store, NEW, name, number) for name in ("kernel-1", "server") for number in (1, 2))


def readable(store: Store, key: bytes, session: str, number: int) -> bool:
    try:
        return Repository(store, key).verify(session, number).ok
    except CheckpointError:
        return False

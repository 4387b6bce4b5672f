"""The order of system calls that makes a commit survive a loss of power, which no kill of a process can try."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elastic_spawner.checkpoint import Repository, chunks
from elastic_spawner.stores import DirectoryStore

Call = tuple[str, str]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """(name, path) of every call that matters, in order; they are really made."""
    made: list[Call] = []

    def watch(name: str, path_of: Callable[..., str]) -> None:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            path = path_of(*arguments)
            result = real(*arguments, **options)
            made.append((name, path))  # after it has returned: only then it is done
            return result

        monkeypatch.setattr(os, name, call)

    watch("write", lambda fd, data: os.readlink(f"/proc/self/fd/{fd}"))
    watch("fsync", lambda fd: os.readlink(f"/proc/self/fd/{fd}"))
    watch("rename", lambda source, target: f"{source} -> {target}")
    watch("link", lambda source, target: f"{source} -> {target}")
    watch("mkdir", lambda path, mode=0: path)
    watch("utime", lambda path: path)
    return made


def save(repository: Repository, data: bytes) -> None:
    """Put and commit."""
    repository.commit("s", {"refs": repository.put(data)})


def test_bytes_before_names_before_the_manifest(
    tmp_path: Path, calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is synced after its last write and before it gets its name, each directory after its last change and
    before the manifest gets its own; and the manifest's directory at the very end.
    """
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 4096)
    repository = Repository(DirectoryStore(tmp_path / "store"), bytes(32))
    save(repository, os.urandom(400_000))
    names = [name for name, _ in calls]
    committed = names.index("link")
    renames = [(at, *path.split(" -> ")) for at, (name, path) in enumerate(calls) if name in ("rename", "link")]
    assert len(renames) == 98 + 1
    for at, source, target in renames:
        synced = calls.index(("fsync", source))
        assert max(i for i, call in enumerate(calls) if call == ("write", source)) < synced < at
        directory = os.path.dirname(target)
        settled = max(i for i, call in enumerate(calls) if call == ("fsync", directory))
        assert at < settled
        assert settled < committed or at == committed
    for at, (name, path) in enumerate(calls):
        if name == "mkdir":  # a new directory is an entry of its parent
            assert ("fsync", os.path.dirname(path)) in calls[at:]


def test_name_of_a_reused_chunk_is_made_durable_too(tmp_path: Path, calls: list[Call]) -> None:
    """Whoever renamed it may have died before syncing its directory."""
    data = b"shared data"
    save(Repository(DirectoryStore(tmp_path), bytes(32)), data)
    calls.clear()
    repository = Repository(DirectoryStore(tmp_path), bytes(32))
    save(repository, data)
    (ref,) = repository.put(data)
    touched = calls.index(("utime", str(tmp_path / ref.key)))
    settled = calls.index(("fsync", str((tmp_path / ref.key).parent)))
    assert touched < settled < [name for name, _ in calls].index("link")

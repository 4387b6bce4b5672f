"""Changing the key of a server: what a former one has signed is signed, and sealed, by the present one.

Generations keep their numbers and dates. Each is written in the place of what it was, whole, so that whatever happens
in between leaves every one of them readable under the one key or the other. Nothing is unpickled.
"""

from __future__ import annotations

from typing import Any

from elastic_spawner.checkpoint.chunks import ChunkRef, looks_like_ref, references
from elastic_spawner.checkpoint.repository import NOTES, Repository
from elastic_spawner.errors import CheckpointError, CheckpointNotFound


def take_over(repository: Repository, former: Repository) -> int:
    """Make the repository's own what was signed with the key of `former`, which is on the same store.

    Returns how many manifests and notes that were. What neither key has signed, or what cannot be read, stays as it is.
    Raises `StoreError`.
    """
    count = 0
    for session in repository.sessions():
        for info in repository.generations(session):
            if not _is_ours(repository, session, info.generation):
                count += _take(repository, former, session, info.generation)
    for entry in list(repository.store.list(NOTES)):
        count += _take_note(repository, former, entry.key.removeprefix(NOTES).removesuffix(".json"))
    return count


def _is_ours(repository: Repository, session: str, generation: int) -> bool:
    try:
        repository.load(session, generation)
    except CheckpointNotFound:  # collected since the listing
        return True
    except CheckpointError:
        return False
    return True


def _take(repository: Repository, former: Repository, session: str, generation: int) -> int:
    try:
        document = former.load(session, generation)
        if repository.encrypts or any(ref.encrypted for ref in references(document)):
            document = _resealed(repository, former, document)
    except CheckpointError:  # forged, damaged, or sealed by a package that is missing here
        return 0
    repository.replace(session, document)
    return 1


def _resealed(repository: Repository, former: Repository, document: dict[str, Any]) -> dict[str, Any]:
    """The document with all its chunks put under the present key. Raises `CheckpointError`, `StoreError`."""
    found: dict[ChunkRef, ChunkRef] = {}
    for ref in set(references(document)):
        (found[ref],) = repository.put(former.read([ref]))
    resealed: dict[str, Any] = _exchanged(document, found)
    return resealed


def _exchanged(value: Any, refs: dict[ChunkRef, ChunkRef]) -> Any:
    if looks_like_ref(value):
        return refs[ChunkRef(*value)].to_json()
    if isinstance(value, dict):
        return {name: _exchanged(item, refs) for name, item in value.items()}
    return [_exchanged(item, refs) for item in value] if isinstance(value, list) else value


def _take_note(repository: Repository, former: Repository, name: str) -> int:
    try:
        repository.read_note(name)
        return 0
    except CheckpointError:
        pass
    try:
        note = former.read_note(name)
    except CheckpointError:
        return 0
    if note is None:
        return 0
    repository.replace_note(name, note)
    return 1

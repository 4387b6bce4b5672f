"""Garbage collection beside a writer: mark and sweep.

The order is what makes it safe. Chunks are listed first and manifests read after, so a chunk that came since is not a
candidate. Every address that occurs anywhere in the text of a manifest is marked, whatever the manifest's format and
signature: what is not understood is kept. A chunk that a running save uses again was made young by it, and
`Store.evict` looks at the age at the last moment. Manifests go before chunks: killed anywhere, a collection leaves
garbage for the next one, and never a manifest without chunks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from elastic_spawner.checkpoint import chunks, manifest
from elastic_spawner.errors import StoreNotFound
from elastic_spawner.stores.base import Store

_ADDRESS = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True)
class GcReport:
    """What a collection did, or a dry run would have done. Bytes are as stored."""

    generations_deleted: int
    chunks_deleted: int
    bytes_deleted: int
    temporary_deleted: int
    chunks_kept: int
    chunks_waiting: int
    """Not referenced, but younger than the grace: a save that is not committed yet may need them."""
    dry_run: bool = False
    """Whether nothing was deleted."""

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def collect(
    store: Store, keep: int, grace_s: float, is_good: Callable[[str, int, bytes], bool], dry_run: bool = False
) -> GcReport:
    """Keep the newest `keep` generations of every session for which `is_good(session, generation, raw manifest)`, and
    all newer ones.

    Deletes the older generations, and the chunks and temporary files that nothing needs and that are older than
    `grace_s` seconds. A dry run deletes nothing and tells what it would have deleted. Raises `ValueError` for a `keep`
    below 1 or a negative grace, `StoreError`.
    """
    if keep < 1:
        raise ValueError(f"keep={keep}: the newest generation is always kept, so 1 is the least")
    if not grace_s >= 0:
        raise ValueError(f"grace_s={grace_s}: seconds, 0 or more")
    if not dry_run:
        store.recover()
    limit = store.now() - grace_s
    candidates = list(store.list(chunks.PREFIX))
    marked, generations_deleted = _mark(store, keep, is_good, dry_run)

    deleted = size = kept = waiting = 0
    for entry in candidates:
        name = chunks.parse_key(entry.key)
        if name is None or name[0] in marked:
            kept += 1
        elif entry.modified <= limit and (dry_run or store.evict(entry.key, limit)):
            deleted += 1
            size += entry.size
        else:
            waiting += 1
    return GcReport(generations_deleted, deleted, size, store.sweep(limit, dry_run), kept, waiting, dry_run)


def _mark(store: Store, keep: int, is_good: Callable[[str, int, bytes], bool], dry_run: bool) -> tuple[set[str], int]:
    """Delete old generations; return the addresses that the others use, and how many were deleted."""
    sessions: dict[str, list[int]] = {}
    others = []  # below manifests/, but not named as we name them: marked, never deleted
    for entry in store.list(manifest.PREFIX):
        name = manifest.parse_key(entry.key)
        if name is None:
            others.append(entry.key)
        else:
            sessions.setdefault(name[0], []).append(name[1])
    marked: set[str] = set()
    doomed = []
    for key in others:
        marked |= _addresses(_get(store, key))
    for session, generations in sessions.items():
        good = 0
        for generation in sorted(generations, reverse=True):
            key = manifest.manifest_key(session, generation)
            if good >= keep:
                doomed.append(key)
                continue
            raw = _get(store, key)
            marked |= _addresses(raw)
            good += is_good(session, generation, raw)
    for key in () if dry_run else doomed:
        store.delete(key)
    return marked, len(doomed)


def _get(store: Store, key: str) -> bytes:
    try:
        return store.get(key)
    except StoreNotFound:  # another collection has deleted it
        return b""


def _addresses(raw: bytes) -> set[str]:
    return {match.decode() for match in _ADDRESS.findall(raw)}

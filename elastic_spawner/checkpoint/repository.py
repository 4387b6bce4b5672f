"""The checkpoints of one server: sessions, each with generations, in one store.

    repository = Repository(open_store("file:///checkpoints/ada"), key)
    refs = repository.put(data)                                  # as often as needed
    generation = repository.commit("kernel-1", {"kind": "kernel", "history": refs})
    manifest = repository.latest("kernel-1")
    data = repository.read([ChunkRef.from_json(ref) for ref in manifest["history"]])

A generation exists when its manifest does, and the manifest is written after all chunks are durable, under a name
that nobody else has. Whatever happens before leaves the previous generation as it was. Nothing here unpickles
anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from elastic_spawner.checkpoint import manifest as manifests
from elastic_spawner.checkpoint import signing
from elastic_spawner.checkpoint.chunks import ChunkRef, references
from elastic_spawner.checkpoint.chunkstore import ChunkStore
from elastic_spawner.checkpoint.collect import GcReport, collect
from elastic_spawner.checkpoint.encryption import Cipher
from elastic_spawner.checkpoint.stats import Stats
from elastic_spawner.checkpoint.streams import ChunkWriter, Pending
from elastic_spawner.errors import (
    CheckpointError,
    CheckpointNotFound,
    CorruptChunk,
    EncryptionError,
    FormatError,
    StoreNotFound,
)
from elastic_spawner.stores.base import Buffer, Store

NOTES = "notes/"

__all__ = ["NOTES", "ChunkRef", "GcReport", "GenerationInfo", "Repository", "Stats", "VerifyReport"]


@dataclass(frozen=True)
class GenerationInfo:
    """One generation of a session, by what its manifest says (the signature is not looked at)."""

    generation: int
    created: float
    """Seconds since the epoch."""
    bytes: int
    """Stored bytes of its chunks, each counted once."""
    problem: str | None = None
    """Why the manifest cannot be read, if so."""


@dataclass(frozen=True)
class VerifyReport:
    """What a verification found."""

    session: str
    generation: int
    chunks: int
    bytes: int
    """Plain bytes that were hashed."""
    signed: bool
    """Whether the signature was verified (a repository without a key cannot)."""
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything is as it was stored."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**asdict(self), "problems": list(self.problems), "ok": self.ok}


class Repository:
    """The checkpoints in `store`, signed by a key derived from the server's secret `key`.

    Without a key one can look (signatures are not verified then), not commit. With `encrypt`, what is written is
    encrypted by other keys derived from it; what is there is read either way. Raises `ValueError` for a secret below
    16 bytes.
    """

    def __init__(self, store: Store, key: bytes | None, encrypt: bool = False) -> None:
        self.store = store
        self._key = None if key is None else signing.derive(key, "manifest")
        self._cipher = None if key is None else Cipher(key)
        self._sealing = self._cipher if encrypt else None
        self._chunks = ChunkStore(store, self._cipher, encrypt)
        self._last: dict[
            str, tuple[int, frozenset[str]]
        ] = {}  # the newest generation of a session that we saw, its addresses

    @property
    def encrypts(self) -> bool:
        """Whether what is written is encrypted."""
        return self._sealing is not None

    @property
    def stats(self) -> Stats:
        """Bytes and seconds so far, and the bandwidth observed."""
        return self._chunks.stats

    # -- data

    def put(self, data: Buffer) -> list[ChunkRef]:
        """Store `data` (any C-contiguous buffer) and return where it is; the buffer may change again after the return.

        Large data are cut, hashed and written by several threads; what the store has already is not written. It is
        durable when `commit` returns. Raises `StoreFull` and the other `StoreError`s; what was put before and not
        committed must then be put again (`missing` tells).
        """
        return self._chunks.put(data)

    def begin(self, data: Buffer, frozen: bool = False) -> Pending:
        """Like `put`, without waiting: nobody may write to the buffer or free it before `Pending.refs` or `abandon`
        returned. ``frozen``: nobody writes to it any more anyhow.
        """
        return self._chunks.begin(data, frozen)

    def writer(self, ends: float | None = None) -> ChunkWriter:
        """A file-like object whose stream is stored while it is written, until ``ends`` (of time.perf_counter)."""
        return self._chunks.writer(ends)

    @contextmanager
    def giving_way(self, to: Callable[[], bool] | None) -> Iterator[None]:
        """Meanwhile whoever waits for what is being stored gets `Late` as soon as ``to`` says that somebody else comes
        first."""
        self._chunks.gives_way = to
        try:
            yield
        finally:
            self._chunks.gives_way = None

    def abandon(self) -> None:
        """Give up what was begun and not waited for."""
        self._chunks.abandon()

    def forsake(self) -> None:
        """Give it up without waiting for the store, which may hang."""
        self._chunks.forsake()

    def read(self, refs: Sequence[ChunkRef]) -> bytearray:
        """Return the data under `refs`, every chunk verified against its hash.

        Raises `CorruptChunk` where one is missing or altered, `FormatError` where its compression is not known here,
        `StoreError`.
        """
        return self._chunks.read(refs)

    def read_into(self, refs: Sequence[ChunkRef], buffer: memoryview) -> None:
        """Like `read`, into a writable buffer of exactly the right size (`ValueError` otherwise)."""
        self._chunks.read_into(refs, buffer)

    def missing(self, refs: Iterable[ChunkRef], session: str | None = None) -> list[ChunkRef]:
        """Those of `refs` (kept from an earlier save, say) that are gone from the store; the others are safe until
        the next commit. It is quicker for those that the newest generation of the `session` has.
        """
        self._chunks.safe = frozenset() if session is None else self._newest(session)[1]
        return self._chunks.missing(refs)

    # -- generations

    def commit(self, session: str, manifest: Mapping[str, Any], refs: Iterable[ChunkRef] | None = None) -> int:
        """Make everything durable, then write the manifest of a new generation; returns its number.

        `manifest` is plain JSON with ChunkRefs (or their JSON form) anywhere in it; `refs` are all of them, where the
        caller knows them. `format`, `session`,
        `generation`, `created` and `mac` are filled in. Where another writer was faster, the next number is taken. On
        any error there is no new generation: `CheckpointError` (no key), `FormatError` (not JSON), `CorruptChunk` (a
        chunk that the manifest names is not in the store), `StoreError`.
        """
        started = time.perf_counter()
        if self._key is None:
            raise CheckpointError("this repository was opened without a key: a checkpoint cannot be signed")
        manifests.check_session(session)
        refs = list(references(manifest) if refs is None else refs)
        generation = 0
        try:
            while True:
                newest, safe = self._newest(session)
                # What took the last number may be nothing that a listing shows: go on to the next all the same.
                generation = max(newest, generation) + 1
                if not self._chunks.can_trust():
                    self._chunks.flush()
                    self._chunks.committed()
                self._chunks.safe = safe
                gone = self._chunks.missing(refs)
                if gone:
                    raise CorruptChunk(
                        f"{len(gone)} chunks of the new checkpoint are not in {self.store.url} "
                        f"(the first: {gone[0].hash[:12]}): put them again"
                    )
                self._chunks.flush()  # also for what was only touched
                raw = manifests.build(session, generation, time.time(), manifest, self._key, self._sealing)
                if self.store.create(manifests.manifest_key(session, generation), raw):
                    break
        finally:
            self.stats.seconds += time.perf_counter() - started
        self._last[session] = generation, frozenset(ref.hash for ref in refs)
        self._chunks.committed()
        return generation

    def replace(self, session: str, document: Mapping[str, Any]) -> None:
        """Write a generation that was loaded by another key anew, under its own number and date. Raises as `commit`."""
        key = manifests.manifest_key(session, document["generation"])
        self._replace(key, session, document)

    def replace_note(self, name: str, note: Mapping[str, Any]) -> None:
        """The same for a note."""
        self._replace(_note_key(name), _note(name), note)

    def _replace(self, key: str, session: str, document: Mapping[str, Any]) -> None:
        if self._key is None:
            raise CheckpointError("this repository was opened without a key: nothing can be signed")
        number, created = document["generation"], document["created"]
        self._chunks.flush()
        self.store.put(key, manifests.build(session, number, created, document, self._key, self._sealing))
        self._chunks.flush()

    def _newest(self, session: str) -> tuple[int, frozenset[str]]:
        """The newest generation of the session, and the chunks that it keeps from being collected."""
        known, addresses = self._last.get(session, (0, frozenset()))
        numbers = self._numbers(session)
        newest = numbers[-1] if numbers else 0
        if newest != known or not numbers:
            addresses = frozenset()
            if newest and self.store.remote:
                try:
                    raw = self.store.get(manifests.manifest_key(session, newest))
                    addresses = frozenset(address for address, _ in manifests.chunk_sizes(_peek(raw)))
                except StoreNotFound:
                    pass
        return max(newest, known), addresses

    def latest(self, session: str) -> dict[str, Any] | None:
        """The manifest of the newest generation, verified; None where there is none. Raises as `load`.

        A partial generation (a save whose deadline came first, and that lost what the generation before it has) is
        taken only where there is no other.
        """
        whole, partial = self.survey(session)
        return whole if whole is not None or not partial else self.load(session, partial[0])

    def survey(self, session: str) -> tuple[dict[str, Any] | None, list[int]]:
        """The manifest of the newest generation that is not partial, and the partial ones above it, newest first.

        Raises as `load`.
        """
        partial: list[int] = []
        for generation in reversed(self._numbers(session)):
            try:
                manifest = self.load(session, generation)
            except CheckpointNotFound:  # collected since the listing
                continue
            except CheckpointError:
                if partial:  # nothing good is hidden by it
                    break
                raise
            if not manifest.get("partial"):
                return manifest, partial
            partial.append(generation)
        return None, partial

    def discard(self, session: str, generation: int) -> None:
        """Delete one generation that a newer one replaces. Its chunks go with the next `gc`."""
        self.store.delete(manifests.manifest_key(session, generation))

    def load(self, session: str, generation: int) -> dict[str, Any]:
        """The manifest of one generation, verified.

        Without a key, only what is in clear of an encrypted one. Raises `CheckpointNotFound`, `SignatureError` (forged,
        damaged, another server's), `FormatError` (of a newer version), `EncryptionError` (it cannot be opened here).
        """
        key = manifests.manifest_key(session, generation)
        try:
            raw = self.store.get(key)
        except StoreNotFound as error:
            raise CheckpointNotFound(
                f"there is no generation {generation} of session {session!r} in {self.store.url}"
            ) from error
        return manifests.parse(raw, session, generation, self._key, self._cipher)

    def generations(self, session: str) -> list[GenerationInfo]:
        """All generations of a session, oldest first, without verifying them."""
        found = []
        for generation in self._numbers(session):
            try:
                raw = self.store.get(manifests.manifest_key(session, generation))
            except StoreNotFound:
                continue
            try:
                document = manifests.parse(raw, session, generation, None)
            except FormatError as error:
                found.append(GenerationInfo(generation, 0.0, 0, str(error)))
                continue
            size = sum(stored for _, stored in set(manifests.chunk_sizes(document)))
            found.append(GenerationInfo(generation, float(document["created"]), size))
        return found

    def sessions(self) -> list[str]:
        """The names of all sessions that have a generation."""
        names = (manifests.parse_key(entry.key) for entry in self.store.list(manifests.PREFIX))
        return sorted({name[0] for name in names if name})

    def idle_sessions(self, seconds: float) -> list[str]:
        """The names of the sessions whose newest generation was written more than `seconds` ago, by the clock that
        dates what is in the store. Raises `StoreError`.
        """
        limit = self.store.now() - seconds
        newest: dict[str, float] = {}
        for entry in self.store.list(manifests.PREFIX):
            name = manifests.parse_key(entry.key)
            if name:
                newest[name[0]] = max(newest.get(name[0], entry.modified), entry.modified)
        return sorted(session for session, modified in newest.items() if modified < limit)

    def drop(self, session: str) -> int:
        """Delete all generations of a session, the oldest first; returns how many. Its chunks go with the next `gc`."""
        numbers = self._numbers(session)
        for generation in numbers:
            self.store.delete(manifests.manifest_key(session, generation))
        self._last.pop(session, None)
        return len(numbers)

    def _numbers(self, session: str) -> list[int]:
        prefix = f"{manifests.PREFIX}{manifests.check_session(session)}/"
        names = (manifests.parse_key(entry.key) for entry in self.store.list(prefix))
        return sorted(name[1] for name in names if name)

    # -- notes

    def write_note(self, name: str, content: Mapping[str, Any]) -> None:
        """Store plain JSON under a name, in the place of what was there; signed, and sealed, as manifests are.

        Raises `CheckpointError` (no key), `FormatError` (not JSON), `StoreError`.
        """
        if self._key is None:
            raise CheckpointError("this repository was opened without a key: a note cannot be signed")
        raw = manifests.build(_note(name), 0, time.time(), content, self._key, self._sealing)
        self.store.put(_note_key(name), raw)

    def read_note(self, name: str) -> dict[str, Any] | None:
        """What `write_note` stored last, verified, with the time as `created`; None where there is nothing.

        Raises `SignatureError`, `FormatError`, `EncryptionError`, `StoreError`.
        """
        try:
            raw = self.store.get(_note_key(name))
        except StoreNotFound:
            return None
        return manifests.parse(raw, _note(name), 0, self._key, self._cipher)

    # -- care

    def verify(self, session: str, generation: int | None = None) -> VerifyReport:
        """Hash every chunk of a generation (the newest by default) again. Nothing is unpickled.

        Problems of chunks are in the report. Raises `CheckpointNotFound`, `SignatureError`, `FormatError`,
        `EncryptionError`, `StoreError`.
        """
        document = self.latest(session) if generation is None else self.load(session, generation)
        if document is None:
            raise CheckpointNotFound(f"there is no checkpoint of session {session!r} in {self.store.url}")
        if manifests.is_sealed(document):
            raise EncryptionError(
                f"generation {document['generation']} of session {session!r} is encrypted: "
                "it cannot be verified without the server's key"
            )
        refs = set(references(document))
        return VerifyReport(
            session=session,
            generation=document["generation"],
            chunks=len(refs),
            bytes=sum(ref.size for ref in refs),
            signed=self._key is not None,
            problems=tuple(self._chunks.problems(sorted(refs))),
        )

    def gc(self, keep: int = 2, grace_s: float = 3600, dry_run: bool = False) -> GcReport:
        """Delete generations beyond the newest `keep` sound ones of each session, and what nothing needs any more.

        Safe beside a writer that commits within `grace_s` seconds of its first `put`: younger chunks are left alone.
        A dry run deletes nothing and reports what it would have deleted. Raises `ValueError` for a keep below 1,
        `StoreError`.
        """
        return collect(self.store, keep, grace_s, self._is_good, dry_run)

    def _is_good(self, session: str, generation: int, raw: bytes) -> bool:
        try:
            manifest = manifests.parse(raw, session, generation, self._key)
            if manifests.is_sealed(manifest):
                manifest = manifests.parse(raw, session, generation, self._key, self._cipher)
        except EncryptionError:
            return True  # whole or not, nobody can tell here
        except CheckpointError:
            return False
        return not manifest.get("partial")

    def close(self) -> None:
        """End threads and connections; what was put and not committed is dropped."""
        self._chunks.close()

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _note(name: str) -> str:
    """What stands in a note for the session. No session has such a name, so that neither passes for the other."""
    return f"note {name}"


def _note_key(name: str) -> str:
    return f"{NOTES}{manifests.check_session(name)}.json"


def _peek(raw: bytes) -> Any:
    import json

    try:
        return json.loads(raw)
    except ValueError:
        return None

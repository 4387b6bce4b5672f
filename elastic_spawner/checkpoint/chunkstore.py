"""Reading and writing chunks of one store: hashed, deduplicated, in parallel, verified.

What is known to be in the store is known for one commit only (`committed` forgets it), because anybody may delete
between two saves. A chunk that is found in the store and used again is made young (`Store.touch`), so that a
collector beside us lets it live.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from elastic_spawner.checkpoint import compression
from elastic_spawner.checkpoint.chunks import (
    CHUNK_BYTES,
    PREFIX,
    ChunkRef,
    check,
    chunk_key,
    codecs,
    digest,
    most_stored,
    parse_key,
    pieces,
    raw_size,
    seal,
    unfilled,
    unpack,
)
from elastic_spawner.checkpoint.encryption import Cipher
from elastic_spawner.checkpoint.stats import DEFAULT_BANDWIDTH, Stats
from elastic_spawner.checkpoint.streams import ChunkWriter, Pending, results
from elastic_spawner.errors import CorruptChunk, StoreError, StoreNotFound
from elastic_spawner.stores.base import Buffer, Entry, Store

REFRESH_S = 900.0
"""A chunk older than this (seconds) is touched before it is used again: well below any sensible grace."""

_SMALL = 256 << 10
_QUICK = 64 << 10
_QUICK_PIECES = 1 << 14
_BACKGROUND_BYTES = 64 << 20
_LOOK = 0.002

try:
    import xxhash
except ImportError:
    xxhash = None  # type: ignore[assignment]

T = TypeVar("T")
R = TypeVar("R")


class ChunkStore:
    """Chunks in `store`. `put` and `read` may be called from several threads.

    `cipher` reads encrypted chunks; with `encrypt` it also writes them, and no others.
    """

    def __init__(self, store: Store, cipher: Cipher | None = None, encrypt: bool = False) -> None:
        self.store = store
        self._cipher = cipher
        self._sealing = cipher if encrypt else None
        self.stats = Stats(default_bandwidth=DEFAULT_BANDWIDTH[store.remote])
        self._lock = threading.Lock()
        self._current: dict[
            str, ChunkRef
        ] = {}  # by address: in the store for certain, or staged, since the last commit
        self._unflushed: set[str] = set()
        self.safe: frozenset[str] = frozenset()
        """Addresses that no collector takes before the next commit, and whose names are durable."""
        self._listing: dict[str, Entry] | None = None  # by key; remote stores only
        self._skew: float | None = None  # the store's clock minus ours
        self._begun: tuple[float, float] | None = None  # wall and monotonic time of the first put since the commit
        self._quick: dict[tuple[bytes, int], str] = {}  # fast hash and size of pieces that were stored, their addresses
        self._earlier = False  # whether some of them are of an earlier save, so that it is worth looking
        self._running: set[Future[ChunkRef]] = set()
        self._sending = 0
        self._background: list[Future[ChunkRef]] = []
        self._background_bytes = 0
        self._pool: ThreadPoolExecutor | None = None
        self._pool_pid = 0
        self._scratch = threading.local()
        self.gives_way: Callable[[], bool] | None = None
        """Says when whoever waits here is to stop waiting, because somebody else comes first."""

    # -- writing

    def put(self, data: Buffer) -> list[ChunkRef]:
        """Store `data` and return where it is. The buffer may change again after the return.

        Durable only after `flush`. Raises `StoreError`; then nothing that was not flushed before may be relied on.
        """
        return self.begin(data).refs()

    def begin(self, data: Buffer, frozen: bool = False) -> Pending:
        """Like `put`, without waiting: the buffer must not change or go before `Pending.refs` or `abandon` returned.

        ``frozen`` promises that nobody writes to it any more, which saves a copy of each piece.
        """
        started = time.perf_counter()
        if self._begun is None:
            self._begun = time.time(), time.monotonic()
        view = memoryview(data)
        if not view.nbytes:
            return Pending(self, [])
        view = view.cast("B")
        frozen = frozen or type(view.obj) is bytes
        try:
            codec = compression.choose(view, self.stats.bandwidth, self.workers())
            parts = pieces(view)
            if len(parts) == 1 and self.store.remote and len(view) <= _SMALL:
                return Pending(self, [self._put_later(bytes(view), codec)])
            if len(parts) == 1:
                return Pending(self, [self._put_piece([view], codec, frozen)])
            return Pending(self, [self._submit(self._put_piece, [part], codec, frozen) for part in parts])
        except StoreError:
            self._distrust()
            raise
        finally:
            self.stats.seconds += time.perf_counter() - started

    def writer(self, ends: float | None = None) -> ChunkWriter:
        """A file-like object whose stream is stored while it is written, until ``ends`` (of time.perf_counter)."""
        return ChunkWriter(self, ends)

    def begin_piece(self, piece: bytearray) -> Future[ChunkRef]:
        """Store one piece of a stream that nobody writes to any more, without waiting."""
        if self._begun is None:
            self._begun = time.time(), time.monotonic()
        return self._submit(self._put_stream_piece, memoryview(piece))

    def _put_stream_piece(self, piece: memoryview) -> ChunkRef:
        codec = compression.choose(piece, self.stats.bandwidth, self.workers())
        return self._put_piece([piece], codec, True)

    def _submit(self, function: Callable[..., ChunkRef], *arguments: Any) -> Future[ChunkRef]:
        future = self._executor().submit(function, *arguments)
        with self._lock:
            self._running.add(future)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: Future[ChunkRef]) -> None:
        with self._lock:
            self._running.discard(future)

    def abandon(self) -> None:
        """Give up what was begun and not waited for; when this returns, nobody looks at its buffers any more."""
        with self._lock:
            running = list(self._running)
        for future in running:
            future.cancel()
        wait(running)

    def forsake(self) -> None:
        """Like `abandon`, without waiting for the store: what is being sent goes on, and nobody looks at its end.

        Nothing that was not flushed is relied on afterwards.
        """
        with self._lock:
            running = list(self._running)
        for future in running:
            future.cancel()
        while True:  # what is sent has been copied, or nobody writes to it
            with self._lock:
                if len([future for future in self._running if future in running]) <= self._sending:
                    break
            time.sleep(_LOOK)
        with self._lock:
            self._background, self._background_bytes = [], 0
            self._forget_unflushed()

    def _forget_unflushed(self) -> None:
        for address in self._unflushed:
            self._current.pop(address, None)
        self._unflushed.clear()

    def _put_piece(self, held: list[memoryview], codec: str, frozen: bool) -> ChunkRef:
        """Store the one piece that is held, and is let go of as soon as it is copied: an array that somebody looks at
        cannot grow.

        What was stored before is known by a fast hash of 128 bits; only for new pieces the address
        is computed. That hash is not cryptographic, and need not be: the data are the user's own, so that nobody gains
        by a collision, and by chance there is none. What is read is verified by its address all the same.
        """
        part = held.pop()
        if len(part) < _QUICK or xxhash is None:
            if not frozen:
                # Another thread may write to the user's buffer now. What is hashed and what is stored must be the same
                # bytes.
                part = self._copy(part)
            return self._put_new(part, codec)
        if self._earlier:
            known = self._quick.get((xxhash.xxh3_128_digest(part), len(part)))
            if known is not None and (found := self._find(known, len(part))) is not None:
                return found
        if not frozen:
            part = self._copy(part)
        ref = self._put_new(part, codec)
        with self._lock:
            self._quick[xxhash.xxh3_128_digest(part), len(part)] = ref.hash
            while len(self._quick) > _QUICK_PIECES:
                del self._quick[next(iter(self._quick))]
        return ref

    def _put_new(self, part: memoryview, codec: str) -> ChunkRef:
        address = self._address(part)
        ref = self._find(address, len(part))
        if ref is not None:
            return ref
        return self._write(address, part, codec)

    def _put_later(self, data: bytes, codec: str) -> ChunkRef:
        """Small writes to a remote store overlap; `flush` waits for them."""
        address = self._address(data)
        found = self._find(address, len(data))
        if found is not None:
            return found
        body, codec = self._pack(address, memoryview(data), codec)
        ref = ChunkRef(address, len(data), len(body), codec)
        with self._lock:
            self._current[address] = ref
            self._unflushed.add(address)
            full = self._background_bytes + len(body) > _BACKGROUND_BYTES
        if full:
            self._wait()
        with self._lock:
            self._background_bytes += len(body)
            self._background.append(self._executor().submit(self._store, ref, body))
        return ref

    def _write(self, address: str, part: memoryview, codec: str) -> ChunkRef:
        body, codec = self._pack(address, part, codec)
        ref = ChunkRef(address, len(part), len(body), codec)
        with self._lock:
            same = self._current.setdefault(address, ref)  # equal pieces are often neighbours: zeros
            if same is not ref:
                self._count_reuse(same)
                return same
            self._unflushed.add(address)
            self._sending += 1
        try:
            return self._store(ref, body)
        finally:
            with self._lock:
                self._sending -= 1

    def _address(self, data: bytes | memoryview) -> str:
        return digest(data) if self._sealing is None else self._sealing.address(data)

    def _pack(self, address: str, part: memoryview, codec: str) -> tuple[Buffer, str]:
        body: Buffer = part
        if codec != compression.RAW:
            packed = compression.compress(part, codec)
            if len(packed) < 0.95 * len(part):
                body = packed
            else:
                codec = compression.RAW
        return (body, codec) if self._sealing is None else seal(self._sealing, body, address, codec)

    def _store(self, ref: ChunkRef, body: Buffer) -> ChunkRef:
        started = time.perf_counter()
        self.store.stage(ref.key, body)
        seconds = time.perf_counter() - started
        with self._lock:
            self.stats.write_seconds += seconds / self.workers()
            self.stats.bytes_written += ref.stored_size
            self.stats.bytes_plain += ref.size
            self.stats.chunks_written += 1
        return ref

    def flush(self) -> None:
        """Make everything that was put durable. Raises `StoreError`."""
        try:
            self._wait()
            started = time.perf_counter()
            self.store.flush()
        except StoreError:
            self._distrust()
            raise
        with self._lock:
            self._unflushed.clear()
            self.stats.write_seconds += time.perf_counter() - started

    def committed(self) -> None:
        """Forget what is in the store: the next save looks again."""
        with self._lock:
            self._current, self.safe = {}, frozenset()
            self._earlier = bool(self._quick)
            self._listing = None
            self._begun = None

    def can_trust(self) -> bool:
        """Whether what was put since the last commit is certain to be there still.

        Not after a long time, nor when the clock was set meanwhile: to a collector our chunks may look old then.
        """
        if self._begun is None:
            return True
        wall, monotonic = time.time() - self._begun[0], time.monotonic() - self._begun[1]
        return monotonic < REFRESH_S and abs(wall - monotonic) < REFRESH_S

    def _wait(self) -> None:
        with self._lock:
            waiting, self._background, self._background_bytes = self._background, [], 0
        results(waiting)

    def _distrust(self) -> None:
        """After a failed write: what was not flushed may not have arrived."""
        self.abandon()
        with contextlib.suppress(StoreError):
            self._wait()
        with self._lock:
            self._forget_unflushed()

    # -- what is there

    def _find(self, address: str, size: int) -> ChunkRef | None:
        """A chunk that is in the store, young enough to stay; None where it must be written."""
        ref = self._current.get(address)
        if ref is None:
            for codec in codecs(encrypted=self._sealing is not None):
                entry = self._look(chunk_key(address, codec))
                # A raw chunk of another size can only be a damaged one: write it again.
                if not entry or raw_size(size, codec) not in (None, entry.size):
                    continue
                if address in self.safe or self._keep_alive(entry):
                    ref = ChunkRef(address, size, entry.size, codec)
                    break
            else:
                return None
            with self._lock:
                self._current[address] = ref
        with self._lock:
            self._count_reuse(ref)
        return ref

    def missing(self, refs: Iterable[ChunkRef]) -> list[ChunkRef]:
        """Those of `refs` that are not in the store; the others are made young, so that no collector takes them.

        What is `safe` is looked for, but not made young. A chunk that is not encrypted counts as gone where this store
        encrypts, and the other way round: a checkpoint is wholly the one or the other.
        """
        gone = []
        for address, ref in {ref.hash: ref for ref in refs}.items():
            known = self._current.get(address)
            if known is not None and known.codec == ref.codec:
                continue
            entry = self._look(ref.key) if ref.encrypted == (self._sealing is not None) else None
            if entry is None or not (address in self.safe or self._keep_alive(entry)):
                gone.append(ref)
            else:
                with self._lock:
                    self._current[address] = ref
        return gone

    def _look(self, key: str) -> Entry | None:
        if not self.store.remote:
            return self.store.stat(key)
        with self._lock:
            if self._listing is None:
                self._listing = {entry.key: entry for entry in self.store.list(PREFIX)}
            return self._listing.get(key)

    def _keep_alive(self, entry: Entry) -> bool:
        if self.store.remote and self._now() - entry.modified < REFRESH_S:
            return True
        return self.store.touch(entry.key)

    def _now(self) -> float:
        if self._skew is None:
            self._skew = self.store.now() - time.time()
        return time.time() + self._skew

    def _count_reuse(self, ref: ChunkRef) -> None:
        self.stats.bytes_reused += ref.size
        self.stats.chunks_reused += 1

    # -- reading

    def read(self, refs: Sequence[ChunkRef]) -> bytearray:
        """Return the data; every chunk is verified. Raises `CorruptChunk`, `FormatError`, `StoreError`."""
        out = unfilled(sum(ref.size for ref in refs))
        self.read_into(refs, memoryview(out))
        return out

    def read_into(self, refs: Sequence[ChunkRef], buffer: memoryview) -> None:
        """Like `read`, into a buffer of bytes that has exactly the right size (else `ValueError`)."""
        started = time.perf_counter()
        total = sum(ref.size for ref in refs)
        if buffer.nbytes != total:
            raise ValueError(f"the buffer has {buffer.nbytes} bytes, the data {total}")
        if self._unflushed:
            self.flush()
        buffer = buffer.cast("B") if buffer.nbytes else buffer
        tasks, at = [], 0
        for ref in refs:
            tasks.append((ref, buffer[at : at + ref.size]))
            at += ref.size
        self._map(lambda task: self._read_piece(*task), tasks)
        with self._lock:
            self.stats.bytes_read += total
            self.stats.read_seconds += time.perf_counter() - started

    def _read_piece(self, ref: ChunkRef, into: memoryview) -> None:
        try:
            if ref.codec == compression.RAW:
                size = self.stats.fetched(lambda: self.store.get_into(ref.key, into))
                if size != ref.size:
                    raise CorruptChunk(f"chunk {ref.hash[:12]} has {size} bytes instead of {ref.size}")
                check(into, ref)
            else:
                into[:] = unpack(self._stored(ref), ref, self._cipher)
        except StoreNotFound as error:
            raise CorruptChunk(f"chunk {ref.hash[:12]} ({ref.size} bytes) is missing: {error}") from error

    def _stored(self, ref: ChunkRef) -> bytearray:
        """The bytes in the store, never more of them than a sound chunk may have."""
        room = ref.stored_size
        while True:
            body = bytearray(room)
            size = self.stats.fetched(lambda: self.store.get_into(ref.key, memoryview(body)))  # noqa: B023
            if size <= room:
                del body[size:]
                return body
            if size > most_stored(ref):
                raise CorruptChunk(f"chunk {ref.hash[:12]} has {size} bytes in the store, more than it can have")
            room = size  # packed anew by another version of the library

    def problem(self, ref: ChunkRef) -> str | None:
        """What is wrong with a chunk in the store; None where it is sound."""
        try:
            self._read_piece(ref, memoryview(self._scratch_for(ref.size))[: ref.size])
        except CorruptChunk as error:
            return str(error)
        return None

    def problems(self, refs: Iterable[ChunkRef]) -> list[str]:
        """What is wrong with these chunks."""
        return [problem for problem in self._map(self.problem, list(refs)) if problem]

    # -- threads

    def workers(self) -> int:
        """How many threads store at once."""
        return max(1, self.store.parallel)

    def _executor(self) -> ThreadPoolExecutor:
        if self._pool is None or self._pool_pid != os.getpid():  # threads do not survive a fork
            self._pool, self._pool_pid = ThreadPoolExecutor(self.workers(), "elastic-chunks"), os.getpid()
        return self._pool

    def _map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        if len(items) < 2:
            return [function(item) for item in items]
        return results([self._executor().submit(function, item) for item in items])

    def _scratch_for(self, size: int) -> bytearray:
        buffer: bytearray | None = getattr(self._scratch, "buffer", None)
        if buffer is None or len(buffer) < size:
            buffer = self._scratch.buffer = bytearray(max(size, CHUNK_BYTES))
        return buffer

    def _copy(self, part: memoryview) -> memoryview:
        copy = memoryview(self._scratch_for(len(part)))[: len(part)]
        copy[:] = part
        return copy

    def close(self) -> None:
        """End the threads and the store."""
        self.abandon()
        if self._pool is not None and self._pool_pid == os.getpid():
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None
        self.store.close()


__all__ = ["REFRESH_S", "ChunkStore", "Stats", "parse_key"]

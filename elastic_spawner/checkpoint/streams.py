"""Data on their way into a store: stored by threads while more are made, a bounded number of pieces at a time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any

from elastic_spawner.checkpoint import chunks
from elastic_spawner.checkpoint.chunks import ChunkRef
from elastic_spawner.errors import StoreError

if TYPE_CHECKING:
    from elastic_spawner.checkpoint.chunkstore import ChunkStore


_LOOK = 0.05
"""How often (in seconds) it is looked whether somebody else comes first, while the store is waited for."""


class Late(Exception):
    """The deadline came, or somebody who comes first, while the store was waited for."""


class Pending:
    """Chunks that are being stored."""

    def __init__(self, store: ChunkStore, parts: Sequence[ChunkRef | Future[ChunkRef]]) -> None:
        self._store, self._parts = store, parts

    def refs(self, ends: float | None = None) -> list[ChunkRef]:
        """Wait until all are stored, and return where. Raises `StoreError`, or `Late` when they are not by ``ends`` (of
        time.perf_counter)."""
        futures = [part for part in self._parts if isinstance(part, Future)]
        if ends is not None or self._store.gives_way is not None:
            _wait(self._store, lambda seconds: not wait(futures, seconds).not_done, ends)
        try:
            results(futures)
        except StoreError:
            self._store._distrust()
            raise
        return [part.result() if isinstance(part, Future) else part for part in self._parts]


class ChunkWriter:
    """A stream that is cut into chunks and stored while it is written.

    At most two pieces for each thread are held: who writes faster than the store takes them waits.
    """

    def __init__(self, store: ChunkStore, ends: float | None = None) -> None:
        self._store, self._ends = store, ends
        self._slots = threading.BoundedSemaphore(store.workers() + 1)
        self._parts: list[Future[ChunkRef]] = []
        self._rest = bytearray()
        self._checked = 0
        self.bytes = 0

    def write(self, data: Any, /) -> int:
        """Take the next bytes. Raises `StoreError` of earlier ones, or `Late`."""
        view = memoryview(data).cast("B")
        size = len(view)
        self.bytes += size
        while view:
            room = chunks.CHUNK_BYTES - len(self._rest)
            self._rest += view[:room]
            view = view[room:]
            if len(self._rest) == chunks.CHUNK_BYTES:
                self._store_rest()
        return size

    def _store_rest(self) -> None:
        piece, self._rest = self._rest, bytearray()
        _wait(self._store, lambda seconds: self._slots.acquire(timeout=seconds), self._ends)
        while self._checked < len(self._parts) and self._parts[self._checked].done():
            self._parts[self._checked].result()  # a store that is full takes no more of it
            self._checked += 1
        future = self._store.begin_piece(piece)
        future.add_done_callback(lambda _: self._slots.release())
        self._parts.append(future)

    def restart(self) -> None:
        """Forget what was written. What was stored of it is garbage, until the next collection."""
        self._rest, self._parts, self._checked, self.bytes = bytearray(), [], 0, 0

    @property
    def small(self) -> bytes | None:
        """The whole stream where nothing of it was stored yet, because it is no longer than a piece."""
        return None if self._parts else bytes(self._rest)

    def close(self) -> Pending:
        """Store what is left."""
        if self._rest:
            self._store_rest()
        return Pending(self._store, self._parts)


def _wait(store: ChunkStore, done: Callable[[float], bool], ends: float | None) -> None:
    """Wait until ``done``, which is told how many seconds it may take, is true. Raises `Late` at ``ends``, or when
    somebody else comes first."""
    while True:
        left = math.inf if ends is None else max(0.0, ends - time.perf_counter())
        if done(min(left, _LOOK)):
            return
        if left <= _LOOK or store.gives_way is not None and store.gives_way():
            raise Late


def results(futures: Sequence[Future[Any]]) -> list[Any]:
    """Wait for all (never leave one running), then raise the first error."""
    error: BaseException | None = None
    found = []
    for future in futures:
        if error is not None:
            future.cancel()
        try:
            if not future.cancelled():
                found.append(future.result())
        except BaseException as caught:  # noqa: BLE001  raised again below, after the others have ended
            error = error or caught
    if error is not None:
        raise error
    return found


__all__ = ["ChunkWriter", "Late", "Pending", "results"]

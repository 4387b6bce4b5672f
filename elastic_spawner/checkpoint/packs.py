"""Small data of one save share chunks: a session of 500 small variables is one chunk and not 500.

Where data is is told by an *extent*: the list of their own chunks, or a slice of a pack, which is
``{"pack": n, "slice": [first byte, byte after the last]}`` in JSON, for the n-th of the manifest's ``packs``, from 0. A
pack is stored and verified like any other data, so nothing of this matters to signatures, to verification, or to the
collector.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import chunks
from .chunks import ChunkRef, references
from .repository import Repository
from .streams import Pending

PACKED = 1 << 18
"""Data below this size in bytes are packed. Larger ones have chunks of their own, which are the same again when the
data are."""
AHEAD = 48 << 20
"""So many bytes may be on their way before the next are made: they may be copies that were made to be stored."""


class Packs:
    """The packs of one manifest, each named once."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[ChunkRef, ...], int] = {}

    def number(self, refs: Sequence[ChunkRef]) -> int:
        """The position of a pack in the list."""
        return self._numbers.setdefault(tuple(refs), len(self._numbers))

    def to_json(self) -> list[Any]:
        """The list in the manifest."""
        return [[r.to_json() for r in refs] for refs in self._numbers]


class Extent:
    """Where a piece of data is, known for certain once the packer was flushed."""

    __slots__ = ("refs", "span")

    def __init__(self, refs: list[ChunkRef], span: tuple[int, int] | None = None) -> None:
        self.refs, self.span = refs, span

    def to_json(self, packs: Packs) -> Any:
        """The form in the manifest with these packs."""
        if self.span is None:
            return [r.to_json() for r in self.refs]
        return {"pack": packs.number(self.refs), "slice": list(self.span)}

    @property
    def size(self) -> int:
        """Plain bytes of the data."""
        return sum(r.size for r in self.refs) if self.span is None else self.span[1] - self.span[0]


class Packer:
    """Puts data into the store: small ones together, large ones by its threads while the next are made."""

    def __init__(self, repository: Repository, ends: float | None = None) -> None:
        self.repository = repository
        self._ends = ends
        self._pack = bytearray()
        self._waiting: list[Extent] = []
        self._begun: deque[tuple[Extent, Pending, int]] = deque()
        self._ahead = 0

    def put(self, data: Any, frozen: bool = False) -> Extent:
        """Store data of any size, which must stay as they are until `flush`. Raises StoreError, Late."""
        size = memoryview(data).nbytes
        if not 0 < size < PACKED:
            return self.expect(self.repository.begin(data, frozen), size)
        if len(self._pack) + size > chunks.CHUNK_BYTES:
            self._close_pack()
        start = len(self._pack)
        self._pack += data
        extent = Extent([], (start, start + size))
        self._waiting.append(extent)
        return extent

    def expect(self, pending: Pending, size: int) -> Extent:
        """The extent of ``size`` bytes that are on their way."""
        extent = Extent([])
        self._begun.append((extent, pending, size))
        self._ahead += size
        while self._ahead > AHEAD:
            self._settle_one()
        return extent

    def _settle_one(self) -> None:
        extent, pending, size = self._begun[0]
        extent.refs = pending.refs(self._ends)
        self._begun.popleft()
        self._ahead -= size

    def settle(self) -> None:
        """Wait for what is on its way. Raises StoreError, Late."""
        while self._begun:
            self._settle_one()

    def drop(self) -> None:
        """Give up what is on its way."""
        self.repository.abandon()
        self._begun.clear()
        self._ahead = 0

    def _close_pack(self) -> None:
        pack, waiting = self._pack, self._waiting
        self._pack, self._waiting = bytearray(), []
        refs = self.repository.put(bytes(pack))
        for extent in waiting:
            extent.refs = refs

    def flush(self) -> None:
        """Hand everything to the store, and tell all extents where it is."""
        if self._pack:
            self._close_pack()
        self.settle()


class ExtentReader:
    """Reads extents of a manifest with these ``packs``; a pack is read once for all that is in it."""

    def __init__(self, repository: Repository, packs: Sequence[Any]) -> None:
        self.repository = repository
        self._refs = packs
        self._packs: dict[int, bytearray] = {}

    def read(self, extent: Any) -> bytearray:
        """The data, every chunk verified. Raises CorruptChunk, FormatError, StoreError."""
        if not isinstance(extent, Mapping):
            return self.repository.read([ChunkRef.from_json(r) for r in extent])
        number, (start, stop) = extent["pack"], extent["slice"]
        if number not in self._packs:
            self._packs[number] = self.repository.read([ChunkRef.from_json(r) for r in self._refs[number]])
        return self._packs[number][start:stop]


def refs_of(extent: Any, packs: Any) -> Iterator[ChunkRef]:
    """The chunks of an extent of a manifest that nobody has verified; what makes no sense has none."""
    if isinstance(extent, Mapping):
        number = extent.get("pack")
        known = isinstance(packs, list) and type(number) is int and 0 <= number < len(packs)
        extent = packs[number] if known else None
    yield from references(extent)

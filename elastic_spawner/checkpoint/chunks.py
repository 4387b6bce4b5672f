"""Chunks: pieces of data that are stored under the hash of their plain bytes.

Large buffers are cut into pieces of fixed size, so that a small change in place stores little. A chunk is stored as
it is or compressed; the name says which (`chunks/ab/abcd...`, `.zst`, `.z`), so two writers that choose differently
do not mislead a third.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from elastic_spawner.checkpoint import compression
from elastic_spawner.errors import CorruptChunk, FormatError

CHUNK_BYTES = 4 << 20
"""Plain bytes of a chunk, the last of a buffer excepted."""

PREFIX = "chunks/"
SUFFIXES = {"raw": "", "zstd": ".zst", "zlib": ".z"}

_HASH = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"chunks/([0-9a-f]{2})/(\1[0-9a-f]{62})(\.zst|\.z|)")
_CODEC_OF = {suffix: codec for codec, suffix in SUFFIXES.items()}


class ChunkRef(NamedTuple):
    """Where a piece of data is. In JSON it is the list of its fields."""

    hash: str
    """SHA-256 of the plain bytes, in hexadecimal: the address."""
    size: int
    """Plain bytes."""
    stored_size: int
    """Bytes in the store, after compression."""
    codec: str
    """`raw`, `zstd` or `zlib`."""

    def to_json(self) -> list[Any]:
        """The JSON form: [hash, size, stored_size, codec]."""
        return list(self)

    @classmethod
    def from_json(cls, value: Any) -> ChunkRef:
        """Read the JSON form. Raises `FormatError` for anything else."""
        if not looks_like_ref(value):
            raise FormatError(f"{value!r} is no reference to a chunk that this version knows")
        return cls(*value)

    @property
    def key(self) -> str:
        """The key in the store."""
        return chunk_key(self.hash, self.codec)


def looks_like_ref(value: Any) -> bool:
    """Whether a piece of JSON is a ChunkRef."""
    return (
        isinstance(value, (list, tuple))
        and len(value) == 4
        and isinstance(value[0], str)
        and type(value[1]) is int
        and type(value[2]) is int
        and value[1] >= 0
        and value[2] >= 0
        and value[3] in SUFFIXES
        and _HASH.fullmatch(value[0]) is not None
    )


def references(value: Any) -> Iterator[ChunkRef]:
    """Every ChunkRef anywhere in a piece of JSON, each as often as it occurs."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, (list, tuple)):
            if looks_like_ref(item):
                yield ChunkRef(*item)
            else:
                stack.extend(item)


def digest(data: bytes | bytearray | memoryview) -> str:
    """The address of plain bytes. Gives up the interpreter lock while it runs."""
    return hashlib.sha256(data).hexdigest()


def chunk_key(address: str, codec: str) -> str:
    """The key in the store of a chunk with this address."""
    return f"{PREFIX}{address[:2]}/{address}{SUFFIXES[codec]}"


def parse_key(key: str) -> tuple[str, str] | None:
    """The address and codec of a chunk's key; None where it is not a chunk's."""
    match = _KEY.fullmatch(key)
    return (match[2], _CODEC_OF[match[3]]) if match else None


def pieces(view: memoryview) -> list[memoryview]:
    """Cut a buffer of bytes into chunks, without copying."""
    return [view[start : start + CHUNK_BYTES] for start in range(0, len(view), CHUNK_BYTES)]


def check(data: bytes | bytearray | memoryview, ref: ChunkRef) -> None:
    """Raise `CorruptChunk` unless `data` are the plain bytes of `ref`."""
    if len(data) != ref.size:
        raise CorruptChunk(f"chunk {ref.hash[:12]} has {len(data)} bytes instead of {ref.size}")
    if digest(data) != ref.hash:
        raise CorruptChunk(f"chunk {ref.hash[:12]} ({ref.size} bytes) was altered: its hash is another one")


def unpack(data: bytes, ref: ChunkRef) -> bytes:
    """Decompress a chunk and verify it; never makes more than `ref.size` bytes (and one).

    Raises `CorruptChunk`, or `FormatError` where the library for its codec is not there.
    """
    try:
        plain = compression.decompress(data, ref.codec, ref.size)
    except (zlib.error, compression.DecompressError) as error:
        raise CorruptChunk(f"chunk {ref.hash[:12]} cannot be decompressed ({ref.codec}): {error}") from error
    check(plain, ref)
    return plain

"""Chunks: pieces of data that are stored under the hash of their plain bytes.

Large buffers are cut into pieces of fixed size, so that a small change in place stores little. A chunk is stored as
it is or compressed; the name says which (`chunks/ab/abcd...`, `.zst`, `.z`), so two writers that choose differently
do not mislead a third. Encrypted chunks end in `.e`; their addresses are keyed (see encryption.py).
"""

from __future__ import annotations

import hashlib
import mmap
import re
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from elastic_spawner.checkpoint import compression
from elastic_spawner.checkpoint.encryption import OVERHEAD, Cipher
from elastic_spawner.errors import CorruptChunk, EncryptionError, FormatError

CHUNK_BYTES = 4 << 20
"""Plain bytes of a chunk, the last of a buffer excepted."""
_HUGE = 8 << 20
"""Buffers from this many bytes on are asked for in large pages."""

PREFIX = "chunks/"
SUFFIXES = {
    "raw": "",
    "zstd": ".zst",
    "zlib": ".z",
    "raw+aes": ".e",
    "zstd+aes": ".zst.e",
    "zlib+aes": ".z.e",
}

_SEALED = "+aes"

_HASH = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"chunks/([0-9a-f]{2})/(\1[0-9a-f]{62})((?:\.zst|\.z|)(?:\.e|))")
_CODEC_OF = {suffix: codec for codec, suffix in SUFFIXES.items()}


class ChunkRef(NamedTuple):
    """Where a piece of data is. In JSON it is the list of its fields."""

    hash: str
    """SHA-256 of the plain bytes, in hexadecimal: the address. HMAC-SHA-256 where it is encrypted."""
    size: int
    """Plain bytes."""
    stored_size: int
    """Bytes in the store, after compression."""
    codec: str
    """`raw`, `zstd` or `zlib`; with `+aes` where it is encrypted after that."""

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

    @property
    def encrypted(self) -> bool:
        """Whether the chunk is encrypted."""
        return self.codec.endswith(_SEALED)


def codecs(encrypted: bool) -> list[str]:
    """The codecs of encrypted chunks, or of those that are not."""
    return [codec for codec in SUFFIXES if codec.endswith(_SEALED) == encrypted]


def raw_size(size: int, codec: str) -> int | None:
    """Bytes in the store of a chunk of `size` plain bytes; None where its compression decides that."""
    if not codec.startswith(compression.RAW):
        return None
    return size + OVERHEAD if codec.endswith(_SEALED) else size


def seal(cipher: Cipher, data: bytes | bytearray | memoryview, address: str, codec: str) -> tuple[bytes, str]:
    """Encrypt what is stored at `address`, packed by `codec`; returns it and the codec that says so."""
    codec += _SEALED
    return cipher.seal(data, address, codec), codec


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


def unfilled(size: int) -> bytearray:
    """A bytearray to be filled. Filling it with zeros first would hold up everybody: a second for 2 GB."""
    try:
        import ctypes

        make = ctypes.pythonapi.PyByteArray_FromStringAndSize
    except (ImportError, AttributeError):
        return bytearray(size)
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_ssize_t)
    made: bytearray = make(None, size)
    if size >= _HUGE:
        _ask_for_large_pages(made)
    return made


def _ask_for_large_pages(buffer: bytearray) -> None:
    """Tell Linux that the whole buffer will be filled, as numpy does for its own arrays: to be given it in pages of
    4 kB takes longer than to read it."""
    import ctypes

    try:
        advise = ctypes.CDLL(None).madvise
        number, page = mmap.MADV_HUGEPAGE, mmap.PAGESIZE
    except (OSError, AttributeError):  # another system
        return
    first = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    start, stop = -(-first // page) * page, (first + len(buffer)) // page * page
    advise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    advise(start, stop - start, number)  # a kernel that has none says so, and nothing is lost


def pieces(view: memoryview) -> list[memoryview]:
    """Cut a buffer of bytes into chunks, without copying."""
    return [view[start : start + CHUNK_BYTES] for start in range(0, len(view), CHUNK_BYTES)]


def check(data: bytes | bytearray | memoryview, ref: ChunkRef, cipher: Cipher | None = None) -> None:
    """Raise `CorruptChunk` unless `data` are the plain bytes of `ref`."""
    if len(data) != ref.size:
        raise CorruptChunk(f"chunk {ref.hash[:12]} has {len(data)} bytes instead of {ref.size}")
    if (_need(cipher, ref).address(data) if ref.encrypted else digest(data)) != ref.hash:
        raise CorruptChunk(f"chunk {ref.hash[:12]} ({ref.size} bytes) was altered: its hash is another one")


def _need(cipher: Cipher | None, ref: ChunkRef) -> Cipher:
    if cipher is None:
        raise EncryptionError(f"chunk {ref.hash[:12]} is encrypted: it cannot be read without the server's key")
    return cipher


def most_stored(ref: ChunkRef) -> int:
    """No sound chunk has more bytes in the store, whoever has packed it."""
    return ref.size + OVERHEAD + 1024


def unpack(data: bytes | bytearray, ref: ChunkRef, cipher: Cipher | None = None) -> bytes:
    """Decrypt and decompress a chunk and verify it; never makes more than `ref.size` bytes (and one).

    Raises `CorruptChunk`, `EncryptionError` where the key or the package is missing, or `FormatError` where the library
    for its codec is not there.
    """
    codec = ref.codec
    if ref.encrypted:
        data = _need(cipher, ref).open(data, ref.hash, codec)
        codec = codec.removesuffix(_SEALED)
    try:
        plain = bytes(data) if codec == compression.RAW else compression.decompress(data, codec, ref.size)
    except (zlib.error, compression.DecompressError) as error:
        raise CorruptChunk(f"chunk {ref.hash[:12]} cannot be decompressed ({ref.codec}): {error}") from error
    check(plain, ref, cipher)
    return plain

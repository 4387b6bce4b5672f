"""Compression of chunks, where a sample says that it pays.

zstandard level 1 is used where it can be imported (the package, or Python 3.14's own), else zlib level 1. Both are
probed: the same data may pay on a slow store and not on a fast one, and zlib hardly ever pays on a local disk.
"""

from __future__ import annotations

import functools
import importlib
import time
import zlib
from collections.abc import Callable
from typing import Any

from elastic_spawner.errors import CodecMissing, FormatError

RAW = "raw"

_LEVEL = 1
_LEAST = 4 << 10
"""Less than this many bytes is not worth it: the request costs more than the bytes."""
_SMALL = 1 << 20
"""Up to this many bytes zlib is quick enough: some 10 ms."""
_SAMPLE = 16 << 10
_GAIN = 0.9
"""Compression must save at least a tenth of the time, for a restore has to decompress again."""


class DecompressError(Exception):
    """Data that is not what its codec says."""


class _Zstd:
    def __init__(self, compress: Callable[[Any], bytes], decompress: Callable[[Any, int], bytes]) -> None:
        self.compress, self.decompress = compress, decompress


@functools.cache
def _zstd() -> _Zstd | None:
    """The zstd functions that this Python has; found at the first use, for importing them costs time."""
    try:
        package: Any = importlib.import_module("zstandard")

        def decompress(data: Any, size: int) -> bytes:
            try:
                if package.frame_content_size(data) != size:  # believed by the library, which would allocate it
                    raise DecompressError(f"it does not hold {size} bytes")
                return bytes(package.ZstdDecompressor().decompress(data, max_output_size=max(1, size)))
            except package.ZstdError as error:
                raise DecompressError(str(error)) from error

        # A compressor object must not be shared by threads.
        return _Zstd(lambda data: bytes(package.ZstdCompressor(level=_LEVEL).compress(data)), decompress)
    except ImportError:
        pass
    try:
        builtin: Any = importlib.import_module("compression.zstd")
    except ImportError:
        return None

    def unzip(data: Any, size: int) -> bytes:
        try:
            return bytes(builtin.ZstdDecompressor().decompress(data, size + 1))
        except (builtin.ZstdError, EOFError) as error:
            raise DecompressError(str(error)) from error

    return _Zstd(lambda data: bytes(builtin.compress(data, _LEVEL)), unzip)


def best_codec() -> str:
    """`zstd` where it can be had, else `zlib`."""
    return "zstd" if _zstd() else "zlib"


def compress(data: Any, codec: str) -> bytes:
    """Compress at the fastest level."""
    if codec == "zlib":
        return zlib.compress(data, _LEVEL)
    zstd = _zstd()
    if codec != "zstd" or zstd is None:
        raise FormatError(f"cannot compress by {codec}: the package zstandard is missing")
    return zstd.compress(data)


def decompress(data: bytes | bytearray, codec: str, size: int) -> bytes:
    """Decompress to at most `size` bytes and one. Raises `DecompressError`, `zlib.error`, or `FormatError` (no such
    library).
    """
    if codec == "zlib":
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(data, size + 1)
        if not unpacker.eof:
            raise DecompressError(f"it does not hold {size} bytes, or its end is missing")
        return plain
    zstd = _zstd()
    if codec != "zstd":
        raise FormatError(
            f"a chunk is compressed by {codec}, which this version does not know: use a newer elastic_spawner"
        )
    if zstd is None:
        raise CodecMissing("a chunk is compressed by zstd", "install the package zstandard here and restore again")
    return zstd.decompress(data, size)


def _sample(data: memoryview) -> bytes:
    """A beginning, a middle and an end: little enough to cost nothing, from places that often differ."""
    if len(data) <= 4 * _SAMPLE:
        return bytes(data)
    middle = len(data) // 2
    return b"".join((data[:_SAMPLE], data[middle : middle + _SAMPLE], data[-_SAMPLE:]))


def choose(data: memoryview, bandwidth: float, workers: int) -> str:
    """The codec by which `data` is stored the soonest.

    `bandwidth` is the store's, in bytes/s; `workers` is how many threads compress at once.
    """
    if len(data) < _LEAST:
        return RAW
    # what is small (the record of the cells, most variables) can be read where there is no zstd, too
    codec = best_codec() if len(data) > _SMALL else "zlib"
    sample = _sample(data)
    started = time.perf_counter()
    packed = compress(sample, codec)
    seconds = (time.perf_counter() - started) / len(sample) / max(1, workers)
    ratio = len(packed) / len(sample)
    return codec if seconds + ratio / bandwidth < _GAIN / bandwidth else RAW

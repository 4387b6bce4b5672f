"""A running hash over mixed data. xxh3 when the environment has it (10 GB/s and more), BLAKE2b otherwise (1 GB/s).

It tells changes apart; it is no protection against forgery. The algorithm is part of the text form, so that digests of
different algorithms are never compared as if they were of one.
"""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

try:
    import xxhash
except ImportError:
    xxhash = None  # type: ignore[assignment]

_LONG = 1 << 20
_SLICE = 1 << 22

_ALGORITHMS: dict[str, Any] = {"blake2b": lambda: hashlib.blake2b(digest_size=16)}
if xxhash is not None:
    _ALGORITHMS["xxh3"] = xxhash.xxh3_128
_chosen = "xxh3" if xxhash is not None else "blake2b"


def is_known(fingerprint: str) -> bool:
    """Whether the algorithm of a digest is to be had here."""
    return fingerprint.partition(":")[0] in _ALGORITHMS


def is_usual(fingerprint: str) -> bool:
    """Whether digests are of this one's algorithm here when nobody asks for another."""
    return fingerprint.partition(":")[0] == _chosen


@contextmanager
def algorithm_of(fingerprint: str) -> Iterator[None]:
    """Digests made meanwhile are of this one's algorithm (see `is_known`), whichever is the fastest here."""
    global _chosen
    before, _chosen = _chosen, fingerprint.partition(":")[0]
    try:
        yield
    finally:
        _chosen = before


class Digest:
    """Accumulates bytes, buffers and atomic values; ``text()`` gives ``algorithm:hex``."""

    __slots__ = ("_algorithm", "_hash", "update")

    def __init__(self) -> None:
        self._algorithm = _chosen
        self._hash = _ALGORITHMS[_chosen]()
        self.update = self._hash.update

    def atoms(self, values: Sequence[Any]) -> None:
        """Add values of atomic types: by value, at C speed, independent of which equal objects are one object."""
        try:
            # marshal's version 2 writes no references between objects, so equal values give equal bytes
            self.update(marshal.dumps(values if type(values) is list else list(values), 2))
        except ValueError:  # NotImplemented cannot be marshalled
            for value in values:
                self.text_of(repr(value))

    def strings(self, values: Sequence[str | bytes]) -> None:
        """Add strings."""
        for block in blocks_of_strings(values):
            self.update(block)

    def text_of(self, text: str) -> None:
        """Add a text with its length, so that neighbours cannot run into one another."""
        data = text.encode("utf-8", "surrogatepass")
        self.update(b"%d:" % len(data))
        self.update(data)

    def text(self) -> str:
        """``algorithm:hex``."""
        return f"{self._algorithm}:{self._hash.hexdigest()}"


def digest_of(data: bytes) -> str:
    """Digest of one piece of bytes."""
    digest = Digest()
    digest.update(data)
    return digest.text()


def blocks_of_strings(values: Sequence[str | bytes]) -> Iterator[bytes]:
    """What strings add to a digest, piece by piece, so that no copy of the whole is made."""
    if sum(map(len, values)) < _LONG:
        yield marshal.dumps(list(values), 2)
        return
    short: list[str | bytes] = []
    size = 0
    for value in values:
        if len(value) < _LONG:
            short.append(value)
            size += len(value)
            if size > _SLICE:
                yield marshal.dumps(short, 2)
                short, size = [], 0
            continue
        for start in range(0, len(value), _SLICE):
            piece = value[start : start + _SLICE]
            yield piece if isinstance(piece, bytes) else piece.encode("utf-8", "surrogatepass")
    yield marshal.dumps(short, 2)

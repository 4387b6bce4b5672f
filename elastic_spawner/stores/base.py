"""What a checkpoint store can do: a flat map from keys to bytes.

A key is relative, `/`-separated, and made of `[A-Za-z0-9._-]` segments that do not begin with a dot. Stores raise
only the `StoreError` family; `errors.py` beside this file turns foreign exceptions into it.

Beyond get and put there are a few methods that exist for what checkpoints need:

- `stage`/`flush`: many objects made durable together, much cheaper than one by one;
- `create`: put only where nothing is yet, so that two writers cannot overwrite each other;
- `touch`/`evict`: a garbage collector beside a writer, see `checkpoint/collect.py`.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

from elastic_spawner.errors import StoreNotFound, StoreURLError

Buffer = bytes | bytearray | memoryview

_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


class Entry(NamedTuple):
    """One object of a store as a listing shows it."""

    key: str
    size: int
    """Bytes as stored."""
    modified: float
    """Seconds since the epoch by the store's own clock (`Store.now`)."""


def check_key(key: str) -> str:
    """Return `key` if it is a legal key; raise `StoreURLError` otherwise."""
    if not key or not all(_SEGMENT.fullmatch(part) for part in key.split("/")):
        raise StoreURLError(
            f"{key!r} is no key of a store: keys are '/'-separated segments of letters, digits, '.', '_' and '-', "
            "and no segment begins with a dot"
        )
    return key


class Store(ABC):
    """A flat key -> bytes map. Methods may be called from several threads at once."""

    url: str
    """Where the store is, without secrets."""

    parallel: int = 4
    """How many requests at once are worth making."""

    remote: bool = False
    """Whether each request costs a network round trip: then listings beat single looks, and small writes go in the
    background.
    """

    @abstractmethod
    def get(self, key: str) -> bytes:
        """Return the object. Raises `StoreNotFound`."""

    def get_into(self, key: str, buffer: memoryview) -> int:
        """Read the object into `buffer` and return the object's size.

        Where the object is larger than the buffer, only the buffer is filled and the true size (or any larger number
        than the buffer's) is returned, so that the caller notices. Raises `StoreNotFound`.
        """
        data = self.get(key)
        count = min(len(data), len(buffer))
        buffer[:count] = data[:count]
        return len(data)

    @abstractmethod
    def put(self, key: str, data: Buffer) -> None:
        """Store the object: readers see all of it or nothing, and it is durable on return. Overwrites."""

    @abstractmethod
    def create(self, key: str, data: Buffer) -> bool:
        """Like `put`, but only where there is nothing yet: returns False, changing nothing, where something is."""

    @abstractmethod
    def stat(self, key: str) -> Entry | None:
        """Look at one object; None where there is none."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[Entry]:
        """All objects whose key begins with `prefix`, ordered by key."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove the object; nothing happens where there is none."""

    def exists(self, key: str) -> bool:
        """Whether there is an object under this key."""
        return self.stat(key) is not None

    def touch(self, key: str) -> bool:
        """Make the object as young as if it had been put now, durably after the next `flush`.

        Returns False where the object is gone or the store cannot do it: the caller then puts it again.
        """
        return False

    def rewrite(self, key: str) -> bool:
        """Make the object young by putting its own bytes again; False where it is gone. A `touch` for servers without
        one."""
        try:
            data = self.get(key)
        except StoreNotFound:
            return False
        self.put(key, data)
        return True

    def stage(self, key: str, data: Buffer) -> None:
        """Put an object that need not be durable, nor visible to others, before the next `flush`."""
        self.put(key, data)

    def flush(self) -> None:  # noqa: B027  a store may have nothing to do here
        """Make all that was staged or touched durable and visible."""

    def evict(self, key: str, not_newer_than: float) -> bool:
        """Delete the object unless it was modified after `not_newer_than`; returns whether it was deleted."""
        entry = self.stat(key)
        if entry is None or entry.modified > not_newer_than:
            return False
        self.delete(key)
        return True

    def recover(self) -> None:  # noqa: B027  a store may have nothing to do here
        """Undo what an `evict` that was killed half-way has left."""

    def sweep(self, not_newer_than: float, dry_run: bool = False) -> int:
        """Remove what killed writers have left (temporary files); returns how many. A dry run only counts them."""
        return 0

    def now(self) -> float:
        """The time by the clock that dates the objects, in seconds since the epoch."""
        return time.time()

    def close(self) -> None:  # noqa: B027  a store may have nothing to do here
        """Give back connections. The store must not be used afterwards."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"


def not_found(key: str, url: str) -> StoreNotFound:
    """The error for a key under which there is nothing."""
    return StoreNotFound(f"there is no {key} in {url}")

"""What is known of a session's components from one save to the next, so that only what changed costs anything.

A component is known by its names and by the version of each (`SessionView.versions`): another number whenever the
content, or what the names share, may be another. Names without a version are never taken from here. The user's own
classes that decide themselves how they pickle, and what hides its content, have none: they are serialised each time.

That chunks which were written are still in the store is not known here: each save looks (`Repository.missing`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..objects.walk import Walk
from .packs import Extent
from .record import Record
from .session import SessionView

Key = tuple[tuple[str, int, str], ...]
"""(name, version, digest) of each name of a component."""


@dataclass
class Stored:
    """Where a component is in one store."""

    payload: Extent
    buffers: list[Extent]

    def extents(self) -> Iterable[Extent]:
        """All of it."""
        return self.payload, *self.buffers


@dataclass
class Known:
    """A component that was serialised before, and tried where it had to be."""

    key: Key | None
    codec: str
    bytes: int
    loaded_digests: dict[str, str]
    stored: dict[str, Stored] = field(default_factory=dict)
    """By the store's URL."""


class Cache:
    """One per session of a kernel, for as long as the kernel lives."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], Known] = {}
        self._refused: dict[str, tuple[Key, str]] = {}
        self.hung: set[Key] = set()
        """What was tried ahead, and ended or stopped the child that did it: that is left to the save."""
        self.record = Record()

    def find(self, names: tuple[str, ...], key: Key | None) -> Known | None:
        """The component of these names if it is what it was."""
        known = self._known.get(names)
        return known if known is not None and key is not None and known.key == key else None

    def keep(self, names: tuple[str, ...], known: Known) -> Known:
        """Remember a component; returns what is remembered of it."""
        self._known[names] = known
        return known

    def why_refused(self, name: str, key: Key | None) -> str | None:
        """Why the name could not be stored when it had this content; None when that is not known."""
        before = self._refused.get(name)
        return before[1] if before is not None and key is not None and before[0] == key else None

    def refuse(self, name: str, key: Key | None, reason: str) -> None:
        """Remember that the name cannot be stored by itself, and why."""
        if key is not None:
            self._refused[name] = (key, reason)

    def forget_store(self, url: str) -> None:
        """Nothing is known any more of what is in this store."""
        for known in self._known.values():
            known.stored.pop(url, None)
        self.record.forget(url, {id(e) for e in self.record.extents(url)})

    def prune(self, names: Iterable[str]) -> None:
        """Forget what concerns names that are no more."""
        alive = set(names)
        self._known = {g: k for g, k in self._known.items() if alive.issuperset(g)}
        self._refused = {n: r for n, r in self._refused.items() if n in alive}
        self.hung.clear()


def key_of(view: SessionView, names: Iterable[str]) -> Key | None:
    """The key of a component; None where what it holds may have changed unseen."""
    found = []
    for name in names:
        walk: Walk | None = view.walks.get(name)
        version = view.versions.get(name)
        if walk is None or version is None or walk.custom or walk.opaque or walk.hides or walk.uncertain:
            return None
        found.append((name, version, walk.digest))
    return tuple(found)


def repack(extents: Iterable[Extent]) -> set[str]:
    """Packs (by the address of their chunk) that are to be given up, what is still needed of them to be packed anew.

    Saves that store little each leave many small packs, and a little of each stays in use. As in a log-structured
    merge tree, packs of a size are united, so that n saves leave some log n of them and each byte is written as often.
    """
    used: dict[str, int] = {}
    size: dict[str, int] = {}
    for extent in extents:
        if extent.span is not None:
            address = extent.refs[0].hash
            used[address] = used.get(address, 0) + extent.size
            size[address] = extent.refs[0].size
    given_up = {address for address, bytes_used in used.items() if 2 * bytes_used < size[address]}
    small = sorted((used[a], a) for a in used if a not in given_up)
    merged = 0
    run: set[str] = set()
    for bytes_used, address in small:
        if merged < bytes_used and run:
            break
        merged += bytes_used
        run.add(address)
    return given_up | (run if len(run) > _RUN else set())


_RUN = 4
"""So many packs of a size are united."""


def is_in(extent: Extent, packs: set[str], gone: set[str]) -> bool:
    """Whether what is there must be written again: its pack is given up, or a chunk of it is gone."""
    return any(r.hash in gone or (extent.span is not None and r.hash in packs) for r in extent.refs)


__all__ = ["Cache", "Key", "Known", "Stored", "is_in", "key_of", "repack"]

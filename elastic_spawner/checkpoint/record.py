"""The record of a session (its cells, the shell's input history), cut into segments that are encoded and stored once.

A session of 5,000 cells has some 40 full segments, of which the next save writes none: only the last one, which is
still growing, and those in which old cells were edited (`History.unwrite` does) are encoded again.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..history import History
from .packs import Extent, ExtentReader, Packer

CELLS = 128
"""Cells, or inputs, of a segment."""
LISTS = ("inputs", "inputs_raw")
"""The extras of a session that grow with it: lists of texts."""


@dataclass
class Segment:
    """A part of the record as it was stored."""

    members: Sequence[Any]
    """What it holds: cells are never changed but replaced, and texts cannot change, so the same members are the same
    content."""
    keys: frozenset[str] = frozenset()
    """Keys of the hidden values that are stored with it."""
    stored: dict[str, Extent] = field(default_factory=dict)
    """By the store's URL."""

    def holds(self, members: Sequence[Any]) -> bool:
        """Whether it is of the very same members."""
        return len(self.members) == len(members) and all(map(operator.is_, self.members, members))


class Record:
    """What is known of a session's record between saves."""

    def __init__(self) -> None:
        self._segments: dict[tuple[str, int], Segment] = {}

    def extents(self, url: str) -> list[Extent]:
        """All that was stored in this store."""
        return [s.stored[url] for s in self._segments.values() if url in s.stored]

    def forget(self, url: str, extents: set[int]) -> None:
        """What was stored at these extents (by id) is there no more, or is to be packed anew."""
        for segment in self._segments.values():
            if url in segment.stored and id(segment.stored[url]) in extents:
                del segment.stored[url]

    def put_history(self, history: History, packer: Packer) -> list[Extent]:
        """Store the cells; returns the extents of the segments and, as the last one, of the rest."""
        cells = list(history.cells.values())
        found: list[Extent] = []
        keys: set[str] = set()
        for start in range(0, len(cells), CELLS):
            members = cells[start : start + CELLS]
            segment = self._segment("history", start, members)
            found.append(self._put(segment, packer, lambda s: _encode_cells(s, history)))
            keys |= segment.keys
        self._trim("history", len(cells))
        rest = history.to_json(cells=False)
        rest["hidden_values"] = {k: v for k, v in history.hidden_values.items() if k not in keys}
        return [*found, packer.put(_encode(rest))]

    def put_list(self, name: str, texts: Sequence[str], packer: Packer) -> list[Extent]:
        """Store a list of texts."""
        found = []
        for start in range(0, len(texts), CELLS):
            segment = self._segment(name, start, texts[start : start + CELLS])
            found.append(self._put(segment, packer, lambda s: _encode(list(s.members))))
        self._trim(name, len(texts))
        return found

    def _segment(self, kind: str, start: int, members: Sequence[Any]) -> Segment:
        segment = self._segments.get((kind, start))
        if segment is None or not segment.holds(members):
            segment = self._segments[kind, start] = Segment(members)
        return segment

    def _put(self, segment: Segment, packer: Packer, encode: Any) -> Extent:
        url = packer.repository.store.url
        if url not in segment.stored:
            segment.stored[url] = packer.put(encode(segment), frozen=True)
        return segment.stored[url]

    def _trim(self, kind: str, length: int) -> None:
        for key in [k for k in self._segments if k[0] == kind and k[1] >= length]:
            del self._segments[key]


def _encode_cells(segment: Segment, history: History) -> bytes:
    keys = dict.fromkeys(k for c in segment.members for k in c.hidden.values() if k in history.hidden_values)
    segment.keys = frozenset(keys)
    hidden_values = {k: history.hidden_values[k] for k in keys}
    return _encode({"cells": [c.to_json() for c in segment.members], "hidden_values": hidden_values})


def _encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def read_history(extents: Sequence[Any], reader: ExtentReader) -> History:
    """Inverse of `put_history`. Raises CorruptChunk, StoreError, ValueError and KeyError (it is no history)."""
    *segments, rest = [json.loads(reader.read(e)) for e in extents]
    cells = [cell for s in segments for cell in s["cells"]]
    hidden_values = dict(rest["hidden_values"])
    for segment in segments:
        hidden_values.update(segment["hidden_values"])
    return History.from_json({**rest, "cells": cells, "hidden_values": hidden_values})


def read_lists(lists: Mapping[str, Sequence[Any]], reader: ExtentReader) -> dict[str, list[str]]:
    """Inverse of `put_list`, for all of ``lists``."""
    return {name: [text for e in extents for text in json.loads(reader.read(e))] for name, extents in lists.items()}


__all__ = ["LISTS", "Record", "read_history", "read_lists"]

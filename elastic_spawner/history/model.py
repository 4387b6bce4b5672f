"""The application history graph (AHG) of one notebook session (ElasticNotebook, VLDB 2024, section 4).

A *cell execution* (CE) reads and writes *variable snapshots* (VS). A snapshot is named by the variable and the number
of the cell execution that wrote it, so the graph needs no node objects: reads and writes of the executions are its
edges.
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

Snapshot = tuple[str, int]
"""(variable name, number of the cell execution that wrote this version of it)"""

FORMAT = 1


class Rerun(enum.Enum):
    """Whether a cell execution may be run again to recompute what it made."""

    SAFE = "safe"
    DOUBTFUL = "doubtful"  # may not repeat exactly (order of a set, top-level await): only if nothing else is left
    FORBIDDEN = "forbidden"  # acted on the outside, or its result depends on what cannot be had again


@dataclass(frozen=True)
class FileRead:
    """A file that a cell read. ``digest`` is of its content, empty when it was too large to be hashed at the time."""

    path: str
    size: int
    mtime_ns: int
    digest: str = ""


@dataclass(frozen=True)
class CellExecution:
    """One run of one cell."""

    number: int
    """Position in the session, counted from 1; also the version of what it wrote."""
    source: str
    """The cell as the user wrote it."""
    execution_count: int | None
    """The ``n`` of ``In [n]``; None for cells run without history."""
    seconds: float
    reads: frozenset[Snapshot] = frozenset()
    writes: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    error: str | None = None
    """Name of the exception type that the cell raised."""
    rerun: Rerun = Rerun.SAFE
    reasons: tuple[str, ...] = ()
    """Why it may not, or should rather not, be run again; written for the user."""
    files: tuple[FileRead, ...] = ()
    hidden: Mapping[str, str] = field(default_factory=dict)
    """Hidden state that the cell changed: name -> digest of the value *before* it (see History.hidden_values)."""

    def label(self) -> str:
        """How the user knows this cell: ``In [3]``."""
        return f"In [{self.execution_count}]" if self.execution_count is not None else f"unnumbered cell {self.number}"

    def to_json(self) -> dict[str, Any]:
        """Plain data for the manifest."""
        # not by dataclasses.asdict, which copies everything deeply and takes ten times as long
        out = dict(vars(self))
        out["reads"] = sorted(self.reads)
        out["writes"], out["deletes"] = sorted(self.writes), sorted(self.deletes)
        out["rerun"] = self.rerun.value
        out["files"] = [asdict(f) for f in self.files]
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CellExecution:
        """Inverse of `to_json`."""
        values = dict(data)
        values["reads"] = frozenset((name, number) for name, number in data["reads"])
        values["writes"], values["deletes"] = frozenset(data["writes"]), frozenset(data["deletes"])
        values["rerun"] = Rerun(data["rerun"])
        values["reasons"] = tuple(data["reasons"])
        values["files"] = tuple(FileRead(**f) for f in data["files"])
        return cls(**values)


class History:
    """All cell executions of a session and the snapshot of each variable that is alive now."""

    def __init__(self) -> None:
        self.cells: dict[int, CellExecution] = {}
        self.active: dict[str, int] = {}
        self.hidden_values: dict[str, str] = {}
        """Values of hidden state by their digest, each encoded as text by who keeps it."""
        self._next = 1

    @property
    def next_number(self) -> int:
        """The number that the next cell execution gets."""
        return self._next

    def add(self, cell: CellExecution) -> None:
        """Append an execution; what it wrote becomes active, what it deleted is so no longer.

        Raises ValueError when its number is not `next_number`.
        """
        if cell.number != self._next:
            raise ValueError(f"cell execution {cell.number} does not follow {self._next - 1}")
        self.cells[cell.number] = cell
        self._next += 1
        for name in cell.deletes:
            self.active.pop(name, None)
        for name in cell.writes:
            self.active[name] = cell.number

    def snapshots(self, names: Iterable[str]) -> frozenset[Snapshot]:
        """The active snapshots of those of ``names`` that have one."""
        return frozenset((name, self.active[name]) for name in names if name in self.active)

    def keep_hidden(self, kind: str, value: str) -> str:
        """Keep a value of hidden state; returns its key in `hidden_values`, the same for equal values."""
        key = f"{kind}:{zlib.crc32(value.encode()):08x}{len(value):x}"
        while self.hidden_values.get(key, value) != value:
            key += "+"
        self.hidden_values[key] = value
        return key

    def forget_hidden(self, limit: int, kinds: Container[str]) -> None:
        """Let go of the oldest values of hidden state of these kinds, once all have more than ``limit`` letters.

        Half of it is kept. The cells that changed those values can no longer be run again as they ran then.
        """
        size = sum(map(len, self.hidden_values.values()))
        if size <= limit:
            return
        dropped: set[str] = set()
        for cell in self.cells.values():
            for key in (k for kind, k in cell.hidden.items() if kind in kinds and k in self.hidden_values):
                if size > limit // 2:
                    size -= len(self.hidden_values.pop(key))
                    dropped.add(key)
        for number, cell in list(self.cells.items()):
            gone = [kind for kind, key in cell.hidden.items() if key in dropped]
            if gone:
                why = tuple(f"changed the state of {kind}, which is not kept for so long" for kind in gone)
                left = {kind: key for kind, key in cell.hidden.items() if kind not in gone}
                self.cells[number] = replace(cell, hidden=left, rerun=Rerun.FORBIDDEN, reasons=(*cell.reasons, *why))

    def unwrite(self, name: str, number: int, previous: int) -> None:
        """Take back that execution ``number`` wrote ``name``: it was found not to have changed it.

        Later reads of that snapshot become reads of ``previous``.
        """
        cell = self.cells[number]
        self.cells[number] = replace(cell, writes=cell.writes - {name})
        stale = (name, number)
        for later in self._from(number + 1):
            if stale in later.reads:
                self.cells[later.number] = replace(later, reads=(later.reads - {stale}) | {(name, previous)})
        if self.active.get(name) == number:
            self.active[name] = previous

    def _from(self, number: int) -> Iterator[CellExecution]:
        return (self.cells[n] for n in range(number, self._next) if n in self.cells)

    def to_json(self, cells: bool = True) -> dict[str, Any]:
        """Plain data for the manifest; without the cells where these are kept apart."""
        return {
            "format": FORMAT,
            "cells": [c.to_json() for c in self.cells.values()] if cells else [],
            "active": dict(sorted(self.active.items())),
            "hidden_values": self.hidden_values,
            "next": self._next,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> History:
        """Inverse of `to_json`; raises ValueError on a format that is not known."""
        if data.get("format") != FORMAT:
            raise ValueError(f"history of format {data.get('format')}, this version reads {FORMAT}")
        history = cls()
        for entry in data["cells"]:
            cell = CellExecution.from_json(entry)
            history.cells[cell.number] = cell
        history.active = dict(data["active"])
        history.hidden_values = dict(data["hidden_values"])
        history._next = data["next"]
        return history

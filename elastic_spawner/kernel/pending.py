"""What a restore has put off: large data that come while the user goes on, and whoever may look at them waits.

Threads read, verify and decompress; objects are made, compared and bound where cells run: while no cell does, or
before one that may touch them. A name that is still coming is never missing for anybody: until it is bound, nothing
runs that may look.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..checkpoint.chunks import ChunkRef, unfilled
from ..checkpoint.report import LOST, PENDING
from ..checkpoint.restore import Restorer
from ..tracking import hidden
from ..tracking.effects import heed_thread, ignore_thread
from ..tracking.tracker import Tracker
from .shell import ShellStage

LATER = 8 << 20
"""Components of more bytes than this may be put off."""
THREADS = 2
"""More of them would leave the user's code less of a small machine."""
_LOOK = 0.005

Piece = tuple["Part", ChunkRef, memoryview]


class Part:
    """A component on its way."""

    def __init__(self, component: Mapping[str, Any], restorer: Restorer) -> None:
        self.component = component
        self.names: tuple[str, ...] = tuple(component["names"])
        self.error: Exception | None = None
        self.data: list[bytearray] = []
        self.bytes = int(component["bytes"])
        self.left = 1
        """Pieces that are not there yet; one more until all of them are begun."""
        self.refused = False
        """It could not be loaded when there was time: that is settled when it is needed."""
        self._reader = restorer.reader
        self.pieces = self._pieces()

    def _pieces(self) -> Iterator[Piece]:
        """What is to be read, and where to; memory is taken as it is needed."""
        for extent in (self.component["payload"], *self.component["buffers"]):
            if isinstance(extent, Mapping):
                self.data.append(self._reader.read(extent))
                continue
            refs = [ChunkRef.from_json(r) for r in extent]
            whole = unfilled(sum(r.size for r in refs))
            self.data.append(whole)
            start = 0
            for ref in refs:
                yield self, ref, memoryview(whole)[start : start + ref.size]
                start += ref.size

    @property
    def ready(self) -> bool:
        return self.error is not None or not self.left


class Pending:
    """The parts of one restore that are not bound yet; ``told`` is called from a thread when one may be."""

    def __init__(self, restorer: Restorer, stage: ShellStage, tracker: Tracker, told: Callable[[], None]) -> None:
        self.restorer, self.stage, self.tracker = restorer, stage, tracker
        self._told = told
        self._parts = [Part(c, restorer) for c in restorer.put_off]
        self._lock = threading.Lock()
        self._settling = threading.RLock()
        self._threads: list[threading.Thread] = []
        self.news: list[str] = []
        """What the user has to be told."""
        restorer.values.clear()  # what was bound is the session's, to keep or to drop

    @property
    def names(self) -> set[str]:
        """The names that are still coming."""
        return {n for part in list(self._parts) for n in part.names}

    @property
    def bytes(self) -> int:
        """How many are still coming; what cannot be loaded does not count."""
        return sum(part.bytes for part in list(self._parts) if not part.refused)

    def start(self) -> None:
        """Begin to read."""
        for _ in range(min(THREADS, max(1, self.restorer.repository.store.parallel))):
            thread = threading.Thread(target=self._read, name="elastic-spawner-pending", daemon=True)
            self._threads.append(thread)
            thread.start()

    # -- in the threads

    def _read(self) -> None:
        ident = threading.get_ident()
        ignore_thread(ident)
        try:
            while (piece := self._next()) is not None:
                part, ref, into = piece
                error: Exception | None = None
                try:
                    self.restorer.repository.read_into([ref], into)
                except Exception as e:
                    error = e
                del into, piece
                self._arrived(part, error)
        finally:
            heed_thread(ident)

    def _next(self) -> Piece | None:
        with self._lock:
            for part in self._parts:
                if part.error is not None:
                    continue
                try:
                    piece = next(part.pieces, None)
                except Exception as e:
                    part.error = e
                    self._told()
                    continue
                if piece is not None:
                    part.left += 1
                    return piece
                if part.left:
                    self._finish_begun(part)
        return None

    def _finish_begun(self, part: Part) -> None:
        """All pieces of the part are begun."""
        if part.pieces is not _NONE:
            part.pieces = _NONE
            self._count_down(part)

    def _arrived(self, part: Part, error: Exception | None) -> None:
        with self._lock:
            part.error = part.error or error
            self._count_down(part)

    def _count_down(self, part: Part) -> None:
        part.left -= 1
        if part.ready:
            self._told()

    # -- where cells run

    def settle_one(self) -> bool:
        """Bind one part that has arrived; False when there is none. What cannot be loaded is left for `finish`."""
        with self._settling:
            for part in self._parts:
                if part.ready and not part.refused:
                    if self._load(part):
                        self._bind(part, self.restorer.values)
                    else:
                        self._refuse(part)
                    return True
        return False

    def _refuse(self, part: Part) -> None:
        """Who waits for the end of the restore is told by the report: it need not come before somebody looks."""
        part.refused = True
        first = self.restorer
        for name in part.names:
            first.fates[name] = first.fate(name, PENDING, first.problems[name])

    def finish(self, names: Iterable[str] | None = None) -> None:
        """Wait for the parts with these names, by default for all, and bind them. What cannot be loaded is recomputed,
        or lost. Raises KeyboardInterrupt; what was not bound by then is still to come."""
        with self._settling:
            wanted = [p for p in self._parts if names is None or not set(names).isdisjoint(p.names)]
            with self._lock:
                # another list: somebody may be looking at this one
                self._parts = sorted(self._parts, key=lambda p: p not in wanted)
            for part in wanted:
                self._wait(part)
                if not part.refused and self._load(part) or self._load(part, again=True):
                    self._bind(part, self.restorer.values)
                else:
                    self._bind(part, self._recompute(part))

    def _wait(self, part: Part) -> None:
        # not on a condition: an interrupt while it takes its lock again leaves it in disorder
        while not part.ready:
            time.sleep(_LOOK)
            if not part.ready and not any(t.is_alive() for t in self._threads):
                part.error = part.error or RuntimeError("the thread that read it has ended")

    def _load(self, part: Part, again: bool = False) -> bool:
        """Make the objects; what could not be read is read again once."""
        restorer, part_names = self.restorer, part.names
        for name in part_names:
            restorer.problems.pop(name, None)
            restorer.cures.pop(name, None)
        try:
            data = restorer.read(part.component) if again else self._data(part)
        except Exception as e:
            restorer.not_loaded(list(part_names), e)
            return False
        restorer.load(part.component, (data[0], data[1]))
        return part_names[0] in restorer.values

    @staticmethod
    def _data(part: Part) -> tuple[bytearray, list[bytearray]]:
        if part.error is not None:
            raise part.error
        return part.data[0], part.data[1:]

    def _bind(self, part: Part, values: dict[str, Any]) -> None:
        namespace, tracker = self.stage.namespace, self.tracker
        for name in part.names:
            if name in values:
                namespace.setdefault(name, values[name])
                if name not in tracker.states:
                    tracker.arrived(name)
        tracker.pending -= set(part.names)
        with self._lock:
            self._parts = [p for p in self._parts if p is not part]
        for name in part.names:
            self.restorer.values.pop(name, None)

    # -- what cannot be loaded

    def _recompute(self, part: Part) -> dict[str, Any]:
        first = self.restorer
        problems = {n: first.problems[n] for n in part.names}
        cures = {n: first.cures[n] for n in part.names if n in first.cures}
        restorer = Restorer(first.repository, first.manifest, self.stage)
        with self._scene():
            try:
                values = restorer.recompute(problems, cures)
            except Exception as e:
                values = {}
                because = {n: f"{p}; recomputing it failed ({type(e).__name__}: {e})" for n, p in problems.items()}
                restorer.fates.update({n: restorer.fate(n, LOST, reason) for n, reason in because.items()})
        self.tracker.hidden.refresh()
        report = first.report
        report.rerun += restorer.report.rerun
        report.notes += [n for n in restorer.report.notes if n not in report.notes]
        for name in part.names:
            fate = first.fates[name] = restorer.fates[name]
            cure = f" To have it back, {fate.cure()}." if fate.status == LOST else ""
            self.news.append(f"{name}, which was still coming, is {fate.status}: {fate.reason}.{cure}")
        missing = [n for n in part.names if n not in values]
        if missing:
            self.tracker.lost(missing)
        return values

    @contextmanager
    def _scene(self) -> Iterator[None]:
        """A namespace without the session, which is put back afterwards as it is now, like all hidden state."""
        namespace, tracker = self.stage.namespace, self.tracker
        tracker.hidden.refresh()
        state = {kind: hidden.encode(data) for kind, data in tracker.hidden.data.items()}
        before = dict(namespace)
        for name in {*self.stage.names(), *self.restorer.entries, *tracker.history.active} & before.keys():
            del namespace[name]
        try:
            yield
        finally:
            for name in namespace.keys() - before.keys():
                del namespace[name]
            namespace.update(before)
            for kind, text in state.items():
                try:
                    self.stage.set_hidden(kind, text)
                except Exception as e:
                    self.news.append(f"The state of {kind} could not be put back ({type(e).__name__}: {e}).")


_NONE: Iterator[Piece] = iter(())

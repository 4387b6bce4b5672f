"""Saving a session: plan, serialise and write what the plan stores one component at a time, commit the manifest."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import CorruptChunk, GaveWay, SaveError
from ..planning import CostModel
from . import problem as problems
from .cache import Known, Stored, is_in, repack
from .components import Component
from .contents import contents
from .packs import Packer, Packs
from .prepare import ALPHA, Prepared, prepare
from .record import LISTS
from .repository import Repository
from .streams import Late

EARLY_S = 1.0
"""Under a deadline, a manifest of what was written so far is committed so often (in seconds)."""
DEADLINE = "the deadline came before it was stored"


def save(
    prepared: Prepared,
    repository: Repository,
    session: str,
    costs: CostModel,
    deadline_s: float | None = None,
    accept_loss: bool = True,
    gives_way: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Write a prepared session and commit it; returns {"generation", "bytes", "bytes_written", "seconds", "plan",
    "partial"}, the last being the names that the checkpoint before has and this one lacks.

    When the deadline (seconds from the start of preparing) comes first, what is not written by then is recomputed on a
    restore or lost, and the plan that is returned says so. Raises SaveError when that would lose something and
    ``accept_loss`` is false, StoreError from the store, and GaveWay soon after ``gives_way`` has become true; the
    previous checkpoint is as it was then.
    """
    started = time.perf_counter()
    ends = None if deadline_s is None else started + deadline_s - sum(prepared.seconds.values())
    stats = repository.stats
    before = stats.bytes_written, stats.bytes_plain, stats.write_seconds
    cache, url = prepared.cache, repository.store.url
    try:
        with repository.giving_way(gives_way):
            try:
                saver = Saver(prepared, repository, session, costs, ends, accept_loss, gives_way)
                generation = saver.run()
            except CorruptChunk:
                # what was known to be in the store is not there any more: write everything, once
                cache.forget_store(url)
                saver = Saver(prepared, repository, session, costs, ends, accept_loss, gives_way)
                generation = saver.run()
    except GaveWay:
        repository.forsake()
        cache.forget_store(url)
        raise
    except BaseException:
        repository.abandon()
        cache.forget_store(url)  # what was not committed may not have arrived
        raise
    repository.abandon()
    cache.prune(prepared.view.values)
    written = stats.bytes_written - before[0]
    if written > 1 << 20:
        costs.observe_write(written, stats.write_seconds - before[2])
        costs.observe_compression(stats.bytes_plain - before[1], written)
    return {
        "generation": generation,
        "bytes": saver.bytes,
        "bytes_written": written,
        "seconds": sum(prepared.seconds.values()) + time.perf_counter() - started,
        "plan": saver.summary,
        "partial": saver.partial,
    }


class Saver:
    """Writes one session to one store."""

    def __init__(
        self,
        prepared: Prepared,
        repository: Repository,
        session: str,
        costs: CostModel,
        ends: float | None,
        accept_loss: bool,
        gives_way: Callable[[], bool] | None = None,
    ) -> None:
        self.prepared, self.repository, self.session, self.costs = prepared, repository, session, costs
        self.ends, self.accept_loss, self.gives_way = ends, accept_loss, gives_way
        self.url = repository.store.url
        self.packer = Packer(repository, ends)
        self.summary: dict[str, Any] = {}
        self.partial: list[str] = []
        self._written: dict[tuple[str, ...], tuple[Component, Known, Stored]] = {}
        self._committed_at = time.perf_counter()
        self._early: int | None = None
        self._before: dict[str, Any] | None = None
        self._outdated: list[int] = []

    def run(self) -> int:
        """Write and commit; returns the generation."""
        if self.ends is not None:
            self._before, self._outdated = self.repository.survey(self.session)
        self._look()
        while not self._write_all():
            pass  # something was found that cannot be stored: go on by another plan
        if self._gives_way():
            raise GaveWay
        if next(self._waiting(), None) is not None:
            self._give_up_the_rest()
            if not self.accept_loss and self._lost_to_deadline():
                raise SaveError(
                    "the save was not finished before the deadline, and not all of it can be recomputed; the previous "
                    "checkpoint holds. Give it more time, or free what you do not need"
                )
        return self._commit()

    def _write_all(self) -> bool:
        """Write what the plan stores, until the deadline; returns False when there is another plan now."""
        for component in list(self._waiting()):
            if self._late():
                break
            try:
                problem = self._write(component)
                if self.ends is not None:
                    self.packer.settle()  # only what is there counts when the deadline comes
            except Late:
                if self._gives_way():
                    break
                self.packer.drop()
                self._written.pop(component.names, None)
                break
            if problem is not None:
                self._refuse(component, problem)
                return False
            if self.ends is not None and time.perf_counter() > self._committed_at + EARLY_S:
                self._commit_early()
        return True

    @property
    def bytes(self) -> int:
        """Plain bytes of what is stored."""
        return sum(known.bytes for _, known, _ in self._written.values())

    def _gives_way(self) -> bool:
        return self.gives_way is not None and self.gives_way()

    def _late(self) -> bool:
        return self._gives_way() or self.ends is not None and time.perf_counter() > self.ends

    # -- what is there already

    def _look(self) -> None:
        """Find out what of earlier saves is still in the store and need not be written."""
        record = self.prepared.cache.record
        known = [c.known for c in self.prepared.probe.components if c.known is not None and self.url in c.known.stored]
        extents = [e for k in known for e in k.stored[self.url].extents()] + record.extents(self.url)
        gone = {r.hash for r in self.repository.missing((r for e in extents for r in e.refs), self.session)}
        packs = repack(extents)
        for one in known:
            if any(is_in(e, packs, gone) for e in one.stored[self.url].extents()):
                del one.stored[self.url]
        record.forget(self.url, {id(e) for e in record.extents(self.url) if is_in(e, packs, gone)})
        for component in self.prepared.probe.components:
            if component.known is not None and self.url in component.known.stored:
                self._written[component.names] = component, component.known, component.known.stored[self.url]

    # -- components

    def _waiting(self) -> Iterator[Component]:
        """What the plan stores and is not written yet; under a deadline, what saves most time per byte comes first."""
        plan, found = self.prepared.plan, []
        for component in self.prepared.probe.components:
            names = tuple(n for n in component.names if n in plan.stored)
            if names and component.names not in self._written and names not in self._written:
                found.append(component if names == component.names else self.prepared.serialiser.component(names))
        if self.ends is not None:
            found.sort(key=self._worth, reverse=True)
        yield from found

    def _worth(self, component: Component) -> tuple[bool, float]:
        """Seconds of recomputing that each stored byte spares; what cannot be recomputed comes before all else."""
        view = self.prepared.view
        cells = 0
        for name in component.names:
            cells |= self.prepared.ancestry.cells(name)
        seconds = sum(problems.rerun_seconds(view.history.cells[n], view)[0] for n in problems.numbers(cells))
        lost = not cells or math.isinf(seconds)
        return lost, (1.0 if lost else seconds) / max(1, sum(view.walks[n].bytes for n in component.names))

    def _write(self, component: Component) -> str | None:
        """Serialise a component and hand it to the store; returns why it cannot be serialised, or None."""
        payload, stream = component.payload, None
        if payload is None:
            writer = self.repository.writer(self.ends)
            problem = self.prepared.serialiser.complete(component, writer)
            payload = component.payload
            if problem is not None or payload is None:
                return problem or "it cannot be serialised"
            if not payload.stream:
                small, size = writer.small, writer.bytes
                stream = self.packer.put(small, True) if small is not None else self.packer.expect(writer.close(), size)
                payload.streamed = size
        if stream is None:
            stream = self.packer.put(payload.stream, frozen=True)
        stored = Stored(stream, [self.packer.put(b) for b in payload.buffers])
        component.learn(payload)
        component.payload = None  # from here on the store's threads hold what they need
        assert component.known is not None
        self._written[component.names] = component, component.known, stored
        return None

    def _refuse(self, component: Component, problem: str) -> None:
        """Plan without a component that was put off and turns out not to serialise."""
        probe = self.prepared.probe
        probe.refused.update(dict.fromkeys(component.names, problem))
        self._take_out(set(component.names))
        self._plan_again()

    def _take_out(self, names: set[str]) -> None:
        """These names are not to be stored."""
        probe, kept = self.prepared.probe, []
        for component in probe.components:
            rest = tuple(n for n in component.names if n not in names)
            if rest == component.names:
                kept.append(component)
            elif rest:
                kept.append(self.prepared.serialiser.component(rest))
        probe.components = kept

    def _plan_again(self, hurry: bool = True) -> None:
        left = None if self.ends is None or not hurry else max(0.0, self.ends - time.perf_counter())
        self.prepared.plan_again(self.costs, left, {n for names in self._written for n in names})

    def _give_up_the_rest(self) -> None:
        """Plan for what is written by now; the rest is recomputed, or lost."""
        missing = {n for component in self._waiting() for n in component.names}
        self.prepared.probe.refused.update(dict.fromkeys(missing, DEADLINE))
        self._take_out(missing)
        self._plan_again(hurry=False)

    # -- the manifest

    def _commit_early(self) -> None:
        """Commit what is written so far, in case that there is no time for more; then go on as planned."""
        prepared = self.prepared
        plan, components, refused = prepared.plan, prepared.probe.components, dict(prepared.probe.refused)
        if next(self._waiting(), None) is None:
            return  # all is written: the manifest of the whole comes next
        self._give_up_the_rest()
        try:
            self._early = self._commit()
        finally:
            prepared.plan, prepared.probe.components, prepared.probe.refused = plan, components, refused
        self._committed_at = time.perf_counter()

    def _lost_to_deadline(self) -> list[str]:
        refused = self.prepared.probe.refused
        return sorted(n for n in self.prepared.plan.lost if refused.get(n) == DEADLINE)

    def _commit(self) -> int:
        prepared, record = self.prepared, self.prepared.cache.record
        extras = dict(prepared.view.extras)
        self.packer.flush()
        # in packs of their own: values that are damaged can be recomputed as long as the record of the cells is sound
        packer = Packer(self.repository)
        lists = {n: record.put_list(n, extras.pop(n), packer) for n in LISTS if n in extras}
        history = record.put_history(prepared.view.history, packer)
        packer.flush()
        plan = prepared.plan
        written = [w for w in self._written.values() if not plan.stored.isdisjoint(w[0].names)]
        for component, known, stored in written:
            known.stored[self.url] = stored
            prepared.cache.keep(component.names, known)
        self.summary = prepared.summary()
        digests = {n: d for component, _, _ in written for n, d in component.loaded_digests.items()}
        carried = {n for n, v in (self._before or {}).get("variables", {}).items() if v["plan"] != "lost"}
        self.partial = [n for n in self._lost_to_deadline() if n in carried]
        packs = Packs()
        manifest = {
            **contents(prepared, self.summary, digests),
            "components": [
                {
                    "names": list(component.names),
                    "codec": known.codec,
                    "payload": stored.payload.to_json(packs),
                    "buffers": [b.to_json(packs) for b in stored.buffers],
                    "bytes": known.bytes,
                }
                for component, known, stored in written
            ],
            "history": [e.to_json(packs) for e in history],
            "lists": {name: [e.to_json(packs) for e in extents] for name, extents in lists.items()},
            "extras": extras,
            "rates": self.costs.of_the_store(),
            "partial": self.partial,
        }
        manifest["packs"] = packs.to_json()
        extents = [e for _, _, stored in written for e in stored.extents()]
        extents += [*history, *(e for several in lists.values() for e in several)]
        refs = {ref for extent in extents for ref in extent.refs}
        generation = self.repository.commit(self.session, manifest, refs)
        for outdated in (*self._outdated, *(() if self._early is None else (self._early,))):
            self.repository.discard(self.session, outdated)
        self._outdated, self._early = [], None
        return generation


__all__ = ["ALPHA", "Prepared", "prepare", "save"]

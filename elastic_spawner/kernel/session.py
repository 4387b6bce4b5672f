"""The session of this kernel: watching it, saving it, restoring it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import WouldLose
from ..objects.live import kernel_streams
from ..tracking import hidden
from ..tracking.hold import threads_held
from ..tracking.tracker import Tracker
from . import loading
from .arrivals import watch_arrivals
from .behind import Behind
from .idle import Idle
from .notices import Notices
from .parts import is_output, made_by
from .shell import ShellStage, file_changed

_TELLING_BYTES = 1 << 20
"""Reads of fewer bytes than this tell nothing of how fast a store is."""


class Session:
    """One per kernel. All methods run in the kernel's main thread, between cells or inside one."""

    def __init__(self, shell: Any) -> None:
        self.stage = ShellStage(shell)
        self.tracker = Tracker(self.stage.namespace, self.stage.names, self.stage.shown)
        self.last_checkpoint: dict[str, Any] | None = None
        self.last_restore: Any = None
        self.warnings: list[str] = []
        self.unseen: Any = None
        """Report of a restore that ran before the user was there to see it."""
        self.news: list[str] = []
        """What is to be said with the next cell."""
        self._paused = 0
        self._happened = (False, 0)
        self.notices = Notices(self.stage, self.tracker, lambda: self.costs)
        self._trying = False
        """A child may be there that loads something on trial."""
        self.idle = Idle(self._idle_work, self._idle_failed)
        self.behind = Behind(self.stage, self.tracker, self.idle, self.paused)
        self._costs: dict[bool, Any] = {}
        """By whether the store is behind a network."""
        self._remote = False
        self._fetched: dict[Any, tuple[int, float]] = {}
        """Bytes read from each repository, and the seconds that took, as far as the costs were told of them."""
        self._cache: Any = None
        self._repositories: dict[tuple[str, bytes, bool], Any] = {}

    # -- watching

    def start(self) -> None:
        """Begin to watch: hook into the shell's events."""
        self.tracker.effects.install()
        kernel_streams.setdefault("stdout", sys.stdout)
        kernel_streams.setdefault("stderr", sys.stderr)
        events = self.stage.shell.events
        events.register("pre_execute", self._before_any)
        events.register("post_execute", self._after_any)
        events.register("pre_run_cell", self._before)
        events.register("post_run_cell", self._after)
        # IPython's banner picks its tip by the user's own random generator, whenever a client connects
        if getattr(self.stage.shell, "enable_tip", False):
            self.stage.shell.enable_tip = False

    def stop(self) -> None:
        """Watch no longer."""
        self.behind.complete()
        events = self.stage.shell.events
        events.unregister("pre_execute", self._before_any)
        events.unregister("post_execute", self._after_any)
        events.unregister("pre_run_cell", self._before)
        self.idle.drop()
        events.unregister("post_run_cell", self._after)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Cells that run in between are not the user's."""
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1

    def _before_any(self) -> None:
        """Code is about to run that need not be a cell: a message of a widget, a silent request of the front end."""
        activity = self.tracker.activity
        self._happened = activity.happened, activity.events
        activity.told()
        if not self._paused:
            self.behind.let_in()
        self.idle.enter()
        if self._trying:
            self.idle.drop()  # nobody is to find a child process that is not theirs

    def _after_any(self) -> None:
        self.behind.cell_ended()
        self.idle.leave()

    def expected(self) -> None:
        """What `_before_any` was told of is a cell or a request of our own, and no change from outside."""
        activity = self.tracker.activity
        activity.happened, activity.events = self._happened

    def _before(self, info: Any) -> None:
        self.expected()
        if self._paused:
            return
        self.idle.recount()
        try:
            transformed = getattr(info, "transformed_cell", None) or self.stage.shell.transform_cell(info.raw_cell)
            if not self.behind.let_cell_in(transformed):
                return
            self.expected()
            self._tell()
            self.tracker.begin(info.raw_cell, transformed)
        except Exception as e:
            self._fail(e)
        self._let_go()

    def _after(self, result: Any) -> None:
        if self._paused:
            return
        try:
            error = result.error_before_exec or result.error_in_exec
            # the shell's own counter has moved on by now in some versions of IPython, and not in others
            made = self.tracker.end(None if error is None else type(error).__name__, result.execution_count)
            if made is not None:
                self.notices.suspect(made.writes)
            self.stage.sources.look()
        except Exception as e:
            self._fail(e)
        self._let_go()

    def _let_go(self) -> None:
        if self.tracker.disturbed:
            self.tracker.disturbed = False
            self.idle.drop()

    # -- while no cell runs

    def _idle_work(self) -> Iterator[None]:
        """Bind what was put off; say what will be lost; look in full at what is unknown; import what a save needs, and
        find out what it needs to know."""
        tracker = self.tracker
        yield from self.behind.steps()
        if self.behind.names:
            return  # what a plan would do cannot be told yet
        yield from self.notices.steps()
        looked = False
        while (name := tracker.unfinished()) is not None:
            yield from tracker.examine(name)
            looked = True
            self.notices.suspect([name])
        if looked:
            tracker.conclude()
            yield from self.notices.steps()
        yield from loading.steps()
        yield from loading.look_steps()
        yield from self._try_ahead()

    def _try_ahead(self) -> Iterator[None]:
        """Serialise what is small and load it on trial, while nothing can change it."""
        if self.tracker.activity.note():
            return
        from ..checkpoint import ahead
        from .glance import glance

        self._trying = True
        try:
            yield from ahead.steps(glance(self.stage, self.tracker), self.cache)
        finally:
            self._trying = False

    def _idle_failed(self, error: Exception) -> None:
        text = f"Work between cells failed ({type(error).__name__}: {error}); what it was to find out stays unknown."
        if text not in self.warnings:
            self.warnings.append(text)

    def _tell(self) -> None:
        """Say with the first cell after a move what did not come back; one that kept everything is not worth a word."""
        report, self.unseen = self.unseen, None
        behind = self.behind.tell()
        if report is not None and (report.names("lost") or report.notes):
            print(f"{report}\n(elastic_spawner: %elastic report shows every variable)", file=sys.stderr)
            behind = []  # it is in the report
        news, self.news = self.news + behind, []
        if news:
            print("\n".join(f"elastic_spawner: {text}" for text in news), file=sys.stderr)

    def _fail(self, error: Exception) -> None:
        """Watching failed: the user's cell must not; what it did counts as unknown."""
        problem = f"{type(error).__name__}: {error}"
        text = f"A cell could not be watched ({problem}); its variables will be stored, not recomputed."
        if text not in self.warnings:
            self.warnings.append(text)
        self.tracker.abandon()
        self.idle.drop()

    # -- saving

    @property
    def costs(self) -> Any:
        """The cost model for the kind of store that the session was saved to last, learning as it goes."""
        if self._remote not in self._costs:
            from ..planning import CostModel

            self._costs[self._remote] = CostModel.of_store(self._remote)
        return self._costs[self._remote]

    def _take_over_rates(self, rates: dict[str, Any]) -> None:
        """Begin with what the session before knew of the store."""
        from ..errors import PlanError
        from ..planning import CostModel

        if self._remote not in self._costs and rates:
            try:
                self._costs[self._remote] = CostModel.from_dict(rates)
            except PlanError:
                pass  # of another version; they are learnt anew

    def _learn_of_reads(self, repository: Any) -> None:
        """Tell the cost model how fast the store has given what was read since it was told last."""
        stats, (size, seconds) = repository.stats, self._fetched.get(repository, (0, 0.0))
        if stats.bytes_fetched - size > _TELLING_BYTES:
            self._fetched[repository] = stats.bytes_fetched, stats.fetch_seconds
            self.costs.observe_read(stats.bytes_fetched - size, stats.fetch_seconds - seconds)

    @property
    def cache(self) -> Any:
        """What is known of the session's components from one save to the next."""
        if self._cache is None:
            from ..checkpoint.cache import Cache

            self._cache = Cache()
        return self._cache

    def view(self, restless: bool = False) -> Any:
        """The session as it is now, every value walked in full. ``restless``: threads of its own go on meanwhile."""
        from ..checkpoint.session import SessionView

        tracker = self.tracker
        tracker.settle()
        histories = {*self.stage.histories("_ih"), *self.stage.histories("_oh")}
        values = {n: self.stage.namespace[n] for n in self.stage.names() if n not in histories}
        self.stage.sources.look()
        attributes = {**self.stage.attributes(tracker.patches.targets), **self.stage.other_parts(tracker.attributes)}
        for name, value in attributes.items():
            tracker.values.look(name, value, None)
        values.update(attributes)
        walks = {n: s.walk for n in values if (s := tracker.states.get(n)) is not None and s.walk is not None}
        groups = tracker.links.components(values)
        return SessionView(
            history=tracker.history,
            namespace=self.stage.namespace,
            values=values,
            walks=walks,
            groups=groups,
            versions={} if restless else tracker.values.versions(groups, tracker.states.keys() - attributes.keys()),
            restless=restless,
            neighbours=tracker.links.neighbours,
            hidden={kind: hidden.encode(data) for kind, data in tracker.hidden.data.items()},
            extras={
                **self.stage.extras(),
                "patched": sorted(map(list, tracker.patches.targets)),
                "used": sorted(tracker.attributes),
                "submodules": sorted(tracker.submodules & sys.modules.keys()),
                "attributes": sorted(attributes),
            },
            files_changed=file_changed,
            made_by={n: number for n in attributes if (number := made_by(n)) is not None},
        )

    def prepare(
        self, deadline_s: float | None = None, url: str = "", gives_way: Callable[[], bool] | None = None
    ) -> Any:
        """Plan a save; writes nothing. What is known to be in the store at ``url`` costs nothing to store.

        Raises GaveWay soon after ``gives_way`` has become true.
        """
        from ..checkpoint.save import prepare

        self.behind.complete()
        with self.paused(), threads_held() as restless:
            view = self.view(restless)
            try:
                return prepare(view, self.costs, deadline_s, self.cache, url, gives_way)
            finally:
                for name in view.extras["attributes"]:
                    self.tracker.values.forget(name)

    def checkpoint(
        self,
        url: str,
        session: str,
        key: bytes,
        deadline_s: float | None = None,
        accept_loss: bool = True,
        encrypt: str = "no",
        gives_way: bool = False,
    ) -> dict[str, Any]:
        """Save to a store; returns {"generation", "bytes", "bytes_written", "seconds", "plan", "partial", "encrypted"}.

        ``encrypt`` is one of ``checkpoint.encryption.POLICIES``. Raises SaveError, StoreError; EncryptionError when it
        asks for what this environment cannot do; WouldLose when a variable cannot be carried over and ``accept_loss``
        is false. With ``gives_way`` it raises GaveWay when a message arrives for the kernel meanwhile.
        """
        from ..checkpoint import encryption
        from ..checkpoint.save import save

        started = time.perf_counter()
        arrived = watch_arrivals() if gives_way else None
        self.behind.complete()
        if deadline_s is not None:
            deadline_s -= time.perf_counter() - started
        with self.paused():
            sealing = encryption.wanted(encrypt)
            if sealing:
                encryption.require()
            repository = self.repository(url, key, sealing)
            self._remote = repository.store.remote
            self._learn_of_reads(repository)
            prepared = self.prepare(deadline_s, repository.store.url, arrived)
            # an output that no variable holds is worth a word in the report, but no refusal
            lost = [v for v in prepared.summary()["lost"] if not is_output(v["name"])]
            if lost and not accept_loss:
                raise WouldLose(lost)
            done = save(prepared, repository, session, self.costs, deadline_s, accept_loss, arrived)
        done["encrypted"] = sealing
        if encrypt == "where_possible" and not sealing:
            done["notes"] = ["It is not encrypted: the kernel's environment lacks the package cryptography."]
        self.last_checkpoint = {**done, "url": url, "session": session, "time": time.time()}
        return done

    def restore(self, url: str, session: str, key: bytes, generation: int | None = None, behind: bool = False) -> Any:
        """Restore from a store; returns the RestoreReport. Raises CheckpointError, StoreError, RestoreError.

        With ``behind``, large data may still be coming when it returns.
        """
        from ..checkpoint.restore import Restorer, find

        self.behind.complete()
        later = self.behind.least() if behind else None
        with self.paused():
            repository = self.repository(url, key)
            self._remote = repository.store.remote
            restorer = Restorer(repository, find(repository, session, generation), self.stage, later)
            self._take_over_rates(restorer.manifest.get("rates", {}))
            report = restorer.restore()
            self._learn_of_reads(repository)
            report.notes += self.stage.set_extras(restorer.manifest["extras"])
            self.tracker.patches.targets.update((m, a) for m, a in restorer.manifest["extras"]["patched"])
            self.tracker.attributes.update(restorer.manifest["extras"]["used"])
            self.tracker.submodules.update(restorer.manifest["extras"]["submodules"])
            self.tracker.pending = {n for c in restorer.put_off for n in c["names"]}
            # a cell that was run again may have changed what was compared before it
            self.tracker.adopt(restorer.history, None if report.rerun else restorer.comparer.walks)
            restorer.comparer.walks.clear()
        self.last_restore = report
        self.behind.put_off(restorer)
        return report

    def repository(self, url: str, key: bytes, encrypt: bool = False) -> Any:
        """The checkpoint repository at a URL, kept open for the next save."""
        from ..checkpoint.repository import Repository
        from ..stores import open_store

        known = self._repositories.get((url, key, encrypt))
        if known is None:
            known = self._repositories[url, key, encrypt] = Repository(open_store(url), key, encrypt)
        return known

    def status(self) -> dict[str, Any]:
        """A summary as plain JSON."""
        states = self.tracker.states.values()
        pending = self.behind.names
        return {
            "tracking": True,
            "cells": len(self.tracker.history.cells),
            "variables": len(self.stage.names()) + len(pending),
            "pending": len(pending),
            "pending_bytes": self.behind.bytes,
            "bytes": sum(s.walk.bytes for s in states if s.walk is not None),
            "warnings": list(self.warnings),
            "last_checkpoint": self.last_checkpoint,
            "last_restore": None if self.last_restore is None else self.last_restore.to_dict(),
        }


_session: Session | None = None


def current() -> Session:
    """The session of this kernel; raises RuntimeError when the extension is not loaded."""
    if _session is None:
        raise RuntimeError("elastic_spawner is not loaded in this kernel: run %load_ext elastic_spawner")
    return _session


def expected() -> None:
    """The silent request that runs now is our own."""
    if _session is not None:
        _session.expected()


def start(shell: Any) -> Session:
    """Start watching this kernel; once, however often it is called."""
    global _session
    if _session is None:
        session = Session(shell)
        session.start()
        _session = session
    return _session


def stop() -> None:
    """Stop watching."""
    global _session
    if _session is not None:
        _session.stop()
        _session = None

"""A session without a kernel that is saved to a store and read back; and a store that is slow, or full, by design."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from elastic_spawner.checkpoint import Repository
from elastic_spawner.checkpoint.cache import Cache
from elastic_spawner.checkpoint.packs import ExtentReader
from elastic_spawner.checkpoint.pickling import load
from elastic_spawner.checkpoint.save import prepare, save
from elastic_spawner.checkpoint.session import SessionView
from elastic_spawner.planning import CostModel
from elastic_spawner.stores import DirectoryStore
from elastic_spawner.stores.base import Buffer
from tests.tracking.notebook import Notebook

KEY = bytes(range(32))


class SlowStore(DirectoryStore):
    """A directory that takes so many bytes per second. It stands for a network that is slow."""

    def __init__(self, path: Path, bytes_per_second: float) -> None:
        super().__init__(path)
        self.parallel = 1
        self.bytes_per_second = bytes_per_second

    def stage(self, key: str, data: Buffer) -> None:
        time.sleep(memoryview(data).nbytes / self.bytes_per_second)
        super().stage(key, data)


class Saved(Notebook):
    """A notebook with a store, and what a kernel keeps between saves."""

    def __init__(self, store: DirectoryStore) -> None:
        super().__init__()
        self.repository = Repository(store, KEY)
        self.cache = Cache()
        self.costs = CostModel()
        self.extras: dict[str, Any] = {}

    def view(self) -> SessionView:
        """The session as it is now."""
        tracker = self.tracker
        tracker.settle()
        values = {n: self.namespace[n] for n in self.names()}
        groups = tracker.links.components(values)
        return SessionView(
            history=tracker.history,
            namespace=self.namespace,
            values=values,
            walks={n: s.walk for n, s in tracker.states.items() if s.walk is not None and n in values},
            groups=groups,
            versions=tracker.values.versions(groups, tracker.states.keys()),
            neighbours=tracker.links.neighbours,
            extras=self.extras,
        )

    def save(self, deadline_s: float | None = None, accept_loss: bool = True) -> dict[str, Any]:
        """Save as a kernel does."""
        prepared = prepare(self.view(), self.costs, deadline_s, self.cache, self.repository.store.url)
        return save(prepared, self.repository, "s", self.costs, deadline_s, accept_loss)

    def stored(self, generation: int | None = None) -> dict[str, Any]:
        """The values that a generation (the one that a restore takes) has stored, loaded."""
        manifest = self.manifest(generation)
        reader = ExtentReader(self.repository, manifest["packs"])
        found: dict[str, Any] = {}
        for component in manifest["components"]:
            found.update(load(reader.read(component["payload"]), [reader.read(e) for e in component["buffers"]]))
        return found

    def manifest(self, generation: int | None = None) -> dict[str, Any]:
        """The manifest of a generation; of the one that a restore takes."""
        if generation is not None:
            return self.repository.load("s", generation)
        found = self.repository.latest("s")
        assert found is not None
        return found

    def plan_of(self, name: str) -> str:
        """``store``, ``rerun`` or ``lost``, by what a restore takes."""
        plan: str = self.manifest()["variables"][name]["plan"]
        return plan

"""A notebook without IPython: cells run in a plain namespace, and a tracker watches."""

from __future__ import annotations

import builtins
from typing import Any

from elastic_spawner.history import CellExecution, Snapshot
from elastic_spawner.tracking.tracker import Tracker


class Notebook:
    """Runs cells one after the other; each run gives the execution that the tracker made of it."""

    def __init__(self) -> None:
        self.namespace: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins}
        self.tracker = Tracker(self.namespace, self.names)
        self.count = 0

    def names(self) -> list[str]:
        """The variables: what is not the namespace's own."""
        return [n for n in self.namespace if not n.startswith("__")]

    def run(self, source: str, transformed: str | None = None) -> CellExecution:
        """Run a cell; what it raises is its outcome."""
        transformed = source if transformed is None else transformed
        self.count += 1
        self.tracker.begin(source, transformed)
        error = None
        try:
            self.execute(transformed)
        except Exception as e:
            error = type(e).__name__
        made = self.tracker.end(error, self.count)
        assert made is not None
        return made

    def execute(self, source: str) -> None:
        """Run code past the tracker."""
        exec(compile(source, "<cell>", "exec", dont_inherit=True), self.namespace)

    def cells(self, *sources: str) -> CellExecution:
        """Run several cells; the execution of the last."""
        made = [self.run(source) for source in sources]
        return made[-1]

    def snapshot(self, name: str) -> Snapshot:
        """The active snapshot of a name."""
        return name, self.tracker.history.active[name]

    def component(self, name: str) -> set[str]:
        """Names that hang together with ``name``."""
        return self.tracker.links.closure([name])

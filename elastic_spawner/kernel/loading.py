"""Importing between cells what the first save will need: a few modules in each step, so that no cell waits for long."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator

SAVING = (
    "elastic_spawner.stores.errors",
    "elastic_spawner.stores.directory",
    "elastic_spawner.stores",
    "elastic_spawner.checkpoint.chunks",
    "elastic_spawner.checkpoint.chunkstore",
    "elastic_spawner.checkpoint",
    "elastic_spawner.planning.cost",
    "elastic_spawner.planning.lineage",
    "elastic_spawner.planning.preflow",
    "elastic_spawner.planning.mincut",
    "elastic_spawner.planning",
    "elastic_spawner.checkpoint.rebuild",
    "elastic_spawner.checkpoint.reduce_arrays",
    "elastic_spawner.checkpoint.reduce_code",
    "elastic_spawner.checkpoint.pickling",
    "elastic_spawner.checkpoint.components",
    "elastic_spawner.checkpoint.contents",
    "elastic_spawner.checkpoint.save",
)
"""What a save imports, each after what it needs itself."""


def steps() -> Iterator[None]:
    """Import what is not there yet, one after the other."""
    for name in SAVING:
        if name not in sys.modules:
            importlib.import_module(name)
            yield

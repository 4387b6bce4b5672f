"""Importing between cells what the first save will need: a few modules in each step, so that no cell waits for long."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

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
    "elastic_spawner.checkpoint.ahead",
    "elastic_spawner.checkpoint.contents",
    "elastic_spawner.checkpoint.save",
)
"""What a save imports, each after what it needs itself."""


_looked_at: set[str] = set()
_SOME = 50


def look_steps() -> Iterator[None]:
    """Find out what a save asks of each module that is imported, and of what is installed; once for each."""
    from ..checkpoint import compression, contents
    from .modules import is_users

    if not _looked_at:
        compression.best_codec()
        yield
        for name in contents.KERNELS:
            contents.installed_version(name)
            yield
    while new := [n for n in sys.modules if n not in _looked_at][:_SOME]:
        for name in new:
            module = sys.modules.get(name)
            if isinstance(module, ModuleType):
                is_users(name, module)
        _looked_at.update(new)
        yield


def steps() -> Iterator[None]:
    """Import what is not there yet, one after the other."""
    for name in SAVING:
        if name not in sys.modules:
            importlib.import_module(name)
            yield

"""What the manifest of a kernel's checkpoint says beside where the data are."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from .. import __version__
from ..objects.kinds import type_name
from ..objects.walk import Walk
from .prepare import Prepared

LIBRARIES = (
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "torch",
    "polars",
    "pyarrow",
    "matplotlib",
    "networkx",
    "xgboost",
    "lightgbm",
)

KERNELS = ("ipykernel", "IPython")


def contents(prepared: Prepared, summary: Mapping[str, Any], digests: Mapping[str, str]) -> dict[str, Any]:
    """The manifest without components, history and lists. ``digests`` are of names that are loaded with another inner
    state than they have."""
    view = prepared.view
    return {
        "kind": "kernel",
        "elastic_spawner": __version__,
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "machine": platform.machine(),
        "libraries": _libraries({m for w in prepared.view.walks.values() for m in w.modules}),
        "variables": _variables(prepared, summary, digests),
        "rerun": summary["rerun"],
        "rerun_cells": list(prepared.plan.rerun),
        "hidden": dict(view.hidden),
        "report": {
            "seconds": prepared.seconds,
            "plan": {k: summary[k] for k in ("bytes", "store_seconds", "restore_seconds")},
        },
    }


def _variables(prepared: Prepared, summary: Mapping[str, Any], digests: Mapping[str, str]) -> dict[str, Any]:
    view, plan = prepared.view, prepared.plan
    reasons = {e["name"]: e["reason"] for e in summary["lost"]} | {e["name"]: e["why"] for e in summary["recomputed"]}
    found = {}
    for name, value in view.values.items():
        walk = view.walks.get(name)
        number = view.history.active.get(name)
        cell = view.history.cells.get(number) if number is not None else None
        found[name] = {
            "plan": "store" if name in plan.stored else "rerun" if name in plan.recomputed else "lost",
            "type": type_name(value),
            "bytes": walk.bytes if walk is not None else 0,
            "fingerprint": "" if walk is None or walk.uncertain else digests.get(name, walk.digest),
            "modules": sorted(walk.modules) if walk is not None else [],
            "compiled": walk is None or walk.compiled,
            "data": walk is not None and _is_data(walk),
            "cell": cell.execution_count if cell is not None else view.made_by.get(name),
            "reason": reasons.get(name, ""),
        }
    return found


def _is_data(walk: Walk) -> bool:
    """Whether nothing in it is code of the session's, an instance of its classes, or alive: only libraries' code runs
    when it is loaded, and whoever cannot name it does not miss it."""
    if walk.compiled or walk.instances or walk.finalizes or walk.hides or walk.reaches_namespace:
        return False
    others = (walk.functions, walk.custom, walk.opaque, walk.channels, walk.outward)
    return not any(others) and "__main__" not in walk.modules


def _libraries(made: set[str]) -> dict[str, str]:
    """Versions of the libraries that the session has imported, and of all that made a value."""
    found: dict[str, str] = {}
    for name in sorted({*LIBRARIES, *made}):
        if name in sys.modules:
            version = getattr(sys.modules[name], "__version__", None)
            if isinstance(version, str):
                found[name] = version
    for name in KERNELS:
        if version := installed_version(name):
            found[name] = version
    return found


@lru_cache
def installed_version(name: str) -> str:
    """The version of a distribution, or nothing; looked up once, for it is found by reading the files of many."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""

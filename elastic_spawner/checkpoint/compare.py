"""Whether a value that came back is the one that was saved, and which library is to blame when it cannot come back."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

from ..objects.digest import algorithm_of, is_known, is_usual
from ..objects.walk import Walk, Walker

LARGE = 64 << 20
"""Loaded values above this size in bytes are vouched for by the hashes of their chunks, where the libraries that made
them have the version that they had."""

_PLAIN = frozenset({"builtins", "collections", "array", "decimal", "fractions", "datetime", "uuid", "numpy"})
_MASKED = frozenset({"numpy"})


class Verdict(Enum):
    """What comparing a value has shown."""

    SAME = "same"
    OTHER = "other"
    UNKNOWN = "unknown"


@lru_cache(maxsize=512)
def is_installed(library: str) -> bool:
    """Whether a library can be imported here, by the first name of its modules."""
    try:
        return library in sys.modules or importlib.util.find_spec(library) is not None
    except (ImportError, ValueError):
        return False


def _listed(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


class Comparer:
    """Compares values with what a manifest says of them."""

    def __init__(self, manifest: Mapping[str, Any], namespace: dict[str, Any]) -> None:
        self.manifest, self.namespace = manifest, namespace
        self.entries: Mapping[str, Any] = manifest["variables"]
        self.libraries: Mapping[str, str] = manifest["libraries"]
        self.same_python = manifest["python"].split(".")[:2] == list(map(str, sys.version_info[:2]))
        self.walks: dict[str, tuple[int, Walk]] = {}
        """id() of each value that was found to be the same, and what its walk found; of no use once it has changed."""

    def compare(self, name: str, value: Any, recomputed: bool = False) -> Verdict:
        """Take the value's fingerprint and compare it; raises what the value raises when it is looked at."""
        entry = self.entries[name]
        fingerprint: str = entry["fingerprint"]
        if not is_known(fingerprint) or (entry["compiled"] and not self.same_python):
            return Verdict.UNKNOWN
        others = self.changed_libraries(name)
        if entry["bytes"] > LARGE and not (recomputed or others):
            return Verdict.UNKNOWN
        usual = is_usual(fingerprint)
        with algorithm_of(fingerprint):
            walk = Walker(namespace=self.namespace).walk([value])
        if walk.digest == fingerprint:
            if usual:
                self.walks[name] = id(value), walk
            return Verdict.SAME
        # another version may take the same value apart in another way; plain data are taken apart by ourselves
        strict = self.same_python and not others or set(entry["modules"]) <= _PLAIN - (_MASKED if others else set())
        return Verdict.OTHER if strict else Verdict.UNKNOWN

    def why_unknown(self, name: str) -> str:
        """Why a value that was loaded could not be compared; empty when it is vouched for in another way."""
        entry = self.entries[name]
        if others := self.changed_libraries(name):
            return (
                f"not compared: made by {', '.join(f'{m} {v}' for m, v in others.items())}, loaded by another version"
            )
        if entry["fingerprint"] and not is_known(entry["fingerprint"]):
            return "not compared: xxhash, by which its fingerprint was taken, is not installed here"
        if not self.same_python:
            return f"not compared: made by Python {self.manifest['python']}"
        return ""

    def changed_libraries(self, name: str) -> dict[str, str]:
        """The libraries that made the value and have another version here, with the version of then."""
        found = {}
        for library in self.entries[name]["modules"]:
            then = self.libraries.get(library)
            now = getattr(sys.modules.get(library), "__version__", None)
            if then is not None and now is not None and now != then:
                found[library] = then
        return found

    def missing_libraries(self, name: str) -> dict[str, str]:
        """The libraries that made the value and are not here, with the version of then, empty where it is not known."""
        made = self.entries[name]["modules"]
        standard = sys.stdlib_module_names
        missing = [m for m in made if m != "__main__" and m not in standard and not is_installed(m)]
        # private ones (_cython_3_1_4) come along with those that can be installed by their names
        named = [m for m in missing if not m.startswith("_")] or missing
        return {m: self.libraries.get(m, "") for m in named}

    def blame(self, name: str) -> tuple[str, str]:
        """The library for whose sake a value could not be loaded, and what helps; empty texts when it is none."""
        if missing := self.missing_libraries(name):
            verb = "is" if len(missing) == 1 else "are"
            wanted = _listed([f"{m} {v}".strip() for m, v in missing.items()])
            return f"{_listed(list(missing))} {verb} not installed here", f"install {wanted} and restore again"
        if others := self.changed_libraries(name):
            wanted = _listed([f"{m} {v}" for m, v in others.items()])
            here = _listed([f"{m} {sys.modules[m].__version__}" for m in others])
            return f"it was made by {wanted}, and here is {here}", f"install {wanted} and restore again"
        return "", ""

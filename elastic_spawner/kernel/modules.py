"""Modules of a session: what the user's own hold and were imported from, and what was patched in others.

A module that is a file of the user's comes back by importing it; its data and what the session put into it are carried
over as ``module.attribute``. When the file was edited since, the session goes on with the source that it had imported.
"""

from __future__ import annotations

import enum
import importlib
import importlib.machinery
import importlib.util
import os
import sys
import sysconfig
import types
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from ..objects.kinds import MAIN
from ..objects.live import originals
from ..tracking.patches import MISSING, Target, current

_SOURCE_LIMIT = 1 << 20
_CODE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)


class Deleted:
    """Stands for an attribute that the session deleted."""


def attributes(namespace: dict[str, Any], patched: Iterable[Target]) -> dict[str, Any]:
    """Data of the user's modules and of classes in them, and whatever the session put into any module."""
    found = {}
    for name, module in list(sys.modules.items()):
        if isinstance(module, types.ModuleType) and is_users(name, module):
            for key, value in list(vars(module).items()):
                if not key.startswith("__") and _is_state(value, namespace):
                    found[f"{name}.{key}"] = value
                elif isinstance(value, type) and value.__module__ == name and not isinstance(value, enum.EnumMeta):
                    found.update((f"{name}.{key}.{k}", v) for k, v in _class_state(value, namespace))
    for target in patched:
        value = current(target)
        if value is not originals.get(target, MISSING):
            found[".".join(target)] = Deleted() if value is MISSING else value
    return found


def _is_state(value: Any, namespace: dict[str, Any]) -> bool:
    if isinstance(value, (type, types.FunctionType)):
        return value.__module__ == MAIN
    return not isinstance(value, _CODE)


def _class_state(cls: type, namespace: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in list(vars(cls).items()):
        if key.startswith("__") or key.startswith("_abc_"):
            continue
        if _is_state(value, namespace) and (isinstance(value, types.FunctionType) or not hasattr(value, "__get__")):
            yield key, value


def put(name: str, value: Any) -> None:
    """Set ``module.attribute`` or ``module.Class.attribute``; raises ImportError when the module is gone."""
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:end])
        try:
            owner: Any = importlib.import_module(module)
        except ImportError:
            if end == 1:
                raise
            continue
        break
    for part in parts[end:-1]:
        owner = getattr(owner, part)
    target = (module, ".".join(parts[end:]))
    before = current(target)
    if before is not MISSING:
        originals.setdefault(target, before)
    if isinstance(value, Deleted):
        if before is not MISSING:
            delattr(owner, parts[-1])
    else:
        setattr(owner, parts[-1], value)


class Sources:
    """The source of each of the user's modules as it was when it was imported."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, str]] = {}
        self._seen: set[str] = set(sys.modules)

    def look(self) -> None:
        """Read the source of modules that are new or were reloaded. Quick when there are none."""
        if not self._seen.issuperset(sys.modules):
            for name in sys.modules.keys() - self._seen:
                self._seen.add(name)
                self._read(name)
        for name, (spec, _) in list(self._known.items()):
            if getattr(sys.modules.get(name), "__spec__", None) is not spec:
                self._read(name)

    def _read(self, name: str) -> None:
        module = sys.modules.get(name)
        if isinstance(module, types.ModuleType) and is_users(name, module):
            path = str(module.__file__)
            loader = getattr(module.__spec__, "loader", None)
            if isinstance(loader, Remembered):
                self._known[name] = (module.__spec__, loader.text)
                return
            try:
                if path.endswith(".py") and os.path.getsize(path) <= _SOURCE_LIMIT:
                    self._known[name] = (module.__spec__, importlib.util.decode_source(open(path, "rb").read()))
            except (OSError, UnicodeDecodeError, SyntaxError):
                self._known.pop(name, None)

    def texts(self) -> dict[str, list[str]]:
        """Module name -> [path, source]."""
        return {
            name: [os.path.abspath(str(sys.modules[name].__file__)), text]
            for name, (_, text) in self._known.items()
            if name in sys.modules
        }


class Remembered(importlib.machinery.SourceFileLoader):
    """Loads a module from a source that is no longer in its file."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self.text = text

    def get_data(self, path: str) -> bytes:
        if path != self.path:
            raise OSError(f"{path} is not kept")  # no compiled file stands for this source
        return self.text.encode()

    def path_stats(self, path: str) -> Any:
        raise OSError("the file is another one now")


class _Rememberer:
    """Finds modules whose source is kept, before their files are looked at: a package imports its own by itself."""

    def __init__(self, sources: dict[str, tuple[str, str]]) -> None:
        self.sources = sources

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> Any:
        if name not in self.sources:
            return None
        path, text = self.sources[name]
        folder = [os.path.dirname(path)] if os.path.basename(path) == "__init__.py" else None
        loader = Remembered(name, path, text)
        return importlib.util.spec_from_file_location(name, path, loader=loader, submodule_search_locations=folder)


def remember(sources: dict[str, list[str]]) -> list[str]:
    """Import modules whose file was edited since from the source that the session knew; returns notes."""
    edited: dict[str, tuple[str, str]] = {}
    notes = []
    for name, (path, text) in sorted(sources.items()):
        try:
            with open(path, "rb") as f:
                if importlib.util.decode_source(f.read()) != text and name not in sys.modules:
                    edited[name] = path, text
        except FileNotFoundError:
            edited[name] = path, text
        except Exception as e:
            notes.append(f"{name} cannot be had as it was imported ({type(e).__name__}: {e}).")
    if not edited:
        return notes
    finder = _Rememberer(edited)
    sys.meta_path.insert(0, finder)
    try:
        for name, (path, _) in edited.items():
            try:
                importlib.import_module(name)
                notes.append(
                    f"{path} was edited after {name} was imported: the session goes on with what it had imported."
                )
            except Exception as e:
                notes.append(f"{name} cannot be had as it was imported ({type(e).__name__}: {e}).")
    finally:
        sys.meta_path.remove(finder)
    return notes


def _library_folders() -> tuple[str, ...]:
    paths = {sysconfig.get_paths()[k] for k in ("stdlib", "platstdlib", "purelib", "platlib")} | {
        sys.prefix,
        sys.base_prefix,
    }
    return tuple(os.path.realpath(p) + os.sep for p in paths)


_LIBRARIES = _library_folders()
_OWN = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))) + os.sep


def is_users(name: str, module: types.ModuleType) -> bool:
    """A module from a file that belongs to no installation."""
    path = getattr(module, "__file__", None)
    if not path or name == "__main__" or name.split(".")[0] == "elastic_spawner":
        return False
    return not _is_installed(path if os.path.isabs(path) else os.path.abspath(path)) and os.path.isfile(path)


@lru_cache(maxsize=1024)
def _real(folder: str) -> str:
    return os.path.realpath(folder)  # a look at each folder on the way, and there are hundreds of modules


@lru_cache(maxsize=4096)
def _is_installed(path: str) -> bool:
    folder, name = os.path.split(path)
    path = os.path.realpath(path) if os.path.islink(path) else os.path.join(_real(folder), name)
    return path.startswith((*_LIBRARIES, _OWN)) or "site-packages" in path or "dist-packages" in path

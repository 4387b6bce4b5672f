"""Attributes of modules and of library classes that cells set or delete: ``json.dumps = mine``, ``setattr(math, ...)``.

Found in code objects as the chain of names that ends in a store; a chain that leads to a module or to a class of one is
a patch. No variable holds what was set there, so it is carried over under the attribute's dotted name.
"""

from __future__ import annotations

import dis
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

from ..objects.kinds import MAIN, is_user_class
from ..objects.live import is_dynamic

Chain = tuple[str, ...]
"""Names from a global on; an empty first one says that the second is a module's name."""
Target = tuple[str, str]
"""A module's name, and the dotted name of an attribute in it."""

MISSING = object()
SETTERS = frozenset({"setattr", "delattr", "patch", "object"})
"""Functions that set what a constant names."""
_SILENT = frozenset({"PUSH_NULL", "PRECALL", "CACHE", "NOP", "EXTENDED_ARG", "COPY", "SWAP"})
_JOINED = re.compile("(?:LOAD|STORE)_FAST")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def chains(code: types.CodeType) -> Iterator[Chain]:
    """What one code object may set (without the code nested in it)."""
    sets = not SETTERS.isdisjoint(code.co_names)
    imported: dict[str, str] = {}
    chain: Chain = ()
    module = ""
    for name, value, _ in steps(code):
        if name in ("LOAD_NAME", "LOAD_GLOBAL"):
            chain = (value,)
        elif name == "IMPORT_NAME":
            module = value
        elif name.startswith("STORE_FAST") and module and isinstance(value, str):
            imported[value], module = module, ""
        elif name.startswith("LOAD_FAST") and isinstance(value, str) and value in imported:
            chain = ("", imported[value])
        elif name in ("LOAD_ATTR", "LOAD_METHOD"):
            chain = (*chain, value) if chain else ()
        elif name in ("STORE_ATTR", "DELETE_ATTR"):
            if chain:
                yield (*chain, value)
            chain = ()
        elif name == "LOAD_CONST" and sets and isinstance(value, str):
            if chain and value.isidentifier():
                yield (*chain, value)
            elif _DOTTED.fullmatch(value):
                yield ("", *value.rsplit(".", 1))
            chain = ()
        elif name not in _SILENT:
            chain = ()


def steps(code: types.CodeType) -> Iterator[tuple[str, Any, int | None]]:
    """(name, what it names, argument) of each instruction, those one by one that the compiler has joined."""
    for instruction in dis.get_instructions(code):
        name, value = instruction.opname, instruction.argval
        if isinstance(value, tuple) and "_FAST" in name:  # STORE_FAST_LOAD_FAST
            yield from zip(_JOINED.findall(name), value, (instruction.arg,) * len(value))
        else:
            yield name, value, instruction.arg


def resolve(chain: Chain, namespace: dict[str, Any]) -> tuple[Target, Any] | None:
    """The target of a chain and the module or class that has it; None when it leads to something else, or nowhere."""
    first, *rest = chain
    if first:
        owner: Any = namespace.get(first, sys.modules.get(first))
    else:
        owner, rest = _dotted(rest[0]), rest[1:]
    for part in rest[:-1]:
        try:
            owner = vars(owner).get(part)
        except TypeError:
            return None
    return None if (place := _place(owner)) is None else ((place[0], ".".join((*place[1:], rest[-1]))), owner)


def _dotted(name: str) -> Any:
    """The module or class of this dotted name, among what is imported."""
    if name in sys.modules:
        return sys.modules[name]
    module, _, last = name.rpartition(".")
    return vars(sys.modules[module]).get(last) if module in sys.modules else None


def _place(owner: Any) -> Chain | None:
    """(module,) or (module, class) by which others find the owner."""
    if isinstance(owner, types.ModuleType):
        return None if owner.__name__ == MAIN or is_dynamic(owner) else (owner.__name__,)
    if isinstance(owner, type) and not is_user_class(owner) and owner.__module__ in sys.modules:
        return owner.__module__, owner.__qualname__
    return None


def current(target: Target) -> Any:
    """What is there now; MISSING when nothing is."""
    owner: Any = sys.modules.get(target[0])
    *path, last = target[1].split(".")
    try:
        for part in path:
            owner = vars(owner)[part]
        return vars(owner).get(last, MISSING)
    except (KeyError, TypeError):
        return MISSING


class Patches:
    """The targets that cells have set, and what was there before."""

    def __init__(self) -> None:
        self.targets: set[Target] = set()
        self._before: dict[Target, Any] = {}

    def begin(self, found: set[Chain], namespace: dict[str, Any]) -> None:
        """A cell is about to run that may set these."""
        resolved = [resolve(chain, namespace) for chain in found]
        self._before = {r[0]: current(r[0]) for r in resolved if r is not None}

    def end(self, found: set[Chain], namespace: dict[str, Any], originals: dict[Target, Any]) -> None:
        """The cell has run: note what is another object than before, and into ``originals`` what it was."""
        for chain in found:
            known = resolve(chain, namespace)
            if known is None or known[0] in self.targets:
                continue
            target = known[0]
            before, now = self._before.get(target), current(target)
            if target in self._before:
                if now is not before:
                    self.targets.add(target)
                    if before is not MISSING:
                        originals.setdefault(target, before)
            elif now is not MISSING and not isinstance(now, types.ModuleType) and not _is_its_own(now, target):
                self.targets.add(target)  # what it was is not known: the cell imported the module, too
        self._before = {}


def _is_its_own(value: Any, target: Target) -> bool:
    """Whether a function or class is a library's, most likely there from the start."""
    module = getattr(value, "__module__", None)
    return callable(value) and isinstance(module, str) and module != MAIN and module in sys.modules

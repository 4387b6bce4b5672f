"""Which global names a piece of code reads and writes, from its code objects: nothing runs slower for being watched.

Sources: the cell is compiled once more (statement by statement, so that names assigned before they are used do not
count as read); functions and classes are looked at through the code that they already carry.
"""

from __future__ import annotations

import ast
import dis
import opcode
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .patches import SETTERS as _SETTERS
from .patches import chains, steps

_LOADS = {"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS", "LOAD_CLASSDEREF"}
_STORES = {"STORE_NAME", "STORE_GLOBAL"}
_DELETES = {"DELETE_NAME", "DELETE_GLOBAL"}
_ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"}
_NAMED = {
    code: name
    for name, code in opcode.opmap.items()
    if name in _LOADS | _STORES | _DELETES | _ATTRIBUTES | {"IMPORT_NAME"}
}
_STORES_ATTRIBUTE = frozenset({opcode.opmap["STORE_ATTR"], opcode.opmap["DELETE_ATTR"]})
_EXTENDED = opcode.opmap["EXTENDED_ARG"]
_BUILD_SET = {opcode.opmap[n] for n in ("BUILD_SET", "SET_UPDATE", "SET_ADD") if n in opcode.opmap}
_UNSEEDED = frozenset(
    {"default_rng", "RandomState", "Random", "SystemRandom", "SeedSequence", "Generator", "PCG64", "MT19937"}
)
_AT_ONCE = ("<listcomp>", "<setcomp>", "<dictcomp>")
"""Code that runs where it stands, and is gone with that."""
_TOP_LEVEL_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


@dataclass
class Accesses:
    """Global names, attribute names and oddities of some code."""

    reads: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    deletes: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)
    builds_sets: bool = False
    unseeded: set[str] = field(default_factory=set)
    """Random generators that are made without a seed."""
    awaits: bool = False
    makes: bool = False
    """Functions are made, which somebody may be given."""
    patches: set[tuple[str, ...]] = field(default_factory=set)
    """Chains of names that end in the attribute that is set (see `patches`)."""
    escapes: bool = False
    """Code was met whose reads cannot be known."""
    unsure: bool = False
    """There was more than was searched for code."""

    def add(self, other: Accesses) -> None:
        """Unite with ``other``."""
        self.reads |= other.reads
        self.writes |= other.writes
        self.deletes |= other.deletes
        self.attributes |= other.attributes
        self.imports |= other.imports
        self.builds_sets |= other.builds_sets
        self.unseeded |= other.unseeded
        self.patches |= other.patches
        self.awaits |= other.awaits
        self.makes |= other.makes
        self.escapes |= other.escapes
        self.unsure |= other.unsure


_cache: dict[types.CodeType, Accesses] = {}
_CACHE_LIMIT = 4096


def of_code(code: types.CodeType) -> Accesses:
    """Accesses of a code object and of all code nested in it (functions that it defines may be called at any time)."""
    known = _cache.get(code)
    if known is None:
        if len(_cache) >= _CACHE_LIMIT:
            _cache.clear()
        known = _cache[code] = _scan(code)
    return known


def _scan(top: types.CodeType) -> Accesses:
    found = Accesses()
    pending = [top]
    while pending:
        code = pending.pop()
        module_level = not code.co_flags & 0x2  # CO_NEWLOCALS: names of a module or class body
        is_class_body = module_level and "__qualname__" in code.co_names and code is not top
        raw, names = code.co_code, code.co_names
        extended = 0
        for i in range(0, len(raw), 2):
            op, arg = raw[i], raw[i + 1] | extended
            if op == _EXTENDED:
                extended = arg << 8
                continue
            extended = 0
            kind = _NAMED.get(op)
            if kind is None:
                if op in _BUILD_SET:
                    found.builds_sets = True
                continue
            index = _name_index(kind, arg)
            if index >= len(names):
                continue
            name = names[index]
            if kind in _LOADS:
                found.reads.add(name)
            elif kind in _ATTRIBUTES:
                found.attributes.add(name)
            elif kind == "IMPORT_NAME":
                found.imports.add(name)
            elif kind.endswith("GLOBAL") or not is_class_body:
                (found.writes if kind in _STORES else found.deletes).add(name)
        if _UNSEEDED.intersection(names):
            found.unseeded |= set(_unseeded_calls(code))
        if _STORES_ATTRIBUTE.intersection(raw[::2]) or not _SETTERS.isdisjoint(names):
            found.patches.update(chains(code))
        inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
        found.makes = found.makes or any(c.co_name not in _AT_ONCE for c in inner)
        pending += inner
    return found


def _name_index(kind: str, arg: int) -> int:
    """Position in co_names: some instructions keep flags in the lowest bits of their argument."""
    return arg >> _FLAG_BITS.get(kind, 0)


def _flag_bits() -> dict[str, int]:
    """Measured on this interpreter rather than listed by version."""
    source = "def f():\n    a0; a1; a2\n    a1.b0; a2.b1; a1.b2()\n    import c0, c1\n"
    probe = compile(source, "<probe>", "exec").co_consts[0]
    bits: dict[str, int] = {}
    for instruction in dis.get_instructions(probe):
        if instruction.opname in _LOADS | _ATTRIBUTES | {"IMPORT_NAME"} and instruction.arg:
            index = probe.co_names.index(str(instruction.argval))
            for shift in (0, 1, 2):
                if instruction.arg >> shift == index:
                    bits[instruction.opname] = max(bits.get(instruction.opname, 0), shift)
    bits.setdefault("LOAD_SUPER_ATTR", 2)
    return bits


_FLAG_BITS = _flag_bits()


def _unseeded_calls(code: types.CodeType) -> Iterator[str]:
    """Constructors of random generators that the code calls without an argument."""
    waiting: str | None = None
    for name, value, argument in steps(code):
        if name in _LOADS | _ATTRIBUTES or name.startswith(("LOAD_FAST", "LOAD_DEREF")):
            waiting = value if value in _UNSEEDED else None
        elif waiting is not None and name.startswith("CALL") and name != "CALL_INTRINSIC_1":
            if argument == 0:
                yield waiting
            waiting = None
        elif name not in ("PUSH_NULL", "PRECALL", "CACHE", "KW_NAMES", "EXTENDED_ARG", "NOP"):
            waiting = None


@dataclass
class Statement:
    """One top-level statement of a cell: its accesses, and the names that it surely assigns before they are read."""

    accesses: Accesses
    assigns: set[str]
    node: ast.stmt


def of_source(source: str, filename: str = "<cell>") -> list[Statement]:
    """Analyse transformed cell source (no magics left). Raises SyntaxError as compiling does."""
    tree = ast.parse(source, filename)
    future = 0
    statements = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            continue
        module = ast.Module([node], [])
        try:
            code = compile(module, filename, "exec", future | _TOP_LEVEL_AWAIT, dont_inherit=True)
        except (SyntaxError, ValueError):
            continue
        accesses = Accesses()
        accesses.add(of_code(code))
        accesses.awaits = bool(code.co_flags & 0x80 or code.co_flags & 0x200)  # CO_COROUTINE, CO_ASYNC_GENERATOR
        statements.append(Statement(accesses, _sure_assignments(node), node))
    return statements


def _sure_assignments(node: ast.stmt) -> set[str]:
    """Names that the statement binds whenever it completes, whatever they were before."""
    if isinstance(node, ast.Assign):
        return set(_targets(node.targets))
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return set(_targets([node.target]))
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(a.asname or a.name).split(".")[0] for a in node.names if a.name != "*"}
    return set()


def _targets(targets: Iterable[ast.expr]) -> Iterator[str]:
    for target in targets:
        if isinstance(target, ast.Name):
            yield target.id
        elif isinstance(target, (ast.Tuple, ast.List)):
            yield from _targets(target.elts)
        elif isinstance(target, ast.Starred):
            yield from _targets([target.value])

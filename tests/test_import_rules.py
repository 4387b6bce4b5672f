"""The house's rule that imports point one way, as docs/architecture.md draws it, held against the source."""

from __future__ import annotations

import ast
import fnmatch
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "elastic_spawner"
ROOT = PACKAGE.name

# The side of checkpoint that turns bytes into objects, besides all that imports a pickler. Only the user's own kernel
# may come near it.
UNPICKLING = ("checkpoint.serialise*", "checkpoint.fingerprint*", "checkpoint.save", "checkpoint.restore")
PICKLERS = {"pickle", "cloudpickle", "dill", "shelve", "marshal", "joblib"}

# part -> the parts of ours that it may import
MAY_IMPORT = {
    "errors": set(),
    "lib": set(),
    "history": {"errors"},
    "objects": {"errors"},
    "tracking": {"errors", "history", "objects"},
    "planning": {"errors", "history"},
    "stores": {"errors"},
    "checkpoint": {"errors", "history", "objects", "planning", "stores"},
    "kernel": {"errors", "history", "objects", "tracking", "planning", "checkpoint", "stores"},
    "agent": {"errors", "lib", "checkpoint", "stores"},
    "migration": {"errors"},
    "hub": {"errors", "lib", "checkpoint", "migration", "stores"},
    "cli": {"errors", "checkpoint", "demo", "hub", "stores"},
    "demo": {"errors", "testing"},
    "testing": {"errors", "hub"},
}
# parts that must also stay away from the unpickling side of checkpoint, which they may otherwise use
NEVER_UNPICKLE = {"agent", "hub", "cli", "demo", "testing"}


def modules() -> Iterator[tuple[str, Path]]:
    """(dotted name inside the package, file) of every module of ours."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if "etc" in parts:  # a Jupyter configuration file, which is executed rather than imported
            continue
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def ours(module: str, path: Path) -> set[str]:
    """The modules of ours that a file imports anywhere, at its top or inside a function, without the root's name."""
    package = f"{ROOT}.{module}".rstrip(".").split(".")
    if path.name != "__init__.py":
        package.pop()
    found = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            names = [".".join([*base, alias.name]) for alias in node.names]
        else:
            continue
        for name in names:
            if name == ROOT or not name.startswith(f"{ROOT}."):
                continue
            inside = name.removeprefix(f"{ROOT}.")
            while inside and inside not in MODULES:  # `from .model import Cell` names a class: its module counts
                inside = inside.rpartition(".")[0]
            if inside:
                found.add(inside)
    return found


def part(module: str) -> str:
    return module.partition(".")[0]


def foreign(path: Path) -> set[str]:
    """The top-level names of what a file imports that is not ours, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return found - {ROOT}


def unpickles(module: str) -> bool:
    return any(fnmatch.fnmatchcase(module, pattern) for pattern in UNPICKLING) or bool(
        part(module) == "checkpoint" and foreign(MODULES[module]) & PICKLERS
    )


@pytest.mark.parametrize("module", [m for m in MODULES if m and part(m) != "__main__"])
def test_a_module_imports_only_what_its_part_may(module: str) -> None:
    """Each part imports only the parts below it, at its top and inside its functions."""
    assert part(module) in MAY_IMPORT, f"{part(module)} is a new part: say in MAY_IMPORT what it may import"
    allowed = MAY_IMPORT[part(module)] | {part(module)}
    imported = ours(module, MODULES[module])
    assert {m for m in imported if part(m) not in allowed} == set()
    if part(module) in NEVER_UNPICKLE:
        assert {m for m in imported if unpickles(m)} == set()
        assert foreign(MODULES[module]) & PICKLERS == set()


@pytest.mark.parametrize("part_name", ["history", "migration"])
def test_pure_parts_use_the_standard_library_only(part_name: str) -> None:
    """What is pure data or pure logic needs nothing that would have to be installed."""
    for module, path in MODULES.items():
        if part(module) == part_name:
            assert foreign(path) <= sys.stdlib_module_names, module


def loaded_after(statement: str) -> set[str]:
    """The names in ``sys.modules`` that a fresh interpreter has after a statement and did not have before."""
    code = f"import sys; before = set(sys.modules); {statement}; print('\\n'.join(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("name", ["hub", "hub.local", "hub.service", "agent", "migration", "cli"])
def test_the_hub_and_the_agent_load_nothing_that_unpickles(name: str) -> None:
    """Not by a detour either: what they import may not drag in the kernel part, tracking or a pickler."""
    loaded = loaded_after(f"import {ROOT}.{name}")
    inside = {m.removeprefix(f"{ROOT}.") for m in loaded if m.startswith(f"{ROOT}.")}
    assert {m for m in inside if m in MODULES and unpickles(m) or part(m) in {"kernel", "tracking", "objects"}} == set()
    assert loaded & {"dill", "cloudpickle"} == set()


def test_the_kernel_part_loads_no_third_party_package_at_once() -> None:
    """Loading the extension into a user's kernel costs nothing but ours: IPython and traitlets are there already."""
    statement = (
        "import IPython.core.interactiveshell, ipykernel.zmqshell; before = set(sys.modules); "
        f"import {ROOT}.kernel; from {ROOT} import load_ipython_extension"
    )
    foreign = {m.partition(".")[0] for m in loaded_after(statement)} - sys.stdlib_module_names - {ROOT}
    assert {m for m in foreign if not m.startswith("_")} == set()

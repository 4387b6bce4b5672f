"""Small sessions that must survive: cells, and what must be true after a save, a SIGKILL and a restore.

A probe is one expression over the restored session; probes run in order and may change state. ``capture`` evaluates an
expression in the original session just before the save; ``$name$`` in a probe stands for the repr of its value.
``order`` is the order in which cells run (indices), ``raises`` and ``interrupt`` name the cells that end in an error on
purpose or by SIGINT, ``stdin`` answers input(), ``meanwhile`` is Python code run in the session's folder between the
kill and the restore. ``may_lose`` names what cannot be kept: it must then be reported as lost, never be wrong.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field


@dataclass
class Case:
    """One session."""

    id: str
    cells: list[str]
    probes: list[str]
    needs: tuple[str, ...] = ()
    capture: dict[str, str] = field(default_factory=dict)
    order: list[int] | None = None
    raises: tuple[int, ...] = ()
    interrupt: tuple[int, ...] = ()
    stdin: str | None = None
    meanwhile: str = ""
    again: tuple[str, ...] = ()
    """Cells run after the restore; then the session is saved, killed and restored a second time."""
    may_lose: tuple[str, ...] = ()
    since: tuple[int, int] = (3, 10)
    """The first Python version on which its cells run."""

    def schedule(self) -> list[int]:
        """Indices of the cells in the order they run."""
        return list(range(len(self.cells))) if self.order is None else list(self.order)


_cases: list[Case] = []


def case(id: str, cells: list[str], probes: list[str], needs: str = "", **options: object) -> None:
    """Register a case (called by the modules of this package)."""
    cells = [c.strip("\n") for c in cells]
    _cases.append(Case(id, cells, probes, tuple(needs.split()), **options))  # type: ignore[arg-type]


def load() -> list[Case]:
    """All cases. Raises ValueError when two have the same id."""
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}")
    ids = [c.id for c in _cases]
    double = {i for i in ids if ids.count(i) > 1}
    if double:
        raise ValueError(f"case ids used twice: {sorted(double)}")
    return list(_cases)

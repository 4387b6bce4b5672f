"""What a restore asks of whoever has the shell, and how long a cell that is run again may take."""

from __future__ import annotations

from collections.abc import Set
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ..history import CellExecution

TOO_LONG = "took too long"
"""In place of the name of an exception's type."""
RERUN_LEAST_S = 60.0
RERUN_TIMES = 10.0


def rerun_limit(cell: CellExecution) -> float:
    """Seconds after which a cell that is run again is given up.

    It may wait for something that there was then: the kernel is not to be kept from its user for ever. Another machine
    may be slower, so it is many times as long as the cell took.
    """
    return max(RERUN_LEAST_S, RERUN_TIMES * cell.seconds)


class Stage(Protocol):
    """The kernel's side of a restore: where cells run and hidden state lives."""

    namespace: dict[str, Any]

    def run(self, cell: CellExecution, limit_s: float) -> str | None:
        """Run a cell again, its output caught; returns the name of the exception type it raised.

        `TOO_LONG`: it had not ended after ``limit_s`` seconds, and was interrupted.
        """

    def set_hidden(self, kind: str, text: str) -> None:
        """Put one kind of hidden state back; raises what the library raises."""

    def prepare(self, extras: dict[str, Any]) -> list[str]:
        """Before anything is loaded; returns notes for the report."""

    def set_attribute(self, name: str, value: Any) -> None:
        """Set ``module.attribute``, or a part of the shell."""

    def registering_nothing(self, but: Set[str]) -> AbstractContextManager[None]:
        """What cells register meanwhile goes again, except in these parts of the shell and the process."""

    def file_changed(self, file: Any) -> bool:
        """Whether a file that a cell read is another one now."""

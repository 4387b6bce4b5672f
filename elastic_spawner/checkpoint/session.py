"""What a save is given: the session's history, its values, and what hangs together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..history import History
from ..objects.walk import Walk


@dataclass
class SessionView:
    """A session at one moment. The values are the live ones; nothing may run in between."""

    history: History
    namespace: dict[str, Any]
    """The live namespace (functions of the session have it as their globals)."""
    values: Mapping[str, Any]
    """The user's variables, and what else is to be carried over under names of its own (``module.attribute``)."""
    walks: Mapping[str, Walk]
    """The full walk of each value that could be walked."""
    groups: list[set[str]]
    """The names of ``values`` by what shares objects or memory."""
    neighbours: Callable[[str], set[str]]
    versions: Mapping[str, int] = field(default_factory=dict)
    """For each name a number that is another one whenever its content may be, or, in a group of several names, what it
    shares with them. A name that is not in it counts as changed. A group of the same names at the same versions is what
    it was."""
    restless: bool = False
    """Threads of the session run beside us: a value may be another one when it is serialised than when it was walked.
    There are no ``versions`` then."""
    hidden: Mapping[str, str] = field(default_factory=dict)
    """Hidden state by kind, encoded as text."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """More of the session as plain JSON (input history, magics, ...)."""
    files_changed: Callable[[Any], bool] = lambda _file: False
    """Whether a file that a cell read is another one now."""
    made_by: Mapping[str, int] = field(default_factory=dict)
    """The ``n`` of the ``In [n]`` of values that are no variables, and so not in the history."""

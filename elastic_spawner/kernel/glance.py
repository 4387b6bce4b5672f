"""The session as far as it is known without looking again: for what is found out between cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..tracking.tracker import Tracker
from .shell import ShellStage

if TYPE_CHECKING:
    from ..checkpoint.session import SessionView


def glance(stage: ShellStage, tracker: Tracker) -> SessionView:
    """The variables with the walks that were made of them, however long ago. Only those that no cell can have touched
    since they were seen in full have ``versions``."""
    from ..checkpoint.session import SessionView

    namespace = stage.namespace
    values = {n: namespace[n] for n in tracker.states if n in namespace}
    groups = tracker.links.components(values)
    return SessionView(
        history=tracker.history,
        namespace=namespace,
        values=values,
        walks={n: s.walk for n, s in tracker.states.items() if s.walk is not None and n in values},
        groups=groups,
        versions=tracker.values.versions(groups, values.keys()),
        neighbours=tracker.links.neighbours,
        files_changed=stage.file_changed,
    )

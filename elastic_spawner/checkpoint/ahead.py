"""Part of a save's work done before it, while no cell runs: small components are serialised and loaded on trial, so
that a save need not, and what cannot be stored is known when the user can still act.
"""

from __future__ import annotations

import time

from .cache import Cache
from .components import Serialiser
from .session import SessionView

_SLICE_NODES = 2000
"""Objects that are serialised between two looks at the clock."""


def prepare_next(view: SessionView, cache: Cache, budget_s: float) -> bool:
    """Go on with what is not known yet, for about ``budget_s`` seconds; returns whether more is left.

    Nothing is written, and nothing is kept but the findings. What is large is left to the save. Trials fork: a slice
    with one takes as long as the trial does.
    """
    ends = time.perf_counter() + budget_s
    serialiser = Serialiser(view, cache)
    batch: list[tuple[str, ...]] = []
    nodes = 0
    for group in view.groups:
        names = tuple(sorted(n for n in group if n in view.walks))
        if not names or not serialiser.is_worth_trying(names):
            continue
        batch.append(names)
        nodes += sum(view.walks[n].nodes for n in names)
        if nodes >= _SLICE_NODES:
            serialiser.probe(batch)
            batch, nodes = [], 0
            if time.perf_counter() > ends:
                return True
    if batch:
        serialiser.probe(batch)
    return False

"""Part of a save's work done before it, while no cell runs: what is not large is serialised and loaded on trial, so
that a save need not, and what cannot be stored is known when the user can still act.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from .cache import Cache, Key, Known
from .components import Serialiser
from .session import SessionView

_RESIDENT = 512 << 20
"""Bytes of memory of a process that can be forked between cells: each page takes time then, and once more when the
session writes to it next."""


def steps(view: SessionView, cache: Cache) -> Iterator[None]:
    """Find out what is not known yet, in steps of a few milliseconds. Nothing is written, and nothing is kept but the
    findings. What is large is left to the save; nothing is done where forking would take long.

    After the first step nothing is held of the session's values, but a child of this process may be there until it is
    closed.
    """
    if _resident() > _RESIDENT:
        return
    groups = [tuple(sorted(n for n in group if n in view.walks)) for group in view.groups]
    keys, answers = Serialiser(view, cache).ahead(g for g in groups if g)
    del view
    left = dict(keys)
    with closing(answers):
        for answer in answers:
            if answer is not None:
                names = list(keys)[answer[0]]
                _learn(names, left.pop(names), answer[1].get("answer") or {}, cache)
            yield
    cache.hung.update(list(left.values())[:1])


def _learn(names: tuple[str, ...], key: Key, found: dict[str, Any], cache: Cache) -> None:
    if "refused" in found:
        cache.refuse(names[0], key, found["refused"])
    elif found:
        cache.keep(names, Known(key, found["codec"], found["bytes"], found["loaded"]))
    else:
        cache.hung.add(key)


def _resident() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) << 12
    except (OSError, ValueError, IndexError):
        return 0

"""Serialising the components of a session: which names can be stored, by which codec, and why not.

A component is a group of names that share objects or memory. It is stored as one stream, or the sharing is lost. When
some of its names cannot be stored, the rest is: what they shared with the others can no longer be observed once those
are recomputed from what is stored, or lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..objects.walk import Walk
from . import pickling, trial
from .reduce_live import Unsavable

PROBED = 4 << 20
"""Components up to this size in bytes are serialised before planning; larger ones when the plan wants them stored."""


@dataclass
class Component:
    """Names that are stored together."""

    names: tuple[str, ...]
    payload: pickling.Payload | None = None
    """None for a large component that was not serialised yet."""
    loaded_digests: dict[str, str] = field(default_factory=dict)
    """Digests of names that a library loads with another inner state than it saved."""


@dataclass
class Probe:
    """What is known about storing the session's names."""

    components: list[Component] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """Names that cannot be stored, and why."""


class Serialiser:
    """Serialises ``values`` of a session with this live ``namespace``; ``walks`` are the full walks of all names."""

    def __init__(self, namespace: dict[str, Any], values: Mapping[str, Any], walks: Mapping[str, Walk]) -> None:
        self.namespace = namespace
        self.values = values
        self.walks = walks

    def probe(self, groups: Iterable[Iterable[str]]) -> Probe:
        """Find out what can be stored of each group of linked names."""
        found = Probe()
        waiting: list[tuple[tuple[str, ...], int]] = []
        for group in groups:
            names = tuple(sorted(group))
            size = sum(self.walks[n].bytes for n in names)
            if size > PROBED and not any(self.walks[n].opaque or self.walks[n].custom for n in names):
                found.components.append(Component(names))
            else:
                waiting.append((names, 0))
        while waiting:
            waiting = self._round(waiting, found)
        return found

    def complete(self, component: Component) -> str | None:
        """Serialise a component that was put off; returns why it cannot be, or None."""
        probe = Probe()
        waiting = [(component.names, 0)]
        while waiting:
            waiting = self._round(waiting, probe)
        if probe.refused:
            return next(iter(probe.refused.values()))
        component.payload = probe.components[0].payload
        component.loaded_digests = probe.components[0].loaded_digests
        return None

    def _round(self, waiting: list[tuple[tuple[str, ...], int]], found: Probe) -> list[tuple[tuple[str, ...], int]]:
        """Try each group from its rung of the ladder on; returns those that have to go on from a later rung."""
        dumped: list[tuple[tuple[str, ...], int, pickling.Payload]] = []
        again: list[tuple[tuple[str, ...], int]] = []
        for names, rung in waiting:
            payload, rung, reason = self._dump(names, rung)
            if payload is not None:
                dumped.append((names, rung, payload))
            elif len(names) == 1:
                found.refused[names[0]] = reason
            else:
                again += self._split(names, found)
        risky = [payload for names, _, payload in dumped if self._is_risky(names, payload)]
        verdicts = dict(zip(map(id, risky), trial.try_loading(risky, self.namespace)))
        for names, rung, payload in dumped:
            verdict = verdicts.get(id(payload))
            component = Component(names, payload)
            problem = self._judge(component, verdict)
            if problem is None:
                found.components.append(component)
            elif rung + 1 < len(pickling.CODECS):
                again.append((names, rung + 1))
            elif len(names) == 1:
                found.refused[names[0]] = problem
            else:
                again += self._split(names, found, tried=True)
        return again

    def _is_risky(self, names: tuple[str, ...], payload: pickling.Payload) -> bool:
        """Whether to try loading it: a large one only when something in it is out of the ordinary."""
        return (
            payload.bytes <= PROBED
            or payload.codec != "pickle"
            or any(self.walks[n].opaque or self.walks[n].custom for n in names)
        )

    def _dump(self, names: tuple[str, ...], rung: int) -> tuple[pickling.Payload | None, int, str]:
        reason = ""
        values = {n: self.values[n] for n in names}
        walks = [self.walks[n] for n in names]
        for position in range(rung, len(pickling.CODECS)):
            try:
                return pickling.dump(values, walks, self.namespace, pickling.CODECS[position]), position, ""
            except RecursionError:
                return None, position, "it is nested too deeply to be serialised"
            except Unsavable as e:
                return None, position, str(e)
            except Exception as e:
                reason = reason or f"it cannot be serialised ({type(e).__name__}: {e})"[:200]
        return None, len(pickling.CODECS), reason

    def _split(self, names: tuple[str, ...], found: Probe, tried: bool = False) -> list[tuple[tuple[str, ...], int]]:
        """Take out the names that cannot be stored by themselves; the rest stays together."""
        good: list[tuple[str, str]] = []
        bad: list[tuple[str, str]] = []
        for name in names:
            payload, _, reason = self._dump((name,), 0)
            if payload is not None and tried:
                verdict = trial.try_loading([payload], self.namespace)[0]
                reason = self._judge(Component((name,), payload), verdict) or ""
                payload = None if reason else payload
            (good if payload is not None else bad).append((name, reason))
        if not bad:  # each alone works and all together do not: store none of them rather than break their links
            bad, good = [(n, "it cannot be stored together with what it shares") for n, _ in good], []
        found.refused.update(bad)
        return [(tuple(n for n, _ in good), 0)] if good else []

    def _judge(self, component: Component, verdict: trial.Verdict | None) -> str | None:
        """Whether what was loaded on trial is what was saved; returns the problem."""
        if verdict is None:
            return None
        if verdict.error is not None:
            return f"it cannot be loaded again ({verdict.error})"[:200]
        for name in component.names:
            walk, loaded = self.walks[name], verdict.digests.get(name)
            if loaded == walk.digest or walk.uncertain:
                continue
            if component.payload is not None and (component.payload.codec != "pickle" or walk.custom):
                return "loading it does not bring back what was saved"
            # a library's own class that drops caches when it is pickled: what it loads is what it vouches for
            component.loaded_digests[name] = loaded or ""
        return None

"""Serialising the components of a session: which names can be stored, by which codec, and why not.

A component is a group of names that share objects or memory. It is stored as one stream, or the sharing is lost. When
some of its names cannot be stored, the rest is: what they shared with the others can no longer be observed once those
are recomputed from what is stored, or lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..errors import GaveWay, StoreError
from ..objects.handlers import label
from ..objects.retry import while_it_changes
from . import pickling, trial
from .cache import Cache, Key, Known, key_of
from .reduce_live import Unsavable
from .session import SessionView
from .streams import Late

PROBED = 4 << 20
"""Components up to this size in bytes are serialised before planning; larger ones when the plan wants them stored."""
_AS_THEY_WERE = frozenset({"builtins", "numpy"})
"""What is of these modules, without code, need not be loaded on trial as a rule (see `pickling.Payload.plain`)."""
HELD = 16 << 20
"""So many bytes of streams are held between planning and writing; what is more is serialised again."""


@dataclass
class Component:
    """Names that are stored together."""

    names: tuple[str, ...]
    payload: pickling.Payload | None = None
    """None for one that was not serialised yet, or is not held."""
    loaded_digests: dict[str, str] = field(default_factory=dict)
    """Digests of names that a library loads with another inner state than it saved."""
    key: Key | None = None
    known: Known | None = None
    """What is known of it, by this save or one before."""

    def learn(self, payload: pickling.Payload) -> None:
        """Take down what serialising it has shown."""
        self.known = Known(self.key, payload.codec, payload.bytes, self.loaded_digests)


@dataclass
class Probe:
    """What is known about storing the session's names."""

    components: list[Component] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """Names that cannot be stored, and why."""


class Serialiser:
    """Serialises the values of a session; what ``cache`` knows of them is not done again."""

    def __init__(self, view: SessionView, cache: Cache | None = None) -> None:
        self.view, self.cache = view, Cache() if cache is None else cache
        self.namespace, self.values, self.walks = view.namespace, view.values, view.walks
        self._held = 0  # bytes

    def probe(self, groups: Iterable[Iterable[str]], gives_way: Callable[[], bool] | None = None) -> Probe:
        """Find out what can be stored of each group of linked names. Raises GaveWay when ``gives_way`` says so."""
        found = Probe()
        waiting: list[tuple[tuple[str, ...], int]] = []
        for group in groups:
            names = tuple(sorted(group))
            component = self.component(names)
            reason = self.cache.why_refused(names[0], component.key) if len(names) == 1 else None
            if reason is not None:
                found.refused[names[0]] = reason
            elif component.known is not None or self._is_put_off(names):
                found.components.append(component)
            else:
                waiting.append((names, 0))
        while waiting:
            if gives_way is not None and gives_way():
                raise GaveWay
            batch = self._batch(waiting)
            settled = len(found.components)
            waiting = waiting[len(batch) :] + self._round(batch, found)
            for component in found.components[settled:]:
                if component.payload is not None:
                    self._held += len(component.payload.stream)
                    if self._held > HELD:
                        component.payload = None
        return found

    def _batch(self, waiting: list[tuple[tuple[str, ...], int]]) -> list[tuple[tuple[str, ...], int]]:
        """As many of the groups as can be serialised without holding too much at a time."""
        total = 0
        for i, (names, _) in enumerate(waiting):
            total += sum(self.walks[n].bytes for n in names)
            if total > HELD and i:
                return waiting[:i]
        return waiting

    def component(self, names: tuple[str, ...]) -> Component:
        """The component of these names, with what is known of it."""
        key = key_of(self.view, names)
        known = self.cache.find(names, key)
        return Component(names, None, dict(known.loaded_digests) if known is not None else {}, key, known)

    def ahead(self, groups: Iterable[tuple[str, ...]]) -> tuple[dict[tuple[str, ...], Key], trial.Answers]:
        """Have a forked child find out what `probe` would of these groups, as far as it will still hold then.

        Returns the keys of those that it looks at, and its answers in their order: ``{}``, ``{"refused": why}``, or
        what is `Known` then. Once it was asked, nothing is held of the session's values.
        """
        waiting = {names: key for names in groups if (key := self._worth_trying(names)) is not None}
        order = list(waiting)
        sizes = [sum(self.walks[n].bytes for n in names) for names in order]
        return waiting, trial.asking(sizes, lambda i: self._alone(order[i]))

    def _alone(self, names: tuple[str, ...]) -> dict[str, Any]:
        """In the child: by which codec the group can be stored, or why it cannot, if that is all there is to it."""
        rung, reason = 0, ""
        while rung < len(pickling.CODECS):
            payload, rung, reason = self._dump(names, rung)
            if payload is None:
                break
            verdict = None
            if self._is_risky(names, payload):
                try:
                    verdict = trial.Verdict(None, **trial.loaded(payload, self.namespace))
                except Exception as e:
                    verdict = trial.Verdict(f"{type(e).__name__}: {e}"[:300])
            component = Component(names, payload)
            reason = self._judge(component, verdict) or ""
            if not reason:
                return {"codec": payload.codec, "bytes": payload.bytes, "loaded": component.loaded_digests}
            rung += 1
        return {"refused": reason} if len(names) == 1 else {}

    def _worth_trying(self, names: tuple[str, ...]) -> Key | None:
        """The key of names of which something is to be found out before they are stored."""
        if all(self.walks[n].modules <= _AS_THEY_WERE and not self.walks[n].compiled for n in names):
            return None
        component = self.component(names)
        if component.known is not None or self._is_put_off(names) or component.key in self.cache.hung:
            return None
        if len(names) == 1 and self.cache.why_refused(names[0], component.key) is not None:
            return None
        return component.key

    def _is_put_off(self, names: tuple[str, ...]) -> bool:
        size = sum(self.walks[n].bytes for n in names)
        return size > PROBED and not any(self.walks[n].opaque or self.walks[n].custom for n in names)

    def complete(self, component: Component, sink: pickling.Sink | None = None) -> str | None:
        """Serialise a component whose payload is not there; returns why it cannot be, or None.

        The stream goes to the ``sink``, if there is one and the component need not be tried first.
        """
        if sink is not None:
            codec = component.known.codec if component.known is not None else pickling.CODECS[0]
            values = {n: self.values[n] for n in component.names}
            walks, still = [self.walks[n] for n in component.names], not self.view.restless
            if component.known is not None or self._is_put_off(component.names):
                try:
                    component.payload = pickling.dump(values, walks, self.namespace, codec, sink, still)
                    if self.view.restless:
                        self._leave_uncompared(component)
                    return None
                except (StoreError, Late):
                    raise
                except Exception:
                    sink.restart()
        probe = Probe()
        waiting = [(component.names, 0)]
        while waiting:
            waiting = self._round(waiting, probe)
        if probe.refused:
            return next(iter(probe.refused.values()))
        component.payload, component.known = probe.components[0].payload, probe.components[0].known
        component.loaded_digests = probe.components[0].loaded_digests
        return None

    def refusal(self, name: str) -> str | None:
        """Why the name by itself cannot be serialised in any way, or None; whether it would load is not tried."""
        payload, _, reason = self._dump((name,), 0)
        return None if payload is not None else reason

    def _round(self, waiting: list[tuple[tuple[str, ...], int]], found: Probe) -> list[tuple[tuple[str, ...], int]]:
        """Try each group from its rung of the ladder on; returns those that have to go on from a later rung."""
        dumped: list[tuple[tuple[str, ...], int, pickling.Payload]] = []
        again: list[tuple[tuple[str, ...], int]] = []
        for names, rung in waiting:
            payload, rung, reason = self._dump(names, rung)
            if payload is not None:
                dumped.append((names, rung, payload))
            elif len(names) == 1:
                self._refuse(names[0], reason, found)
            else:
                again += self._split(names, found)
        risky = [payload for names, _, payload in dumped if self._is_risky(names, payload)]
        verdicts = dict(zip(map(id, risky), trial.try_loading(risky, self.namespace)))
        for names, rung, payload in dumped:
            component = Component(names, payload, key=key_of(self.view, names))
            problem = self._judge(component, verdicts.get(id(payload)))
            if problem is None:
                component.learn(payload)
                if component.known is not None and component.key is not None:
                    self.cache.keep(names, component.known)
                found.components.append(component)
            elif rung + 1 < len(pickling.CODECS):
                again.append((names, rung + 1))
            elif len(names) == 1:
                self._refuse(names[0], problem, found)
            else:
                again += self._split(names, found, tried=True)
        return again

    def _refuse(self, name: str, reason: str, found: Probe) -> None:
        found.refused[name] = reason
        self.cache.refuse(name, key_of(self.view, (name,)), reason)

    def _is_risky(self, names: tuple[str, ...], payload: pickling.Payload) -> bool:
        """Whether to try loading it: a large one only when something in it is out of the ordinary.

        What changes under us is tried to learn what was caught of it.
        """
        return (self.view.restless or not payload.plain) and (
            payload.bytes <= PROBED
            or payload.codec != "pickle"
            or any(self.walks[n].opaque or self.walks[n].custom for n in names)
        )

    def _dump(self, names: tuple[str, ...], rung: int) -> tuple[pickling.Payload | None, int, str]:
        reason = ""
        values = {n: self.values[n] for n in names}
        walks, still = [self.walks[n] for n in names], not self.view.restless
        for position in range(rung, len(pickling.CODECS)):
            try:
                codec = pickling.CODECS[position]
                dumped = while_it_changes(
                    lambda: pickling.dump(values, walks, self.namespace, codec, None, still)  # noqa: B023
                )
                return dumped, position, ""
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
            if self.view.restless:
                self._leave_uncompared(component)
            return None
        if verdict.error is not None:
            return f"it cannot be loaded again ({verdict.error})"[:200]
        for name in component.names:
            walk, loaded = self.walks[name], verdict.digests.get(name)
            if loaded == walk.digest or walk.uncertain:
                continue
            if verdict.types.get(name) != label(type(self.values[name])):
                return "loading it does not bring back what was saved"
            if component.payload is not None and (component.payload.codec != "pickle" or walk.custom):
                return "loading it does not bring back what was saved"
            # a library's own class that drops caches when it is pickled: what it loads is what it vouches for
            component.loaded_digests[name] = loaded or ""
        return None

    def _leave_uncompared(self, component: Component) -> None:
        """What was walked need not be what was serialised, so a restore has nothing to compare it with."""
        component.loaded_digests = dict.fromkeys(component.names, "")

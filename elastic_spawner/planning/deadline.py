"""Plans that can be stored in time.

The plans for growing alpha are nested: each stores less than the one before and takes longer to restore. The one with
the least restore time that fits is found as Dinkelbach's method finds it, by the alpha at which two known plans cost
the same: the cut there either gives a plan between the two or shows that there is none. Only plans on the convex hull
are found in this way, so what time is left over is then filled greedily.
"""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction

from .mincut import cheapest
from .network import NANOSECONDS, Network


def within(network: Network, alpha: Fraction, deadline_s: float) -> frozenset[int]:
    """The nodes to recompute so that storing the others takes at most ``deadline_s`` seconds.

    The plan for ``alpha`` if it fits, else the one for a larger alpha that restores fastest. When nothing fits, because
    more can only be stored than there is time for, the one that takes the least time to store.
    """
    if deadline_s == float("inf"):
        return cheapest(network, alpha)
    room = int(deadline_s * NANOSECONDS) - network.store
    wanted = rich = cheapest(network, alpha)
    if _store(network, rich) <= room:
        return rich
    # Above the sum of all else, alpha makes the time to store count first and the time to restore break ties.
    poor = cheapest(network, Fraction(1 + sum(node.load + node.rerun for node in network.nodes)))
    if _store(network, poor) > room:
        return poor
    while True:
        saved = _store(network, rich) - _store(network, poor)
        alpha = Fraction(_restore(network, poor) - _restore(network, rich), saved)
        between = cheapest(network, alpha, rich, poor)
        if between in (rich, poor) or _on_line(network, rich, between, poor):
            return _fill(network, poor, wanted, room)
        if _store(network, between) <= room:
            poor = between
        else:
            rich = between


def _store(network: Network, chosen: Collection[int]) -> int:
    return sum(node.store for i, node in enumerate(network.nodes) if i not in chosen)


def _restore(network: Network, chosen: Collection[int]) -> int:
    return sum(node.rerun if i in chosen else node.load for i, node in enumerate(network.nodes))


def _on_line(network: Network, one: Collection[int], between: Collection[int], other: Collection[int]) -> bool:
    run, rise = _store(network, other) - _store(network, one), _restore(network, other) - _restore(network, one)
    step = _store(network, between) - _store(network, one)
    return (_restore(network, between) - _restore(network, one)) * run == rise * step


def _fill(network: Network, chosen: frozenset[int], wanted: frozenset[int], room: int) -> frozenset[int]:
    """Store more of what would be stored without a deadline, best saving per second first, as far as there is room."""
    nodes = network.nodes
    users: list[list[int]] = [[] for _ in nodes]
    for i, node in enumerate(nodes):
        for need in node.needs:
            users[need].append(i)
    recomputed = set(chosen)
    room -= _store(network, chosen)

    def offer(start: int) -> tuple[set[int], int, int]:
        """What need not be recomputed when ``start`` is stored, the time to store it, what restoring saves."""
        dropped = {start}
        todo = [start]
        while todo:  # storing a node requires storing those that are recomputed from it
            for user in users[todo.pop()]:
                if user in recomputed and user not in dropped:
                    dropped.add(user)
                    todo.append(user)
        todo = list(dropped)
        while todo:  # cells that nothing else needs are not run
            for need in nodes[todo.pop()].needs:
                if need in recomputed and need not in dropped and not nodes[need].names:
                    if all(user in dropped or user not in recomputed for user in users[need]):
                        dropped.add(need)
                        todo.append(need)
        return dropped, sum(nodes[i].store for i in dropped), sum(nodes[i].rerun - nodes[i].load for i in dropped)

    def worth(start: int) -> Fraction:
        _, store, saving = offer(start)
        return Fraction(saving, max(store, 1))

    for start in sorted((i for i in chosen - wanted if nodes[i].names), key=worth, reverse=True):
        if start in recomputed:
            dropped, store, saving = offer(start)
            if saving > 0 and store <= room:
                recomputed -= dropped
                room -= store
    return frozenset(recomputed)

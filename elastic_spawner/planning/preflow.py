"""Most of a maximum flow, found by what is special about the network: no cycles, and edges without limit."""

from __future__ import annotations

from collections.abc import Sequence


class Preflow:
    """Flow from the source into the nodes and on towards the sink.

    A node's *excess* is what has come to it and has not found a way on, its *deficit* what its edge to the sink could
    still take. The edges with room left make a problem with the same minimum cuts as the whole, as in every
    preflow-push algorithm. One sweep down the history brings nearly everything home and leaves a few paths to be found
    one by one.
    """

    def __init__(self, needs: Sequence[set[int]], profits: Sequence[int]) -> None:
        """``needs`` lists for each node the nodes that it needs, all of larger numbers.

        A profit is what the source sends to the node less what the node may send to the sink: the two cancel out.
        """
        self.needs = needs
        self.users: list[list[int]] = [[] for _ in needs]
        for i, wanted in enumerate(needs):
            for need in wanted:
                self.users[need].append(i)
        self.excess = [max(profit, 0) for profit in profits]
        self.deficit = [max(-profit, 0) for profit in profits]
        self.flow: list[dict[int, int]] = [{} for _ in needs]
        """Node -> user of it -> flow that came from that user."""

    def sweep(self) -> None:
        """Send each node's excess on to what it needs, in proportion to what is wanted there. To be called first."""
        share = list(self.deficit)  # of all that a node needs, transitively, the part that falls to each of its users
        for i in range(len(self.needs) - 1, -1, -1):
            share[i] = (share[i] + sum(share[need] for need in self.needs[i])) // max(len(self.users[i]), 1)
        for i, needs in enumerate(self.needs):
            taken = min(self.excess[i], self.deficit[i])
            self.deficit[i] -= taken
            rest = amount = self.excess[i] - taken
            total = sum(share[need] for need in needs)
            if rest and total:
                for need in sorted(needs, key=share.__getitem__):
                    part = min(amount * share[need] // total + 1, rest)  # +1, so that rounding leaves nothing behind
                    if part:
                        self.flow[need][i] = part
                        self.excess[need] += part
                        rest -= part
            self.excess[i] = rest

    def augment(self, rounds: int) -> bool:
        """Send excess to deficits over paths with room left, as many as a breadth-first search finds, ``rounds`` times.

        Returns whether none is left, so that the flow is a maximum one.
        """
        return any(not self._round() for _ in range(rounds))

    def _round(self) -> bool:
        parent = {i: i for i, excess in enumerate(self.excess) if excess}
        queue = list(parent)
        found = False
        for i in queue:  # grows while it is walked
            if self.deficit[i]:
                found |= self._send(i, parent)
            for after in (*self.needs[i], *self.flow[i]):
                if after not in parent:
                    parent[after] = i
                    queue.append(after)
        return found

    def _send(self, end: int, parent: dict[int, int]) -> bool:
        """Send what goes along the path of parents; False when an earlier path of the round left no room on it."""
        steps = []
        to = end
        while (before := parent[to]) != to:
            steps.append((before, to))
            to = before
        amount = min(self.deficit[end], self.excess[to])
        for before, to_ in steps:
            if to_ not in self.needs[before]:
                amount = min(amount, self.flow[before].get(to_, 0))
        if not amount:
            return False
        self.deficit[end] -= amount
        self.excess[to] -= amount
        for before, to_ in steps:
            if to_ in self.needs[before]:
                self.add(before, to_, amount)
            else:
                self.add(to_, before, -amount)
        return True

    def add(self, user: int, need: int, amount: int) -> None:
        """Change the flow from a node to one that it needs."""
        total = self.flow[need].get(user, 0) + amount
        if total:
            self.flow[need][user] = total
        else:
            self.flow[need].pop(user, None)

    def core(self) -> set[int]:
        """The nodes on paths with room left from excess to deficit; empty when the flow is a maximum one."""
        sources: list[list[int]] = [[] for _ in self.needs]
        for i, inflow in enumerate(self.flow):
            for user in inflow:
                sources[user].append(i)
        behind = {i for i, deficit in enumerate(self.deficit) if deficit}
        todo = list(behind)
        while todo:
            i = todo.pop()
            for before in (*self.users[i], *sources[i]):
                if before not in behind:
                    behind.add(before)
                    todo.append(before)
        return behind & self.from_excess()

    def from_excess(self) -> set[int]:
        """The nodes that paths with room left lead to from excess.

        Once the flow is a maximum one they are the smallest source side of a minimum cut.
        """
        found = {i for i, excess in enumerate(self.excess) if excess}
        todo = list(found)
        while todo:
            i = todo.pop()
            for after in (*self.needs[i], *self.flow[i]):
                if after not in found:
                    found.add(after)
                    todo.append(after)
        return found

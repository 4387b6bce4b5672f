"""Checkpoints from before the hub's secret was changed: taken over before anything is brought back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from elastic_spawner.checkpoint.rekey import take_over
from elastic_spawner.checkpoint.repository import Repository
from elastic_spawner.errors import StoreUnavailable

from .threads import Caller

if TYPE_CHECKING:
    from .agent import ElasticAgent

TIMEOUT_S = 3600.0
"""Seconds that it may take: what is encrypted is read and written again, all of it."""


class FormerSecrets:
    """The secrets that one server had before, where the hub has named any."""

    def __init__(self, agent: ElasticAgent) -> None:
        self._agent = agent
        self._in_thread = Caller(1)
        self._taking: asyncio.Future[int] | None = None

    async def take_over(self, timeout_s: float) -> None:
        """Raises StoreError when the store does not answer, or it takes longer: it then goes on, and is to be asked for
        again."""
        if not self._agent.settings.former:
            return
        if self._taking is None or (self._taking.done() and self._taking.exception()):
            taking = self._in_thread(
                lambda: self.take_over_in(self._agent.repository),
                timeout=TIMEOUT_S,
                doing="taking over what a former secret has signed",
            )
            self._taking = asyncio.ensure_future(taking)
        await asyncio.wait([self._taking], timeout=timeout_s)
        if not self._taking.done():
            raise StoreUnavailable("what a former secret of the hub has signed is still being taken over")
        if count := self._taking.result():
            self._agent.log.warning("%d checkpoints and notes of a former secret of the hub were taken over", count)

    def take_over_in(self, repository: Repository) -> int:
        """Take over what is in one repository; return how much that was. Blocks; raises StoreError."""
        return sum(
            take_over(repository, Repository(repository.store, secret)) for secret in self._agent.settings.former
        )

"""What was run since the last checkpoint, kept in the store: who loses it without notice is told, with the source.

One small note for all kernels of the server, signed and sealed as checkpoints are, and written at most every
`ElasticAgent.journal_interval` seconds. It also says how often this start of the server has begun to restore: a
container that was killed for it (out of memory) is started again by Kubernetes in the same pod, for ever.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from elastic_spawner.errors import CheckpointError, ElasticError

from .kernels import Kernel, RanCell
from .report import restore_reports
from .threads import Caller

if TYPE_CHECKING:
    from .agent import ElasticAgent

NOTE = "journal"
SETTLE_S = 1.0
"""Cells that follow one another at once are written together."""
MAX_CHARACTERS = 200_000
"""Of the cells of one kernel; the oldest are left out beyond it."""
MAX_SHOWN = 30
"""How many cells are shown to the user; all are in the report."""
ATTEMPTS = 2
"""How often a start of the server begins to restore before its kernels are left empty."""
LOOK_S = 5.0


class Journal:
    """Follows the kernels' cells from the agent's start to its end."""

    def __init__(self, agent: ElasticAgent) -> None:
        self._agent = agent
        self._wake = asyncio.Event()
        self._in_thread = Caller(1)
        self._written: dict[str, Any] | None = None
        self._complained = ""
        self._before: dict[str, list[RanCell]] = {}
        self._attempts = 0
        self._begun: asyncio.Task[bool] | None = None
        self.announced = True
        """The server did not end without notice before."""

    def count(self, kernel_id: str) -> int:
        """How many cells of a kernel the store's note has."""
        return len((self._written or {}).get("cells", {}).get(kernel_id, ()))

    @property
    def unseen_s(self) -> float:
        """Cells that began so many seconds before the server's last end, or fewer, may not be known."""
        return 0.0 if self.announced else float(self._agent.journal_interval)

    def wake(self) -> None:
        """There is something new."""
        self._wake.set()

    async def run(self) -> None:
        """Write whenever there is something new; runs for ever."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(SETTLE_S)
            self._wake.clear()
            if self._begun is not None and self._begun.done() and not self._agent.roster.stopped:
                await self._write()
            await asyncio.sleep(max(0.0, self._agent.journal_interval - SETTLE_S))

    # -- at the start

    def begin(self, restores: bool) -> None:
        """The server has just been started, and is about to restore kernels, or not."""
        self._begun = asyncio.ensure_future(self._begin(restores))

    async def allows(self, kernel: Kernel) -> bool:
        """Whether the kernel is to be restored; its cells of before are with it from now on."""
        allowed = True
        if self._begun is not None:
            await asyncio.wait([self._begun])
            allowed = self._begun.exception() is not None or self._begun.result()
        kernel.cells[:0] = self._before.pop(kernel.id, [])
        return allowed

    async def _begin(self, restores: bool) -> bool:
        """Read what was written before; never raises."""
        agent = self._agent
        try:
            found = await self._in_thread(
                lambda: agent.repository.read_note(NOTE), timeout=agent.store_timeout, doing="reading the journal"
            )
            self._before = {name: [_cell(c) for c in cells] for name, cells in (found or {}).get("cells", {}).items()}
            boot = (found or {}).get("boot") or {}
            if agent.settings.launch and boot.get("launch") == agent.settings.launch:
                self._attempts = int(boot.get("attempts", 0))
        except (ElasticError, TypeError, KeyError, ValueError, AttributeError) as error:
            agent.log.warning("what was run since the last checkpoint is not known: %s", error)
            if not isinstance(error, CheckpointError | TypeError | KeyError | ValueError | AttributeError):
                return True  # the store will not take a note either
        if not restores:
            return True
        if self._attempts >= ATTEMPTS:
            return False
        self._attempts += 1
        await self._write()
        agent.keep(self._settle())
        return True

    async def _settle(self) -> None:
        """Once all is restored, what comes behind included, this start of the server has not failed."""
        agent = self._agent
        await asyncio.sleep(LOOK_S)  # the kernels are only just being started
        while agent.expected or any(k.restoring or k.pending or k.tracked is None for k in agent.kernels.values()):
            await asyncio.sleep(LOOK_S)
            await restore_reports(agent)
        self._attempts = 0
        self.wake()

    # -- later

    async def _write(self) -> None:
        agent = self._agent
        cells = {kernel.id: kernel.cells for kernel in agent.kernels.values()}
        for kernel_id, before in self._before.items():
            cells[kernel_id] = before + cells.get(kernel_id, [])
        content = {
            "cells": {kernel_id: _newest(ran) for kernel_id, ran in cells.items() if ran},
            "boot": {"launch": agent.settings.launch, "attempts": self._attempts},
        }
        if content == self._written:
            return
        try:
            await self._in_thread(
                lambda: agent.repository.write_note(NOTE, content),
                timeout=agent.store_timeout,
                doing="storing what was run",
            )
            self._written, self._complained = content, ""
        except ElasticError as error:
            self.wake()
            if str(error) != self._complained:
                self._complained = str(error)
                agent.log.warning("what was run could not be stored, will try again: %s", error)


def since(kernel: Kernel, created: float | None) -> list[RanCell]:
    """The cells that were run in the kernel after its checkpoint was made; all, where there is none."""
    return [cell for cell in kernel.cells if created is None or cell.at > created]


def describe(cells: list[RanCell], created: float | None, unseen_s: float = 0.0) -> str:
    """What is said to the user of cells that no checkpoint has, and of an end without notice: of its last ``unseen_s``
    seconds nothing is known."""
    if created is None:
        first = "There was no checkpoint of this kernel yet"
    else:
        moment, ago = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(created)), max(0.0, time.time() - created)
        age = (
            f"{ago:.0f} seconds"
            if ago < 120
            else f"{ago / 60:.0f} minutes"
            if ago < 7200
            else f"{ago / 3600:.0f} hours"
        )
        first = f"The checkpoint is of {moment}, {age} ago"
    unseen = ""
    if unseen_s:
        unseen = f"the server was lost without notice, and a cell that began in its last {unseen_s:.0f} seconds is "
        unseen += "known to nobody here; what it did to variables is gone"
    if not cells:
        return f"{first}; {unseen}."
    many = "one cell was" if len(cells) == 1 else f"{len(cells)} cells were"
    lines = [f"{first}; {many} run after it. What they did to variables is gone, what they did elsewhere is not:"]
    if len(cells) > MAX_SHOWN:
        lines.append(f"    ... {len(cells) - MAX_SHOWN} cells more")
    for cell in cells[-MAX_SHOWN:]:
        number = "In [ ]" if cell.number is None else f"In [{cell.number}]"
        lines.append(f"    {number}:{'' if cell.ended else '  # had not ended'}")
        lines += [f"        {line}" for line in cell.source.splitlines()]
    if unseen:
        lines.append(f"And {unseen}.")
    return "\n".join(lines)


def to_json(cell: RanCell) -> dict[str, Any]:
    return {"cell": cell.number, "source": cell.source, "at": cell.at, "ended": cell.ended}


def _cell(data: dict[str, Any]) -> RanCell:
    return RanCell(data["cell"], str(data["source"]), float(data["at"]), ended=bool(data["ended"]))


def _newest(cells: list[RanCell]) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    room = MAX_CHARACTERS
    for cell in reversed(cells):
        room -= len(cell.source)
        if room < 0:
            break
        kept.append(to_json(cell))
    return kept[::-1]

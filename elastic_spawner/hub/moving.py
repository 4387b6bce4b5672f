"""What a move does to a live spawner, action by action; the order is the state machine's."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any
from urllib.parse import urlparse

from ..errors import MigrationError, SizeError
from ..migration import Action, Running, Save, Size, Start
from . import away
from .agent_client import AgentError
from .checkpoints import arriving, failed_restores, still_coming
from .saving import ElasticSaving
from .sizes import format_size
from .slots import slot

PATIENCE = 5
"""How often an agent that does not answer is asked again, before its server counts as going down."""


class ElasticMoving(ElasticSaving):
    """The part of ElasticSpawnerMixin that the mover drives."""

    # -- hooks for the kind of machine ---------------------------------------------------------------------------------

    async def prepare_start(self) -> None:
        """Do what is to be done before each start."""

    async def running_launch(self) -> str | None:
        """Return which launch runs, or None when none does. Look at the machine itself: a hub that was killed in the
        middle of a start has left nothing about it in the database."""
        return self._launch if await self.really_running() is None else None

    async def check_room(self, size: Size) -> None:
        """Raise SizeError when a server of this size cannot be had, or could not hold what this one holds.

        Extend it where the machine's room can be known beforehand.
        """
        if size.memory is None or (self.size.memory is not None and size.memory >= self.size.memory):
            return
        for kernel in (await self.agent.status()).get("kernels", []):
            needed = kernel.get("bytes") or 0
            if needed > size.memory:
                raise SizeError(
                    f"the kernel of {kernel.get('path') or kernel['id']} holds {needed / 2**20:,.0f} MiB, which "
                    f"{format_size(size)} would not hold: ask for more, or delete some of its variables"
                )

    async def try_resize_in_place(self, size: Size) -> bool:
        """Give the running server another size without a move; return False where that cannot be done."""
        return False

    room_timeout: float = 0.0
    """Seconds that `reserve_room` may take."""

    async def reserve_room(self, size: Size) -> tuple[str, ...]:
        """Keep room for a server of this size until it is started; return notes for the one who asked.

        Called before the server of before is stopped. Raises SizeError, with the reason, when there is no room.
        """
        return ()

    def slot_for(self, action: Action) -> AbstractAsyncContextManager[Any]:
        """What is to be waited for before an action is taken, so that not all servers do the same at once."""
        if isinstance(action, Save):
            return slot("save", self.concurrent_saves)
        return slot("start", self.concurrent_starts) if isinstance(action, Start) else nullcontext()

    # -- the mover's actions -----------------------------------------------------------------------------------------

    async def really_running(self) -> int | None:
        """Like poll(), without the pretence of a move, and forgetting nothing."""
        token = self.api_token
        status: int | None = await super().poll()
        self.api_token = token  # some spawners clear their state when they find that the server has ended
        return status

    async def which_runs(self) -> Running:
        """Find out which server runs after the hub was restarted in the middle of a move."""
        launch = await self.running_launch()
        if launch is None:
            return Running.NONE
        return Running.BEFORE if launch == self._launch_before_move else Running.LAUNCHED

    async def save_for_move(self, action: Save) -> tuple[int, tuple[str, ...]]:
        """Commit a checkpoint for a move; return its generation and kernels."""
        if action.generation is not None and await self._is_going_down(action.unless_fewer_than):
            self.log.info("%s: the server is going down already; its checkpoint is committed", self._log_name)
            return action.generation, action.unless_fewer_than
        report = await self.checkpoint(action.deadline_s, action.on_busy, "resize", action.on_loss)
        return int(report.get("generation") or 0), tuple(kernel["id"] for kernel in report.get("kernels", []))

    async def _is_going_down(self, kernels: tuple[str, ...]) -> bool:
        for _ in range(PATIENCE):
            try:
                status = await self.agent.status()
            except AgentError:
                if await self.really_running() is not None:
                    return True
                await asyncio.sleep(1)  # it may only be slow
            else:
                return not set(kernels) <= {kernel["id"] for kernel in status.get("kernels", [])}
        return True

    async def end_server(self, force: bool) -> None:
        """Stop whatever server runs, without saving it. Raises MigrationError when it goes on running."""
        if await self.running_launch() is None:
            return
        await super().stop(now=force)
        if await self.running_launch() is not None:
            raise MigrationError("the server does not end")

    async def launch_server(self, size: Size) -> None:
        """Start a server of this size in the place of the one that ended, and wait until it answers.

        Raises MigrationError when it ends before it answers.
        """
        self.apply_size(size)
        self._launch = secrets.token_hex(8)
        if not self.api_token:
            self.api_token = self._token_in_use
        self.commit_state()
        await self.prepare_start()
        await self._take_address(await asyncio.wait_for(super().start(), self.start_timeout))
        self.commit_state()
        await self._wait_until_it_answers()

    async def _take_address(self, url: Any) -> None:
        """Note where the server is, as JupyterHub does after a start of its own."""
        if not isinstance(url, str):
            ip, port = url
            url = f"{'https' if self.internal_ssl else 'http'}://{f'[{ip}]' if ':' in ip else ip}:{port}"
        parts = urlparse(url)
        self.server.proto = parts.scheme
        self.server.ip = parts.hostname
        self.server.port = parts.port or (443 if parts.scheme == "https" else 80)

    async def _wait_until_it_answers(self) -> None:
        # JupyterHub's own wait backs off to five seconds between its looks, which would lengthen every move.
        deadline = time.monotonic() + self.http_timeout
        while True:
            try:
                await self.agent.status(timeout_s=10)
                return
            except AgentError as error:
                if error.code != "unreachable":
                    raise
            status = await super().poll()
            if status is not None:
                raise MigrationError(
                    f"the server ended with exit code {status} before it answered (size: {format_size(self.size)})"
                )
            if time.monotonic() > deadline:
                raise MigrationError(f"the server does not answer after {self.http_timeout} s")
            await asyncio.sleep(0.1)

    _routed_away = False

    @property
    def _proxy(self) -> Any:
        return self.user.settings.get("proxy") or self.user.settings["app"].proxy

    async def route_to_server(self) -> None:
        """Send the browsers' requests to the server's new address."""
        self._routed_away = False
        await self._route_to(self.server.host)

    def answer_when_away(self) -> str | None:
        """Have the hub answer for the server when requests are sent to it; return where. To be called before a hub
        listens that goes on with the move of another one: a tab that is told 404 gives its kernels up."""
        return away.address(self.user.settings["app"], self._proxy)

    async def route_away(self) -> None:
        """Have the browsers' requests answered by the hub until the server is back."""
        if target := self.answer_when_away():
            self._routed_away = True
            await self._route_to(target)

    async def _route_to(self, target: str) -> None:
        data = {"user": self.user.name, "server_name": self.name}
        try:
            # Not proxy.add_user(), which refuses while the hub is still checking its servers after a restart.
            await asyncio.wait_for(self._proxy.add_route(self.proxy_spec, target, data), 20)
        except Exception as error:
            # After a restart of the hub the proxy may come up later than we do; the hub then sets all routes itself.
            self.log.warning("%s: the route could not be changed now: %s", self._log_name, error)

    async def end_away(self, stopped: bool) -> None:
        """Undo `route_away` at the end of a move that did not come to `route_to_server`; ``stopped``: by somebody who
        has removed the route."""
        if not self._routed_away:
            return
        self._routed_away = False
        try:
            if not stopped and await self.really_running() is None:
                await self.route_to_server()
            else:
                await asyncio.wait_for(self._proxy.delete_route(self.proxy_spec), 20)
        except Exception as error:  # the hub looks through all routes now and then
            self.log.warning("%s: the route could not be changed back now: %s", self._log_name, error)

    async def may_be_saved(self) -> bool:
        """Whether a save of a server that is being restored would lack nothing which its checkpoint has."""
        try:
            if (await self.agent.status()).get("state") == "restoring":
                return False
            return not any(failed_restores(self._last_checkpoint, await self.agent.restore_report()))
        except AgentError:
            return False

    async def restored(self) -> tuple[str, ...]:
        """Wait until the kernels are restored, what comes behind included; return notes for the one who asked.

        The user may work as soon as the server answers. Raises MigrationError when something that was saved is not back
        because this size is too small for it.
        """
        pause, instance = 0.1, None
        while True:
            try:
                status = await self.agent.status()
                if instance not in (None, status.get("instance")):
                    raise MigrationError("the server ended while it was being restored, most likely for want of memory")
                instance = status.get("instance")
                boot = status.get("boot") or {}
                if boot.get("retrying"):
                    if self.mover is not None:
                        self.mover.detail = f"The server runs; {boot.get('error')}; trying again"
                elif status.get("state") != "restoring":
                    report = await self.agent.restore_report()
                    too_small, notes = failed_restores(self._last_checkpoint, report)
                    if too_small:
                        raise MigrationError("; ".join(too_small))
                    if not still_coming(report):
                        return tuple(notes)
                    if self.mover is not None:
                        self.mover.detail = f"The server runs; {arriving(status)}"
            except AgentError as error:
                if error.reachable or await self.really_running() is not None:
                    raise
                self.log.info("%s: %s", self._log_name, error)  # busy with restoring, most likely
            await asyncio.sleep(pause)
            pause = min(2.0, pause * 1.3)

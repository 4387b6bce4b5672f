"""Saving the kernels of a server, by its agent."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from jupyterhub.utils import make_ssl_context

from ..migration import BusyPolicy, LossPolicy
from . import metrics
from .agent_client import AgentClient, AgentError
from .slots import slot
from .state import ElasticState


class ElasticSaving(ElasticState):
    """The part of ElasticSpawnerMixin that saves."""

    @property
    def agent(self) -> AgentClient:
        """The agent of the running server. Raises AgentError when there is none."""
        if self.server is None:
            raise AgentError("unreachable", "the server is not running")
        context = None
        if self.internal_ssl:
            settings = self.user.settings
            paths = [settings.get(f"internal_ssl_{name}") for name in ("key", "cert", "ca")]
            context = make_ssl_context(paths[0], paths[1], cafile=paths[2])
        return AgentClient(self.server.url, self.keys.agent_tokens(self.user.name, self.name), context)

    async def checkpoint(
        self, deadline_s: float, on_busy: BusyPolicy, reason: str, on_loss: LossPolicy = "accept"
    ) -> dict[str, Any]:
        """Save all kernels, and note what was saved. Raises AgentError; the checkpoint before stays then."""
        began = time.monotonic()
        while True:
            left = max(1.0, deadline_s - (time.monotonic() - began))
            try:
                report = await self.agent.checkpoint(left, on_busy, reason, on_loss)
                break
            except AgentError as error:
                metrics.CHECKPOINT_FAILURES.labels(reason, error.code).inc()
                # Without kernels to blame, another save is under way: of a resize that was just cancelled, say.
                waiting = error.code == "busy" and not error.kernels
                if not waiting or time.monotonic() - began > deadline_s:
                    raise
            await asyncio.sleep(0.5)
        if report.get("fallback"):
            self.log.error(
                "%s: the store did not answer; the kernels were saved to %s in the server's home instead, and the next "
                "start copies that into the store",
                self._log_name,
                report["fallback"],
            )
        self._note_checkpoint(report, reason, time.monotonic() - began)
        return report

    def _note_checkpoint(self, report: dict[str, Any], reason: str, seconds: float) -> None:
        """Keep what the agent said that it has committed, in this many seconds."""
        kernels = report.get("kernels", [])
        total = sum(kernel.get("bytes") or 0 for kernel in kernels)
        metrics.CHECKPOINT_SECONDS.labels(reason).observe(seconds)
        metrics.CHECKPOINT_BYTES.observe(total)
        self._last_checkpoint = {
            "generation": report.get("generation"),
            "created": time.time(),
            "reason": reason,
            "seconds": report.get("seconds"),
            "bytes": total,
            "bytes_written": sum(kernel.get("bytes_written") or 0 for kernel in kernels),
            "kernels": [{k: kernel.get(k) for k in ("id", "path", "status", "lost")} for kernel in kernels],
        }
        self.commit_state()

    async def _save_before_stop(self) -> None:
        retry_until = time.monotonic() + (self.retry_save_for if self.on_failed_save == "retry" else 0.0)
        while True:
            try:
                async with slot("save", self.concurrent_saves):
                    await self.checkpoint(self.stop_deadline, cast(BusyPolicy, self.stop_on_busy), "stop")
                return
            except AgentError as error:
                again = error.reachable and error.code != "missing" and time.monotonic() < retry_until
                self.log.error(
                    "%s: the kernels could NOT be saved before the stop: %s. %s",
                    self._log_name,
                    error,
                    "Trying again." if again else "Stopping all the same; the previous checkpoint stays.",
                )
                if not again:
                    return
            except Exception:
                # Whoever stops a server is to have it stopped, whatever is wrong with us.
                self.log.exception("%s: the kernels could NOT be saved before the stop", self._log_name)
                return
            if await super().poll() is not None:
                return
            await asyncio.sleep(2)

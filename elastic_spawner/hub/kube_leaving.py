"""A server whose pod or node goes: saved in time, and started again elsewhere by itself."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from ..errors import SizeError
from ..migration import Action, Move, Save, Size, Step
from . import kube_pod, sign
from .agent_client import AgentError
from .kube_base import LOOK_S
from .kube_nodes import LOST_TAINTS
from .kube_sizes import ElasticKubeSizes
from .kube_watch import watch

SAVED_END_S = 15.0
"""Seconds that a pod which is taken away may take to end after it was saved."""
EVACUATION_PAUSE_S = 60.0
"""Seconds after which a server that could not be moved away from its node is tried again."""


class ElasticKubeLeaving(ElasticKubeSizes):
    """The part of ElasticKubeSpawner that acts when Kubernetes takes pods and nodes away."""

    # -- looking after -------------------------------------------------------------------------------------------------

    async def prepare_start(self) -> None:
        self._look_after()
        await self.give_room_back()  # to the server itself: it is about to ask for it

    async def poll(self) -> int | None:
        self._look_after()
        if self._unfinished is not None:  # it will be asked what has become of the pod
            self.answer_when_away()
            await self._start_watching_pods()
            if not self._unfinished.step.before_stop:
                await self.give_room_back()
        return await super().poll()

    def _look_after(self) -> None:
        if not self.keep_sessions:
            return
        if self.return_after_eviction:
            watch.add(self)
        if self.checkpoint_url.startswith("s3:"):
            sign.ensure_served(self.user.settings["app"], self.store_url, self.keys)

    # -- its pod goes --------------------------------------------------------------------------------------------------

    def come_back(self, reason: str) -> None:
        """Kubernetes takes the pod away: save what can be saved, and start the server elsewhere. Again: no effect."""
        if self.why_not_movable():
            return
        self.log.warning("%s: its pod is taken away (%s); the server will come back", self._log_name, reason)
        self.begin_move(
            self.size,
            deadline_s=max(1.0, self.grace - kube_pod.MARGIN_S),
            on_busy="interrupt",
            on_loss="accept",
            notes=(f"its pod was taken away: {reason}",),
            step=Step.SAVING,
        )

    async def save_for_move(self, action: Save) -> tuple[int, tuple[str, ...]]:
        """When the pod is being taken away, there is no other end than that it goes: a failed save is no reason to
        stay, and what its preStop hook has saved counts."""
        if not kube_pod.disruption(self.pod_as_seen()):
            return await super().save_for_move(action)
        began = time.monotonic()
        try:
            report = await self.agent.evict(action.deadline_s)
            self._note_checkpoint(report, "eviction", time.monotonic() - began)
            return int(report.get("generation") or 0), tuple(kernel["id"] for kernel in report.get("kernels", []))
        except AgentError as error:
            self.log.warning("%s: not saved by the hub while its pod is taken away: %s", self._log_name, error)
        # Until its grace period is over: a pod on a node that is lost never goes by itself. Where the node is known to
        # be lost nobody saves there.
        deadline = time.monotonic() + (0.0 if self._node_is_lost() else self.grace) + kube_pod.MARGIN_S
        # By what the watch sees: a thousand servers that asked the API server twice a second would be too many.
        while kube_pod.launch_of(self.pod_as_seen()) == self._launch_before_move:
            if time.monotonic() > deadline:
                saved = self._last_checkpoint or {}
                return int(saved.get("generation") or 0), tuple(k["id"] for k in saved.get("kernels") or ())
            await asyncio.sleep(LOOK_S)
        raise AgentError("unreachable", "the pod is gone")

    def _node_is_lost(self) -> bool:
        return bool(watch.nodes.notice(self.node, LOST_TAINTS))

    def slot_for(self, action: Action) -> AbstractAsyncContextManager[Any]:
        if isinstance(action, Save) and kube_pod.disruption(self.pod_as_seen()):
            return nullcontext()  # the kubelet has it saved already, and its time runs
        return super().slot_for(action)

    async def end_server(self, force: bool) -> None:
        """A pod that is being taken away has been given its whole grace period by somebody else, and does not always
        end sooner by itself. What it has is saved by now, so it is not waited for that long."""
        if not force and kube_pod.disruption(self.pod_as_seen()):
            if self._node_is_lost():  # whose kubelet would have to say that the pod has ended
                return await super().end_server(True)
            try:
                await asyncio.wait_for(super().end_server(force), SAVED_END_S)
                return
            except asyncio.TimeoutError:
                force = True
        await super().end_server(force)

    async def check_room(self, size: Size) -> None:
        await super().check_room(size)
        if kube_pod.disruption(self.pod_as_seen()):
            raise SizeError("its pod is being taken away: ask again when the server is back")

    # -- its node will go ----------------------------------------------------------------------------------------------

    _left: tuple[str, str] | None = None
    """The node and notice that the server was moved away from; if it came to that node again, so be it."""
    _evacuate_after = 0.0

    def evacuate(self, node: str, notice: str) -> None:
        """Its node is about to go, and nothing has happened to the pod yet: move the server if that costs nothing.

        No cell is interrupted, and no variable lost: both would be too early. What cannot be moved is tried again
        later, until the eviction comes, which interrupts. Again: no effect.
        """
        if self._left == (node, notice) or time.monotonic() < self._evacuate_after or self.why_not_movable():
            return
        self.log.warning("%s: its node %s is about to go (%s); moving the server", self._log_name, node, notice)
        self._evacuate_after = time.monotonic() + EVACUATION_PAUSE_S
        self.leaving_node = notice
        self._left_by = self.begin_move(
            self.size,
            # A preStop hook waits for a save that is under way, so this one may only take a part of the grace period.
            deadline_s=max(1.0, (self.grace - kube_pod.MARGIN_S) / 3),
            on_busy="refuse",
            on_loss="refuse",
            notes=(f"its node {node} is about to go: {notice}",),
        ).id
        self._leaves = (node, notice)

    _left_by = ""
    """The id of the move that `evacuate` began last."""
    _leaves: tuple[str, str] | None = None

    async def move_ended(self, move: Move) -> None:
        if move.id == self._left_by:
            self.leaving_node = ""
            self._evacuate_after = time.monotonic() + EVACUATION_PAUSE_S
            if move.step is Step.DONE:
                self._left = self._leaves
        await super().move_ended(move)

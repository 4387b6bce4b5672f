"""The size of a pod: granted, tried in place, or with room reserved for it before the server moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jupyterhub.utils import maybe_future

from ..errors import SizeError
from ..migration import Move, Size, Step
from .agent_client import AgentError
from .kube_base import ElasticKubeBase
from .kube_resize import ResizeRefused, resize_in_place
from .kube_room import NoRoom, Room, without
from .notices import notice
from .sizes import format_size

_STATE = "elastic_kube"
OWN_NODE_TIMEOUT_S = 5.0
"""Seconds in which the scheduler has to say whether the server's own node has the room that is missing."""
_cannot_resize: set[str] = set()
"""Namespaces in which no pod can be resized in place, as the API server has said to this hub process."""


class ElasticKubeSizes(ElasticKubeBase):
    """The part of ElasticKubeSpawner that gives pods other sizes."""

    _configured: tuple[Any, ...] | None = None
    """The limits and guarantees that the configuration (with the profile) gives, before a size was applied."""
    _wanted: Size | None = None
    _granted_with: dict[str, Any] | None = None
    """The user's options when the size was granted."""
    _room: Room | None = None
    """Kept for a server that is about to move."""
    _not_in_place = ""
    """Why the last resize could not be done in place."""

    def apply_size(self, size: Size) -> None:
        if self._configured is None:
            self._configured = self._resources()
        self._wanted = size
        mem_limit, cpu_limit, mem_guarantee, cpu_guarantee = self._configured
        super().apply_size(size)
        self.mem_guarantee = _in_proportion(mem_guarantee, mem_limit, size.memory, int)
        self.cpu_guarantee = _in_proportion(cpu_guarantee, cpu_limit, size.cpus, float)

    def _resources(self) -> tuple[Any, ...]:
        return self.mem_limit, self.cpu_limit, self.mem_guarantee, self.cpu_guarantee

    def _set_resources(self, resources: tuple[Any, ...]) -> None:
        self.mem_limit, self.cpu_limit, self.mem_guarantee, self.cpu_guarantee = resources

    @contextmanager
    def _as_if(self, size: Size) -> Iterator[None]:
        """Have a size only while its resources are worked out."""
        before = self._resources(), self._configured, self._wanted
        self.apply_size(size)
        try:
            yield
        finally:
            resources, self._configured, self._wanted = before
            self._set_resources(resources)

    async def load_user_options(self) -> None:
        """The size that was granted wins over the one of the profile; picking another profile ends the grant,
        and so does one whose servers are KubeSpawner's."""
        if self._configured is not None:
            self._set_resources(self._configured)
            self._configured = None
        await super().load_user_options()
        if not self.moving:
            if self._granted is not None and not (self.keep_sessions and self._granted_with == self.user_options):
                self.log.info("%s: other options were chosen, so the size granted before ends", self._log_name)
                self._granted = None
            self._wanted = self._granted and self.bounds.clamp(self._granted)
        if self._wanted is not None:
            self.apply_size(self._wanted)

    # -- what is kept --------------------------------------------------------------------------------------------------

    def get_state(self) -> dict[str, Any]:
        state = super().get_state()
        room = self._room.name if self._room else None
        if self._granted_with is not None or room:
            state[_STATE] = {"granted_with": self._granted_with, "room": room}
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        ours = state.get(_STATE) or {}
        self._granted_with = ours.get("granted_with")
        if ours.get("room"):  # of a hub that was killed
            self._room = Room(self.api, self.namespace, ours["room"])

    async def move_ended(self, move: Move) -> None:
        await self.give_room_back()
        if move.step is Step.DONE and move.new != move.old:
            self._granted_with = dict(self.user_options or {})
        granted = self._granted
        await super().move_ended(move)
        if move.new == move.old:  # such a move grants nothing
            self._granted = granted
            self.commit_state()

    # -- in place ------------------------------------------------------------------------------------------------------

    async def try_resize_in_place(self, size: Size) -> bool:
        self._not_in_place = ""
        if size == self.size or self.namespace in _cannot_resize:
            return False
        if self.insurance_deadline:
            try:
                await self.checkpoint(self.insurance_deadline, "refuse", "resize")
            except AgentError as error:
                self.log.info("%s: resizing in place without a checkpoint: %s", self._log_name, error)
        with self._as_if(size):
            resources = _as_resources(self._resources())
        try:
            await resize_in_place(self.api, self.namespace, self.pod_name, resources, self.resize_in_place_timeout)
        except ResizeRefused as refusal:
            self._not_in_place = str(refusal)
            if refusal.for_all:
                _cannot_resize.add(self.namespace)
                notice(
                    self.log,
                    f"resize in {self.namespace}",
                    f"no pod in {self.namespace} can be resized in place, so servers are moved instead. It takes "
                    "Kubernetes 1.33, and a Role with the verb `patch` on `pods/resize` for the hub; then restart the "
                    f"hub. The API server says: {refusal}",
                )
            else:
                self.log.warning("%s: cannot be resized in place (%s): moving it", self._log_name, refusal)
            return False
        return True

    # -- room for a move -----------------------------------------------------------------------------------------------

    async def reserve_room(self, size: Size) -> tuple[str, ...]:
        notes = (f"not resized in place: {self._not_in_place}",) if self._not_in_place else ()
        if self.room_timeout:
            await self.give_room_back()
            manifest = await self._manifest_for(size)
            try:
                await self._reserve(Room.named(self), manifest, self.room_timeout)
            except NoRoom as elsewhere:
                if not await self._fits_on_own_node(manifest):
                    raise SizeError(f"there is no room for {format_size(size)}: {elsewhere}") from elsewhere
        return notes

    async def _manifest_for(self, size: Size) -> dict[str, Any]:
        """The pod that a start with this size would make, as the API takes it."""
        with self._as_if(size):
            pod = await self.get_pod_manifest()
            if self.modify_pod_hook:
                pod = await maybe_future(self.modify_pod_hook(self, pod))
        plain: dict[str, Any] = self.api.api_client.sanitize_for_serialization(pod)
        return plain

    async def _reserve(self, room: Room, manifest: dict[str, Any], timeout_s: float) -> None:
        self._room = room
        self.commit_state()  # so that whatever becomes of this hub, the next one gives it back
        try:
            unseen = await room.reserve(manifest, timeout_s)
        except BaseException:
            await self.give_room_back()
            raise
        if unseen:
            self.log.warning("%s: nobody can say whether there is room for it: %s", self._log_name, unseen)

    async def _fits_on_own_node(self, manifest: dict[str, Any]) -> bool:
        """Whether the node that the pod is on has the room that its own going will not make."""
        pod = self.pod_as_seen()
        if self.leaving_node or pod is None or not pod["spec"].get("nodeName"):
            return False
        try:
            rest = without(manifest, pod)
            await self._reserve(Room.named(self, node=pod["spec"]["nodeName"]), rest, OWN_NODE_TIMEOUT_S)
        except NoRoom:
            return False
        return True

    leaving_node = ""
    """Why the server is not to come back on the node that it is on; empty when it may."""

    async def give_room_back(self) -> None:
        """Remove what keeps room for this server, if anything does; also when it was asked for by an earlier hub."""
        if self._room is not None:
            try:
                await self._room.give_back()
            except Exception as error:
                # It ends by itself after a while, and a server is not to wait for that.
                self.log.warning("%s: the pod %s cannot be removed: %s", self._log_name, self._room.name, error)
            self._room = None
            self.commit_state()


def _in_proportion(guarantee: Any, limit: Any, new_limit: Any, kind: Any) -> Any:
    """What is guaranteed under another limit: the same part of it, so that a pod's class of service stays."""
    if not guarantee or not new_limit:
        return guarantee
    return kind(new_limit * min(1.0, guarantee / limit)) if limit else min(guarantee, new_limit)


def _as_resources(resources: tuple[Any, ...]) -> dict[str, dict[str, str]]:
    mem_limit, cpu_limit, mem_guarantee, cpu_guarantee = resources
    limits = {"memory": mem_limit, "cpu": cpu_limit}
    requests = {"memory": mem_guarantee, "cpu": cpu_guarantee}
    return {
        "limits": {name: str(value) for name, value in limits.items() if value},
        "requests": {name: str(value) for name, value in requests.items() if value},
    }

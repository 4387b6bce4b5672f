"""ElasticKubeSpawner: servers as pods of a Kubernetes cluster, which outlive their pods and nodes."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from jupyterhub.utils import url_path_join
from kubespawner import KubeSpawner
from kubespawner.clients import shared_client
from traitlets import Bool, Dict, Enum, Float, Integer, Unicode, default

from .. import __version__
from ..errors import ElasticError, SizeError
from ..migration import Move, Save, Size, Step
from . import kube_pod, naming, sign
from .agent_client import AgentError
from .kube_resize import ResizeRefused, resize_in_place
from .kube_watch import watch
from .mixin import ElasticSpawnerMixin
from .moves import Mover

SAVED_END_S = 15.0
"""Seconds that a pod which is taken away may take to end after it was saved."""
IMAGE_VOLUMES_SINCE = 36
"""The minor version of Kubernetes 1 in which image volumes (KEP-4639) are there for everybody."""

_by_kubespawner: ContextVar[bool] = ContextVar("elastic_spawner_by_kubespawner", default=False)
"""KubeSpawner calls its own stop() from within start() and poll(), to remove what is left of an ended pod. That is no
stop that anybody asked for: nothing is to be saved then, and no move is to be cancelled by it."""


class _Pods(KubeSpawner):
    """KubeSpawner, which is told apart from whoever else calls stop()."""

    def start(self) -> Any:
        token = _by_kubespawner.set(True)
        try:
            return super().start()  # a task, which has copied the context
        finally:
            _by_kubespawner.reset(token)

    async def poll(self) -> int | None:
        token = _by_kubespawner.set(True)
        try:
            status: int | None = await super().poll()
        finally:
            _by_kubespawner.reset(token)
        return status


class ElasticKubeSpawner(ElasticSpawnerMixin, _Pods):
    """Runs servers as KubeSpawner does, and keeps their sessions: over stops, resizes, evictions and drains.

    All of KubeSpawner's settings hold, and mean what they mean there. A size is the limit of memory and CPU; what is
    guaranteed follows in proportion.
    """

    agent_image = Unicode(
        f"elastic-spawner/agent:{__version__}",
        help="""The image whose /lib holds the packages that are lent to user pods.

        It has nothing to do with the users' own images, which stay as they are.
        """,
    ).tag(config=True)

    agent_image_pull_policy = Unicode(
        "IfNotPresent", help="The pull policy of `agent_image`: Always, IfNotPresent or Never."
    ).tag(config=True)

    agent_delivery = Enum(
        ["auto", "image-volume", "init-container"],
        "auto",
        help="""How the packages get into user pods.

        `image-volume`: the image is mounted, read-only; nothing is copied. `init-container`: it is copied into an
        emptyDir in memory before the server starts. `auto`: an image volume from Kubernetes 1.36 on.
        """,
    ).tag(config=True)

    store_volume = Dict(
        help="""The volume of a store of files (`store_url = "file:///srv/checkpoints"`), without its name, as in
        `{"persistentVolumeClaim": {"claimName": "checkpoints"}}`. Servers on several nodes need one that can be mounted
        on several.

        Each pod gets its user's own folder of it only, so nobody reaches another's checkpoints. The hub's own pod is to
        have the whole of it mounted at the path of `store_url`: it makes these folders, and deletes the checkpoints of
        users who are deleted.
        """,
    ).tag(config=True)

    eviction_grace = Integer(
        120,
        min=10,
        help="""Seconds that a pod is given when Kubernetes takes it away: all kernels are to be saved in that time.

        It becomes the pod's terminationGracePeriodSeconds, unless `extra_pod_config` sets one, which wins. Some clouds
        give less (spot nodes of GKE: 15 seconds).
        """,
    ).tag(config=True)

    return_after_eviction = Bool(
        True,
        help="""Whether a server that Kubernetes takes away (eviction, drain, preemption, a lost node) is started again
        by itself, elsewhere, with its kernels.""",
    ).tag(config=True)

    resize_in_place_timeout = Float(
        10.0, help="Seconds that a resize in place may take before the server is moved instead."
    ).tag(config=True)

    insurance_deadline = Float(
        5.0,
        help="""Seconds in which the kernels are saved before a resize in place, which should not need it. It is done
        all the same when they cannot be saved in that time. 0: they are not saved.""",
    ).tag(config=True)

    @default("resize_in_place")
    def _default_resize_in_place(self) -> bool:
        return True

    @default("move_stop_timeout")
    def _default_move_stop_timeout(self) -> float:
        return self.eviction_grace + 60.0

    # -- the pod -------------------------------------------------------------------------------------------------------

    async def get_pod_manifest(self) -> Any:
        """KubeSpawner's, with what is ours added; the admin's `modify_pod_hook` sees and may change all of it."""
        pod = await super().get_pod_manifest()
        pod.metadata.annotations = {**(pod.metadata.annotations or {}), kube_pod.LAUNCH: self._launch}
        as_volume = await self._has_image_volumes()
        kube_pod.lend_packages(pod, self.agent_image, self.agent_image_pull_policy, as_volume)
        path = naming.file_path(self.store_url)
        if self.store_volume and path is not None:
            kube_pod.mount_store(pod, self.store_volume, str(path), naming.segment(self.user.name))
        saves = kube_pod.save_before_end(
            pod,
            url_path_join(self.server.base_url if self.server else "/", "api/elastic/evict"),
            "notebook-port",
            self.keys.agent_token(self.user.name, self.name),
            self.eviction_grace,
            https=self.internal_ssl,
        )
        if not saves:
            self.log.warning(
                "%s: its pod has a preStop hook of yours, so it cannot have ours, which saves the kernels when it is "
                "evicted: they come back as they were at the last save",
                self._log_name,
            )
        return pod

    async def _has_image_volumes(self) -> bool:
        if self.agent_delivery != "auto":
            return self.agent_delivery == "image-volume"
        version = await shared_client("VersionApi").get_code()
        minor = "".join(filter(str.isdigit, version.minor))
        return int(version.major) > 1 or int(minor or 0) >= IMAGE_VOLUMES_SINCE

    def agent_config_path(self) -> str:
        return f"{kube_pod.MOUNT}/lib/elastic_spawner/agent/etc"

    def lib_path(self) -> str:
        return f"{kube_pod.MOUNT}/lib"

    def get_env(self) -> dict[str, str]:
        env: dict[str, str] = super().get_env()
        if self.checkpoint_url.startswith("s3:"):
            token = self.keys.store_token(self.user.name, self.name)
            env["ELASTIC_SPAWNER_STORE_URL"] = sign.signed_url(self.hub.api_url, self.user.name, self.name, token)
        return env

    def pod_as_seen(self) -> dict[str, Any] | None:
        """The pod as KubeSpawner's watch has seen it last; None where there is none."""
        reflector = self.pod_reflector
        found: dict[str, Any] | None = reflector.pods.get(f"{self.namespace}/{self.pod_name}") if reflector else None
        return found

    @property
    def node(self) -> str | None:  # type: ignore[override]
        """The node that the pod runs on."""
        pod = self.pod_as_seen()
        return pod["spec"].get("nodeName") if pod else None

    async def running_launch(self) -> str | None:
        answer = await self.api.read_namespaced_pod(self.pod_name, self.namespace, _preload_content=False)
        if answer.status == 404:
            return None
        pod = json.loads(await answer.read())
        if answer.status != 200:
            raise ElasticError(f"the pod {self.pod_name} cannot be looked at: {pod.get('message')}")
        return kube_pod.launch_of(pod)

    # -- sizes ---------------------------------------------------------------------------------------------------------

    _configured: tuple[Any, ...] | None = None
    """The limits and guarantees that the configuration (with the profile) gives, before a size was applied."""
    _wanted: Size | None = None

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

    async def load_user_options(self) -> None:
        """The size that was granted wins over the one of the profile; picking another profile ends the grant."""
        if self._configured is not None:
            self.mem_limit, self.cpu_limit, self.mem_guarantee, self.cpu_guarantee = self._configured
            self._configured = None
        await super().load_user_options()
        if self._granted is not None and self._granted_with != self.user_options and not self.moving:
            self.log.info("%s: other options were chosen, so the size granted before ends", self._log_name)
            self._granted = self._wanted = None
        if self._wanted is not None:
            self.apply_size(self._wanted)

    _granted_with: dict[str, Any] | None = None
    """The user's options when the size was granted."""

    def get_state(self) -> dict[str, Any]:
        state = super().get_state()
        state["elastic_kube"] = {"granted_with": self._granted_with}
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self._granted_with = (state.get("elastic_kube") or {}).get("granted_with")

    async def move_ended(self, move: Move) -> None:
        if move.step is Step.DONE and move.new != move.old:
            self._granted_with = dict(self.user_options or {})
        granted = self._granted
        await super().move_ended(move)
        if move.new == move.old:  # a return after an eviction grants nothing
            self._granted = granted
            self.commit_state()

    async def try_resize_in_place(self, size: Size) -> bool:
        if self.insurance_deadline:
            try:
                await self.checkpoint(self.insurance_deadline, "refuse", "resize")
            except AgentError as error:
                self.log.info("%s: resizing in place without a checkpoint: %s", self._log_name, error)
        before = self.size
        self.apply_size(size)
        resources = _as_resources(self._resources())
        self.apply_size(before)
        try:
            await resize_in_place(self.api, self.namespace, self.pod_name, resources, self.resize_in_place_timeout)
        except ResizeRefused as refusal:
            self.log.warning("%s: cannot be resized in place (%s): moving it", self._log_name, refusal)
            return False
        return True

    # -- stopping, and coming back -------------------------------------------------------------------------------------

    async def prepare_start(self) -> None:
        self._look_after()
        path = naming.file_path(self.store_url)
        if self.store_volume and path is not None:
            await asyncio.to_thread(self._make_folder, path)

    def _make_folder(self, path: Path) -> None:
        """Make the user's folder of the store's volume. The kubelet would make it too, but as root's."""
        try:
            (path / naming.segment(self.user.name)).mkdir(mode=0o770, exist_ok=True)
        except OSError as error:
            self.log.warning(
                "%s: its folder for checkpoints cannot be made (%s): mount the volume of `store_volume` at %s in the "
                "hub's pod, writable. Without it the server may be unable to write there",
                self._log_name,
                error,
                path,
            )

    async def poll(self) -> int | None:
        self._look_after()
        return await super().poll()

    def _look_after(self) -> None:
        if self.return_after_eviction:
            watch.add(self)
        if self.checkpoint_url.startswith("s3:"):
            sign.ensure_served(self.user.settings["app"], self.store_url, self.keys)

    async def stop(self, now: bool = False) -> None:
        if _by_kubespawner.get():
            await _Pods.stop(self, now)
        else:
            await super().stop(now)

    def come_back(self, reason: str) -> None:
        """Kubernetes takes the pod away: save what can be saved, and start the server elsewhere. Again: no effect."""
        if self.moving or self._unfinished is not None or self.pending or not self.ready:
            return
        self.log.warning("%s: its pod is taken away (%s); the server will come back", self._log_name, reason)
        self._launch_before_move = self._launch
        self._mover = Mover(
            self,
            Move(
                id=secrets.token_hex(6),
                old=self.size,
                new=self.size,
                deadline_s=max(1.0, self._grace - kube_pod.MARGIN_S),
                on_busy="interrupt",
                on_loss="accept",
                step=Step.SAVING,
                notes=(f"its pod was taken away: {reason}",),
            ),
        )
        self.commit_state()
        self._mover.resume()

    @property
    def _grace(self) -> float:
        pod = self.pod_as_seen() or {"spec": {}}
        return float(pod["spec"].get("terminationGracePeriodSeconds") or self.eviction_grace)

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
        # Until its grace period is over: a pod on a node that is lost never goes by itself.
        deadline = time.monotonic() + self._grace + kube_pod.MARGIN_S
        while await self.running_launch() == self._launch_before_move:
            if time.monotonic() > deadline:
                saved = self._last_checkpoint or {}
                return int(saved.get("generation") or 0), tuple(k["id"] for k in saved.get("kernels") or ())
            await asyncio.sleep(0.5)
        raise AgentError("unreachable", "the pod is gone")

    async def end_server(self, force: bool) -> None:
        """A pod that is being taken away has been given its whole grace period by somebody else, and does not always
        end sooner by itself. What it has is saved by now, so it is not waited for that long."""
        if not force and kube_pod.disruption(self.pod_as_seen()):
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

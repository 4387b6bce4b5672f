"""What ElasticKubeSpawner is built on: KubeSpawner, its settings with ours, and its pod as it is seen."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable
from contextvars import ContextVar
from copy import deepcopy
from functools import cache
from typing import Any

from kubernetes_asyncio.client import ApiException, models
from kubespawner import KubeSpawner
from traitlets import Bool, Dict, Enum, Float, Integer, List, Unicode, default

from .. import __version__
from ..errors import ElasticError
from . import kube_pod
from .keys import SECRET_ENV
from .kube_nodes import EVACUATION_TAINTS
from .mixin import ElasticSpawnerMixin

_within: ContextVar[str] = ContextVar("elastic_spawner_within", default="")
"""Which method of KubeSpawner's runs. It calls its own stop() from within start() and poll(), to remove what is left of
an ended pod. That is no stop that anybody asked for: nothing is to be saved then, and no move is to be cancelled by
it."""
LOOK_S = 0.05
"""Seconds between two looks at what the watch has seen. KubeSpawner's own pauses grow to five seconds."""


@cache
def _warn_once(log: Any) -> None:
    log.warning(
        "elastic_spawner is not configured, so servers are run as KubeSpawner runs them and no session is kept: call "
        "elastic_spawner.hub.configure(c) in jupyterhub_config.py"
    )


class _Pods(KubeSpawner):
    """KubeSpawner, which is told apart from whoever else calls stop(), and sees at once that a pod runs or is gone."""

    _deleting = False
    """Whether the API server has taken the wish that the pod be deleted."""

    def start(self) -> Any:
        token = _within.set("start")
        try:
            return super().start()  # a task, which has copied the context
        finally:
            _within.reset(token)

    async def poll(self) -> int | None:
        token = _within.set("poll")
        try:
            status: int | None = await super().poll()
        finally:
            _within.reset(token)
        return status

    def is_pod_running(self, pod: Any) -> Any:
        """Whether this pod runs; for a start, which asks again and again and awaits the answer: once it does."""
        running: bool = super().is_pod_running(pod)
        return self._runs_in_time() if _within.get() == "start" and not running else running

    async def _runs_in_time(self) -> bool:
        deadline = time.monotonic() + self.start_timeout
        while time.monotonic() < deadline:
            pod = self.pod_as_seen()
            if pod is not None and super().is_pod_running(pod):
                return True
            await asyncio.sleep(LOOK_S)
        return False

    async def stop(self, now: bool = False) -> None:
        self._deleting, forgotten = False, now
        task = asyncio.ensure_future(super().stop(now))
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=LOOK_S)
                pod = self.pod_as_seen()
                if self._deleting and pod is None and self.pod_reflector.first_load_future.done():
                    return
                if self._deleting and not forgotten and pod is not None and kube_pod.has_ended(pod):
                    forgotten = True
                    await self._forget_pod(pod)
            await task
            await self._start_watching_pods()
            if self.pod_as_seen() is not None:  # KubeSpawner looked when a new watch had seen none yet
                await _Pods.stop(self, now)
        finally:
            task.cancel()

    async def _forget_pod(self, pod: dict[str, Any]) -> None:
        """Have the object of a pod that has ended removed: the kubelet does it when it has tidied up on its node."""
        # Of this pod and no other: an API server that is slow may come to it when the next one has the name.
        this = models.V1Preconditions(uid=pod["metadata"]["uid"])
        options = models.V1DeleteOptions(grace_period_seconds=0, preconditions=this)
        try:
            await self._make_delete_pod_request(self.pod_name, options, 0, self.k8s_api_request_timeout)
        except ApiException as error:
            self.log.info("%s: its pod is not removed before the kubelet does it: %s", self._log_name, error)

    async def _make_delete_pod_request(self, *args: Any, **kwargs: Any) -> bool:
        taken: bool = await super()._make_delete_pod_request(*args, **kwargs)
        self._deleting = self._deleting or taken
        return taken

    def pod_as_seen(self) -> dict[str, Any] | None:
        """The pod as KubeSpawner's watch has seen it last; None where there is none."""
        reflector = self.pod_reflector
        found: dict[str, Any] | None = reflector.pods.get(f"{self.namespace}/{self.pod_name}") if reflector else None
        return found


class ElasticKubeBase(ElasticSpawnerMixin, _Pods):
    """The settings of ElasticKubeSpawner, and its view of the pod."""

    # -- what a pod gets -----------------------------------------------------------------------------------------------

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

    # -- coming back ---------------------------------------------------------------------------------------------------

    return_after_eviction = Bool(
        True,
        help="""Whether a server that Kubernetes takes away (eviction, drain, preemption, a lost node) is started again
        by itself, elsewhere, with its kernels.""",
    ).tag(config=True)

    lost_node_timeout = Integer(
        None,
        allow_none=True,
        min=0,
        help="""Seconds after which the servers of a node of which nothing is heard any more are started elsewhere, from
        their last checkpoints.

        They become the pod's tolerations of the taints `not-ready` and `unreachable`. None: what the cluster gives to
        every pod, 300 seconds as a rule; the same for a toleration that is set here by the admin. A node that comes
        back later than that ends what still runs on it.
        """,
    ).tag(config=True)

    evacuation_taints = List(
        Unicode(),
        list(EVACUATION_TAINTS),
        help="""Taints that say that a node is about to go: servers on it are moved ahead of their eviction.

        Each is a taint's key, or `key:effect`, with `*` and `?` as in file names. A server is moved when its kernels
        can be saved and there is room for it elsewhere; a cell that runs is not interrupted, and what cannot be moved
        is tried again a minute later, until it is evicted. The hub needs to `list` and `watch` nodes, by a ClusterRole;
        without it, or with an empty list, servers move when they are evicted, and not before.
        """,
    ).tag(config=True)

    # -- other sizes ---------------------------------------------------------------------------------------------------

    resize_in_place_timeout = Float(
        10.0,
        help="""Seconds that a resize in place may take, or be deferred by the kubelet, before the server is moved
        instead.""",
    ).tag(config=True)

    insurance_deadline = Float(
        5.0,
        help="""Seconds in which the kernels are saved before a resize in place, which should not need it. It is done
        all the same when they cannot be saved in that time. 0: they are not saved.""",
    ).tag(config=True)

    room_timeout = Float(
        30.0,
        min=0.0,
        help="""Seconds in which a place for the new size has to be found before the old pod is touched.

        A pod of the new size, which only sleeps, has to be scheduled in that time; it keeps the room until the server
        is started. The move is refused with the scheduler's reason otherwise. Give it the time that a new node takes
        where nodes are added on demand. 0: nobody looks beforehand.
        """,
    ).tag(config=True)

    @default("keep_sessions")
    def _default_keep_sessions(self) -> bool:
        ours = set(self.class_traits()) - set(KubeSpawner.class_traits())
        if SECRET_ENV in os.environ or ours & set(self._find_my_config(self.config)):
            return True
        _warn_once(self.log)
        return False

    @default("resize_in_place")
    def _default_resize_in_place(self) -> bool:
        return True

    @default("fallback_folder")
    def _default_fallback_folder(self) -> str:
        return ".elastic-spawner/kept"

    @default("move_stop_timeout")
    def _default_move_stop_timeout(self) -> float:
        return self.eviction_grace + 60.0

    # -- the life of a pod ---------------------------------------------------------------------------------------------

    def start(self) -> Awaitable[Any]:  # type: ignore[override]
        """As KubeSpawner's: a future, which ends what progress() tells."""
        self._start_future = asyncio.ensure_future(self._start_as_asked())
        return self._start_future

    _before_profile: dict[str, Any] = {}
    """What the profile has overridden, as it was: each start of a move applies the profile again."""

    async def load_user_options(self) -> None:
        before, self._before_profile = self._before_profile, {}
        for name, value in before.items():
            setattr(self, name, value)
        await super().load_user_options()

    def _apply_overrides(self, spawner_override: dict[str, Any]) -> None:
        for name in spawner_override:
            if hasattr(self, name):
                value = getattr(self, name)
                # KubeSpawner merges into a dictionary in its place.
                self._before_profile.setdefault(name, deepcopy(value) if isinstance(value, dict | list) else value)
        super()._apply_overrides(spawner_override)

    async def _start_as_asked(self) -> Any:
        configured = self.keep_sessions
        await self.load_user_options()
        if self.keep_sessions != configured:  # by a profile
            self._kept_else = configured
        return await super().start()

    async def stop(self, now: bool = False) -> None:
        if _within.get():
            await _Pods.stop(self, now)
        else:
            await super().stop(now)

    # -- the pod as it is seen -----------------------------------------------------------------------------------------

    @property
    def node(self) -> str | None:  # type: ignore[override]
        """The node that the pod runs on."""
        pod = self.pod_as_seen()
        return pod["spec"].get("nodeName") if pod else None

    @property
    def grace(self) -> float:
        """Seconds that Kubernetes gives the pod to end."""
        pod = self.pod_as_seen() or {"spec": {}}
        return float(pod["spec"].get("terminationGracePeriodSeconds") or self.eviction_grace)

    async def running_launch(self) -> str | None:
        answer = await self.api.read_namespaced_pod(self.pod_name, self.namespace, _preload_content=False)
        if answer.status == 404:
            return None
        pod = json.loads(await answer.read())
        if answer.status != 200:
            raise ElasticError(f"the pod {self.pod_name} cannot be looked at: {pod.get('message')}")
        return kube_pod.launch_of(pod)

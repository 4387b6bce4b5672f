"""ElasticKubeSpawner: servers as pods of a Kubernetes cluster, which outlive their pods and nodes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from jupyterhub.utils import url_path_join
from kubespawner.clients import shared_client

from ..migration import Move, Size, Step, progress
from . import kube_events, kube_pod, naming, sign
from .kube_leaving import ElasticKubeLeaving
from .sizes import format_size

IMAGE_VOLUMES_SINCE = 36
"""The minor version of Kubernetes 1 in which image volumes (KEP-4639) are there for everybody."""
_version: tuple[int, int] | None = None
"""The cluster's, once it was asked."""


class ElasticKubeSpawner(ElasticKubeLeaving):
    """Runs servers as KubeSpawner does, and keeps their sessions: over stops, resizes, evictions and drains.

    All of KubeSpawner's settings hold, and mean what they mean there. A size is the limit of memory and CPU; what is
    guaranteed follows in proportion.
    """

    # -- the pod -------------------------------------------------------------------------------------------------------

    async def get_pod_manifest(self) -> Any:
        """KubeSpawner's, with what is ours added; the admin's `modify_pod_hook` sees and may change all of it."""
        pod = await super().get_pod_manifest()
        if not self.keep_sessions:
            return pod
        pod.metadata.annotations = {**(pod.metadata.annotations or {}), kube_pod.LAUNCH: self._launch}
        as_volume = await self._has_image_volumes()
        kube_pod.lend_packages(pod, self.agent_image, self.agent_image_pull_policy, as_volume)
        path = naming.file_path(self.store_url)
        if self.store_volume and path is not None:
            kube_pod.mount_store(pod, self.store_volume, str(path), naming.segment(self.user.name))
        if self.lost_node_timeout is not None:
            kube_pod.tolerate_lost_node(pod, self.lost_node_timeout)
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
                "%s: its pod has a preStop hook of yours that is no command, so it cannot have ours, which saves the "
                "kernels when it is evicted: they come back as they were at the last save",
                self._log_name,
            )
        return pod

    async def _has_image_volumes(self) -> bool:
        if self.agent_delivery != "auto":
            return self.agent_delivery == "image-volume"
        global _version
        if _version is None:
            try:
                found = await shared_client("VersionApi").get_code(_request_timeout=10)
            except Exception as error:
                self.log.warning("%s: the version of Kubernetes cannot be had (%r)", self._log_name, error)
                return True  # the pod will hardly be made either
            minor = "".join(filter(str.isdigit, found.minor))
            _version = int(found.major), int(minor or 0)
            if _version < (1, IMAGE_VOLUMES_SINCE):
                self.log.info(
                    "elastic_spawner: Kubernetes %d.%d has no image volumes for everybody (1.%d has), so an init "
                    "container copies our packages into each user's pod",
                    *_version,
                    IMAGE_VOLUMES_SINCE,
                )
        return _version >= (1, IMAGE_VOLUMES_SINCE)

    async def prepare_start(self) -> None:
        await super().prepare_start()
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

    def agent_config_path(self) -> str:
        return f"{kube_pod.MOUNT}/lib/elastic_spawner/agent/etc"

    def lib_path(self) -> str:
        return f"{kube_pod.MOUNT}/lib"

    def get_env(self) -> dict[str, str]:
        env: dict[str, str] = super().get_env()
        if self.keep_sessions and self.checkpoint_url.startswith("s3:"):
            token = self.keys.store_token(self.user.name, self.name)
            env["ELASTIC_SPAWNER_STORE_URL"] = sign.signed_url(self.hub.api_url, self.user.name, self.name, token)
        return env

    # -- what is told of a move ----------------------------------------------------------------------------------------

    def begin_move(self, size: Size, **how: Any) -> Move:
        move = super().begin_move(size, **how)
        why = "; ".join(move.notes) or f"{format_size(move.old)} -> {format_size(move.new)}"
        self.tell("ElasticMoveBegun", f"The server is moved: {why}")
        return move

    async def move_ended(self, move: Move) -> None:
        await super().move_ended(move)
        failed = move.step in (Step.UNDONE, Step.FAILED)
        self.tell("ElasticMoveEnded", progress(move, time.time()).message, warning=failed)

    def tell(self, reason: str, message: str, warning: bool = False) -> None:
        """Have an Event of the pod written, without waiting for it."""
        kube_events.tell(self.api, self.log, self.pod_as_seen(), reason, message, warning)

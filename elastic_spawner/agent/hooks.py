"""Noticing what happens to the server's kernels.

The server's kernel manager may be any class (its own, a gateway's, a collaboration server's), so it is not replaced.
Instead a few of its methods are wrapped on the one instance that the server has.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from jupyter_client.connect import LocalPortCache
from jupyter_core.utils import ensure_async
from traitlets.config.configurable import LoggingConfigurable

from .channel import USERNAME

PORTS = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")


class Listener(Protocol):
    """Who is told."""

    def on_start(self, kernel_id: str, manager: Any, folder: str | None) -> None:
        """A kernel was started; its process may not listen yet."""

    def on_death(self, kernel_id: str) -> None:
        """A kernel died by itself, and is about to be started again."""

    async def on_restart(self, kernel_id: str, died: bool) -> None:
        """A kernel has another process: it died before, or the user asked for it."""

    async def on_shutdown(self, kernel_id: str) -> None:
        """A kernel was shut down on purpose, by the user or by the culler."""

    def on_stop(self) -> bool:
        """The server is about to stop, and with it all kernels; returns whether these may be killed."""

    def on_message(
        self, kernel_id: str, ours: bool, message_type: str, parent: dict[str, Any], content: dict[str, Any]
    ) -> None:
        """A kernel published a message; ``parent`` is the header of what it answers."""


class KernelHooks:
    """Wraps the kernel manager's methods and tells the listener."""

    def __init__(self, mapping: Any, listener: Listener, owner: LoggingConfigurable) -> None:
        self._mapping = mapping
        self._listener = listener
        self._log = owner.log
        self._dying: set[str] = set()

    def install(self) -> None:
        """Wrap the methods; from now on the listener is told. Kernels that run already are told as started."""
        mapping = self._mapping
        mapping.start_kernel = self._around_start(mapping.start_kernel)
        mapping.shutdown_kernel = self._around_shutdown(mapping.shutdown_kernel)
        mapping.shutdown_all = self._around_shutdown_all(mapping.shutdown_all)
        if hasattr(mapping, "start_watching_activity"):
            mapping.start_watching_activity = self._around_watching(mapping.start_watching_activity)
        for kernel_id in mapping.list_kernel_ids():
            self.watch_activity(kernel_id)
            self._begin(kernel_id, None)

    def watch_activity(self, kernel_id: str) -> None:
        """Listen to the kernel's messages afresh, as is needed after it got other ports."""
        try:
            self._mapping.stop_watching_activity(kernel_id)
            self._mapping.start_watching_activity(kernel_id)
        except Exception:
            self._log.debug("kernel %s cannot be watched", kernel_id, exc_info=True)

    def _around_start(self, original: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, str]]:
        async def start_kernel(*args: Any, **kwargs: Any) -> str:
            known = kwargs.get("kernel_id")
            existed = known is not None and known in self._mapping
            kernel_id: str = await ensure_async(original(*args, **kwargs))
            if not existed:
                self._begin(kernel_id, kwargs.get("path"))
            return kernel_id

        return start_kernel

    def _begin(self, kernel_id: str, folder: str | None) -> None:
        try:
            manager = self._mapping.get_kernel(kernel_id)
            manager.restart_kernel = self._around_restart(kernel_id, manager.restart_kernel)
            manager.add_restart_callback(lambda: self._died(kernel_id), "restart")
            self._listener.on_start(kernel_id, manager, folder)
        except Exception:
            self._log.exception("elastic_spawner cannot look after kernel %s", kernel_id)

    def _died(self, kernel_id: str) -> None:
        self._dying.add(kernel_id)
        self._listener.on_death(kernel_id)

    def _around_restart(self, kernel_id: str, original: Callable[..., Any]) -> Callable[..., Any]:
        # This one method of the kernel's own manager serves the user's restarts and those after a death.
        async def told() -> None:
            died = kernel_id in self._dying
            self._dying.discard(kernel_id)
            await self._tell(self._listener.on_restart(kernel_id, died))

        async def finish(result: Awaitable[Any]) -> Any:
            value = await result
            await told()
            return value

        def restart_kernel(*args: Any, **kwargs: Any) -> Any:
            if kwargs.get("newports"):
                forget_ports(self._mapping.get_kernel(kernel_id))
            result = original(*args, **kwargs)
            if inspect.isawaitable(result):
                return finish(result)
            asyncio.ensure_future(told())  # a manager of the older, blocking kind
            return result

        return restart_kernel

    async def _tell(self, news: Awaitable[None]) -> None:
        """Nothing that goes wrong with us may keep the user from restarting or shutting down a kernel."""
        try:
            await news
        except Exception:
            self._log.exception("elastic_spawner failed to follow a kernel")

    def _around_shutdown(self, original: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def shutdown_kernel(kernel_id: str, *args: Any, **kwargs: Any) -> Any:
            result = await ensure_async(original(kernel_id, *args, **kwargs))
            if not (kwargs.get("restart") or (len(args) > 1 and args[1])):
                await self._tell(self._listener.on_shutdown(kernel_id))
            return result

        return shutdown_kernel

    def _around_shutdown_all(self, original: Callable[..., Any]) -> Callable[..., Any]:
        takes = inspect.signature(original).parameters
        has_now = "now" in takes or any(each.kind is each.VAR_KEYWORD for each in takes.values())

        def shutdown_all(*args: Any, **kwargs: Any) -> Any:
            if self._listener.on_stop() and has_now and not args:
                kwargs["now"] = True
            return original(*args, **kwargs)

        return shutdown_all

    def _around_watching(self, original: Callable[[str], None]) -> Callable[[str], None]:
        def start_watching_activity(kernel_id: str) -> None:
            original(kernel_id)
            manager = self._mapping.get_kernel(kernel_id)
            stream: Any = getattr(manager, "_activity_stream", None)
            record = getattr(stream, "_recv_callback", None)
            if record is not None:
                stream.on_recv(self._around_record(kernel_id, manager, record))

        return start_watching_activity

    def _around_record(self, kernel_id: str, manager: Any, record: Callable[[Any], None]) -> Callable[[Any], None]:
        mapping = self._mapping

        def record_activity(frames: list[bytes]) -> None:
            before = manager.last_activity, mapping.last_kernel_activity
            record(frames)
            try:
                parts = manager.session.feed_identities(frames)[1]
                header, parent = manager.session.unpack(parts[1]), manager.session.unpack(parts[2])
                ours = parent.get("username") == USERNAME
                kind = header["msg_type"]
                content = manager.session.unpack(parts[4]) if kind in ("status", "execute_input") else {}
            except Exception:
                self._log.debug("unreadable message of kernel %s", kernel_id, exc_info=True)
                return
            if ours:
                # Our looking after a kernel must not keep it from being culled as idle. Nor may it pass for busy: to a
                # busy kernel the server lets a front end connect without making sure that it gets the kernel's output.
                manager.last_activity, mapping.last_kernel_activity = before
                if manager.execution_state == "busy":
                    manager.execution_state = "idle"
            self._listener.on_message(kernel_id, ours, kind, parent, content)

        return record_activity


def forget_ports(manager: Any) -> None:
    """Let a kernel that did not come up choose other ports.

    jupyter_client means to, but where it has reserved ports for the kernel (`cache_ports`, the default over TCP) it
    starts it on the same ones again, five times: when another process has taken one of them meanwhile, the kernel is
    lost.
    """
    provisioner = manager.provisioner
    if not getattr(provisioner, "ports_cached", False):
        return
    for name in PORTS:
        LocalPortCache.instance().return_port(getattr(manager, name))
        setattr(manager, name, 0)
    provisioner.ports_cached = False
    manager.cleanup_connection_file()


class _Info(concurrent.futures.Future[dict[str, Any]]):
    """A kernel's description of itself that a gate of ours is to give."""


class Gate:
    """Keeps front ends from a kernel until our first messages are in its queue.

    The server lets a websocket through when it has a kernel's `kernel_info_reply`, which it keeps in a future on the
    kernel's manager. Putting that future there beforehand makes every front end wait until we complete it (or until the
    server loses patience). Those that wait at a gate of ours that was never opened wait at the next one.
    """

    def __init__(self, manager: Any) -> None:
        before = getattr(manager, "_kernel_info_future", None)
        self._future = before if isinstance(before, _Info) and not before.done() else _Info()
        manager._kernel_info_future = self._future

    def open(self, info: dict[str, Any]) -> None:
        """Let the front ends through; `info` is the kernel's description of itself, or empty. Again: no effect."""
        if not self._future.done():
            self._future.set_result(info)

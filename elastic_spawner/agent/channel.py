"""Talking to one kernel in private.

Each conversation has a connection of its own, so that neither the user's messages nor ours wait for the other's
replies, and what we send is silent: it has no number, is not in the history, and no front end shows anything for it.
"""

from __future__ import annotations

import ast
import asyncio
import json
import time
from pathlib import Path
from queue import Empty
from typing import Any

import zmq.asyncio
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.session import Session
from jupyter_core.utils import ensure_async

from elastic_spawner.errors import ElasticError

from .deadline import Deadline
from .kernels import Kernel

USERNAME = "elastic-spawner"
"""Stands in the header of every message of ours, by which they are told from the user's."""

INTERRUPTED = ("Interrupted", "KeyboardInterrupt")
"""Kinds of failure which say that somebody interrupted the kernel while it was busy for us."""

POLL_SECONDS = 0.5
"""How often a kernel that does not answer is looked at."""


class KernelBusy(ElasticError):
    """The kernel did not come to our message in time."""


class KernelDied(ElasticError):
    """The kernel's process ended, or was restarted, while it was to answer."""


class KernelFailure(ElasticError):
    """The kernel part answered with an error; `kind` is the name of its exception."""

    def __init__(self, kind: str, message: str, lost: list[dict[str, Any]] | None = None) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.lost = lost or []
        """With the kind `WouldLose`: the variables that would be lost, as the kernel's plan names them."""


def new_context() -> zmq.asyncio.Context:
    """A ZeroMQ context for our connections only.

    It tries again quickly: a kernel that is just starting is to get our first message before anyone else's.
    """
    context = zmq.asyncio.Context()
    context.setsockopt(zmq.RECONNECT_IVL, 20)
    context.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
    context.setsockopt(zmq.LINGER, 0)
    return context


class KernelChannel:
    """A connection to a kernel's shell channel; an async context manager. Not to be used by two tasks at once.

    Every method raises KernelDied, and KernelBusy when there is no answer by the deadline. What was sent may
    still be in the kernel's queue then. Cancelling a method leaves the connection in order.
    """

    def __init__(self, kernel: Kernel, context: zmq.asyncio.Context) -> None:
        self._kernel = kernel
        self._born = kernel.incarnation
        self._client = AsyncKernelClient(
            session=Session(username=USERNAME, key=kernel.manager.session.key), context=context
        )

    async def __aenter__(self) -> KernelChannel:
        self._client.load_connection_info(self._kernel.manager.get_connection_info())
        self._client.start_channels(shell=True, iopub=False, stdin=False, hb=False, control=False)
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._client.stop_channels()

    async def info(self, wait: Deadline) -> dict[str, Any]:
        """The kernel's description of itself: content of its `kernel_info_reply`."""
        return await self._reply(self._client.kernel_info(), wait)

    async def load(self, libs: tuple[str, ...], wait: Deadline | None) -> dict[str, Any]:
        """Load the kernel part. Raises KernelFailure."""
        source = Path(__file__).with_name("in_kernel.py").read_text(encoding="utf-8")
        run = f"__import__('builtins').exec({source!r}, ns)"  # the user may have an `exec` of their own
        return await self._ask(f"(lambda ns: ({run}, ns['load']({list(libs)!r}))[1])({{'__name__': 'elastic'}})", wait)

    async def call(
        self,
        method: str,
        params: dict[str, Any],
        *,
        start: Deadline | None = None,
        wait: Deadline | None = None,
        begun: asyncio.Event | None = None,
    ) -> dict[str, Any]:
        """Call a method of the kernel part and return its result.

        Waits until `wait` for the answer (default: until `start`; for ever if neither is given). The kernel part
        does not begin after `start`: a call that stayed behind in the queue does nothing. `begun` is set when the
        kernel says that it has begun, if the server hears it. Raises KernelFailure.
        """
        if start is not None:
            params = {**params, "not_after": start.epoch}
        try:
            rpc = "__import__('elastic_spawner.kernel.rpc', fromlist=['call'])"
            return await self._ask(f"{rpc}.call({method!r}, {json.dumps(params)!r})", wait or start, begun)
        except KernelFailure as failure:
            if failure.kind == "Expired":
                raise KernelBusy(f"the kernel of {self._kernel.label} was busy until the deadline") from None
            raise

    async def _ask(self, expression: str, wait: Deadline | None, begun: asyncio.Event | None = None) -> dict[str, Any]:
        while True:
            # No code, but an expression: IPython then runs no hook, and nothing is printed, counted or remembered.
            message = self._client.execute(
                "", silent=True, store_history=False, user_expressions={"elastic": expression}, allow_stdin=False,
                stop_on_error=False,
            )  # fmt: skip
            if begun is not None:
                self._kernel.begins[message] = begun
            try:
                content = await self._reply(message, wait)
            finally:
                self._kernel.begins.pop(message, None)
            if content.get("status") != "aborted":
                break
            await asyncio.sleep(0.02)  # a failing cell ahead of us emptied the queue: not our failure, so ask again
        value = content.get("user_expressions", {}).get("elastic", content)
        if value.get("status") != "ok":
            raise KernelFailure(
                value.get("ename", "Error"), value.get("evalue", "the kernel does not answer expressions")
            )
        try:
            answer = json.loads(ast.literal_eval(value["data"]["text/plain"]))
        except (KeyError, ValueError, SyntaxError):
            raise KernelFailure("FormatError", "the kernel's answer cannot be read") from None
        if not answer["ok"]:
            error = answer["error"]
            raise KernelFailure(error["type"], error["message"], error.get("lost"))
        result: dict[str, Any] = answer["result"]
        return result

    async def _reply(self, message: str, wait: Deadline | None) -> dict[str, Any]:
        looked = time.monotonic()
        while True:
            timeout = POLL_SECONDS if wait is None else min(POLL_SECONDS, wait.left)
            try:
                reply = await self._client.get_shell_msg(timeout=timeout)
            except Empty:
                reply = None
            if reply is not None and reply["parent_header"].get("msg_id") == message:
                content: dict[str, Any] = reply["content"]
                return content
            if reply is None or time.monotonic() - looked > POLL_SECONDS:
                looked = time.monotonic()
                await self._check_alive()
            if wait is not None and wait.passed:
                raise KernelBusy(
                    f"the kernel of {self._kernel.label} did not answer in time; it is running something else"
                )

    async def _check_alive(self) -> None:
        if self._kernel.incarnation != self._born:
            raise KernelDied(f"the kernel of {self._kernel.label} was restarted meanwhile")
        if not await ensure_async(self._kernel.manager.is_alive()):
            raise KernelDied(f"the kernel of {self._kernel.label} died")

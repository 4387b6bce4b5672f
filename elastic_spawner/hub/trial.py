"""``python -m elastic_spawner.hub.trial``: does a session outlive the eviction of its pod? What `helm test` runs.

Starts a server for a user of its own, sets variables in a kernel, evicts the pod through the Eviction API as a drain
does, waits until the server is back, and reads the variables in the same kernel. Deletes the user at the end, and the
checkpoints with the user. All settings come from the environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from kubernetes_asyncio import client, config
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.websocket import websocket_connect

from ..errors import ElasticError

SET = "elastic_test = {'value': 41, 'seen': []}; alias = elastic_test['seen']"
READ = "alias.append(1); print(elastic_test['value'] + 1, elastic_test['seen'])"
EXPECTED = "42 [1]"


class TrialFailed(ElasticError):
    """The session did not outlive the eviction, or the trial got not that far."""


class Trial:
    """One trial, with the rights of one token of the hub and of the pod's own service account."""

    def __init__(self, url: str, token: str, user: str, namespace: str, timeout_s: float) -> None:
        self.url, self.user, self.namespace = url.rstrip("/"), user, namespace
        self._headers = {"Authorization": f"token {token}"}
        self._deadline = time.monotonic() + timeout_s
        self._began = time.monotonic()
        self._http = AsyncHTTPClient()

    async def run(self) -> None:
        """Raises TrialFailed with what went wrong."""
        config.load_incluster_config()
        async with client.ApiClient() as connection:
            pods = client.CoreV1Api(connection)
            await self._delete_user()
            await self._hub("POST", f"users/{self.user}")
            try:
                await self._start()
                kernel = await self._start_kernel()
                await self._cell(kernel, SET)
                self._say("a kernel holds a variable")
                before = await self._pod(pods)
                await self._evict(pods, before.metadata.name)
                self._say(f"the pod {before.metadata.name} on {before.spec.node_name} is evicted")
                after = await self._until(lambda: self._other_pod(pods, before), "the server does not come back")
                await self._until(lambda: self._has_kernel(kernel), "the kernel does not come back")
                self._say(f"the server is back on {after.spec.node_name}, with its kernel")
                printed = await self._until(lambda: self._read(kernel), "the kernel does not answer")
                if printed.strip() != EXPECTED:
                    raise TrialFailed(f"the kernel printed {printed!r} instead of {EXPECTED!r}: the session is lost")
                self._say("the variable is there")
            finally:
                await self._delete_user()

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", flush=True)

    async def _until(self, found: Callable[[], Awaitable[Any]], otherwise: str) -> Any:
        """Ask until there is an answer; an answer that is none yet is None or an error of HTTP or the network."""
        reason = ""
        while time.monotonic() < self._deadline:
            try:
                if (answer := await found()) is not None:
                    return answer
            except (HTTPClientError, OSError) as error:
                reason = f" ({error})"
            await asyncio.sleep(1)
        raise TrialFailed(otherwise + reason)

    # -- the hub -------------------------------------------------------------------------------------------------------

    async def _hub(self, method: str, path: str) -> Any:
        answer = await self._request(method, f"{self.url}/hub/api/{path}", "{}" if method == "POST" else None)
        return json.loads(answer.body) if answer.body else None

    async def _request(self, method: str, url: str, body: str | None = None, timeout_s: float = 60) -> HTTPResponse:
        return await self._http.fetch(
            HTTPRequest(url, method=method, headers=self._headers, body=body, request_timeout=timeout_s)
        )

    async def _start(self) -> None:
        await self._hub("POST", f"users/{self.user}/server")

        async def ready() -> bool | None:
            server = (await self._hub("GET", f"users/{self.user}")).get("servers", {}).get("", {})
            return True if server.get("ready") else None

        await self._until(ready, f"the server of {self.user} does not start: see its events, and the hub's log")
        self._say(f"the server of {self.user} runs")

    async def _delete_user(self) -> None:
        async def gone() -> bool | None:
            try:
                await self._hub("DELETE", f"users/{self.user}")
            except HTTPClientError as error:
                if error.code != 404:
                    raise
            return True

        await self._until(gone, f"the user {self.user} cannot be deleted")

    # -- the server ----------------------------------------------------------------------------------------------------

    @property
    def _server(self) -> str:
        return f"{self.url}/user/{self.user}"

    async def _start_kernel(self) -> str:
        kernel = {"path": "elastic-test.ipynb", "name": "", "type": "notebook", "kernel": {"name": None}}
        answer = await self._request("POST", f"{self._server}/api/sessions", json.dumps(kernel))
        return str(json.loads(answer.body)["kernel"]["id"])

    async def _has_kernel(self, kernel: str) -> bool | None:
        # What reaches a pod that is just going is never answered.
        answer = await self._request("GET", f"{self._server}/api/kernels", timeout_s=5)
        return True if any(found["id"] == kernel for found in json.loads(answer.body)) else None

    async def _read(self, kernel: str) -> str:
        return await self._cell(kernel, READ)

    async def _cell(self, kernel: str, code: str) -> str:
        """Run a cell and return what it printed. Raises TrialFailed with the error that it ended in."""
        message = {
            "header": {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3", "session": "test"},
            "parent_header": {},
            "metadata": {},
            "content": {"code": code, "silent": False, "store_history": True, "allow_stdin": False},
            "channel": "shell",
        }
        address = f"{self._server}/api/kernels/{kernel}/channels".replace("http", "ws", 1)
        socket = await websocket_connect(HTTPRequest(address, headers=self._headers))
        printed = ""
        try:
            await socket.write_message(json.dumps(message))
            while True:
                left = max(1.0, self._deadline - time.monotonic())
                text = await asyncio.wait_for(socket.read_message(), left)
                if text is None:
                    raise ConnectionError("the connection to the kernel was closed")
                found = json.loads(text)
                if found["parent_header"].get("msg_id") != message["header"]["msg_id"]:  # type: ignore[index]
                    continue
                if found["msg_type"] == "stream":
                    printed += found["content"]["text"]
                if found["msg_type"] == "execute_reply" and found["content"]["status"] != "ok":
                    raise TrialFailed(f"{code!r} ended in {found['content'].get('ename')}: {found['content']}")
                if found["msg_type"] == "status" and found["content"]["execution_state"] == "idle":
                    return printed
        finally:
            socket.close()

    # -- the pod -------------------------------------------------------------------------------------------------------

    async def _pod(self, pods: Any) -> Any:
        selector = f"component=singleuser-server,hub.jupyter.org/username={self.user}"
        found = await pods.list_namespaced_pod(self.namespace, label_selector=selector)
        return found.items[0] if found.items else None

    async def _other_pod(self, pods: Any, before: Any) -> Any:
        pod = await self._pod(pods)
        return pod if pod and pod.metadata.uid != before.metadata.uid else None

    async def _evict(self, pods: Any, name: str) -> None:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        await pods.create_namespaced_pod_eviction(name, self.namespace, eviction)


def main() -> int:
    environ = os.environ
    try:
        trial = Trial(
            environ["ELASTIC_TEST_URL"],
            environ["ELASTIC_TEST_TOKEN"],
            environ["ELASTIC_TEST_USER"],
            environ["POD_NAMESPACE"],
            float(environ.get("ELASTIC_TEST_TIMEOUT", "600")),
        )
        asyncio.run(trial.run())
    except KeyError as error:
        print(f"FAILED: {error} is not in the environment: `helm test` runs this", file=sys.stderr)
        return 2
    except (TrialFailed, HTTPClientError, OSError, asyncio.TimeoutError, client.ApiException) as error:
        print(f"FAILED: {error or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

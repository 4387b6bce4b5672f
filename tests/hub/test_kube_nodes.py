"""The watch of nodes and pods: a thousand servers, a handful of requests.

The API server here is a small one of the tests that counts what it is asked; the client is the real one.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from typing import Any

import pytest
from kubernetes_asyncio.client import ApiClient, Configuration, CoreV1Api
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from elastic_spawner.hub import kube_leaving
from elastic_spawner.hub.agent_client import AgentError
from elastic_spawner.hub.kube import ElasticKubeSpawner
from elastic_spawner.hub.kube_nodes import EVACUATION_TAINTS, NodeWatch
from elastic_spawner.hub.kube_pod import LAUNCH, launch_of
from elastic_spawner.hub.kube_watch import DisruptionWatch
from elastic_spawner.migration import Save, Size

from .kube import nowhere, spawner  # noqa: F401

pytestmark = pytest.mark.usefixtures("nowhere")
LOG = logging.getLogger(__name__)


class Api:
    """Lists and watches nodes, as the API server does."""

    def __init__(self, *nodes: str) -> None:
        self.asked: Counter[str] = Counter()
        self.nodes = {name: self._node(name, 1) for name in nodes}
        self.version = 1
        self.status = 200
        self.watches: list[asyncio.Queue[dict[str, Any] | None]] = []

    def _node(self, name: str, version: int, *taints: dict[str, str]) -> dict[str, Any]:
        metadata = {"name": name, "resourceVersion": str(version), "annotations": {"long": "x" * 200_000}}
        return {"metadata": metadata, "spec": {"taints": list(taints)}}

    def taint(self, name: str, *keys: str) -> None:
        self.version += 1
        node = self._node(name, self.version, *({"key": key, "effect": "NoSchedule"} for key in keys))
        self.nodes[name] = node
        self.tell({"type": "MODIFIED", "object": node})

    def tell(self, event: dict[str, Any] | None) -> None:
        for queue in self.watches:
            queue.put_nowait(event)

    async def __aenter__(self) -> Api:
        api = self

        class Nodes(web.RequestHandler):
            async def get(self) -> None:
                watching = bool(self.get_query_argument("watch", ""))
                api.asked["watch" if watching else "list"] += 1
                if api.status != 200:
                    self.set_status(api.status)
                    self.finish({"code": api.status, "message": 'User "hub" cannot list resource "nodes"'})
                elif not watching:
                    self.finish({"metadata": {"resourceVersion": str(api.version)}, "items": [*api.nodes.values()]})
                else:
                    queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
                    api.watches.append(queue)
                    await self.flush()
                    while (event := await queue.get()) is not None:
                        self.write(json.dumps(event) + "\n")
                        await self.flush()
                    api.watches.remove(queue)

        class Other(web.RequestHandler):
            def prepare(self) -> None:
                api.asked[f"{self.request.method} {self.request.path}"] += 1
                raise web.HTTPError(404)

        socket, port = bind_unused_port()
        self._server = HTTPServer(web.Application([("/api/v1/nodes", Nodes), (".*", Other)]))
        self._server.add_socket(socket)
        self._client = ApiClient(Configuration(host=f"http://127.0.0.1:{port}"))
        self.core = CoreV1Api(self._client)
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.tell(None)
        await self._client.close()
        self._server.stop()


async def until(condition: Any) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")


async def watching(api: Api, watch: NodeWatch) -> None:
    watch.start(api.core, LOG)
    await until(lambda: api.watches)


def test_taints_come_and_go_over_one_request() -> None:
    async def play() -> Counter[str]:
        async with Api("one", "two") as api:
            watch = NodeWatch()
            await watching(api, watch)
            assert watch.notice("one", EVACUATION_TAINTS) == ""
            api.taint("one", "example.org/mine", "aws-node-termination-handler/spot-itn")
            await until(lambda: watch.notice("one", EVACUATION_TAINTS))
            assert watch.notice("one", EVACUATION_TAINTS) == "aws-node-termination-handler/spot-itn:NoSchedule"
            assert watch.notice("one", ["example.org/*"]) == "example.org/mine:NoSchedule"
            assert watch.notice("one", ["example.org/*:NoExecute"]) == watch.notice("two", ["*"]) == ""
            api.taint("one")
            await until(lambda: not watch.notice("one", ["*"]))
            return api.asked

    assert asyncio.run(play()) == {"list": 1, "watch": 1}


def test_a_watch_that_ends_goes_on_and_one_that_is_too_old_begins_anew() -> None:
    async def play() -> Counter[str]:
        async with Api("one") as api:
            watch = NodeWatch()
            await watching(api, watch)
            api.tell(None)  # as after its five minutes
            await until(lambda: api.asked["watch"] == 2 and api.watches)
            api.tell({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "7", "name": ""}}})
            api.nodes["one"]["spec"]["taints"] = [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]
            api.tell({"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}})
            await until(lambda: watch.notice("one", EVACUATION_TAINTS) and api.asked["watch"] == 3)
            return api.asked

    assert asyncio.run(play()) == {"list": 2, "watch": 3}


def test_without_the_cluster_role_it_says_so_once_and_is_off(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> tuple[Counter[str], str]:
        async with Api("one") as api:
            api.status = 403
            watch = NodeWatch()
            watch.start(api.core, LOG)
            await until(lambda: watch.off)
            watch.start(api.core, LOG)
            await asyncio.sleep(0.1)
            return api.asked, watch.off

    with caplog.at_level(logging.WARNING):
        asked, off = asyncio.run(play())
    assert asked == {"list": 1} and "cannot list" in off
    (record,) = [record for record in caplog.records if record.name == LOG.name]
    assert "`list` and `watch` on `nodes`" in record.getMessage()


class Simulated(ElasticKubeSpawner):
    """Its moves touch no pod, but take their time; all else is as it is."""

    ready = True
    saving = 0
    most_saving = 0
    done = 0
    where = ""

    def pod_as_seen(self) -> dict[str, Any]:
        return {"spec": {"nodeName": self.where}, "status": {"phase": "Running"}}

    async def really_running(self) -> int | None:
        return None

    def tell(self, reason: str, message: str, warning: bool = False) -> None:
        Simulated.told[reason] += 1

    told: Counter[str] = Counter()

    async def check_room(self, size: Size) -> None:
        pass

    async def reserve_room(self, size: Size) -> tuple[str, ...]:
        return ()

    async def save_for_move(self, action: Save) -> tuple[int, tuple[str, ...]]:
        Simulated.saving += 1
        Simulated.most_saving = max(Simulated.most_saving, Simulated.saving)
        await asyncio.sleep(0.001)
        Simulated.saving -= 1
        return 1, ()

    async def end_server(self, force: bool) -> None:
        pass

    async def launch_server(self, size: Size) -> None:
        self.where = "elsewhere"

    async def route_to_server(self) -> None:
        pass

    async def route_away(self) -> None:
        pass

    async def restored(self) -> tuple[str, ...]:
        Simulated.done += 1
        return ()


def test_a_thousand_servers_are_moved_without_a_request_more_and_not_all_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half of them are on the node that goes. The requests of a move itself are counted on the cluster."""
    monkeypatch.setattr(kube_leaving, "watch", DisruptionWatch())

    async def play() -> Counter[str]:
        async with Api("going", "staying") as api:
            servers = [spawner(Simulated) for _ in range(1000)]
            for number, server in enumerate(servers):
                server.api, server.where = api.core, "going" if number % 2 else "staying"
                server._look_after()
            await until(lambda: api.watches)
            await asyncio.sleep(1.2)  # two looks at least, at which nothing is to be done
            assert Simulated.done == 0
            api.taint("going", "ToBeDeletedByClusterAutoscaler")
            await until(lambda: Simulated.done == 500)
            await until(lambda: not any(server.moving for server in servers))
            assert {server.where for server in servers[1::2]} == {"elsewhere"}
            assert {server.where for server in servers[::2]} == {"staying"}
            return api.asked

    assert asyncio.run(play()) == {"list": 1, "watch": 1}
    assert Simulated.most_saving == 20  # the default of `concurrent_saves`
    assert Simulated.told == {"ElasticMoveBegun": 500, "ElasticMoveEnded": 500}


class Evicted(Simulated):
    """The kubelet takes its pod away, and saves it by itself: the agent does not hear the hub any more."""

    asked = starting = most_starting = 0
    save_for_move = ElasticKubeSpawner.save_for_move  # type: ignore[assignment]

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._launch = "first"
        self.condition: list[dict[str, str]] = []

    def pod_as_seen(self) -> dict[str, Any]:
        status = {"phase": self.phase, "conditions": self.condition}
        return {"metadata": {"annotations": {LAUNCH: self._launch}}, "spec": {}, "status": status}

    phase = "Running"

    async def running_launch(self) -> str | None:
        Evicted.asked += 1  # the API server
        return launch_of(self.pod_as_seen())

    async def really_running(self) -> int | None:
        return None if launch_of(self.pod_as_seen()) else 1

    @property
    def agent(self) -> Any:
        raise AgentError("unreachable", "it does not answer")

    async def launch_server(self, size: Size) -> None:
        Evicted.starting += 1
        Evicted.most_starting = max(Evicted.most_starting, Evicted.starting)
        await asyncio.sleep(0.001)
        Evicted.starting -= 1
        self._launch, self.phase, self.condition = "second", "Running", []


def test_a_thousand_servers_that_are_evicted_at_once_are_seen_by_the_watch_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long their pods take to end, the API server is asked once for each, and they start a few at a time."""
    watch = DisruptionWatch()
    monkeypatch.setattr(kube_leaving, "watch", watch)

    async def play() -> None:
        servers = [spawner(Evicted) for _ in range(1000)]
        for server in servers:
            server.evacuation_taints = []
            server._look_after()
            server.condition = [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}]
        await until(lambda: all(server.moving for server in servers))
        await asyncio.sleep(1.5)
        assert all(server.moving for server in servers) and Evicted.most_starting == 0
        for server in servers:
            server.phase = "Failed"
        await until(lambda: not any(server.moving for server in servers))
        assert {server._launch for server in servers} == {"second"}

    asyncio.run(play())
    assert Evicted.asked == 1000
    assert Evicted.most_starting == 20  # the default of `concurrent_starts`


class Unanswered(Simulated):
    """The API server takes too long to make its pod."""

    async def launch_server(self, size: Size) -> None:
        raise asyncio.TimeoutError("Could not create pod users/jupyter-ada")


def test_a_time_out_of_another_s_is_told_in_its_words() -> None:
    async def play() -> str:
        server = spawner(Unanswered)
        server.resize_in_place = False
        server.begin_move(Size(1 << 30, None), deadline_s=1, on_busy="refuse", on_loss="refuse")
        return str((await server.mover.wait()).reason)

    reason = asyncio.run(play())
    assert "starting the server: Could not create pod users/jupyter-ada" in reason and "took longer" not in reason


class Stubborn(Simulated):
    """Its kernel is busy the first two times, and it always comes back to the node that it was on."""

    tries = 0

    async def save_for_move(self, action: Save) -> tuple[int, tuple[str, ...]]:
        assert (action.on_busy, action.on_loss) == ("refuse", "refuse")
        self.tries += 1
        if self.tries < 3:
            raise AgentError("busy", "a cell is running")
        return 1, ()

    async def launch_server(self, size: Size) -> None:
        pass


def test_a_busy_server_is_left_alone_and_tried_again_and_one_that_came_back_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kube_leaving, "watch", DisruptionWatch())
    monkeypatch.setattr(kube_leaving, "EVACUATION_PAUSE_S", 0.2)

    async def play() -> tuple[Any, list[str]]:
        async with Api("going") as api:
            server, ends = spawner(Stubborn), []
            server.api, server.where = api.core, "going"
            ended = server.move_ended

            async def noted(move: Any) -> None:
                ends.append(move.step.value)
                await ended(move)

            server.move_ended = noted
            server._look_after()
            await until(lambda: api.watches)
            api.taint("going", "karpenter.sh/disrupted")
            await until(lambda: "done" in ends)
            await asyncio.sleep(1.5)
            return server, ends

    server, ends = asyncio.run(play())
    assert ends == ["refused", "refused", "done"] and server.tries == 3
    assert "is about to go: karpenter.sh/disrupted:NoSchedule" in server.move.notes[0]

"""Many servers leave a node at once: what they do, how the hub answers meanwhile, what it asks of the API server."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from elastic_spawner.testing import Notebook

from .hub import ClusterHub
from .sessions import cordoned, other_nodes

if TYPE_CHECKING:
    from typing_extensions import Self

COUNTING = """
import json, re
from collections import Counter
from kubernetes_asyncio.client import rest

_calls, _request = Counter(), rest.RESTClientObject.request

async def _counted(self, method, url, *args, **kwargs):
    path = re.sub("^namespaces/[^/]+/", "", url.partition("?")[0].partition("/api/v1/")[2])
    kind, _, name = path.partition("/")
    _calls[f"{method} {kind}{'/NAME' if name else ''}"] += 1
    with open("/tmp/calls.json", "w") as file:
        json.dump(_calls, file)
    return await _request(self, method, url, *args, **kwargs)

rest.RESTClientObject.request = _counted
"""
"""Configuration by which a hub counts what it asks of the API server."""
AT_ONCE = 5
"""How many are saved, and how many are started."""
CONFIG = (
    COUNTING
    + f"""
c.KubeSpawner.mem_guarantee = "32M"
c.KubeSpawner.cpu_guarantee = 0.01
c.ElasticSpawnerMixin.concurrent_saves = c.ElasticSpawnerMixin.concurrent_starts = {AT_ONCE}
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.active_server_limit = 0
"""
)
ABOUT_TO_GO = "ToBeDeletedByClusterAutoscaler=1:NoSchedule"


class Asking:
    """Asks something all the time, in a thread of its own."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s, self._end = pause_s, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def ask(self) -> None:
        raise NotImplementedError

    def _run(self) -> None:
        while not self._end.wait(self._pause_s):
            self.ask()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


class Latency(Asking):
    """Asks the hub's API, as its page does, and keeps how long it took."""

    def __init__(self, hub: ClusterHub) -> None:
        super().__init__(0.1)
        self.seconds: list[float] = []
        self._hub = hub

    def ask(self) -> None:
        began = time.monotonic()
        self._hub.api("GET", "/users")
        self.seconds.append(time.monotonic() - began)


def calls(hub: ClusterHub) -> Counter[str]:
    return Counter(json.loads(hub.shell("cat /tmp/calls.json")))


def hub_memory(hub: ClusterHub) -> int:
    """Bytes of memory that the hub's process takes."""
    return 1024 * int(hub.shell("grep VmRSS /proc/$(cat hub.pid)/status").split()[1])


def start(hub: ClusterHub, number: int) -> tuple[str, Notebook]:
    user = f"user{number}"
    hub.start_server(user, timeout_s=300)
    browser = hub.login(user)
    browser.open_server()
    note = browser.open_notebook()
    assert note.run(f"import os; data = os.urandom(1 << 20); number = {number}", 120).status == "ok"
    return user, note


def check(session: tuple[str, Notebook]) -> None:
    user, note = session
    note.reconnect()
    reply = note.run("print(f'user{number}', len(data))", 180)
    assert reply.stdout == f"{user} {1 << 20}\n", (user, reply)


class Fleet:
    """Servers with a session each, all on one node at first."""

    def __init__(self, hub: ClusterHub, kubectl: Any, count: int) -> None:
        self._hub, self._kubectl = hub, kubectl
        home = json.loads(hub.kubectl("get", "pod", "hub", "-o", "json"))["spec"]["nodeName"]
        self.node, self.others = other_nodes(kubectl, home)[0], [home]
        with cordoned(kubectl, home), ThreadPoolExecutor(AT_ONCE) as pool:
            first = list(pool.map(partial(start, hub), range(min(AT_ONCE, count))))
            memory = hub_memory(hub)
            self.sessions = first + list(pool.map(partial(start, hub), range(len(first), count)))
        self.memory_each = (hub_memory(hub) - memory) / max(1, count - len(first))
        """Bytes by which the hub has grown with each server after the first ones, which import what all need."""

    def told_to_go(self) -> Left:
        """A taint says that their node is about to go: they are moved to the others."""
        try:
            return self._leave(partial(self._kubectl, "taint", "node", self.node, ABOUT_TO_GO))
        finally:
            with suppress(RuntimeError):  # it has none
                self._kubectl("taint", "node", self.node, f"{ABOUT_TO_GO}-")

    def drained(self) -> Left:
        """The nodes that they are on now are drained: they come back by themselves."""
        nodes = sorted({pod["spec"]["nodeName"] for pod in self._hub.pods()})
        which = ("--pod-selector=component=singleuser-server", "--force", "--delete-emptydir-data")
        try:
            return self._leave(partial(self._kubectl, "drain", *nodes, *which))
        finally:
            for node in nodes:
                self._kubectl("uncordon", node)

    def _leave(self, begin: Callable[[], Any]) -> Left:
        """Have all of them leave; returns when they are back and their values were seen to be there."""
        hub = self._hub
        before, began = calls(hub), time.monotonic()
        had = {pod["metadata"]["uid"] for pod in hub.pods()}

        def all_back() -> bool:
            moves = [server.get("migration") or {} for server in hub.control("GET", "/servers").json()]
            # A restore that did not come to its end on a machine that does too much is begun anew, and the move undone.
            if any(move.get("step") not in ("done", "undone") for move in moves):
                return False
            return len({pod["metadata"]["uid"] for pod in hub.pods()} - had) == len(self.sessions)

        with Latency(hub) as latency:
            begin()
            hub.wait_for(all_back, 900, "not all servers are back")
        took = time.monotonic() - began
        asked = calls(hub) - before
        servers = hub.control("GET", "/servers").json()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(check, self.sessions))
        saves = [server["last_checkpoint"] for server in servers]
        outages = []
        for server in servers:
            times = {step: at for step, at in reversed(server["migration"]["story"])}
            end = times[server["migration"]["step"]]
            outages.append(end - times.get("stopping", times.get("starting", end)))
        return Left(took, outages, latency.seconds, asked, most_at_once(saves))


@dataclass(frozen=True)
class Left:
    """How servers have left their node, and come back with all values."""

    took: float
    """Seconds until all were back."""
    outages: list[float]
    """For each, the seconds in which its tab had no server."""
    answers: list[float]
    """The seconds that the hub's API took to answer meanwhile."""
    asked: Counter[str]
    """What the hub has asked of the API server."""
    saves_at_once: int

    def __str__(self) -> str:
        count = len(self.outages)
        each = ", ".join(f"{number / count:.2f} x {name}" for name, number in self.asked.most_common())
        return (
            f"{count} servers back after {self.took:.0f} s, all values there\n"
            f"  a tab without a server: median {statistics.median(self.outages):.1f} s, "
            f"longest {max(self.outages):.1f} s\n"
            f"  GET /hub/api/users: median {statistics.median(self.answers) * 1000:.0f} ms, "
            f"longest {max(self.answers):.2f} s\n"
            f"  saved at once: {self.saves_at_once} at most\n"
            f"  asked of the API server for each: {each}"
        )


def most_at_once(saves: list[dict[str, Any]]) -> int:
    """How many of these saves, as the hub has noted them, were under way at the same time."""
    spans = [(save["created"] - save["seconds"], save["created"]) for save in saves]
    return max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)


@contextmanager
def hub_with(kubectl: Any, command: list[str], config: str = CONFIG) -> Iterator[ClusterHub]:
    hub = ClusterHub(kubectl, command, f"load-{int(time.time())}", config)
    try:
        hub.start()
        yield hub
    finally:
        hub.close()

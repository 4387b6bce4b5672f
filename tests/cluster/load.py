"""Many servers leave a node at once: ``python -m tests.cluster.load [--servers N]``, on the tests' own cluster.

All servers are made to start on one node. Then a taint says that it is about to go, and they are moved; then the other
one is drained, and they come back by themselves. Printed: how long that took, how long each tab had no server, how the
hub answered meanwhile, and what it asked of the API server for each of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from elastic_spawner.testing import Notebook

from .hub import ClusterHub
from .machine.cluster import locked
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
CONFIG = (
    COUNTING
    + """
c.KubeSpawner.mem_guarantee = "32M"
c.KubeSpawner.cpu_guarantee = 0.01
c.ElasticSpawnerMixin.concurrent_saves = 5
c.ElasticSpawnerMixin.concurrent_starts = 5
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.active_server_limit = 0
"""
)
AT_ONCE = 5


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


def leave(hub: ClusterHub, sessions: list[tuple[str, Notebook]], what: str, begin: Callable[[], Any]) -> None:
    before, began = calls(hub), time.monotonic()
    launches = {pod["metadata"]["uid"] for pod in hub.pods()}

    def all_back() -> bool:
        servers = hub.control("GET", "/servers").json()
        moves = [server.get("migration") or {} for server in servers]
        new = {pod["metadata"]["uid"] for pod in hub.pods()} - launches
        return len(new) == len(sessions) and all(move.get("step") == "done" for move in moves)

    with Latency(hub) as latency:
        begin()
        hub.wait_for(all_back, 900, "not all servers are back")
    took = time.monotonic() - began
    asked = calls(hub) - before
    moves = [server["migration"] for server in hub.control("GET", "/servers").json()]
    outages = []
    for move in moves:
        times = {step: at for step, at in reversed(move["story"])}
        outages.append(times["done"] - times.get("stopping", times.get("starting", times["done"])))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(check, sessions))
    count = len(sessions)
    print(f"{what}: {count} servers back after {took:.0f} s, all values there")
    print(f"  a tab without a server: median {statistics.median(outages):.1f} s, longest {max(outages):.1f} s")
    worst = max(latency.seconds)
    print(f"  GET /hub/api/users: median {statistics.median(latency.seconds) * 1000:.0f} ms, longest {worst:.2f} s")
    for name, number in asked.most_common():
        print(f"  {number / count:6.2f} per server  {name}")


@contextmanager
def hub_with(kubectl: Any, command: list[str], config: str = CONFIG) -> Iterator[ClusterHub]:
    hub = ClusterHub(kubectl, command, f"load-{int(time.time())}", config)
    try:
        hub.start()
        yield hub
    finally:
        hub.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=9, help="each takes some 160 MB of its node")
    count = parser.parse_args().servers
    with locked() as machine:
        machine.up()
        kubectl = machine.kubectl
        with hub_with(kubectl, machine.command) as hub:
            empty = hub_memory(hub)
            others = [json.loads(hub.kubectl("get", "pod", "hub", "-o", "json"))["spec"]["nodeName"]]
            node = other_nodes(kubectl, others[0])[0]
            with cordoned(kubectl, *others), ThreadPoolExecutor(AT_ONCE) as pool:
                sessions = list(pool.map(partial(start, hub), range(count)))
            print(f"memory of the hub: {(hub_memory(hub) - empty) / count / 1e6:.1f} MB for each server")
            resting = calls(hub)
            time.sleep(60)
            print(f"at rest, 60 s: {dict(calls(hub) - resting)}")
            taint = partial(kubectl, "taint", "node", node)
            try:
                about = partial(taint, "ToBeDeletedByClusterAutoscaler=1:NoSchedule")
                leave(hub, sessions, f"{node} is about to go", about)
                taint("ToBeDeletedByClusterAutoscaler-")
                drain = partial(kubectl, "drain", *others, "--pod-selector=component=singleuser-server", "--force")
                leave(hub, sessions, f"{', '.join(others)} drained", partial(drain, "--delete-emptydir-data"))
            finally:
                with suppress(RuntimeError):  # it has none
                    taint("ToBeDeletedByClusterAutoscaler-")
                for other in others:
                    kubectl("uncordon", other)


if __name__ == "__main__":
    main()

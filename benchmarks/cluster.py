"""What it costs on Kubernetes: ``python -m benchmarks.cluster [--repeat N] [--servers N]``, on the tests' own cluster.

Each figure is the median of the repeats, beside the same work done without us: a plain upload of the same bytes from
the same pod, and a plain KubeSpawner that starts the same image. Then many servers leave their node at once.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import boto3
import requests
from botocore.config import Config

from elastic_spawner.testing import Notebook
from tests.cluster import load
from tests.cluster.hub import ClusterHub, s3_endpoint, s3_keys
from tests.cluster.load import COUNTING, Asking, Fleet, calls, hub_memory, hub_with
from tests.cluster.machine import control
from tests.cluster.machine.cluster import locked
from tests.cluster.sessions import end_of_move

from .tables import table

DATA_MB = 100
_FRESH = f"import os, time, urllib.request as r; data = os.urandom({DATA_MB} << 20)"
_UPLOAD = """
began = time.monotonic()
r.urlopen(r.Request({url!r}, data=data, method="PUT")).read()
print(time.monotonic() - began)
"""
CONFIG = (
    COUNTING
    + """
c.KubeSpawner.mem_limit = "768M"
c.KubeSpawner.profile_list = [
    {"display_name": "Usual", "slug": "usual", "kubespawner_override": {}},
    {"display_name": "Moved", "slug": "moved", "kubespawner_override": {"resize_in_place": False}},
]
"""
)
_PLAIN = 'c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"\n'
PLAIN = CONFIG + _PLAIN
_ANSWERS_S = 1.0
"""How long a tab's request may take before it counts as not answered."""
Figures = dict[str, list[float]]


class Tab(Asking):
    """Asks a server, as an open tab does, and keeps the longest time without an answer, in seconds."""

    def __init__(self, note: Notebook) -> None:
        super().__init__(0.05)
        self.outage = 0.0
        self._note, self._last = note, time.monotonic()

    def ask(self) -> None:
        if answers(self._note):
            now = time.monotonic()
            self.outage, self._last = max(self.outage, now - self._last), now


def answers(note: Notebook) -> bool:
    """Whether a tab that asks now is answered by its server."""
    try:
        return note.browser.get("api/kernels", timeout_s=_ANSWERS_S).status_code == 200
    except requests.RequestException:
        return False


def first_cell(hub: ClusterHub, user: str, options: Any = None) -> tuple[float, Notebook]:
    """Seconds from the wish for a server to the end of its first cell; and the notebook."""
    browser = hub.login(user)
    began = time.monotonic()
    hub.start_server(user, timeout_s=180, options=options)
    browser.open_server()
    note = browser.open_notebook()
    assert note.run("1", 120).status == "ok"
    return time.monotonic() - began, note


def upload_url(key: str) -> str:
    """Where a pod may put a file without keys."""
    access, secret = s3_keys()
    client = boto3.client(
        "s3",
        endpoint_url=s3_endpoint(),
        region_name="us-east-1",
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    return str(client.generate_presigned_url("put_object", {"Bucket": control.BUCKET, "Key": key}))


def eviction(hub: ClusterHub, note: Notebook, size_mb: int, figures: Figures) -> None:
    """One eviction of a session with so many MB that nobody has saved yet."""
    user, of = note.browser.user, f"{size_mb} MB" if size_mb else "no data"
    if size_mb:
        note.reconnect()
        assert note.run(_FRESH, 120).status == "ok"
        url = upload_url(f"{hub.namespace}/raw-upload")
        figures.setdefault("raw upload", []).append(float(note.run(_UPLOAD.format(url=url), 120).stdout))
    began, wall = time.monotonic(), time.time()
    hub.evict(user)
    hub.wait_for(lambda: not answers(note), 180, "the server does not go")
    hub.wait_for(lambda: answers(note), 180, "the server does not come back")
    note.reconnect()
    assert note.run("1", 120).status == "ok"
    figures.setdefault(f"first cell after eviction, {of}", []).append(time.monotonic() - began)
    end_of_move(hub, user)
    times = {step: at for step, at in reversed(hub.elastic(user)["migration"]["story"])}
    figures.setdefault(f"safe after eviction, {of}", []).append(times["stopping"] - wall)


def resize(hub: ClusterHub, note: Notebook, memory: str) -> tuple[float, float]:
    """Seconds that a resize takes, and the longest of them in which the tab had no server."""
    with Tab(note) as tab:
        time.sleep(0.5)
        began = time.monotonic()
        assert hub.resize(note.browser.user, memory=memory).status_code == 202
        end_of_move(hub, note.browser.user)
        took = time.monotonic() - began
        time.sleep(0.5)
    return took, tab.outage


def at_rest(hub: ClusterHub, seconds: float = 30.0) -> str:
    """What a hub asks of the API server while nothing happens."""
    before = calls(hub)
    time.sleep(seconds)
    return ", ".join(f"{number} x {name}" for name, number in (calls(hub) - before).items()) or "none"


def measure(repeat: int, with_hub: Callable[[str], Any]) -> str:
    figures: Figures = {}
    memory, resting = {}, {}
    with with_hub(PLAIN) as plain:
        before = hub_memory(plain)
        for number in range(repeat):
            took, _ = first_cell(plain, f"plain{number}")
            figures.setdefault("plain first cell", []).append(took)
        memory["plain"] = (hub_memory(plain) - before) / repeat
        resting["plain"] = at_rest(plain)
        for number in range(repeat):
            plain.stop_server(f"plain{number}")
    with with_hub(CONFIG) as hub:
        before = hub_memory(hub)
        notes = []
        for number in range(repeat):
            took, note = first_cell(hub, f"ours{number}", {"profile": "moved" if number else "usual"})
            figures.setdefault("our first cell", []).append(took)
            notes.append(note)
        memory["ours"] = (hub_memory(hub) - before) / repeat
        resting["ours"] = at_rest(hub)
        for note in notes[2:]:
            hub.stop_server(note.browser.user)
        staying, moving = notes[0], notes[1]
        for number in range(repeat):
            took, outage = resize(hub, staying, f"{800 + number}M")
            figures.setdefault("in place", []).append(took)
            figures.setdefault("outage in place", []).append(outage)
            took, outage = resize(hub, moving, f"{800 + number}M")
            figures.setdefault("move", []).append(took)
            figures.setdefault("outage of a move", []).append(outage)
            eviction(hub, moving, 0, figures)
        for _ in range(repeat):
            eviction(hub, moving, DATA_MB, figures)

    def of(name: str) -> str:
        values = figures[name]
        return f"{statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})"

    start = "plain first cell"
    rows = [
        (f"notice to all kernels safe, {DATA_MB} MB", of(f"safe after eviction, {DATA_MB} MB"), of("raw upload")),
        ("notice to all kernels safe, no data", of("safe after eviction, no data"), ""),
        ("eviction to the first cell, no data", of("first cell after eviction, no data"), of(start)),
        (f"eviction to the first cell, {DATA_MB} MB", of(f"first cell after eviction, {DATA_MB} MB"), of(start)),
        ("start to the first cell", of("our first cell"), of(start)),
        ("a move to another size", of("move"), ""),
        ("a tab without its server in it", of("outage of a move"), ""),
        ("another size in place", of("in place"), ""),
        ("a tab without its server in it", of("outage in place"), ""),
        ("memory of the hub for a server", *(f"{memory[who] / 1e6:.1f} MB" for who in ("ours", "plain"))),
        (f"requests to the API server in 30 s, {repeat} servers", resting["ours"], resting["plain"]),
    ]
    return table(["what", "with us: median (least to most)", "raw upload, or plain KubeSpawner"], rows)


def many(servers: int, kubectl: Any, with_hub: Callable[[str], Any]) -> str:
    """Have so many servers leave their node at once, told beforehand and not."""
    with with_hub(load.CONFIG + _PLAIN) as plain:
        plain_memory = Fleet(plain, kubectl, servers).memory_each
    with with_hub(load.CONFIG) as hub:
        fleet = Fleet(hub, kubectl, servers)
        told, drained = fleet.told_to_go(), fleet.drained()
    return (
        f"memory of the hub for each further server: {fleet.memory_each / 1e6:.2f} MB, "
        f"of a plain KubeSpawner's {plain_memory / 1e6:.2f} MB\n"
        f"Told that their node is about to go: {told}\nDrained: {drained}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--servers", type=int, default=30, help="how many leave a node at once; each takes 160 MB")
    given = parser.parse_args()
    with locked() as machine:
        machine.up()
        with_hub = partial(hub_with, machine.kubectl, machine.command)
        if given.repeat:
            print(measure(given.repeat, with_hub))
        if given.servers:
            print(many(given.servers, machine.kubectl, with_hub))


if __name__ == "__main__":
    main()

"""The hub is killed in the middle of a move and of a return: the next one finishes it; never two pods, nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from elastic_spawner.testing import Notebook

from .hub import ClusterHub
from .sessions import container, open_notebook

pytestmark = pytest.mark.cluster
PAUSING = Path(__file__).parents[1] / "hub" / "pausing_config.py"
ROOMS = "elastic-spawner/keeps-room-for"


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., ClusterHub]) -> ClusterHub:
    return make_hub(PAUSING.read_text() + "c.ElasticKubeSpawner.resize_in_place = False\n")


@pytest.fixture(scope="module")
def note(hub: ClusterHub) -> Notebook:
    """The session of a user whose server is never resized in place."""
    return open_notebook(hub, "max")


@pytest.mark.parametrize(
    ("number", "cause", "place"),
    [
        (1, "resize", "after reserve_room"),
        (2, "resize", "after end_server"),
        (3, "eviction", "before save_for_move"),
        (4, "eviction", "before route_to_server"),
    ],
)
def test_the_next_hub_finishes_it(hub: ClusterHub, note: Notebook, number: int, cause: str, place: str) -> None:
    note.reconnect()
    assert note.run(f"table['a'] = [{number}]", 120).status == "ok"
    before = hub.pod("max")
    hub.pause_at(place)
    memory = 512 + 32 * number
    if cause == "resize":
        assert hub.resize("max", memory=f"{memory}M").status_code == 202
    else:
        hub.evict("max")
    hub.wait_until_paused()
    hub.kill()
    assert len(hub.pods(ROOMS)) == (cause == "resize")  # until the server takes its place
    hub.revive()
    hub.wait_for(lambda: hub.server("max").get("ready"), 120, "the server is not ready")
    after = hub.wait_for_another_pod("max", before)
    # A restore that the dead hub was needed for is begun anew: in the words of a move, it is undone.
    assert hub.elastic("max")["migration"]["step"] in ("done", "undone" if cause == "eviction" else "done")
    assert [pod["metadata"]["uid"] for pod in hub.pods()] == [after["metadata"]["uid"]]
    if cause == "resize":
        assert container(after)["resources"]["limits"]["memory"] == str(memory << 20)
    assert hub.pods(ROOMS) == []
    hub.wait_for(lambda: note.browser.get("api/sessions").status_code == 200, 30, "the route does not lead there")
    assert [each["kernel"]["id"] for each in note.browser.get("api/sessions").json()] == [note.kernel_id]
    note.reconnect()
    assert note.run("print(table, alias)", 120).stdout == f"{{'a': [{number}]}} [1, 2, 3]\n"

"""What changes a value outside of cells in a real kernel: the next save sees it; what changes nothing costs nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from .runner import Kernel, watched

STATE = "__import__('elastic_spawner.kernel.session', fromlist=['current']).current()"
CALL = "__import__('elastic_spawner.kernel.rpc', fromlist=['call']).call('plan')"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for all tests here."""
    setup = "import asyncio, threading, time\nimport numpy as np\nbig = np.zeros(2_000_000)"
    with watched(tmp_path_factory.mktemp("outside"), setup) as made:
        yield made


def wait(kernel: Kernel, expression: str) -> None:
    """Until the expression is true."""
    end = time.monotonic() + 60
    while kernel.value(expression) != "True":
        assert time.monotonic() < end


def version(kernel: Kernel) -> str:
    """The version of ``big`` after planning a save, as the agent asks for it."""
    kernel.execute(CALL, silent=True)
    return kernel.value(f"{STATE}.tracker.states['big'].version")


def test_cells_and_our_own_requests_are_nothing_from_outside(kernel: Kernel) -> None:
    """The array is read once, however often somebody asks for a plan."""
    before = version(kernel)
    walk = kernel.value(f"id({STATE}.tracker.states['big'].walk)")
    kernel.execute("x = 1")
    assert version(kernel) == before
    assert kernel.value(f"id({STATE}.tracker.states['big'].walk)") == walk


def test_what_is_shown_is_not_read_again(kernel: Kernel) -> None:
    """The shell holds its outputs in more places than one; whoever else holds the array may change it."""
    kernel.execute("big")
    kernel.execute("big")
    version(kernel)
    walk = kernel.value(f"id({STATE}.tracker.states['big'].walk)")
    version(kernel)
    assert kernel.value(f"id({STATE}.tracker.states['big'].walk)") == walk
    kernel.execute("import atexit; atexit.register(big.fill, 1);")
    version(kernel)
    assert kernel.value(f"id({STATE}.tracker.states['big'].walk)") != walk
    kernel.execute("atexit.unregister(big.fill)")


@pytest.mark.parametrize(
    "start",
    [
        "task = asyncio.get_running_loop().create_task(later())",
        "handle = asyncio.get_running_loop().call_later(0.2, change)",
        "thread = threading.Thread(target=lambda: (time.sleep(0.2), change())); thread.start()",
    ],
    ids=["task", "timer", "thread"],
)
def test_a_change_after_the_cell_is_seen(kernel: Kernel, start: str) -> None:
    """By a task, a timer or a thread that the cell left behind."""
    kernel.execute("big[0] = 0\nchanged = threading.Event()\ndef change():\n    big[0] = 1\n    changed.set()")
    kernel.execute("async def later():\n    await asyncio.sleep(0.2)\n    change()")
    before = version(kernel)
    kernel.execute(start)
    wait(kernel, "changed.is_set()")
    assert version(kernel) != before


def test_a_message_of_a_widget_is_seen(kernel: Kernel) -> None:
    """A callback that the front end sets off, past any cell."""
    kernel.execute(
        "from ipykernel.comm import Comm\nbig[0] = 0\ncomm = Comm(target_name='t')\n"
        "@comm.on_msg\ndef moved(message):\n    big[0] = 1"
    )
    before = version(kernel)
    name = kernel.value("comm.comm_id").strip("'")
    client = kernel.client
    content = {"comm_id": name, "data": {}}
    client.shell_channel.send(client.session.msg("comm_msg", content))
    wait(kernel, "bool(big[0] == 1)")
    assert version(kernel) != before


def test_a_silent_request_of_somebody_else_is_seen(kernel: Kernel) -> None:
    """A front end's extension that runs code in the session."""
    kernel.execute("big[0] = 0")
    before = version(kernel)
    kernel.execute("big[0] = 1", silent=True)
    assert version(kernel) != before


def test_the_session_is_well(kernel: Kernel) -> None:
    """None of it failed behind the scenes."""
    assert kernel.value(f"{STATE}.warnings") == "[]"

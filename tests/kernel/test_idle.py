"""Work between cells: it gives way, and leaves no timer behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from elastic_spawner.kernel import idle as idles
from elastic_spawner.kernel.idle import Idle


class Bench:
    """A loop with an `Idle` on it whose every step lasts as long as a slice; notes what happens in its order."""

    def __init__(self, steps: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.story: list[str] = []
        self.steps = steps
        self.idle = Idle(self.work, lambda e: self.story.append(f"failed {e}"))

    def work(self) -> Iterator[None]:
        try:
            while self.steps:
                self.steps -= 1
                self.story.append("step")
                end = time.perf_counter() + idles.SLICE
                while time.perf_counter() < end:
                    pass
                yield
            self.story.append("done")
        finally:
            self.story.append("closed")

    def cell(self, name: str = "cell") -> None:
        self.idle.enter()
        self.story.append(name)
        self.idle.leave()

    def run(self, until: str, times: int = 1) -> None:
        """Run the loop until the story tells ``until`` so often."""

        async def wait() -> None:
            while self.story.count(until) < times:
                await asyncio.sleep(0)

        self.loop.run_until_complete(asyncio.wait_for(wait(), 60))


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A bench with 20 steps to do."""
    made = Bench(20)
    yield made
    made.loop.close()


def within(bench: Bench, name: str = "cell") -> None:
    bench.loop.call_soon(bench.cell, name)


def quiet(bench: Bench) -> None:
    """Let the loop run without anything ready beside us."""
    end = bench.loop.time() + 60
    while bench.idle._timer is not None and bench.loop.time() < end:
        bench.loop.call_later(0.02, bench.loop.stop)
        bench.loop.run_forever()


def test_the_work_is_done_after_the_cell_and_leaves_no_timer(bench: Bench) -> None:
    """With nothing left to do, nothing is scheduled."""
    within(bench)
    bench.run("cell")
    quiet(bench)
    assert bench.story == ["cell", *["step"] * 20, "done", "closed"]
    assert bench.idle._timer is None
    assert not bench.loop._scheduled or all(t.cancelled() for t in bench.loop._scheduled)  # type: ignore[attr-defined]


def test_whoever_waits_in_the_loop_comes_first(bench: Bench) -> None:
    """As long as something else is ready, no step is made."""
    within(bench)
    ready = 200

    def busy() -> None:
        nonlocal ready
        ready -= 1
        if ready:
            bench.loop.call_soon(busy)
            time.sleep(0.001)
        else:
            bench.story.append("served")

    bench.loop.call_soon(busy)
    bench.run("served")
    assert bench.story == ["cell", "served"]


def test_a_cell_comes_between_two_steps_and_the_work_goes_on_afterwards(bench: Bench) -> None:
    """What was done is not done again."""
    within(bench)

    def interrupt() -> None:
        if bench.story.count("step") < 5:
            bench.loop.call_later(0.001, interrupt)
        else:
            bench.cell("second")

    bench.loop.call_later(0.001, interrupt)
    while "second" not in bench.story:
        bench.loop.call_later(0.02, bench.loop.stop)
        bench.loop.run_forever()
    quiet(bench)
    assert bench.story.count("step") == 20
    assert bench.story[-2:] == ["done", "closed"]
    assert 5 <= bench.story.index("second") < 20


def test_nothing_is_done_inside_a_cell_that_waits(bench: Bench) -> None:
    """A cell that awaits leaves the loop to others, not to us."""

    async def cell() -> None:
        bench.idle.enter()
        await asyncio.sleep(0.3)
        bench.story.append("cell ends")
        bench.idle.leave()

    within(bench, "first")
    bench.loop.run_until_complete(cell())
    assert bench.story[:2] == ["first", "cell ends"]


def test_dropped_work_is_closed_at_once_and_begins_anew(bench: Bench) -> None:
    """Nothing of what it held is held any longer."""
    within(bench)
    while "step" not in bench.story:
        bench.loop.call_later(0.01, bench.loop.stop)
        bench.loop.run_forever()
    bench.idle.enter()
    bench.idle.drop()
    assert bench.story[-1] == "closed"
    bench.loop.call_soon(bench.idle.leave)
    bench.loop.call_later(0.01, bench.loop.stop)
    bench.loop.run_forever()
    quiet(bench)
    assert bench.story.count("step") == 20
    assert bench.story.count("closed") == 2


def test_work_that_fails_ends_and_is_told(bench: Bench) -> None:
    """The kernel goes on, without a timer."""

    def work() -> Iterator[None]:
        yield
        raise ValueError("no")

    bench.idle = Idle(work, lambda e: bench.story.append(f"failed {e}"))
    within(bench)
    bench.loop.call_later(0.01, bench.loop.stop)
    bench.loop.run_forever()
    quiet(bench)
    assert bench.story == ["cell", "failed no"]
    assert bench.idle._timer is None

"""Threads of the session are held back while a save reads, and nothing of that is left or taken for the session's."""

from __future__ import annotations

import sys
import threading

import pytest

from elastic_spawner.objects.retry import while_it_changes
from elastic_spawner.tracking import hidden
from elastic_spawner.tracking.hold import HOLD_S, threads_held


def test_nothing_is_held_where_no_thread_runs() -> None:
    """A session without threads of its own is not touched."""
    before = sys.getswitchinterval()
    with threads_held() as restless:
        assert (restless, sys.getswitchinterval()) == (False, before)


def test_the_interval_of_the_session_is_the_one_that_is_saved() -> None:
    """While threads wait, the session's own interval is what counts as its state; afterwards it is there again."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    before = sys.getswitchinterval()
    own = hidden.read("interpreter")
    try:
        with threads_held() as restless:
            assert restless
            assert sys.getswitchinterval() == pytest.approx(HOLD_S)
            assert hidden.read("interpreter") == own
        assert sys.getswitchinterval() == before
    finally:
        stop.set()
        thread.join()


def test_a_container_that_changes_while_it_is_read_is_read_again() -> None:
    """The reading that met no change counts."""
    table = dict.fromkeys(range(3))

    def read() -> int:
        for key in table:
            if key == 2 and len(table) < 5:
                table[len(table)] = None
        return len(table)

    assert while_it_changes(read) == 5


def test_other_errors_are_not_tried_again() -> None:
    """Only what another thread may have caused is worth another try."""
    calls: list[int] = []

    def read() -> None:
        calls.append(1)
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        while_it_changes(read)
    assert len(calls) == 1

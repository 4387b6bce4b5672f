"""The sessions of `cases`, each saved, killed and restored in real kernels: nothing comes back wrong or is missing."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kernel import runner
from tests.kernel.cases import Case, load

JOBS = 2
LIBRARIES = os.environ.get("ELASTIC_CONFORMANCE_PYTHON", "")

REPORTED = {
    "a_file_changed_after_it_was_read": "what a generator read from the file cannot be read again",
    "a_file_changed_behind_the_back": "what was made from the file cannot be made from another one",
    "a_question_is_not_asked_again": "to bring the generator back its cell would have to ask again",
    "a_generator_that_writes": "to bring the generator back its cell would have to write again",
    "a_thread_that_still_writes": "a running thread",
    "an_http_server_beside_data": "a server that listens, in a thread",
    "async_generators_and_iterators": "an asynchronous generator, half-way, of an event loop that is gone",
    "executors_and_futures": "a pool of threads",
    "files_being_iterated": "a csv.writer says neither where it writes nor how",
    "functions_at_exit": "the interpreter does not tell which functions atexit has",
    "generator_made_beside_a_file_written": "to bring the generator back its cell would have to write again",
    "images_of_pillow": "what draws on an image holds its memory, which no other object can be given",
    "import_machinery": "a module of the user's own finder is asked for before the finder is there",
    "interrupted_cells_are_not_run_again": "the generator's cell would run until somebody interrupts it again",
    "memory_maps": "a memory map",
    "processes": "a running process",
    "simple_namespaces_and_proxies": "the dictionary of a SimpleNamespace is made with it, and a module holds both",
    "sockets_and_servers": "connections",
    "sqlite_in_a_transaction": "a transaction that is open in a file",
    "sqlite_uncommitted_in_memory_can_be_rolled_back": "the data are there, the way back is not",
    "torch_data_and_loaders": "an iterator over a loader, half-way",
    "temporary_files": "files that are gone with the machine, or have no name",
}
"""What cannot be carried over, and why; the report says so. When one of them comes back, take it out."""

BY_CHANCE = {
    "a_thread_that_writes_without_a_pause": "whether it stands still in time to be looked at depends on the machine",
}
"""What comes back or is reported."""


class Outcomes:
    """Runs the chosen cases beside one another, in the order of the tests."""

    def __init__(self, chosen: list[Case], folder: Path) -> None:
        self._pool = ThreadPoolExecutor(JOBS)
        self._runs: dict[str, Future[runner.Outcome]] = {}
        for case in chosen:
            if not why_not(case):
                place = folder / case.id
                place.mkdir()
                self._runs[case.id] = self._pool.submit(runner.run, case, place, python=interpreter(case))

    def of(self, case: Case) -> runner.Outcome:
        return self._runs[case.id].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        runner.Nursery.close()
        gc.collect()  # clients are cycles; collected while source is parsed, they confuse CPython 3.11's parser


def interpreter(case: Case) -> str:
    """That of the tests, or else the one with the libraries of the conformance catalogue."""
    return LIBRARIES if LIBRARIES and runner.absent(case.needs) else runner.PYTHON


def why_not(case: Case) -> str:
    if sys.version_info < case.since:
        return f"it needs Python {case.since[0]}.{case.since[1]}"
    missing = runner.absent(case.needs, interpreter(case))
    return f"not installed: {', '.join(missing)}" if missing else ""


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    chosen = [
        item.callspec.params["case"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
    ]
    running = Outcomes(chosen, tmp_path_factory.mktemp("cases"))
    yield running
    running.close()


@pytest.mark.parametrize("case", load(), ids=lambda c: c.id)
def test_case(case: Case, outcomes: Outcomes) -> None:
    if reason := why_not(case):
        pytest.skip(reason)
    found = outcomes.of(case)
    wrong = [f"{p}: {v}" for p, v in zip(case.probes, found.probes) if v != "True"]
    allowed = {"reported" if case.id in REPORTED else "pass", *(["reported"] if case.id in BY_CHANCE else [])}
    assert found.verdict in allowed, (wrong, found.lost, found.detail)


def test_what_is_expected_to_be_reported_is_a_case() -> None:
    assert REPORTED.keys() | BY_CHANCE.keys() <= {c.id for c in load()}

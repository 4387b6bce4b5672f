"""Small sessions and realistic notebooks that must survive: saved, killed, restored in a new process, and probed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conformance.run import NEVER, Outcome, run

CATALOGUE = os.environ.get("ELASTIC_CONFORMANCE", "")
PYTHON = os.environ.get("ELASTIC_CONFORMANCE_PYTHON", "")

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(
        not (CATALOGUE and PYTHON),
        reason="ELASTIC_CONFORMANCE and ELASTIC_CONFORMANCE_PYTHON are not set; `make test` sets them",
    ),
]


def verdicts(what: str, jobs: int) -> Outcome:
    return run(what, Path(CATALOGUE), PYTHON, jobs=jobs)


@pytest.fixture(scope="module")
def cases() -> Outcome:
    return verdicts("cases", jobs=2)


@pytest.fixture(scope="module")
def books() -> Outcome:
    return verdicts("books", jobs=1)


def test_no_session_is_silently_wrong_or_broken(cases: Outcome) -> None:
    """Whatever cannot be kept is reported; nothing is wrong, missing, broken or crashed."""
    assert cases.names(*NEVER) == [], "\n" + cases.details(*NEVER)


def test_nine_of_ten_sessions_pass(cases: Outcome) -> None:
    """At least 90 % of the sessions come back whole."""
    assert len(cases.runs) > 0
    assert len(cases.names("pass")) >= 0.9 * len(cases.runs), "\n" + cases.details("reported", *NEVER)


def test_notebooks_pass_but_one_at_most(books: Outcome) -> None:
    """All notebooks but one pass, and that one says at worst what is lost."""
    assert len(books.runs) > 0
    assert books.names(*NEVER) == [], "\n" + books.details(*NEVER)
    assert len(books.names("pass")) >= len(books.runs) - 1, "\n" + books.details("reported")

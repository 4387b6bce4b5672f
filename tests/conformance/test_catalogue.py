"""Small sessions and realistic notebooks that must survive: saved, killed, restored in a new process, and probed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conformance.run import NEVER, Outcome, run, versions

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


def test_no_session_is_silently_wrong_or_broken(cases: Outcome) -> None:
    """Whatever cannot be kept is reported; nothing is wrong, missing, broken or crashed."""
    assert cases.names(*NEVER) == [], "\n" + cases.details(*NEVER)


def test_nearly_all_sessions_pass(cases: Outcome) -> None:
    """At least 97 % of the sessions come back whole."""
    assert len(cases.runs) > 0
    assert len(cases.names("pass")) >= 0.97 * len(cases.runs), "\n" + cases.details("reported", *NEVER)


REPORTED = {
    "books": set(),
    # widgets hold the kernel's connection to the browser, and the figures that share a cell with them go with them
    "own": {"26_plot_report"},
}
"""Notebooks that may lose something, as long as they say so."""


@pytest.mark.parametrize("what", ["books", "own"])
def test_notebooks_pass(what: str) -> None:
    """Realistic notebooks, the catalogue's and ours, come back whole, but for those that say what is lost."""
    found = verdicts(what, jobs=1)
    assert len(found.runs) > 0
    assert found.names(*NEVER) == [], "\n" + found.details(*NEVER)
    assert set(found.names("reported")) <= REPORTED[what], "\n" + found.details("reported")


OTHERS = os.environ.get("ELASTIC_CONFORMANCE_OTHERS", "").split()
"""More interpreters, with other versions of Python and of the libraries."""

SMALL_PART = (
    "element_aliases_name,class_instances,enum,closure_shared,lru_cache,raise_midway,generator_half,sqlite_file,"
    "structured_arrays,pandas_column,numpy_masked,torch_custom,sklearn_pipeline,xgboost_booster"
)


@pytest.mark.parametrize("python", OTHERS)
def test_other_versions(python: str) -> None:
    """Sessions of every kind, with another Python and other libraries; `make conformance-matrix` runs them all."""
    print(versions(python))  # shown beside what failed
    found = run("cases", Path(CATALOGUE), python, jobs=2, only=SMALL_PART)
    assert len(found.runs) >= len(SMALL_PART.split(","))
    assert found.names("pass") == sorted(r["case"] for r in found.runs), "\n" + found.details("reported", *NEVER)

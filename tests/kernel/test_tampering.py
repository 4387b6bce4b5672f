"""A store that somebody has changed, damaged or forged, and what a real session gets back from it: what is right, and
the truth about the rest. Nothing is unpickled whose signature and hashes do not hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

Results = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", params=["plain", "encrypted"])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What became of each case."""
    folder = tmp_path_factory.mktemp("tampering")
    done = subprocess.run(
        [sys.executable, "-m", "tests.kernel.tampering", str(folder / "store"), request.param],
        env={**os.environ, "HOME": str(folder), "IPYTHONDIR": str(folder / ".ipython"), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: Results = json.loads(done.stdout.splitlines()[-1])
    return found


def test_untouched(results: Results) -> None:
    """Everything is loaded and right: the other cases differ by what was done to them only."""
    found = results["untouched"]
    assert {tuple(fate) for fate in found["variables"].values()} == {("loaded", "", True)}
    assert found["notes"] == []


def test_no_evil_pickle_was_loaded(results: Results) -> None:
    """Whoever signed it, wherever it was put, and whenever."""
    assert {name for name, found in results.items() if found["mark"]} == set()


@pytest.mark.parametrize("case", ["a bit", "cut", "empty", "missing", "huge", "pipe", "link", "directory", "evil"])
def test_damaged_chunk_of_what_cannot_be_recomputed(results: Results, case: str) -> None:
    """It is lost, by name and with the reason; the rest comes back."""
    found = results[f"token: {case}"]["variables"]
    status, reason, _ = found.pop("token")
    assert status == "lost"
    assert reason.startswith("chunk ") and "In [2]" in reason and "os.urandom" in reason
    assert {tuple(fate) for fate in found.values()} == {("loaded", "", True)}


@pytest.mark.parametrize("case", ["words: a bit", "words: missing", "exchanged"])
def test_damaged_chunk_of_what_can_be_recomputed(results: Results, case: str) -> None:
    """It is recomputed, which the report says, and right."""
    found = results[case]["variables"]
    status, reason, right = found["words"]
    assert (status, right) == ("recomputed", True)
    assert reason.startswith("chunk ")
    assert [found[name][0] for name in ("count", "small")] == ["loaded", "loaded"]
    assert found["token"][0] == ("lost" if case == "exchanged" else "loaded")


def test_damaged_history(results: Results) -> None:
    """The values do not need it; that nothing can be recomputed any more is told."""
    found = results["history: a bit"]
    assert all(right for _, _, right in found["variables"].values())
    assert any("nothing can be recomputed" in note for note in found["notes"])


def test_all_chunks_missing(results: Results) -> None:
    """Each variable is named, and the session works on."""
    assert {status for status, _, _ in results["all chunks missing"]["variables"].values()} == {"lost"}


@pytest.mark.parametrize(
    "case",
    [
        "manifest: a bit",
        "manifest: cut",
        "manifest: empty",
        "manifest: of generation 1",
        "manifest: old as new",
        "manifest: of another session",
        "manifest: of another server",
        "forged without a key",
        "forged with another key",
    ],
)
def test_manifest_that_is_not_the_one_that_was_signed(results: Results, case: str) -> None:
    """Refused as a whole."""
    assert results[case]["error"].startswith("SignatureError: generation ")


def test_changed_between_hashing_and_loading(results: Results) -> None:
    """What was hashed is what is loaded: each value is right, or was told to be damaged."""
    for status, reason, right in results["changed after hashing"]["variables"].values():
        assert right or (status == "lost" and reason.startswith("chunk "))

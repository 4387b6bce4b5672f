"""Figures in words."""

from __future__ import annotations

import pytest

from elastic_spawner.hub.service import wording


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (59, "59 seconds ago"),
        (60, "1 minute ago"),
        (7200, "2 hours ago"),
        (90000, "1 day ago"),
        (-5, "just now"),
    ],
)
def test_ages(seconds: float, words: str) -> None:
    assert wording.age_words(1000.0, 1000.0 + seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3.5 * 2**30, "3.5 GiB"), (2**50, "1024.0 TiB")],
)
def test_bytes(count: float, words: str) -> None:
    assert wording.bytes_words(count) == words


@pytest.mark.parametrize(
    ("server", "kind", "words"),
    [
        ({"ready": True, "pending": None, "migration": None}, "running", "running"),
        ({"ready": False, "pending": "spawn", "migration": None}, "pending", "starting"),
        ({"ready": False, "pending": None, "migration": None}, "stopped", "stopped"),
        (
            {"ready": False, "pending": "resize", "migration": {"done": False, "step": "saving"}},
            "moving",
            "resizing: saving",
        ),
        ({"ready": True, "pending": None, "migration": {"done": True, "step": "undone"}}, "running", "running"),
    ],
)
def test_states(server: dict, kind: str, words: str) -> None:
    assert wording.state_of(server) == (kind, words)

"""Notebooks whose comparisons have all the time they need: how fast this machine is must not decide a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from elastic_spawner.tracking import tracker

from .notebook import Notebook


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """A new notebook."""
    monkeypatch.setattr(tracker, "BUDGET_SECONDS", 600.0)
    yield Notebook()

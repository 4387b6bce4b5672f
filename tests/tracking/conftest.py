"""Notebooks whose comparisons have all the time they need: how fast this machine is must not decide a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from elastic_spawner.tracking import budget, values

from .notebook import Notebook


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """A new notebook."""
    monkeypatch.setattr(budget, "SECONDS", 600.0)
    monkeypatch.setattr(values, "NODES_PER_SECOND", 4000)
    yield Notebook()

"""The benchmarks run, and say what they measured; how fast anything is, is none of these tests' business."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as suite
from benchmarks import checkpoints, goals, page, planning, sessions, tables

NOTEBOOK = """
# %%
import math
# %%
%%time
def root(n):
    return math.sqrt(n)
roots = [root(n) for n in range(100)]
# %%
roots.append("last")
#= third: roots[3]
#? roots[3] == $third$
#? root(9) == 3
#? roots[-1] == "another"
"""
PAGE = f"# Figures\n\nbefore\n\n{page.BEGIN}\nold\n{page.END}\n\nafter\n"


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Namespace:
    """One notebook and one synthetic session, each once, and the page to write."""
    folder = tmp_path_factory.mktemp("benchmarks")
    (folder / "catalogue" / "notebooks").mkdir(parents=True)
    (folder / "catalogue" / "notebooks" / "01_roots.py").write_text(NOTEBOOK)
    (folder / "page.md").write_text(PAGE)
    chosen = ["--quick", "--idle", "0", "--only", "variables,roots,planning", "--page", str(folder / "page.md")]
    return suite.parse([*chosen, "--conformance", str(folder / "catalogue"), "--directory", str(folder)])


@pytest.fixture(scope="module")
def figures(options: Namespace) -> dict[str, Any]:
    """What the command leaves behind, from real kernels."""
    arguments = []
    for name in ("only", "page", "conformance", "directory", "idle"):
        arguments += [f"--{name}", str(getattr(options, name))]
    assert suite.main(["--quick", *arguments]) == 0
    return json.loads((options.page.parent / "images" / "benchmarks" / "figures.json").read_text())


def test_measures_what_was_named_and_nothing_else(figures: dict[str, Any]) -> None:
    assert list(figures["sessions"]) == ["variables", "01_roots"]
    assert figures["sessions"]["01_roots"]["computes"] and not figures["sessions"]["variables"]["computes"]
    assert "overhead" not in figures and "chunk store" not in figures
    assert [row["shape"] for row in figures["planning"]["shapes"]] == list(planning.SHAPES)


def test_a_session_is_saved_and_restored_by_everybody(figures: dict[str, Any]) -> None:
    for found in figures["sessions"].values():
        (one,) = found["rounds"]
        assert one["first"]["lost"] == [] and one["second"]["lost"] == []
        assert len(one["restores"]) == len(one["raw_loads"]) == 2
        assert all(restore["broken"] == "" for restore in one["restores"])
        assert one["first"]["on_disk"] > 0 and one["raw_saves"][0]["bytes"] > 0
        assert set(one["peers"]["cloudpickle"]) >= {"save", "load"} and set(one["peers"]["dill"]) >= {"save", "load"}


def test_probes_are_asked_of_the_restored_session(figures: dict[str, Any]) -> None:
    """The last probe of the notebook is false on purpose."""
    assert figures["sessions"]["01_roots"]["rounds"][0]["restores"][0]["probes"] == [True, True, False]
    assert figures["sessions"]["variables"]["rounds"][0]["restores"][0]["probes"] == [True, True]


def test_says_what_it_ran_on_without_names_of_machines_and_folders(figures: dict[str, Any], options: Namespace) -> None:
    assert {"cores", "sha_ni", "load_before", "load_after", "versions"} <= set(figures["facts"])
    text = json.dumps(figures)
    assert str(options.directory) not in text and str(suite.ROOT) not in text


def test_writes_tables_and_drawings_between_the_marks(figures: dict[str, Any], options: Namespace) -> None:
    text = options.page.read_text()
    assert text.startswith("# Figures\n\nbefore") and text.endswith("after\n") and "old" not in text
    for heading, table in tables.sections(figures):
        assert f"### {heading}\n\n{table}" in text
    for name in ("saving", "restoring", "watching", "idle"):
        assert f"(images/benchmarks/{name}.svg)" in text
        drawing = ElementTree.parse(options.page.parent / "images" / "benchmarks" / f"{name}.svg")
        assert drawing.getroot().tag.endswith("svg")
    words = (options.page.parent / "images" / "benchmarks" / "saving.svg").read_text()
    assert "01_roots" in words and "variables" in words


def test_ratios_follow_from_the_seconds() -> None:
    """Two rounds, the second after a pause, with figures that can be divided by heart."""

    def one(idle: float, first: float, raw: float) -> dict[str, Any]:
        return {
            "idle_s": idle,
            "rerun_s": [1.0, 3.0],
            "cells_s": [1.0, 4.0],
            "memory_plain": 100e6,
            "memory_watched": 110e6,
            "hooks": {"wall": 0.02, "cpu": 0.01, "calls": 4},
            "first": {"seconds": first, "memory": 90e6, "bytes": 50e6, "on_disk": 40e6},
            "largest_component": 30e6,
            "second": {"seconds": first / 10},
            "raw_saves": [{"seconds": raw * 2, "bytes": 80e6}, {"seconds": raw, "bytes": 80e6}],
            "restores": [{"seconds": 0.4, "first_cell_s": 0.2}, {"seconds": 0.6, "first_cell_s": 0.2}],
            "raw_loads": [0.5, 0.2],
        }

    found = checkpoints.ratios([one(0.0, 3.0, 2.0), one(3.0, 1.0, 4.0)])
    assert found["checkpoint / raw, at once"] == pytest.approx(1.5)
    assert found["checkpoint / raw, after a pause"] == pytest.approx(0.25)
    assert found["stored / raw bytes"] == pytest.approx(0.5)
    assert found["second / first checkpoint"] == pytest.approx(0.1)
    assert found["restore / re-running"] == pytest.approx(0.125)
    assert found["restore / raw load"] == pytest.approx(2.0)
    assert found["first cell / re-running"] == pytest.approx(0.05)
    assert found["save memory above largest component, MB"] == pytest.approx(60)
    assert found["added to run time by hooks"] == pytest.approx(0.005)
    assert found["watched / plain run time"] == pytest.approx(1.25)
    assert found["memory added, MB"] == pytest.approx(10)
    assert found["memory added / namespace"] == pytest.approx(0.2)


def test_a_goal_that_is_missed_is_bold() -> None:
    goal = goals.Goal("key", "title", 1.15)
    assert (goal.text(1.15), goal.text(1.2), goal.text(None)) == ("1.15", "**1.20**", "–")
    assert goals.Goal("key", "title", 0.01, "%").text(0.0123) == "**1.23 %**"


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("# No place\n")
    with pytest.raises(ValueError, match="has no place for the figures"):
        page.rewrite(path, "text")
    assert path.read_text() == "# No place\n"


def test_definitions_of_a_session_are_its_imports_functions_and_classes() -> None:
    session = sessions.Session("s", ("import math\nx = 1", "%matplotlib inline\nclass A:\n    y = 2", "!ls\nz = A()"))
    assert session.definitions == "import math\nclass A:\n    y = 2"

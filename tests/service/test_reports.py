"""Reports of servers that may answer anything."""

from __future__ import annotations

import json

from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from tornado.template import Loader

from elastic_spawner.hub.service import reports, wording
from elastic_spawner.hub.service.pages import TEMPLATES

HOSTILE = "<img src=x onerror=alert(1)>\"'--></code><script>alert(2)</script>"

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(HOSTILE)
FIELDS = st.sampled_from(
    "kernels plan restore id path error store rerun recomputed lost name type bytes seconds cell source cells reason "
    "cure variables status notes store_seconds restore_seconds why".split()
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS | st.just(HOSTILE), inner, max_size=6)
)
LIKELY = st.fixed_dictionaries({"kernels": st.lists(ANYTHING, max_size=3)}) | ANYTHING


def render(name: str, **values: object) -> BeautifulSoup:
    text = Loader(str(TEMPLATES)).load(name).generate(words=wording, **values).decode()
    return BeautifulSoup(text, "html.parser")


def assert_harmless(document: BeautifulSoup) -> None:
    assert not document.find_all(["img", "script", "iframe", "style"])
    assert not [a for tag in document.find_all() for a in tag.attrs if a.startswith("on")]


@given(LIKELY)
def test_any_answer_makes_a_harmless_plan(answer: object) -> None:
    assert_harmless(render("part_plan.html", plans=reports.kernel_plans(answer)))


@given(LIKELY)
def test_any_answer_makes_a_harmless_outcome(answer: object) -> None:
    assert_harmless(render("part_outcome.html", outcomes=reports.kernel_outcomes(answer)))


def plan_of(**plan: object) -> dict:
    return {"kernels": [{"id": "k1", "path": HOSTILE, "plan": plan}]}


def test_a_plan_is_shown_with_everything_that_the_users_wrote_as_text() -> None:
    answer = plan_of(
        store=[{"name": HOSTILE, "type": HOSTILE, "bytes": 2048, "seconds": 0.5}, {"name": "big", "bytes": 10**9}],
        rerun=[{"cell": 3, "source": f"print('{HOSTILE}')", "seconds": 12.0}],
        recomputed=[{"name": "gen", "cells": [3], "why": HOSTILE}],
        lost=[{"name": "socket", "reason": HOSTILE, "cell": 4, "cure": "run In [4] again"}],
        bytes=10**9,
        store_seconds=0.01,
        restore_seconds=12.5,
    )
    document = render("part_plan.html", plans=reports.kernel_plans(answer))
    assert_harmless(document)
    assert document.h3.text == HOSTILE
    assert [row.th.text for row in document.select("tbody tr")] == ["big", HOSTILE, "gen"]  # the largest first
    assert document.pre.text == f"print('{HOSTILE}')"
    assert "run In [4] again" in document.select_one(".losses").text
    assert document.select_one("[data-lost]")["data-lost"] == "1"
    assert "953.7 MiB; saving takes under 0.1 s" in document.select_one(".tiles").text


def test_a_kernel_without_a_plan_says_why() -> None:
    plans = reports.kernel_plans({"kernels": [{"id": "k1", "path": None, "error": "a cell is running"}]})
    assert plans == [reports.KernelPlan("kernel k1", error="a cell is running")]


def test_what_was_lost_comes_first() -> None:
    variables = {
        "a": {"status": "loaded"},
        "b": {"status": "lost", "reason": "a socket", "cell": 2},
        "c": {"status": "recomputed", "cell": 3},
        "d": {"status": "invented"},
    }
    answer = {
        "kernels": [
            {"id": "k", "path": "n.ipynb", "restore": {"status": "restored", "variables": variables}},
            {"id": "l"},
        ]
    }
    (outcome,) = reports.kernel_outcomes(answer)
    assert [(fate.name, fate.status) for fate in outcome.fates] == [("b", "lost"), ("c", "recomputed"), ("a", "loaded")]
    assert (outcome.count("lost"), outcome.count("loaded")) == (1, 1)


def test_much_is_cut() -> None:
    answer = plan_of(
        store=[{"name": f"x{i}"} for i in range(5000)], rerun=[{"cell": 1, "source": "x" * 10**6, "seconds": 1}]
    )
    (plan,) = reports.kernel_plans(json.loads(json.dumps(answer)))
    assert len(plan.stored) == reports.MAX_ITEMS
    assert len(plan.rerun[0].source) < reports.MAX_TEXT + 10

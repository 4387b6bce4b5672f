"""Which code a value leads to, and so which names running it may touch."""

from __future__ import annotations

from typing import Any

import pytest

from elastic_spawner.tracking.closure import reachable_accesses

NAMESPACE: dict[str, Any] = {"hidden": [1]}
exec("def f(): return hidden", NAMESPACE)


def reads(*roots: Any) -> set[str]:
    """The names that code reachable from the roots reads."""
    return reachable_accesses(list(roots), NAMESPACE).reads


@pytest.mark.parametrize(
    "value",
    [
        [NAMESPACE["f"]],
        {"a": {"b": (NAMESPACE["f"],)}},
        {1: "x", 2: [{3: NAMESPACE["f"]}]},
        [{} for _ in range(600)] + [NAMESPACE["f"]],
        {i: NAMESPACE["f"] if i == 900 else i for i in range(1000)},
        {frozenset([NAMESPACE["f"]])},
    ],
)
def test_functions_in_containers_are_found(value: Any) -> None:
    """Whatever lies around them."""
    assert reads(value) == {"hidden"}


def test_what_is_near_is_looked_at_first() -> None:
    """Thousands of objects in one value do not keep a function in another one from being found."""
    many = [[[i] for i in range(400)] for _ in range(400)]
    for roots in ([many, {"k": NAMESPACE["f"]}], [{"k": NAMESPACE["f"]}, many]):
        found = reachable_accesses(roots, NAMESPACE)
        assert found.unsure
        assert found.reads == {"hidden"}


def test_of_more_than_are_looked_at_the_first_are() -> None:
    """And numbers do not count."""
    numbers = [list(range(400)) for _ in range(400)]
    assert reads([*numbers, [NAMESPACE["f"]]]) == {"hidden"}
    assert reads([[NAMESPACE["f"]], *([[[]] * 400] * 400)]) == {"hidden"}


def test_a_container_that_hides_itself_is_searched_once() -> None:
    """Cycles end."""
    knot: list[Any] = [{"f": NAMESPACE["f"]}]
    knot[0]["back"] = knot
    assert reads(knot) == {"hidden"}

"""The digest says whether two object graphs are the same, in this process and in any other."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elastic_spawner.objects.walk import Walker, digest, walk

from .conftest import Worker
from .values import SESSION, VALUES, read, text_of

SLOW = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@SLOW
@given(VALUES)
def test_equal_values_have_equal_digests(value: Any) -> None:
    """A value built twice from the same text has the same digest, whatever else lives at which address."""
    text = text_of(value)
    assert digest(read(text)) == digest(read(text))


@SLOW
@given(VALUES, VALUES)
def test_different_values_have_different_digests(one: Any, two: Any) -> None:
    """The digest tells apart what differs in a value or in a type: 1, 1.0 and True are three."""
    first, second = text_of(one), text_of(two)
    assert (digest(read(first)) == digest(read(second))) == (first == second)


@SLOW
@given(VALUES)
def test_a_pickled_copy_has_the_same_digest(value: Any) -> None:
    """What pickle brings back, sharing included, counts as the same."""
    value = read(text_of(value))
    value = [value, value]
    assert digest(pickle.loads(pickle.dumps(value, 5))) == digest(value)


@SLOW
@given(st.lists(VALUES, min_size=1, max_size=5))
def test_digests_do_not_depend_on_the_hash_seed(workers: tuple[Worker, Worker], values: list[Any]) -> None:
    """Interpreters with other hash seeds, whose sets have another order, give the same digests."""
    texts = list(map(text_of, values))
    one, two = (w.ask(literals=texts) for w in workers)
    assert one == two


def test_a_whole_session_has_the_same_digests_in_another_process(workers: tuple[Worker, Worker]) -> None:
    """Every kind of object that a session may hold is recognised in a process with another hash seed."""
    one, two = (w.ask(source=SESSION) for w in workers)
    different = sorted(n for n in one if one[n][0] != two[n][0] and not one[n][1])
    assert different == []
    assert len(one) > 60


def test_only_what_cannot_be_told_is_uncertain(workers: tuple[Worker, Worker]) -> None:
    """No plain, numpy or pandas value of the session is given up as uncertain."""
    found = workers[0].ask(source=SESSION)
    assert sorted(n for n, (_, uncertain) in found.items() if uncertain) == []


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("1", "1.0"),
        ("1", "True"),
        ("0.0", "-0.0"),
        ("'a'", "b'a'"),
        ("[]", "()"),
        ("{}", "set()"),
        ("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"),
        ("[[1, 2], [3]]", "[[1], [2, 3]]"),
        ("[['ab'], ['c']]", "[['a'], ['bc']]"),
        ("[{'a': 1}, {}]", "[{}, {'a': 1}]"),
        ("{1, 2, 3}", "frozenset({1, 2, 3})"),
        ("{(1, 2), 3}", "{(1, 3), 2}"),
        ("bytearray(b'a')", "b'a'"),
        ("range(3)", "range(4)"),
        ("slice(1, 2)", "slice(1, 3)"),
        ("None", "..."),
        ("'x' * 3_000_000", "'x' * 2_999_999 + 'y'"),
        ("[(i, i + 1) for i in range(40)]", "[(i + 1, i) for i in range(40)]"),
        ("[(i, i + 1) for i in range(40)]", "[[i, i + 1] for i in range(40)]"),
        ("[(i, 'a') for i in range(40)]", "[(i, 'a' if i != 7 else 'b') for i in range(40)]"),
        ("[(i, 0) for i in range(40)]", "[(i, 0 if i != 7 else 0.0) for i in range(40)]"),
        ("[(i, 0) for i in range(40)]", "[(i, 0) if i != 7 else (i, 0, 0) for i in range(40)]"),
        ("[{'a': i, 'b': 0} for i in range(40)]", "[{'a': 0, 'b': i} for i in range(40)]"),
        ("[{'a': i, 'b': 0} for i in range(40)]", "[{'b': 0, 'a': i} for i in range(40)]"),
        ("[{'a': i} for i in range(40)]", "[{'a' if i != 7 else 'b': i} for i in range(40)]"),
        ("[{'a': i} for i in range(40)]", "[{'a' if i != 7 else type('S', (str,), {})('a'): i} for i in range(40)]"),
        ("[{1: i} for i in range(40)]", "[{1 if i != 7 else True: i} for i in range(40)]"),
        ("[{str(i - i): i} for i in range(40)]", "[{str(i - i): i if i != 7 else 8} for i in range(40)]"),
        *(
            (
                f"[type('C%d' % (i % {kinds}), (), {{}})() for i in range(600)]",
                f"[type('C%d' % ((i + (i == 7)) % {kinds}), (), {{}})() for i in range(600)]",
            )
            for kinds in (2, 7, 20, 300)
        ),
    ],
)
def test_near_values_are_told_apart(one: str, two: str) -> None:
    """Values that compare equal or look alike in bytes are still two."""
    assert digest(eval(one)) != digest(eval(two))


@pytest.mark.parametrize("kinds", [2, 7, 20, 300])
def test_objects_of_many_types(kinds: int) -> None:
    """However many types there are side by side, the same types in the same order are the same."""
    makers = [(int, str, float, list, dict, set, bytes)[i % 7] for i in range(kinds)]
    classes = [type(f"C{i}", (), {}) for i in range(kinds)]

    def made() -> list[Any]:
        return [(makers, classes)[i % 3 == 0][i % kinds]() for i in range(900)]

    assert digest(made()) == digest(made())


def test_rows_share_what_they_share() -> None:
    """Sharing among many alike is told as among few."""
    a: list[int] = [1]
    same = [(i, a) for i in range(40)]
    assert digest(same) == digest([(i, a) for i in range(40)])
    assert digest(same) != digest([(i, a if i != 7 else [1]) for i in range(40)])
    assert digest([{"x": a} for _ in range(40)]) != digest([{"x": a if i != 7 else [1]} for i in range(40)])


def test_sharing_is_part_of_the_structure() -> None:
    """``[a, a]`` is not ``[a, b]`` with an equal b: a change of the one would show in the other."""
    a: list[int] = [1]
    assert digest([a, a]) != digest([a, [1]])
    assert digest([a, [1], a, [1]]) != digest([a, [1], [1], a])
    assert digest([a, [1]]) == digest([[1], [1]])


def test_cycles_of_different_lengths_are_told_apart() -> None:
    """A list in itself is not a list in a list that holds it."""
    one: list[Any] = []
    one.append(one)
    two: list[Any] = [[]]
    two[0].append(two)
    again: list[Any] = []
    again.append(again)
    assert digest(one) == digest(again) != digest(two)


@pytest.mark.parametrize(
    "make",
    [
        lambda: [[i] for i in range(5_000)],
        lambda: {str(i): [i] for i in range(25_000)},
        lambda: set(range(25_000)),
        lambda: ["ab" * 700_000, "c" * 100_000, *map(str, range(3_000))],
        lambda: bytearray(5_000_000),
    ],
    ids=["list", "dict", "set", "strings", "buffer"],
)
def test_a_walk_in_steps_sees_what_one_walk_sees(make: Callable[[], Any]) -> None:
    """The same, in more than a few steps, and whatever else holds the objects meanwhile."""
    value = make()
    walker = Walker()
    steps = sum(1 for _ in walker.steps([value]))
    assert steps > 3
    assert walker.found.same(walk(value))
    assert walker.found.same(walk(make()))
    held = list(value) if isinstance(value, (list, dict, set)) else value
    assert walker.found.same(walk(value)), held
    if isinstance(value, set):
        assert walker.found.digest == walk(set(sorted(value, reverse=True))).digest

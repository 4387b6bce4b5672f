"""Iterators of itertools, at every place that they come to, stored and loaded: prints what does not go on as it would.

For Python 3.14 and later, where they cannot be pickled by themselves; `test_versions` runs it there.
"""

from __future__ import annotations

import itertools as it
import sys
from collections.abc import Callable, Iterator
from typing import Any

from elastic_spawner.checkpoint.pickling import dump, load
from elastic_spawner.objects.walk import Walker

MAKERS: dict[str, Callable[[], Iterator[Any]]] = {
    "accumulate": lambda: it.accumulate([1, 2, 3]),
    "accumulate from": lambda: it.accumulate([1, 2, 3], max, initial=2),
    "chain": lambda: it.chain([1, 2], [], [3]),
    "chain of": lambda: it.chain.from_iterable([[1, 2], [3]]),
    "combinations": lambda: it.combinations("abcd", 2),
    "combinations of too few": lambda: it.combinations("ab", 3),
    "combinations of none": lambda: it.combinations("ab", 0),
    "combinations with replacement": lambda: it.combinations_with_replacement("abc", 2),
    "compress": lambda: it.compress("abc", [1, 0, 1]),
    "count": lambda: it.count(5),
    "count by": lambda: it.count(1, -3),
    "count of floats": lambda: it.count(0.5, 0.25),
    "count beyond a word": lambda: it.count(sys.maxsize - 1),
    "cycle": lambda: it.cycle([1, 2, 3]),
    "cycle of none": lambda: it.cycle([]),
    "dropwhile": lambda: it.dropwhile(bool, [1, 0, 2]),
    "filterfalse": lambda: it.filterfalse(bool, [1, 0, 2, 0]),
    "islice": lambda: it.islice(range(10), 3),
    "islice by": lambda: it.islice(range(20), 2, 15, 4),
    "islice without end": lambda: it.islice(range(9), 1, None, 2),
    "pairwise": lambda: it.pairwise([1, 2, 3]),
    "permutations": lambda: it.permutations("abc"),
    "permutations of two": lambda: it.permutations("abcd", 2),
    "product": lambda: it.product("ab", [0, 1, 2]),
    "product of none": lambda: it.product(),
    "product with none": lambda: it.product("ab", []),
    "repeat": lambda: it.repeat("r"),
    "repeat some": lambda: it.repeat("r", 3),
    "starmap": lambda: it.starmap(pow, [(2, 3), (3, 2)]),
    "takewhile": lambda: it.takewhile(bool, [1, 1, 0, 1]),
    "batched": lambda: it.batched("abcde", 2),  # type: ignore[attr-defined]
    "batched exactly": lambda: it.batched("abcd", 2, strict=True),  # type: ignore[attr-defined]
    "in each other": lambda: it.islice(it.chain(it.cycle("ab")), 1, None, 2),
}
STILL = {"repeat", "cycle of none", "combinations of too few", "product with none"}
"""Those that are the same before and after a step."""


def check(name: str) -> None:
    """After each step: the same is left, of the same type, and no step was taken by looking at it."""
    iterator, seen = MAKERS[name](), set()
    for step in range(12):
        walk = Walker().walk([iterator])
        assert not walk.opaque
        assert step > 1 or name in STILL or walk.digest not in seen, "the step is not seen"
        seen.add(walk.digest)
        payload = dump({"x": iterator}, [walk], {}, "pickle")
        loaded = load(payload.stream, payload.buffers)["x"]
        assert type(loaded) is type(iterator)
        assert walk.uncertain or Walker().walk([loaded]).digest == walk.digest
        expected = MAKERS[name]()
        for _ in range(step):
            next(expected, None)
        assert list(it.islice(loaded, 9)) == list(it.islice(expected, 9)), f"after {step} steps"
        next(iterator, None)


if __name__ == "__main__":
    for tried in MAKERS:
        try:
            check(tried)
        except Exception as e:
            print(f"{tried}: {type(e).__name__} {e}")

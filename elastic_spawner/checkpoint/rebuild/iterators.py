"""Iterators of itertools, from the parts that `objects.iterators` tells."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any


def iterator(name: str, parts: tuple[Any, ...]) -> Any:
    """One that goes on where that of this name had come to; without parts it had come to its end."""
    if not parts:
        ended: Any = _ENDED.get(name, lambda cls: cls(lambda *_: True, ()))(getattr(itertools, name))
        deque(ended, maxlen=0)
        return ended
    made = _MADE.get(name)
    return getattr(itertools, name)(*parts) if made is None else made(*parts)


def _advanced(made: Iterator[Any], steps: int) -> Any:
    deque(itertools.islice(made, steps), maxlen=0)
    return made


def _accumulate(it: Any, function: Any, initial: Any, begun: tuple[Any, ...]) -> Any:
    if begun:
        return _advanced(itertools.accumulate(itertools.chain(begun, it), function), 1)
    return itertools.accumulate(it, function, initial=initial)


def _chain(source: Any, *active: Any) -> Any:
    return itertools.chain.from_iterable(itertools.chain(active, source) if active else source)


def _cycle(saved: list[Any], rest: Any) -> Any:
    return _advanced(itertools.cycle(itertools.chain(saved, rest)), len(saved))


def _dropwhile(function: Any, it: Any, passing: bool) -> Any:
    return itertools.dropwhile(_never if passing else function, it)


def _never(_value: Any) -> bool:
    return False


def _pairwise(it: Any, *old: Any) -> Any:
    return itertools.pairwise(itertools.chain(old, it) if old else it)


def _product(pools: Any, _length: int, steps: int) -> Any:
    return _advanced(itertools.product(*pools), steps)


def _repeat(element: Any, times: int | None) -> Any:
    return itertools.repeat(element) if times is None else itertools.repeat(element, times)


def _batched(it: Any, size: int, strict: bool) -> Any:
    batched: Any = itertools.batched  # type: ignore[attr-defined]
    return batched(it, size, strict=True) if strict else batched(it, size)  # an older version knows no `strict`


def _of_pool(name: str) -> Callable[[Any, int, int], Any]:
    return lambda pool, length, steps: _advanced(getattr(itertools, name)(pool, length), steps)


_MADE: dict[str, Callable[..., Any]] = {
    "accumulate": _accumulate,
    "batched": _batched,
    "chain": _chain,
    "cycle": _cycle,
    "dropwhile": _dropwhile,
    "pairwise": _pairwise,
    "product": _product,
    "repeat": _repeat,
    **{n: _of_pool(n) for n in ("combinations", "combinations_with_replacement", "permutations")},
}
_ENDED: dict[str, Callable[[Any], Any]] = {
    "batched": lambda cls: cls((), 1),
    "chain": lambda cls: cls(),
    "compress": lambda cls: cls((), ()),
    "islice": lambda cls: cls((), 0),
    "pairwise": lambda cls: cls(()),
    "product": lambda cls: cls(()),
    **{n: lambda cls: cls((), 1) for n in ("combinations", "combinations_with_replacement", "permutations")},
}

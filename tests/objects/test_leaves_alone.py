"""Walking changes nothing in the user's objects, calls none of their code and keeps nothing alive."""

from __future__ import annotations

import copyreg
import gc
import io
import pickle
import sys
import weakref
from typing import Any

import pytest

from elastic_spawner.objects.walk import walk

from .values import SESSION

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")


@pytest.fixture
def session() -> dict[str, Any]:
    """The values of a whole session."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(SESSION, "<cell>", "exec", dont_inherit=True), namespace)
    return {n: v for n, v in namespace.items() if not n.startswith("_")}


def pickled(value: Any) -> bytes | None:
    """The value's pickle, as far as it has one."""
    try:
        stream = io.BytesIO()
        pickle.Pickler(stream, 5).dump(value)
        return stream.getvalue()
    except Exception:
        return None


def test_the_pickle_is_the_same_afterwards(session: dict[str, Any]) -> None:
    """What could be pickled before gives the same bytes after a walk."""
    pairs = [(n, v, pickled(v), pickled(v)) for n, v in session.items()]
    stable = [(n, v, first) for n, v, first, second in pairs if first is not None and first == second]
    assert len(stable) > 30
    for _, value, _ in stable:
        walk(value)
    assert [n for n, v, before in stable if pickled(v) != before] == []


def attributes(value: Any) -> list[str] | None:
    """Names of the attributes that the object itself holds."""
    held = getattr(value, "__dict__", None)
    return None if held is None else list(held)


def test_no_attribute_appears(session: dict[str, Any]) -> None:
    """Neither instances nor the session's classes and functions get a new attribute (a cache, a `__slotnames__`)."""
    before = {n: (attributes(v), attributes(type(v))) for n, v in session.items()}
    before = {n: b for n, b in before.items() if type(session[n]).__module__ == "__main__" or n in ("Leaf", "add")}
    assert {"leaf", "point", "Leaf", "add", "colour"} <= before.keys()
    for value in session.values():
        walk(value)
    assert {n: (attributes(session[n]), attributes(type(session[n]))) for n in before} == before


def test_arrays_keep_their_flags() -> None:
    """No array becomes read-only or changes shape, order or owner (the reference implementation made frames so)."""
    base = np.zeros((6, 6))
    arrays = [base, base[1:], base.T, np.asfortranarray(base[::2]), np.zeros(0), np.array([[1], None], dtype=object)]
    locked = np.arange(3)
    locked.flags.writeable = False
    arrays.append(locked)
    frame = pd.DataFrame({"a": [1.0], "c": pd.Categorical(["x"])})
    series = frame["a"]

    def state() -> list[Any]:
        return [(a.flags.num, a.shape, a.strides, a.dtype, id(a.base)) for a in arrays]

    before, flags = state(), frame["a"].values.flags.num
    for value in (*arrays, frame, series):
        walk(value)
    assert state() == before
    assert frame["a"].values.flags.num == flags
    series = series.copy()
    series.iloc[0] = 9.0
    assert series.iloc[0] == 9.0


def test_reference_counts_are_the_same_afterwards(session: dict[str, Any]) -> None:
    """Nothing keeps a walked object alive, and nothing is released that was held."""
    walked = [v for v in session.values() if not isinstance(v, type)]
    inside = [session["keyed"]["k"], session["shared"][0], session["array"], session["frame"], session["leaf"]]
    gc.collect()
    for value in walked:
        walk(value)  # the first walk may fill caches of libraries
    gc.collect()
    before = [sys.getrefcount(o) for o in inside]
    for value in walked:
        walk(value)
    gc.collect()
    assert [sys.getrefcount(o) for o in inside] == before


def test_a_walked_object_dies_at_once() -> None:
    """The walk's result holds ids, not objects."""

    class Thing:
        pass

    thing = Thing()
    died: list[int] = []
    weakref.finalize(thing, died.append, 1)
    found = walk([thing, {"again": thing}])
    del thing
    assert died == [1]
    assert found.nodes > 2


def test_the_garbage_collector_is_left_as_it_was() -> None:
    """It is paused for the walk only, and stays off where the user has turned it off."""
    enabled = gc.isenabled()
    try:
        gc.disable()
        walk([1])
        assert not gc.isenabled()
        gc.enable()
        walk([1])
        assert gc.isenabled()
    finally:
        (gc.enable if enabled else gc.disable)()


HOOKS = (
    "__eq__ __hash__ __len__ __iter__ __bool__ __getitem__ __contains__ __repr__ __str__ __getattr__ __reduce__ "
    "__reduce_ex__ __getstate__ __setstate__ __sizeof__ __dir__ __copy__ __deepcopy__ __getnewargs__ __index__ __int__ "
    "__float__ keys values items get"
).split()


@pytest.mark.parametrize("base", [object, dict, list, tuple, set, frozenset, int, str, float, bytes, Exception])
def test_no_code_of_the_users_classes_runs(base: type) -> None:
    """An instance is taken apart past its own methods: they could print, wait, raise, or say something else."""
    called: list[str] = []

    def hook(name: str) -> Any:
        def method(self: Any, *args: Any) -> Any:
            called.append(name)
            raise RuntimeError(name)

        return method

    made = type("Own", (base,), {"__module__": "__main__"})
    content: dict[type, Any] = {dict: {"a": [1]}, int: 5, float: 5.0, str: "ab", list: [1], set: {1}}
    thing = made(content[base]) if base in content else made()
    note = thing.note = [1]
    for name in HOOKS:
        setattr(made, name, hook(name))
    found = walk([thing, (thing,)])
    assert called == []
    assert id(note) in found.ids
    for name in HOOKS:
        delattr(made, name)


def test_random_generators_do_not_advance() -> None:
    """A generator draws the same numbers whether it was walked or not."""
    import random

    ours, numpys = random.Random(1), np.random.default_rng(1)
    walk([ours, numpys, random.seed, np.random.seed])
    assert ours.random() == random.Random(1).random()
    assert numpys.random() == np.random.default_rng(1).random()


def test_iterators_and_streams_stay_where_they_are() -> None:
    """Looking at an iterator, a generator or a stream does not move it."""
    numbers = iter([1, 2, 3])
    generator = (i for i in range(3))
    stream = io.StringIO("abc")
    pairs = zip("ab", [1, 2])
    keys = iter({"p": 1, "q": 2})
    for value in (numbers, generator, stream, pairs, keys):
        next(value) if value is not stream else stream.read(1)
        walk(value)
        walk(value)
    assert (next(numbers), next(generator), stream.read(), next(pairs), next(keys)) == (2, 1, "bc", ("b", 2), "q")


def test_no_registry_of_pickle_grows() -> None:
    """Walking registers nothing with copyreg."""
    before = dict(copyreg.dispatch_table)
    walk([np.zeros(3), pd.DataFrame({"a": [1]}), {1, 2}])
    assert copyreg.dispatch_table == before

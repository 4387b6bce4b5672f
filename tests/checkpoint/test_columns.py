"""What is folded into columns comes back as it was, and what the pickler must see is not folded."""

from __future__ import annotations

import types
import weakref
from collections import deque
from typing import Any

import pytest

from elastic_spawner.checkpoint import columns, pickling
from elastic_spawner.objects.walk import walk

N = 2000
SOURCE = """
class Record:
    def __init__(self, number):
        self.number = number
        self.tags = [number, str(number)]

class Point:
    x = y = 0.0
    def __init__(self, x=0.0, y=0.0):
        self.x = x
        self.y = y

class Guarded:
    @property
    def value(self): raise RuntimeError('asked')
    @value.setter
    def value(self, new): raise RuntimeError('set')
    def __setattr__(self, name, new): raise RuntimeError('set')
    @classmethod
    def make(cls, number):
        self = cls()
        self.__dict__['value'] = number
        return self

class Bare:
    @classmethod
    def make(cls, number):
        self = cls()
        if number % 2 == 0: self.number = number
        return self

class Deleted:
    def __delete__(self, instance): raise RuntimeError('deleted')

class Kept:
    value = Deleted()
    @classmethod
    def make(cls, number):
        self = cls()
        self.__dict__['value'] = number
        return self

class Slotted:
    __slots__ = ('a',)
    def __init__(self, a): self.a = a

class Made:
    def __new__(cls, *args): return object.__new__(cls)
    def __init__(self, a=0): self.a = a

class Longer(list):
    pass

class Stateful:
    def __init__(self, a): self.a = a
    def __getstate__(self): return {'a': self.a}
    def __setstate__(self, state): self.__dict__.update(state)
"""


@pytest.fixture
def main() -> types.SimpleNamespace:
    """Classes as a session makes them."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(SOURCE, namespace)
    return types.SimpleNamespace(**namespace, namespace=namespace)


def travelled(main: types.SimpleNamespace, folds: bool, **values: Any) -> dict[str, Any]:
    """The values after a stream of theirs was made and loaded; whether something in them was folded is asserted."""
    walks = [walk(v, namespace=main.namespace) for v in values.values()]
    payload = pickling.dump(values, walks, main.namespace, "pickle")
    assert (b"folded" in payload.stream) is folds
    loaded = pickling.load(payload.stream, payload.buffers)
    assert [walk(v, namespace=main.namespace).digest for v in loaded.values()] == [w.digest for w in walks]
    return loaded


@pytest.mark.parametrize(
    "make",
    [
        "[Record(i) for i in range(N)]",
        "[Point(i / 3, -i) for i in range(N)]",
        "[Point() for i in range(N)]",
        "[Guarded.make(i) for i in range(N)]",
        "[Kept.make(i) for i in range(N)]",
        "[(i, str(i), i / 7) for i in range(N)]",
        "[[i, [i, -i]] for i in range(N)]",
        "[{'id': i, 'v': [i], 'd': {'x': (i, None)}} for i in range(N)]",
        "[{'id': i, 'self': Record(i)} for i in range(N)]",
        "{str(i): Record(i) for i in range(N)}",
        "{i: (i, [i]) for i in range(N)}",
    ],
)
def test_containers_of_one_kind_come_back(main: types.SimpleNamespace, make: str) -> None:
    """Equal in all that a walk tells."""
    travelled(main, True, data=eval(make, {**vars(main), "N": N}))


@pytest.mark.parametrize(
    "make",
    [
        "list(range(N))",
        "[Record(i) for i in range(10)]",
        "[Slotted(i) for i in range(N)]",
        "[Longer([i]) for i in range(N)]",
        "[Stateful(i) for i in range(N)]",
        "[Made(i) for i in range(N)]",
        "[one] * N",
        "[Record(i) for i in range(N)] + [one, one]",
        "[[i] * (i % 3) for i in range(N)]",
        "[{'a': i} if i % 2 else {'b': i} for i in range(N)]",
        "[{'a': 1, 'b': i} if i % 2 else {'b': i, 'a': 1} for i in range(N)]",
        "[{} if i % 2 else {'a': i} for i in range(N)]",
        "[[{'a': i, 'b': i}, {'a': i}, {'b': i}][i % 3] for i in range(N)]",
        "[Bare.make(i) for i in range(N)]",
        "[{i: 1} for i in range(N)]",
        "[() for i in range(N)]",
    ],
)
def test_what_is_not_of_one_kind_is_left_to_the_pickler(main: types.SimpleNamespace, make: str) -> None:
    """It comes back all the same."""
    travelled(main, False, data=eval(make, {**vars(main), "N": N, "one": main.Record(-1)}))


def test_an_object_that_another_variable_holds_stays_that_one(main: types.SimpleNamespace) -> None:
    """One that is held twice keeps its whole list from being folded."""
    records = [main.Record(i) for i in range(N)]
    loaded = travelled(main, False, records=records, best=records[7])
    assert loaded["best"] is loaded["records"][7]


def test_what_the_objects_refer_to_is_shared_as_before(main: types.SimpleNamespace) -> None:
    """The pickler sees what the columns end in."""
    common = [1]
    records = [main.Record(common) for _ in range(N)]
    loaded = travelled(main, True, common=common, records=records, kind=main.Record)
    assert all(r.number is loaded["common"] for r in loaded["records"])
    assert {type(r) for r in loaded["records"]} == {loaded["kind"]}


def test_attributes_that_somebody_holds_stay_theirs(main: types.SimpleNamespace) -> None:
    """The dictionary of one object's attributes is a variable."""
    records = [main.Record(i) for i in range(N)]
    loaded = travelled(main, False, records=records, own=records[3].__dict__)
    assert loaded["own"]["number"] == 3


@pytest.mark.parametrize("where", ["inside", "beside", "twice"])
def test_a_list_that_something_leads_to_is_not_folded(main: types.SimpleNamespace, where: str) -> None:
    """The reference has to lead to the list that was made."""
    records: list[Any] = [main.Record(i) for i in range(N)]
    if where == "inside":
        records[5].tags = records
        loaded = travelled(main, False, records=records)
        assert loaded["records"][5].tags is loaded["records"]
    elif where == "beside":
        loaded = travelled(main, False, records=records, view={"of": records})
        assert loaded["view"]["of"] is loaded["records"]
    else:
        loaded = travelled(main, False, records=records, again=records)
        assert loaded["again"] is loaded["records"]


def test_a_dictionary_that_something_in_it_goes_through_is_not_folded(main: types.SimpleNamespace) -> None:
    """An iterator shows a copy of what it goes through; it has to hand out the very objects."""
    records = {i: main.Point(i) for i in range(N)}
    records[5].y = iter(records.values())
    payload = pickling.dump({"records": records}, [walk(records)], main.namespace, "pickle")
    loaded = pickling.load(payload.stream, payload.buffers)["records"]
    assert next(loaded[5].y) is loaded[0]


def test_an_object_that_is_watched_is_not_folded(main: types.SimpleNamespace) -> None:
    """A weak reference in the same stream is to lead to it."""
    records = [main.Record(i) for i in range(N)]
    loaded = travelled(main, False, records=records, watch=weakref.ref(records[2]))
    assert loaded["watch"]() is loaded["records"][2]


def test_the_order_of_attributes_is_kept(main: types.SimpleNamespace) -> None:
    """As ``vars`` shows it."""
    records = [main.Point(i, i) for i in range(N)]
    deque((r.__dict__.update(extra=r.__dict__.pop("x")) for r in records), 0)
    assert list(vars(travelled(main, True, records=records)["records"][9])) == ["y", "extra"]


def test_not_a_number_stays_itself(main: types.SimpleNamespace) -> None:
    """Two of them are equal only if they are one object."""
    nan = float("nan")
    loaded = travelled(main, True, points=[main.Point(nan, 1.0) for _ in range(N)], nan=nan)
    assert all(p.x is loaded["nan"] for p in loaded["points"])


def test_nothing_is_folded_while_it_may_change(main: types.SimpleNamespace) -> None:
    """A thread may move an object between two columns."""
    values = {"records": [main.Record(i) for i in range(N)]}
    payload = pickling.dump(values, [walk(v) for v in values.values()], {}, "pickle", None, False)
    assert b"folded" not in payload.stream


def test_nothing_is_folded_beside_what_was_not_seen_in_full(main: types.SimpleNamespace) -> None:
    """What was left out may lead to the list."""
    records = [main.Record(i) for i in range(N)]
    values: dict[str, Any] = {"records": records, "view": [records]}
    walks = [walk(records), walk(values["view"], boundary={id(records): "records"})]
    assert not walks[1].complete
    assert b"folded" not in pickling.dump(values, walks, main.namespace, "pickle").stream


def test_a_column_of_an_unknown_kind_is_refused() -> None:
    """It was written by a newer version."""
    with pytest.raises(ValueError, match="'frozen'"):
        columns.rebuild.unfold(("frozen", 1, (None, ("a",)), [[1]]))

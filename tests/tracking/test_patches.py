"""What cells set in modules and in classes of libraries."""

from __future__ import annotations

import fractions
import string
import types
from collections.abc import Iterator
from typing import Any

import pytest

from elastic_spawner.tracking.patches import MISSING, Patches, chains, current


def found(source: str) -> set[tuple[str, ...]]:
    pending = [compile(source, "<cell>", "exec")]
    out: set[tuple[str, ...]] = set()
    while pending:
        code = pending.pop()
        out.update(chains(code))
        pending += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return out


@pytest.mark.parametrize(
    ("source", "chain"),
    [
        ("string.mine = 1", ("string", "mine")),
        ("del string.digits", ("string", "digits")),
        ("a.b.C.method = f", ("a", "b", "C", "method")),
        ("setattr(string, 'mine', 1)", ("string", "mine")),
        ("delattr(string, 'digits')", ("string", "digits")),
        ("def f():\n    string.mine = 1", ("string", "mine")),
        ("def f():\n    import string\n    string.mine = 1", ("", "string", "mine")),
        ("def f(v):\n    import string\n    string.mine = v", ("", "string", "mine")),
        ("mock.patch('os.path.exists')", ("", "os.path", "exists")),
        ("mock.patch.object(string, 'digits')", ("string", "digits")),
        ("string.a = other.b = 1", ("other", "b")),
    ],
)
def test_a_store_is_found_by_its_chain_of_names(source: str, chain: tuple[str, ...]) -> None:
    assert chain in found(source)


@pytest.mark.parametrize("source", ["x = string.digits", "f().a = 1", "x[0].a = 1", "string.f('text')", "self = 1"])
def test_what_is_read_or_reached_by_calls_is_no_chain(source: str) -> None:
    assert found(source) == set()


@pytest.fixture
def patched() -> Iterator[None]:
    yield
    for owner, name in ((string, "mine"), (fractions.Fraction, "half")):
        if name in vars(owner):
            delattr(owner, name)


def run(source: str) -> tuple[Patches, dict[Any, Any]]:
    namespace: dict[str, Any] = {"string": string, "fractions": fractions, "own": types.SimpleNamespace()}
    patches, originals = Patches(), dict[Any, Any]()
    patches.begin(found(source), namespace)
    exec(source, namespace)
    patches.end(found(source), namespace, originals)
    return patches, originals


@pytest.mark.usefixtures("patched")
def test_attributes_of_modules_and_of_their_classes_are_targets() -> None:
    patches, originals = run("string.mine = [1]\nfractions.Fraction.half = lambda self: self / 2\nown.x = 1")
    assert patches.targets == {("string", "mine"), ("fractions", "Fraction.half")}
    assert originals == {}
    assert current(("string", "mine")) == [1]


def test_what_was_there_before_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    before = string.digits
    monkeypatch.setattr(string, "digits", before)  # puts it back at the end
    patches, originals = run("del string.digits")
    assert patches.targets == {("string", "digits")}
    assert originals == {("string", "digits"): before}
    assert current(("string", "digits")) is MISSING


def test_a_store_that_did_not_happen_is_no_patch() -> None:
    patches, _ = run("def never():\n    string.mine = 1\nif False:\n    string.digits = 2")
    assert patches.targets == set()

"""Which names a cell's code reads, writes and deletes, whatever construct it uses."""

from __future__ import annotations

import sys

import pytest

from elastic_spawner.tracking.accesses import Accesses, of_code, of_source


def accesses(source: str) -> Accesses:
    """Accesses of a whole cell."""
    found = Accesses()
    for statement in of_source(source):
        found.add(statement.accesses)
    return found


@pytest.mark.parametrize(
    ("source", "reads", "writes", "deletes"),
    [
        ("x = a", "a", "x", ""),
        ("x += a", "a x", "x", ""),
        ("x[a] = b", "x a b", "", ""),
        ("x.attr = a", "x a", "", ""),
        ("x: a = b", "a b", "x", ""),
        ("x: int", "int", "", ""),
        ("x, (y, *z) = a", "a", "x y z", ""),
        ("x = y = a", "a", "x y", ""),
        ("del x", "", "", "x"),
        ("del x[a], y.b", "x a y", "", ""),
        ("del (x, [y])", "", "", "x y"),
        ("if (x := a) > b: pass", "a b", "x", ""),
        ("[y := i for i in a]", "a", "y", ""),
        ("f'{a:{b}} {c!r}'", "a b c", "", ""),
        ("for i in a:\n    x = i", "a i", "i x", ""),
        ("while a:\n    b\nelse:\n    c", "a b c", "", ""),
        ("with a as x, b() as (y, z): pass", "a b", "x y z", ""),
        ("try:\n    a\nexcept b as e:\n    c\nfinally:\n    d", "a b c d", "e", "e"),
        ("assert a, b", "a b", "", ""),
        ("raise a from b", "a b", "", ""),
        ("import m", "", "m", ""),
        ("import m.n", "", "m", ""),
        ("import m.n as x", "", "x", ""),
        ("from m import n, o as p", "", "n p", ""),
        ("lambda v, w=a: v + b", "a b", "", ""),
        ("def f(v, w=a) -> b:\n    u = c\n    return u, v, w", "a b c", "f", ""),
        ("def f():\n    def g():\n        def h(): return a\n        return h\n    return g", "a", "f", ""),
        ("def f():\n    global x\n    x = a", "a", "f x", ""),
        ("def f():\n    def g():\n        global x\n        x = 1", "", "f x", ""),
        ("def f():\n    global x\n    del x", "", "f", "x"),
        ("def f():\n    n = 0\n    def g():\n        nonlocal n\n        n += a\n    return g", "a", "f", ""),
        ("async def f():\n    async with a as v:\n        async for w in b: await c(v, w)", "a b c", "f", ""),
        ("def f():\n    yield a\n    yield from b", "a b", "f", ""),
        ("@a.b(c)\ndef f(): pass", "a c", "f", ""),
        ("@a\nclass C(b, metaclass=c): pass", "a b c", "C", ""),
        ("class C:\n    def m(self): return a", "a", "C", ""),
        ("class C:\n    global x\n    x = 1", "", "C x", ""),
        ("class C:\n    class D:\n        y = a", "a", "C", ""),
        ("class C:\n    def m(self): return super().m(a)", "a super", "C", ""),
        ("[i + b for i in a if c]", "a b c", "", ""),
        ("{i: j for i in a for j in b}", "a b", "", ""),
        ("{i for i in a}", "a", "", ""),
        ("list(i for i in a)", "a list", "", ""),
        ("[[j for j in b if i] for i in a]", "a b", "", ""),
        ("x = a if b else c", "a b c", "x", ""),
        ("a(*b, **c)", "a b c", "", ""),
        ("match a:\n    case {'k': v, **rest}: pass\n    case [first, *others]: pass", "a", "v rest first others", ""),
        ("match a:\n    case C(x=1) | D.E as whole if b: pass", "a b C D", "whole", ""),
        ("from __future__ import annotations\nx = a", "a", "x", ""),
    ],
)  # fmt: skip
def test_a_constructs_names(source: str, reads: str, writes: str, deletes: str) -> None:
    """Every construct's global names, and no local name of a function or comprehension."""
    found = accesses(source)
    # names with two underscores are the namespace's own: no variables
    assert {n for n in found.reads if not n.startswith("__")} == set(reads.split())
    assert {n for n in found.writes if not n.startswith("__")} == set(writes.split())
    assert found.deletes == set(deletes.split())


def test_names_of_a_class_body_are_not_variables() -> None:
    """Attributes assigned in a class body are no global names, though the body may read globals of the same kind."""
    found = accesses("class C:\n    x = a\n    y = x\n    for z in b: pass\n    del z")
    assert found.writes == {"C"}
    assert found.deletes == set()
    assert {"a", "b"} <= found.reads


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters came with Python 3.12")
def test_type_parameters_are_no_variables() -> None:
    """``def f[T]`` and ``type X = ...`` read what they name and bind what they define."""
    found = accesses("def f[T: a](x: T) -> T: return b\nclass C[U](c): pass\ntype X = d")
    assert {"f", "C", "X"} == found.writes
    assert {"a", "b", "c", "d"} <= found.reads
    assert not {"T", "U"} & found.writes


def test_top_level_await_is_told() -> None:
    """A cell that awaits may be interleaved with others: it is compiled all the same, and marked."""
    assert accesses("x = await a").awaits
    assert accesses("async for i in a: pass").awaits
    assert accesses("async with a: pass").awaits
    assert accesses("[i async for i in a]").awaits
    assert not accesses("async def f(): await a").awaits
    assert accesses("x = await a").reads == {"a"}


def test_more_names_than_an_instruction_can_count() -> None:
    """Beyond 256 names the instructions come with extended arguments; no name is missed or mixed up."""
    source = (
        "def f():\n"
        + "".join(f"    n{i}.a{i}(m{i})\n" for i in range(400))
        + "".join(f"v{i} = w{i}\n" for i in range(400))
    )
    found = accesses(source)
    assert {f"n{i}" for i in range(400)} | {f"m{i}" for i in range(400)} | {f"w{i}" for i in range(400)} == found.reads
    assert {f"v{i}" for i in range(400)} | {"f"} == found.writes
    assert found.attributes == {f"a{i}" for i in range(400)}


def test_attributes_and_imports_are_told() -> None:
    """Which attributes code asks for, and which modules it imports, wherever it does so."""
    found = accesses("import a.b\ndef f():\n    from c import d\n    return d.e.f(), a.b.g")
    assert found.imports == {"a.b", "c"}
    assert {"d", "e", "f", "b", "g"} <= found.attributes


def test_a_compiled_functions_own_accesses() -> None:
    """A function is read from the code that it carries, without its source."""
    namespace: dict[str, object] = {}
    exec("def f(x, y=1):\n    global z\n    z = [i for i in a]\n    return x + b", namespace)
    found = of_code(namespace["f"].__code__)  # type: ignore[attr-defined]
    assert (found.reads, found.writes) == ({"a", "b"}, {"z"})


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("x = 1", "x"),
        ("x, (y, *z) = a", "x y z"),
        ("x: int = 1", "x"),
        ("def f(): pass", "f"),
        ("class C: pass", "C"),
        ("import a.b, c as d", "a d"),
        ("from m import n", "n"),
        ("x += 1", ""),
        ("x: int", ""),
        ("x[0] = 1", ""),
        ("if a: x = 1", ""),
        ("for x in a: pass", ""),
        ("with a as x: pass", ""),
        ("try: x = 1\nexcept E: pass", ""),
        ("from m import *", ""),
        ("del x", ""),
    ],
)
def test_what_a_statement_surely_assigns(source: str, names: str) -> None:
    """Only a binding that happens whenever the statement completes hides the value from before."""
    (statement,) = of_source(source)
    assert statement.assigns == set(names.split())


def test_source_that_does_not_parse_is_an_error() -> None:
    """The analysis raises as compiling does."""
    with pytest.raises(SyntaxError):
        of_source("x = = 1")


@pytest.mark.parametrize(
    ("source", "unseeded"),
    [
        ("rng = np.random.default_rng()", {"default_rng"}),
        ("rng = np.random.default_rng(5)", set()),
        ("rng = np.random.default_rng(seed=5)", set()),
        ("r = random.Random()", {"Random"}),
        ("r = random.Random(x)", set()),
        ("def f():\n    g = RandomState()\n    return g", {"RandomState"}),
        ("def f():\n    from random import Random\n    return Random()", {"Random"}),
        ("r = Random\nr()", set()),
        ("g = Generator(PCG64(3))", set()),
        ("g = Generator(PCG64())", {"PCG64"}),
    ],
)
def test_generators_without_a_seed_are_told(source: str, unseeded: set[str]) -> None:
    """A random generator made without a seed is told from one with a seed."""
    assert accesses(source).unseeded == unseeded

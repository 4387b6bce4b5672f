"""Kills the save of a real IPython session by SIGKILL before every single system call that changes the store; run by
test_crash_session.py.

    python -m tests.kernel.crash_session first|second DIRECTORY

The first save of a session, or its second, which stores what has changed and has a deadline.

A fork server: one process has imported everything and made a shell; the kernel that saves and those that restore are
forked from it. Every point is tried: the n-th call for n = 1, 2, ... until the save lives to its end. After each, a new
session restores what was committed last and compares every value; then another generation is written, and garbage
collected.
"""

from __future__ import annotations

import functools
import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from elastic_spawner.checkpoint import Repository
from elastic_spawner.checkpoint.manifest import chunk_sizes
from elastic_spawner.errors import CheckpointNotFound
from elastic_spawner.kernel import session as sessions
from elastic_spawner.stores import open_store
from tests.checkpoint.crash_points import KEY, die, in_child, many_quick_calls

BEFORE = [
    "import random, collections; random.seed(7); drawn = random.random()",
    "words = [f'word {i}' for i in range(300)]; index = {w: i for i, w in enumerate(words)}; shared = [words, words]",
    "class Point:\n    def __init__(self, x):\n        self.x = x\np = Point(3)",
    "def area(q):\n    return q.x ** 2",
]
AFTER = ["words.append('one more'); p.x = 4", "late = collections.OrderedDict(a=[1, 2], b={3, 4})"]

PROBES = {
    "words": "words[-1], len(words), shared[0] is words, shared[1] is words, index[words[7]]",
    "p": "p.x, type(p) is Point, area(p)",
    "drawn": "drawn, random.random()",
    "late": "late if 'late' in globals() else None",
}


def shell() -> InteractiveShell:
    """A shell without threads: a history database has one."""
    made = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    sessions.start(made)
    return made


def run(cells: list[str]) -> None:
    """Run cells as the user does."""
    for cell in cells:
        InteractiveShell.instance().run_cell(cell, store_history=True).raise_error()


def values() -> dict[str, Any]:
    """What the probes give; the last of them moves the random stream."""
    namespace = InteractiveShell.instance().user_ns
    return {name: eval(text, namespace) for name, text in PROBES.items()}


def save(directory: Path, deadline_s: float | None) -> int:
    """Save this session; returns the generation."""
    done = sessions.current().checkpoint(directory.as_uri(), "s", KEY, deadline_s)
    generation: int = done["generation"]
    return generation


def forked(work: Callable[[], object], point: int = 0) -> bool:
    """Do it in a child, which is killed at the point; returns whether it was."""
    return in_child(point, lambda: [work()] and None, die)


def expected(cells: list[str]) -> dict[str, Any]:
    """The probes' values after these cells."""
    read, write = os.pipe()

    def work() -> None:
        run(cells)
        os.write(write, repr(values()).encode())

    assert not forked(work)
    os.close(write)
    with os.fdopen(read) as answer:
        import collections

        found: dict[str, Any] = eval(answer.read(), {"OrderedDict": collections.OrderedDict})
    return found


def check(directory: Path, allowed: list[dict[str, Any] | None], point: int) -> None:
    """What was committed last comes back whole; then a save and a collection leave only what the manifest names."""
    try:
        report = sessions.current().restore(directory.as_uri(), "s", KEY)
    except CheckpointNotFound:
        assert None in allowed, f"point {point}: nothing is left"
    else:
        assert not report.names("lost"), f"point {point}: {report}"
        found = values()
        assert found in allowed, f"point {point}: {found}"
    with Repository(open_store(directory.as_uri()), KEY) as repository:
        found_before = repository.latest("s") or {"generation": 0}
        generation = repository.commit("s", {"refs": repository.put(b"the next save")})
        assert generation == found_before["generation"] + 1
        repository.gc(keep=1, grace_s=0)
        assert repository.verify("s").ok
        needed = {address for address, _ in chunk_sizes(repository.load("s", generation))}
    left = {str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file()}
    chunks = {name for name in left if name.startswith("chunks/")}
    assert left - chunks == {f"manifests/s/{generation:08d}.json"}, f"point {point}: left behind {left - chunks}"
    assert {Path(name).name.partition(".")[0] for name in chunks} == needed, f"point {point}: left behind {chunks}"


def main(what: str, directory: Path) -> None:
    """Try all points."""
    many_quick_calls()
    shell()
    deadline_s = None if what == "first" else 60.0
    before, after = expected(BEFORE), expected([*BEFORE, *AFTER])
    allowed: list[dict[str, Any] | None] = [None, before] if what == "first" else [before, after]
    kept = directory.with_name("kept")

    def serve(point: int) -> bool:
        """One attempt, forked from the kernel that has saved already."""
        shutil.rmtree(directory, ignore_errors=True)
        if kept.exists():
            shutil.copytree(kept, directory)
        state = random.getstate()

        def work() -> None:
            random.setstate(state)  # Python gives a forked child another one
            save(directory, deadline_s)

        return forked(work, point)

    def kernel() -> None:
        run(BEFORE)
        if what != "first":
            save(directory, None)
            shutil.copytree(directory, kept)
            run(AFTER)
        while command := commands.readline():
            answers.write("1\n" if serve(int(command)) else "0\n")
            answers.flush()

    to_kernel, from_kernel = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(to_kernel[1])
            commands, answers = os.fdopen(to_kernel[0]), os.fdopen(from_kernel[1], "w")
            kernel()
            os._exit(0)
        finally:
            os._exit(1)
    os.close(to_kernel[0])
    os.close(from_kernel[1])
    orders, results = os.fdopen(to_kernel[1], "w"), os.fdopen(from_kernel[0])
    point, killed = 0, True
    while killed:
        point += 1
        orders.write(f"{point}\n")
        orders.flush()
        answer = results.readline().strip()
        assert answer, f"point {point}: the kernel ended"
        killed = answer == "1"
        assert not forked(functools.partial(check, directory, allowed if killed else allowed[1:], point))
    orders.close()
    os.waitpid(pid, 0)
    print(point - 1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

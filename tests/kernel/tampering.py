"""Changes the store behind a saved session's back in every way, and restores it in a real IPython session; run by
test_tampering.py.

    python -m tests.kernel.tampering DIRECTORY [encrypted]

Prints what became of each case as JSON: {case: {"error"} or {"variables": {name: [status, reason, right]}, "notes"}}.
Each case runs in a forked child, so that none sees another's modules or variables.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from elastic_spawner.checkpoint import ChunkRef, Repository, chunks, manifest, signing
from elastic_spawner.checkpoint.packs import refs_of
from elastic_spawner.errors import ElasticError
from elastic_spawner.kernel import session as sessions
from elastic_spawner.stores import DirectoryStore
from tests.checkpoint.crash_points import many_quick_calls
from tests.kernel.crash_session import run, shell

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
CELLS = [
    "import os",
    "token = os.urandom(20_000)",  # cannot be recomputed
    "words = [f'word {i}' for i in range(20_000)]; count = len(words)",  # can be
    "small = {'a': 1}",
]
VALUES = ("token", "words", "count", "small")


class Evil:
    """Its pickle writes a file when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def evil_pickle(root: Path) -> bytes:
    """A pickle in the form of a component's, that leaves a mark beside the store."""
    import pickle

    return pickle.dumps({"token": Evil(root.parent / "mark")}, 5)


class Case:
    """A copy of the store, to be changed."""

    def __init__(self, root: Path, encrypted: bool) -> None:
        self.root, self.encrypted = root, encrypted
        self.newest = root / "manifests" / "s" / "00000002.json"

    def document(self) -> dict[str, Any]:
        """The newest manifest, opened."""
        with Repository(DirectoryStore(self.root), KEY) as repository:
            return repository.load("s", 2)

    def chunk(self, name: str) -> Path:
        """The largest chunk of a variable, or of the history."""
        document = self.document()
        extents: list[Any] = []
        for component in document["components"]:
            if name in component["names"]:
                extents += [component["payload"], *component["buffers"]]
        found = [ref for e in extents or document["history"] for ref in refs_of(e, document["packs"])]
        ref = max(found, key=lambda ref: ref.size)
        return self.root / ref.key

    def forge(self, key: bytes | None) -> None:
        """A manifest in the right form, signed with another key or not at all, whose component is an evil pickle."""
        raw = evil_pickle(self.root)
        with Repository(DirectoryStore(self.root), OTHER, self.encrypted) as writer:
            refs = writer.put(raw)
            writer.store.flush()
        document = self.document()
        for component in document["components"]:
            component["payload"], component["buffers"] = [ref.to_json() for ref in refs], []
        signing_key = signing.derive(key or OTHER, "manifest")
        made = json.loads(manifest.build("s", 3, document["created"] + 1, document, signing_key))
        if key is None:
            made.pop("mac")
        (self.newest.with_name("00000003.json")).write_bytes(signing.canonical(made))


def exchange(one: Path, other: Path) -> None:
    """Each under the other's name."""
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def flip(path: Path, at: int = 100) -> None:
    """Change one bit."""
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1
    path.write_bytes(data)


def replace(path: Path, make: Callable[[Path], object]) -> None:
    """Something else in the place of a file."""
    path.unlink()
    make(path)


def change_after_hashing(case: Case) -> None:
    """As soon as any bytes were found to be right, all files in the store become evil, in place."""
    evil = evil_pickle(case.root)
    real = chunks.check

    def check(data: Any, ref: ChunkRef, *more: Any) -> None:
        real(data, ref, *more)
        for file in (case.root / "chunks").rglob("*"):
            if file.is_file() and file.stat().st_size >= len(evil):
                with open(file, "r+b") as stream:
                    stream.write(evil)

    from elastic_spawner.checkpoint import chunkstore

    chunks.check = chunkstore.check = check  # type: ignore[assignment]


CASES: dict[str, Callable[[Case], object]] = {
    "untouched": lambda case: None,
    "token: a bit": lambda case: flip(case.chunk("token")),
    "token: cut": lambda case: os.truncate(case.chunk("token"), 1000),
    "token: empty": lambda case: os.truncate(case.chunk("token"), 0),
    "token: missing": lambda case: case.chunk("token").unlink(),
    "token: huge": lambda case: os.truncate(case.chunk("token"), 1 << 40),
    "token: pipe": lambda case: replace(case.chunk("token"), os.mkfifo),
    "token: link": lambda case: replace(case.chunk("token"), lambda path: path.symlink_to("/dev/zero")),
    "token: directory": lambda case: replace(case.chunk("token"), os.mkdir),
    "token: evil": lambda case: case.chunk("token").write_bytes(evil_pickle(case.root)),
    "words: a bit": lambda case: flip(case.chunk("words")),
    "words: missing": lambda case: case.chunk("words").unlink(),
    "exchanged": lambda case: exchange(case.chunk("token"), case.chunk("words")),
    "history: a bit": lambda case: flip(case.chunk("the history")),
    "all chunks missing": lambda case: shutil.rmtree(case.root / "chunks"),
    "manifest: a bit": lambda case: flip(case.newest, 150),
    "manifest: cut": lambda case: os.truncate(case.newest, 200),
    "manifest: empty": lambda case: os.truncate(case.newest, 0),
    "manifest: of generation 1": lambda case: shutil.copy(case.newest.with_name("00000001.json"), case.newest),
    "manifest: old as new": lambda case: shutil.copy(case.newest, case.newest.with_name("00000007.json")),
    "manifest: of another session": lambda case: shutil.copy(case.root / "manifests/t/00000001.json", case.newest),
    "manifest: of another server": lambda case: shutil.copy(case.root / "stranger.json", case.newest),
    "forged without a key": lambda case: case.forge(None),
    "forged with another key": lambda case: case.forge(OTHER),
    "changed after hashing": change_after_hashing,
}


def attempt(case: Case, tamper: Callable[[Case], object], right: dict[str, str]) -> dict[str, Any]:
    """Tamper, restore, and tell."""
    tamper(case)
    try:
        report = sessions.current().restore(case.root.as_uri(), "s", KEY)
    except ElasticError as error:
        found: dict[str, Any] = {"error": f"{type(error).__name__}: {error}"}
    else:
        namespace = InteractiveShell.instance().user_ns
        variables = report.to_dict()["variables"]
        found = {
            "variables": {
                name: [variables[name]["status"], variables[name]["reason"], repr(namespace.get(name)) == right[name]]
                for name in VALUES
            },
            "notes": list(report.notes),
        }
    run(["still_works = 1"])
    return {**found, "mark": (case.root.parent / "mark").exists()}


def ask(work: Callable[[], Any]) -> Any:
    """The JSON answer of a forked child."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, json.dumps(work()).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    status = os.waitpid(pid, 0)[1]
    assert status == 0, f"a child ended with {status}"
    return json.loads(text)


def prepare(root: Path, policy: str) -> dict[str, str]:
    """Two generations of the session, one of another and one of another server; returns the values."""
    run(CELLS[:-1])
    url = root.as_uri()
    session = sessions.current()
    session.checkpoint(url, "s", KEY, encrypt=policy)
    session.checkpoint(url, "t", KEY, encrypt=policy)
    run(CELLS[-1:])
    session.checkpoint(url, "s", KEY, encrypt=policy)
    session.checkpoint((root.parent / "other").as_uri(), "s", OTHER, encrypt=policy)
    shutil.copy(root.parent / "other/manifests/s/00000001.json", root / "stranger.json")
    return {name: repr(InteractiveShell.instance().user_ns[name]) for name in VALUES}


def main(root: Path, policy: str) -> None:
    """All cases."""
    many_quick_calls()
    shell()
    right: dict[str, str] = ask(lambda: prepare(root, policy))
    results = {}
    for number, (name, tamper) in enumerate(CASES.items()):
        case = Case(root.parent / f"case-{number}" / "store", policy == "yes")
        shutil.copytree(root, case.root)
        results[name] = ask(lambda case=case, tamper=tamper: attempt(case, tamper, right))  # type: ignore[misc]
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), "yes" if sys.argv[2:] == ["encrypted"] else "no")

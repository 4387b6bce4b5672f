"""Any order of puts, commits, crashes and collections by two writers: the latest generations are never lost."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from elastic_spawner.checkpoint import ChunkRef, Repository
from elastic_spawner.stores import DirectoryStore

KEY = bytes(range(32))
HOUR = 3600
DATA = [bytes([n]) * (1 + 900 * n) for n in range(6)]
writers = st.sampled_from([0, 1])


class TwoWriters(RuleBasedStateMachine):
    """Both write to the sessions `a` and `b`; `committed` is what must be there."""

    @initialize()
    def start(self) -> None:
        """An empty directory."""
        self.directory = Path(tempfile.mkdtemp())
        self.committed: dict[str, dict[int, list[bytes]]] = {"a": {}, "b": {}}
        self.repositories = [Repository(DirectoryStore(self.directory), KEY) for _ in range(2)]
        self.pending: list[list[tuple[bytes, list[ChunkRef]]]] = [[], []]

    @rule(writer=writers, data=st.sampled_from(DATA))
    def put(self, writer: int, data: bytes) -> None:
        """Often something that is there already, or was once."""
        self.pending[writer].append((data, self.repositories[writer].put(data)))

    @rule(writer=writers, session=st.sampled_from(["a", "b"]), carry=st.booleans())
    def commit(self, writer: int, session: str, carry: bool) -> None:
        """What was put, perhaps with what the latest generation holds, by its references only."""
        repository = self.repositories[writer]
        items, self.pending[writer] = self.pending[writer], []
        if carry and self.committed[session]:
            latest = repository.latest(session)
            assert latest is not None
            held = self.committed[session][latest["generation"]]
            old = [[ChunkRef.from_json(ref) for ref in refs] for refs in latest["items"]]
            items += zip(held, old, strict=True)
        generation = repository.commit(session, {"items": [refs for _, refs in items]})
        assert generation == max(self.committed[session], default=0) + 1
        self.committed[session][generation] = [data for data, _ in items]

    @rule(writer=writers)
    def crash(self, writer: int) -> None:
        """A writer dies and another takes its place."""
        self.pending[writer] = []
        self.repositories[writer] = Repository(DirectoryStore(self.directory), KEY)

    @rule()
    def two_hours_pass(self) -> None:
        """Whoever has not committed by then has given up: that is what the grace promises."""
        for writer in range(2):
            self.crash(writer)
        for file in self.directory.rglob("*"):
            if file.is_file():
                os.utime(file, (0, file.stat().st_mtime - 2 * HOUR))

    @rule(writer=writers, keep=st.integers(1, 3))
    def collect(self, writer: int, keep: int) -> None:
        """Beside whatever is going on."""
        self.repositories[writer].gc(keep=keep, grace_s=HOUR)
        for session, generations in self.committed.items():
            self.committed[session] = dict(sorted(generations.items())[-keep:])

    @invariant()
    def everything_that_must_be_there_is(self) -> None:
        """Read by a newcomer."""
        if not hasattr(self, "directory"):
            return
        reader = Repository(DirectoryStore(self.directory), KEY)
        for session, generations in self.committed.items():
            assert [info.generation for info in reader.generations(session)] == sorted(generations)
            for generation, datas in generations.items():
                items = reader.load(session, generation)["items"]
                assert [bytes(reader.read([ChunkRef.from_json(r) for r in refs])) for refs in items] == datas

    def teardown(self) -> None:
        """When all is over, a collection leaves what the newest generations need and nothing else."""
        if not hasattr(self, "directory"):
            return
        for repository in self.repositories:
            repository.close()
        with Repository(DirectoryStore(self.directory), KEY) as last:
            last.gc(keep=1, grace_s=0)
            newest = [max(generations.items()) for generations in self.committed.values() if generations]
            needed = {data for _, datas in newest for data in datas}
            files = [file for file in self.directory.rglob("*") if file.is_file()]
            assert len(files) == len(needed) + len(newest)
        shutil.rmtree(self.directory)


TestTwoWriters = TwoWriters.TestCase
TestTwoWriters.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)

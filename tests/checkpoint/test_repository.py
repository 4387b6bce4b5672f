"""Generations: committed whole or not at all, never over one another, and collected when nothing needs them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from elastic_spawner.checkpoint import ChunkRef, Repository
from elastic_spawner.errors import CheckpointError, CheckpointNotFound, CorruptChunk, StoreError, StoreFull
from elastic_spawner.stores import DirectoryStore, Entry, PresignedStore, Store
from tests.conftest_s3 import S3Server

KEY = bytes(range(32))
HOUR = 3600


@pytest.fixture(params=["directory", "s3", "presigned"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    if request.param == "directory":
        return DirectoryStore(tmp_path / "store")
    server: S3Server = request.getfixturevalue("s3_server")
    opened = server.store(request.getfixturevalue("bucket"), "hub/ada")
    return PresignedStore(opened.sign, opened.url) if request.param == "presigned" else opened


@pytest.fixture
def repository(store: Store) -> Iterator[Repository]:
    """An empty repository in a store of each kind."""
    with Repository(store, KEY) as opened:
        yield opened


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Repository]:
    """An empty repository in a directory."""
    with Repository(DirectoryStore(tmp_path / "store"), KEY) as opened:
        yield opened


def make_old(repository: Repository, seconds: float = 2 * HOUR) -> None:
    """Date every file of a directory store back."""
    assert isinstance(repository.store, DirectoryStore)
    for file in Path(repository.store.root).rglob("*"):
        if file.is_file():
            os.utime(file, (0, file.stat().st_mtime - seconds))


def chunk_count(repository: Repository) -> int:
    """How many chunks are in the store."""
    return sum(1 for _ in repository.store.list("chunks/"))


def test_commit_then_latest(repository: Repository) -> None:
    """What was committed comes back, in another process's eyes too."""
    assert repository.latest("kernel-1") is None
    data = os.urandom(9 << 20)
    refs = repository.put(data)
    small = [repository.put(b"small %d" % number) for number in range(30)]
    assert (
        repository.commit(
            "kernel-1", {"kind": "kernel", "history": refs, "components": [{"payload": s} for s in small]}
        )
        == 1
    )
    found = Repository(repository.store, KEY).latest("kernel-1")
    assert found is not None
    assert (found["format"], found["session"], found["generation"], found["kind"]) == (1, "kernel-1", 1, "kernel")
    assert Repository(repository.store, KEY).read([ChunkRef.from_json(ref) for ref in found["history"]]) == data
    assert [bytes(repository.read(s)) for s in small] == [b"small %d" % number for number in range(30)]
    report = repository.verify("kernel-1")
    assert report.ok and report.signed and report.chunks == 33
    assert report.to_dict()["problems"] == []


def test_data_can_be_read_before_the_commit(repository: Repository) -> None:
    """A save tries to load what it has just written."""
    refs = repository.put(b"data")
    assert repository.read(refs) == b"data"
    assert repository.read([]) == b""


def test_generations_count_up(repository: Repository) -> None:
    """Per session; the listing has their times and bytes."""
    refs = repository.put(b"12345")
    assert [repository.commit("a", {"refs": refs}) for _ in range(3)] == [1, 2, 3]
    assert repository.commit("b", {}) == 1
    assert repository.sessions() == ["a", "b"]
    found = repository.generations("a")
    assert [(info.generation, info.bytes) for info in found] == [(1, 5), (2, 5), (3, 5)]
    assert sorted(info.created for info in found) == [info.created for info in found]
    with pytest.raises(CheckpointNotFound, match="generation 9 of session 'a'"):
        repository.load("a", 9)
    with pytest.raises(CheckpointNotFound):
        repository.verify("none")


def test_second_save_of_the_same_data_writes_no_chunk(repository: Repository) -> None:
    """Even by another process."""
    data = os.urandom(9 << 20)
    repository.commit("a", {"refs": repository.put(data)})
    with Repository(repository.store, KEY) as other:
        other.commit("a", {"refs": other.put(data)})
        assert (other.stats.bytes_written, other.stats.bytes_reused) == (0, 9 << 20)


def test_old_chunk_that_is_used_again_survives_a_collection(local: Repository) -> None:
    """The hit made it young."""
    refs = local.put(b"data")
    local.commit("a", {"refs": refs})
    local.commit("a", {})
    make_old(local)
    local.put(b"data")
    assert local.gc(keep=1, grace_s=HOUR).chunks_waiting == 1
    local.commit("a", {"refs": refs})
    assert local.verify("a").ok


def test_references_kept_from_an_earlier_save(local: Repository) -> None:
    """A clean component is not put again; `missing` makes its chunks safe, or tells that they are gone."""
    refs = local.put(b"data")
    local.commit("a", {"refs": refs})
    local.commit("a", {})
    make_old(local)
    assert local.missing(refs) == []
    assert local.gc(keep=1, grace_s=HOUR).chunks_deleted == 0
    make_old(local)
    assert local.gc(keep=1, grace_s=HOUR).chunks_deleted == 1
    with Repository(local.store, KEY) as fresh:
        assert fresh.missing(refs) == refs


def test_manifest_with_a_chunk_that_is_not_there_is_not_committed(repository: Repository) -> None:
    """It would be a checkpoint that cannot be restored."""
    (ref,) = repository.put(b"data")
    repository.commit("a", {"ref": ref})
    repository.store.delete(ref.key)
    with pytest.raises(CorruptChunk, match="put them again"):
        repository.commit("a", {"nested": [{"deep": [ref.to_json()]}]})
    assert [info.generation for info in repository.generations("a")] == [1]


@pytest.mark.parametrize("hours", [-3, 3])
def test_clock_that_is_set_during_a_save(local: Repository, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """To a collector the chunks of the save may look old, or everything young: the commit looks whether they are
    there."""
    refs = local.put(b"data")
    local.store.flush()
    make_old(local, hours * HOUR)  # what the chunks look like after the clock was set
    with Repository(DirectoryStore(local.store.root), KEY) as other:  # type: ignore[attr-defined]
        other.gc(keep=1, grace_s=HOUR)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * HOUR)
    if chunk_count(local):
        local.commit("a", {"refs": refs})
    else:
        with pytest.raises(CorruptChunk, match="put them again"):
            local.commit("a", {"refs": refs})
        local.commit("a", {"refs": local.put(b"data")})
    assert local.verify("a").ok
    assert (hours > 0) == (local.stats.chunks_written == 2)


def test_store_emptied_between_two_saves(local: Repository) -> None:
    """What was known to be there is looked for again."""
    local.commit("a", {"refs": local.put(b"data")})
    subprocess.run(["rm", "-r", local.store.root], check=True)  # type: ignore[attr-defined]
    local.commit("a", {"refs": local.put(b"data")})
    assert local.verify("a").ok


def test_writers_on_one_session_never_overwrite_each_other(repository: Repository) -> None:
    """Each gets a number of its own, and every generation is what its writer wrote."""

    def write(writer: int) -> list[tuple[int, int]]:
        mine = Repository(repository.store, KEY)
        return [(mine.commit("s", {"writer": writer, "refs": mine.put(b"%d" % writer)}), writer) for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        committed = sorted(pair for pairs in pool.map(write, range(4)) for pair in pairs)
    assert [generation for generation, _ in committed] == list(range(1, 21))
    for generation, writer in committed:
        assert repository.load("s", generation)["writer"] == writer
        assert repository.verify("s", generation).ok


def test_full_disk_keeps_the_previous_generation(small_disk: Path) -> None:
    """The save fails with the reason, and once there is room the next one succeeds."""
    with Repository(DirectoryStore(small_disk / "store"), KEY) as repository:
        first = os.urandom(1 << 20)
        repository.commit("a", {"refs": repository.put(first)})
        with pytest.raises(StoreFull, match="MB free"):
            repository.put(os.urandom(9 << 20))
        (small_disk / "hog").write_bytes(b"")
        with (small_disk / "hog").open("wb", buffering=0) as hog, pytest.raises(OSError, match="No space"):
            while True:
                hog.write(bytes(1 << 16))
        with pytest.raises(StoreFull):
            repository.commit("a", {"report": "x" * 100_000})
        found = repository.latest("a")
        assert found is not None and found["generation"] == 1
        assert repository.verify("a").ok
        (small_disk / "hog").unlink()
        assert repository.commit("a", {"refs": repository.put(first)}) == 2
        repository.gc(keep=1, grace_s=0)
        assert list(Path(small_disk, "store", ".tmp").iterdir()) == []


def test_after_a_failed_write_nothing_unwritten_passes_for_written(small_disk: Path) -> None:
    """A chunk whose file never came is not taken for a duplicate, nor let into a manifest."""
    with Repository(DirectoryStore(small_disk / "store"), KEY) as repository:
        data = os.urandom(3 << 20)
        refs = repository.put(data)
        with pytest.raises(StoreFull):
            repository.put(os.urandom(3 << 20))
        repository.store.close()  # drops what was staged, as a crash would
        with pytest.raises((CorruptChunk, StoreError)):
            repository.commit("a", {"refs": refs})
        again = repository.put(data)
        repository.commit("a", {"refs": again})
        assert repository.verify("a").ok


@pytest.mark.parametrize("session", ["", "../x", "a/b", ".hidden", "x" * 201, "ä"])
def test_names_that_are_no_sessions(local: Repository, session: str) -> None:
    """Refused everywhere."""
    for call in (local.latest, local.generations, local.drop, lambda name: local.commit(name, {})):
        with pytest.raises(CheckpointError, match="no name for a session"):
            call(session)


def test_collection_keeps_the_newest_of_every_session(local: Repository) -> None:
    """And deletes exactly what they do not need."""
    shared = local.put(b"shared")
    for number in range(4):
        local.commit("a", {"own": local.put(b"a%d" % number), "shared": shared})
    local.commit("b", {"shared": shared})
    report = local.gc(keep=2, grace_s=0)
    assert (report.generations_deleted, report.chunks_deleted, report.chunks_kept) == (2, 2, 3)
    assert [info.generation for info in local.generations("a")] == [3, 4]
    assert all(local.verify(session, g.generation).ok for session in ("a", "b") for g in local.generations(session))
    assert local.gc(keep=2, grace_s=0).chunks_deleted == 0


def test_young_garbage_waits(local: Repository) -> None:
    """It may belong to a save that is not committed yet."""
    refs = local.put(b"not committed yet")
    local._chunks.flush()
    assert local.gc(grace_s=HOUR).chunks_waiting == 1
    local.commit("a", {"refs": refs})
    assert local.verify("a").ok


def test_unreadable_generations_do_not_push_out_good_ones(local: Repository) -> None:
    """A damaged or newer manifest does not count among those to keep, and what it names is kept as well."""
    good = local.put(b"good")
    local.commit("a", {"refs": good})
    strange = local.put(b"strange")
    local.commit("b", {})
    local.store.put("manifests/a/00000002.json", b'{"format": 99, "x": "' + strange[0].hash.encode() + b'"}')
    report = local.gc(keep=1, grace_s=0)
    assert (report.generations_deleted, report.chunks_deleted) == (0, 0)
    assert local.load("a", 1)
    local.commit("a", {"refs": good})
    assert local.gc(keep=1, grace_s=0).generations_deleted == 2
    assert chunk_count(local) == 1


def test_drop_forgets_a_session(local: Repository) -> None:
    """Its chunks go with the next collection."""
    local.commit("a", {"refs": local.put(b"a")})
    local.commit("a", {"refs": local.put(b"b")})
    assert local.drop("a") == 2
    assert local.sessions() == []
    assert local.gc(grace_s=0).chunks_deleted == 2


@pytest.mark.parametrize("moment", ["chunks/", "manifests/"])
def test_commit_in_the_middle_of_a_collection(tmp_path: Path, moment: str) -> None:
    """A generation that comes between any two steps is whole after it, even where no grace protects it."""
    writer = Repository(DirectoryStore(tmp_path), KEY)
    writer.commit("a", {"refs": writer.put(b"before")})

    class Interrupted(DirectoryStore):
        def list(self, prefix: str = "") -> Iterator[Entry]:
            yield from super().list(prefix)
            if prefix == moment:
                writer.commit("b", {"refs": writer.put(os.urandom(1000))})

    Repository(Interrupted(tmp_path), KEY).gc(keep=1, grace_s=0)
    assert writer.verify("a").ok
    assert writer.verify("b").ok


@pytest.mark.parametrize(("keep", "grace"), [(0, 1.0), (-1, 1.0), (1, -1.0), (1, float("nan"))])
def test_collections_that_make_no_sense(local: Repository, keep: int, grace: float) -> None:
    """The newest generation is never given up."""
    with pytest.raises(ValueError, match="least|seconds"):
        local.gc(keep=keep, grace_s=grace)


def test_forked_child_saves_while_the_parent_lives(tmp_path: Path) -> None:
    """A copy-on-write snapshot is written by a forked child of a process whose own pool of threads is running."""
    code = (
        "import os, sys\n"
        "from elastic_spawner.checkpoint import Repository\n"
        "from elastic_spawner.stores import DirectoryStore\n"
        "r = Repository(DirectoryStore(sys.argv[1]), bytes(32))\n"
        "r.commit('a', {'refs': r.put(os.urandom(9 << 20))})\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    r.commit('a', {'refs': r.put(os.urandom(9 << 20))}); os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
        "assert r.verify('a', 2).ok and r.commit('a', {}) == 3\n"
        "print('saved')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.stdout == "saved\n", done.stderr


def test_memory_of_a_save_is_a_few_chunks(tmp_path: Path) -> None:
    """Streams: 400 MB are saved with less than 64 MB more than they take themselves."""
    code = (
        "import resource, sys\n"
        "from elastic_spawner.checkpoint import Repository\n"
        "from elastic_spawner.stores import DirectoryStore\n"
        "data = bytearray(400 << 20)\n"
        "for at in range(0, len(data), 4096): data[at:at + 8] = at.to_bytes(8, 'little')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "with Repository(DirectoryStore(sys.argv[1]), bytes(32)) as r:\n"
        "    r.commit('a', {'refs': r.put(data)})\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64 << 10

"""Chunks: addresses, cutting, compression, and what a damaged one does."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic_spawner.checkpoint import ChunkRef, Repository, chunks, compression
from elastic_spawner.checkpoint.chunks import CHUNK_BYTES, unfilled
from elastic_spawner.errors import CodecMissing, CorruptChunk, FormatError
from elastic_spawner.stores import DirectoryStore

KEY = bytes(32)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """An empty one in a directory."""
    return Repository(DirectoryStore(tmp_path / "store"), KEY)


def stored(repository: Repository) -> dict[str, int]:
    """Sizes of all chunks in the store, by key."""
    return {entry.key: entry.size for entry in repository.store.list("chunks/")}


def damage(repository: Repository, ref: ChunkRef, data: bytes) -> None:
    """Put other bytes in the place of a chunk."""
    repository.store.put(ref.key, data)


def test_address_is_sha_256_of_the_plain_bytes(repository: Repository) -> None:
    """As any tool computes it (`sha256sum`)."""
    (ref,) = repository.put(b"hello")
    assert ref.hash == hashlib.sha256(b"hello").hexdigest()
    assert ref.key == f"chunks/{ref.hash[:2]}/{ref.hash}"


def test_json_form_of_a_reference(repository: Repository) -> None:
    """A list of four, and anything else is refused."""
    (ref,) = repository.put(b"hello")
    assert ChunkRef.from_json(ref.to_json()) == ref
    for bad in (
        [],
        [ref.hash, 5, 5],
        [ref.hash, 5, 5, "lzma"],
        ["x", 5, 5, "raw"],
        [ref.hash, -1, 5, "raw"],
        [ref.hash, True, 5, "raw"],
        None,
    ):
        with pytest.raises(FormatError):
            ChunkRef.from_json(bad)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_round_trip_around_the_chunk_size(repository: Repository, size: int, kind: type) -> None:
    """Cut where it must be, whatever kind of buffer it is."""
    data = random.Random(size).randbytes(size)
    refs = repository.put(kind(data))
    assert [ref.size for ref in refs] == [CHUNK_BYTES] * (size // CHUNK_BYTES) + (
        [size % CHUNK_BYTES] if size % CHUNK_BYTES else []
    )
    assert repository.read(refs) == data


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=6000) | st.builds(bytes, st.integers(0, 20_000)), max_size=6))
def test_any_data_round_trip_and_are_stored_once(tmp_path_factory: pytest.TempPathFactory, datas: list[bytes]) -> None:
    """Equal data have equal references, and one chunk."""
    with Repository(DirectoryStore(tmp_path_factory.mktemp("s")), KEY) as repository:
        refs = [repository.put(data) for data in datas]
        repository.commit("s", {"refs": refs})
        assert [bytes(repository.read(ref)) for ref in refs] == datas
        assert len(stored(repository)) == len({data for data in datas if data})
        again = [repository.put(data) for data in datas]
        assert again == refs
        assert repository.missing([ref for group in refs for ref in group]) == []


@settings(max_examples=60, deadline=None)
@given(data=st.binary(min_size=1, max_size=9000), where=st.integers(0), flip=st.integers(1, 255), cut=st.booleans())
def test_one_byte_changed_or_the_end_cut_off(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, where: int, flip: int, cut: bool
) -> None:
    """Found by the hash, never returned."""
    with Repository(DirectoryStore(tmp_path_factory.mktemp("s")), KEY) as repository:
        refs = repository.put(data)
        repository.commit("s", {"refs": refs})
        body = bytearray(repository.store.get(refs[0].key))
        position = where % len(body)
        if cut:
            del body[position:]
        else:
            body[position] ^= flip
        damage(repository, refs[0], bytes(body))
        with pytest.raises(CorruptChunk, match=refs[0].hash[:12]):
            repository.read(refs)
        report = repository.verify("s")
        assert not report.ok
        assert len(report.problems) == 1


def test_missing_and_swapped_chunks(repository: Repository) -> None:
    """The reason is in the error, and the report has all of them."""
    first, second, third = (repository.put(os.urandom(1000))[0] for _ in range(3))
    repository.commit("s", {"refs": [first, second, third]})
    damage(repository, first, repository.store.get(second.key))
    repository.store.delete(third.key)
    with pytest.raises(CorruptChunk, match="altered"):
        repository.read([first])
    with pytest.raises(CorruptChunk, match="missing"):
        repository.read([third])
    assert repository.read([second])
    assert len(repository.verify("s").problems) == 2
    assert repository.missing([first, second, third]) == [third]


def test_longer_chunk_than_it_should_be(repository: Repository) -> None:
    """Bytes appended to a raw chunk are noticed although the first ones hash right."""
    (ref,) = repository.put(b"hello")
    repository.commit("s", {"ref": ref})
    damage(repository, ref, b"hello!")
    with pytest.raises(CorruptChunk, match="6 bytes instead of 5"):
        repository.read([ref])


def test_small_change_stores_little(repository: Repository) -> None:
    """One byte changed in 40 MB stores one chunk again."""
    data = bytearray(random.Random(1).randbytes(40 << 20))
    repository.commit("s", {"refs": repository.put(data)})
    data[20 << 20] ^= 1
    before = repository.stats.bytes_written
    refs = repository.put(data)
    repository.commit("s", {"refs": refs})
    assert repository.stats.bytes_written - before == CHUNK_BYTES
    assert repository.read(refs) == data


def test_equal_pieces_of_one_buffer_are_written_once(repository: Repository) -> None:
    """However many threads meet them at the same time."""
    refs = repository.put(bytes(16 * CHUNK_BYTES))
    repository.commit("s", {"refs": refs})
    assert len(stored(repository)) == 1
    assert len(refs) == 16


def test_buffer_may_change_after_the_return(repository: Repository) -> None:
    """Nothing of the caller's is read later."""
    data = bytearray(b"before" * 1000)
    refs = repository.put(data)
    data[:] = bytes(len(data))
    assert repository.read(refs) == b"before" * 1000


def test_buffer_that_changes_meanwhile_is_stored_as_something_it_was(repository: Repository) -> None:
    """A thread of the user's writes on: each chunk's bytes are those that were hashed, so that no address holds other
    data."""
    data = bytearray(24 << 20)
    stop = threading.Event()

    def scribble() -> None:
        value = 0
        while not stop.is_set():
            value = (value + 1) % 256
            data[:: 1 << 12] = bytes([value]) * (len(data) >> 12)

    writer = threading.Thread(target=scribble)
    writer.start()
    try:
        refs = [repository.put(data) for _ in range(3)]
    finally:
        stop.set()
        writer.join()
    repository.commit("s", {"refs": refs})
    assert repository.verify("s").problems == ()


@pytest.mark.parametrize("codec", ["zlib", "zstd"])
def test_codecs_round_trip_and_refuse_what_is_too_long(codec: str) -> None:
    """A chunk that would grow beyond what its reference says is not blown up."""
    if codec == "zstd" and compression.best_codec() != "zstd":
        pytest.skip("no zstandard in this environment")
    data = b"abc" * 50_000
    packed = compression.compress(data, codec)
    assert len(packed) < len(data) / 10
    ref = ChunkRef(chunks.digest(data), len(data), len(packed), codec)
    assert chunks.unpack(packed, ref) == data
    bomb = compression.compress(bytes(50 << 20), codec)
    with pytest.raises(CorruptChunk):
        chunks.unpack(bomb, ref)
    with pytest.raises(CorruptChunk):
        chunks.unpack(packed[:-5], ref)
    with pytest.raises(CorruptChunk):
        chunks.unpack(b"rubbish", ref)


def test_slow_store_compresses_what_pays_and_fast_store_nothing() -> None:
    """The same data, by the store's bandwidth; noise never, and small data neither."""
    text, noise = memoryview(b"some text " * 200_000), memoryview(os.urandom(1_000_000))
    assert compression.choose(text, 1e5, 1) == compression.best_codec()
    assert compression.choose(text, 1e15, 1) == "raw"
    assert compression.choose(noise, 1e5, 1) == "raw"
    assert compression.choose(text[:100], 1e5, 1) == "raw"


def test_small_chunks_can_be_read_by_any_python() -> None:
    """The record of the cells must not depend on a package that the next environment may lack."""
    assert compression.choose(memoryview(b"some text " * 10_000), 1e5, 1) == "zlib"


def test_a_chunk_packed_by_what_is_not_here_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no damage: the checkpoint can be restored once the package is there."""
    monkeypatch.setattr(compression, "_zstd", lambda: None)
    ref = ChunkRef(chunks.digest(b"abc"), 3, 12, "zstd")
    with pytest.raises(CodecMissing) as raised:
        chunks.unpack(b"whatever", ref)
    assert raised.value.cure == "install the package zstandard here and restore again"


def test_compressed_and_raw_chunks_of_the_same_data(repository: Repository) -> None:
    """Whoever finds a chunk takes it as it is stored, though they would have stored it otherwise."""
    data = b"text " * 10_000
    address = chunks.digest(data)
    packed = zlib.compress(data, 1)
    repository.store.put(chunks.chunk_key(address, "zlib"), packed)
    (ref,) = repository.put(data)
    assert ref == ChunkRef(address, len(data), len(packed), "zlib")
    assert repository.read([ref]) == data
    assert repository.stats.bytes_reused == len(data)


def test_read_into_wants_the_exact_size(repository: Repository) -> None:
    """A buffer of another size is the caller's mistake."""
    refs = repository.put(b"12345")
    buffer = bytearray(5)
    repository.read_into(refs, memoryview(buffer))
    assert buffer == b"12345"
    with pytest.raises(ValueError, match="4 bytes, the data 5"):
        repository.read_into(refs, memoryview(bytearray(4)))


def test_a_large_buffer_that_is_to_be_filled_is_like_any_other() -> None:
    size = (9 << 20) + 1
    made = unfilled(size)
    assert type(made) is bytearray and len(made) == size
    made[:] = b"x" * size
    made += b"y"  # nothing holds on to it: it can grow
    assert made.count(b"x") == size and made[-1:] == b"y"


def test_how_fast_the_store_gives_is_measured(tmp_path: Path) -> None:
    """In bytes as they are stored, and in the time in which somebody waited for it, once for all who did."""
    gone = threading.Event()

    class Slow(DirectoryStore):
        def get_into(self, key: str, buffer: memoryview) -> int:
            gone.wait(0.05)
            return super().get_into(key, buffer)

    repository = Repository(Slow(tmp_path / "store"), KEY)
    refs = repository.put(os.urandom(3 * CHUNK_BYTES)) + repository.put(b"a" * 100_000)
    repository.read(refs)
    stats = repository.stats
    assert stats.bytes_fetched == sum(ref.stored_size for ref in refs)
    assert 0.05 <= stats.fetch_seconds <= stats.read_seconds

"""Encrypted checkpoints: nothing of a session can be read in the store, nothing can be exchanged, and what was there
before can still be read."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from elastic_spawner.checkpoint import ChunkRef, Repository, manifest, signing
from elastic_spawner.checkpoint.chunks import CHUNK_BYTES
from elastic_spawner.checkpoint.encryption import OVERHEAD, Cipher, available, wanted
from elastic_spawner.errors import CorruptChunk, EncryptionError, FormatError, SignatureError
from elastic_spawner.stores import DirectoryStore

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
SECRET_TEXT = b"the password is opensesame " * 400
CONTENT = {"kind": "kernel", "variables": {"salary": {"type": "int"}}, "hidden": {"environment": "API_TOKEN=hunter2"}}


@pytest.fixture
def sealed(tmp_path: Path) -> Repository:
    """An empty repository that encrypts."""
    return Repository(DirectoryStore(tmp_path / "store"), KEY, encrypt=True)


def everything(root: Path) -> bytes:
    """All names and bytes in the store."""
    return b"".join(str(file).encode() + file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file())


def commit(repository: Repository, data: bytes = SECRET_TEXT) -> list[ChunkRef]:
    """A generation with this data."""
    refs = repository.put(data)
    repository.commit("s", {**CONTENT, "refs": refs})
    return refs


@pytest.mark.parametrize("size", [1, 5000, CHUNK_BYTES, 2 * CHUNK_BYTES + 7])
def test_what_was_stored_comes_back(sealed: Repository, size: int) -> None:
    """Compressed or not, large and small; and each chunk is there once."""
    for data in (random.Random(size).randbytes(size), bytes(size)):
        refs = sealed.put(data)
        assert sealed.put(data) == refs
        sealed.commit("s", {**CONTENT, "refs": refs})
        with Repository(sealed.store, KEY) as reader:
            found = reader.latest("s")
            assert found is not None and found["encrypted"] and found["variables"] == CONTENT["variables"]
            assert reader.read([ChunkRef.from_json(ref) for ref in found["refs"]]) == data
            assert reader.verify("s").ok
    assert {ref.codec.partition("+")[2] for ref in refs} == {"aes"}


def test_nothing_can_be_read_in_the_store(sealed: Repository, tmp_path: Path) -> None:
    """Neither values nor names of variables, nor the environment; not even whether a known file is among them."""
    commit(sealed)
    found = everything(tmp_path)
    for word in (b"opensesame", b"salary", b"hunter2", b"API_TOKEN", b"kernel"):
        assert word not in found
    plain = Repository(DirectoryStore(tmp_path / "plain"), KEY)
    known = {ref.hash.encode() for ref in commit(plain)}
    assert known and not any(address in found for address in known)
    other = Repository(DirectoryStore(tmp_path / "other"), OTHER, encrypt=True)
    assert {ref.hash for ref in commit(other)}.isdisjoint(ref.hash for ref in commit(sealed))


def test_same_data_is_never_sealed_twice_alike(tmp_path: Path) -> None:
    """Each sealing has a nonce of its own, for chunks and manifests alike."""
    cipher = Cipher(KEY)
    address = cipher.address(SECRET_TEXT)
    assert len({cipher.seal(SECRET_TEXT, address, "raw+aes") for _ in range(20)}) == 20
    assert len(cipher.seal(b"12345", address, "raw+aes")) == 5 + OVERHEAD
    assert len({manifest.build("s", 1, 1.0, CONTENT, KEY, cipher) for _ in range(20)}) == 20


@pytest.mark.parametrize("key", [None, OTHER])
def test_without_the_right_key(sealed: Repository, key: bytes | None) -> None:
    """A clear error; who has no key at all can list and collect, and learns no names."""
    refs = commit(sealed)
    with Repository(sealed.store, key) as reader:
        with pytest.raises(EncryptionError if key is None else CorruptChunk, match="key"):
            reader.read(refs)
        with pytest.raises(EncryptionError if key is None else SignatureError, match="key"):
            reader.verify("s")
        (info,) = reader.generations("s")
        assert info.bytes == sum(ref.stored_size for ref in set(refs))
        if key is None:
            found = reader.latest("s")
            assert found is not None and manifest.is_sealed(found)
            assert "variables" not in found and "hidden" not in found


@pytest.mark.parametrize("key", [None, KEY])
def test_collection_marks_what_encrypted_manifests_need(sealed: Repository, key: bytes | None) -> None:
    """With or without a key."""
    commit(sealed, b"oldest" * 1000)
    commit(sealed, b"old" * 1000)
    refs = commit(sealed)
    report = Repository(sealed.store, key).gc(keep=1, grace_s=0)
    assert (report.generations_deleted, report.chunks_deleted, report.chunks_kept) == (2, 2, len(refs))
    assert sealed.verify("s").ok


def test_switched_on_and_off(tmp_path: Path) -> None:
    """Each generation is wholly the one or the other, and all of them are read by whoever has the key."""
    store = DirectoryStore(tmp_path)
    refs = []
    for encrypt in (False, True, False, True):
        with Repository(store, KEY, encrypt) as repository:
            if refs:
                assert repository.missing(refs[-1]) == refs[-1]
                with pytest.raises(CorruptChunk, match="put them again"):
                    repository.commit("s", {"refs": refs[-1]})
            refs.append(commit(repository))
    assert refs[0] == refs[2] and refs[1] == refs[3]
    with Repository(store, KEY) as reader:
        for generation in range(1, 5):
            found = reader.load("s", generation)
            assert [list(ref) for ref in refs[generation - 1]] == found["refs"]
            assert reader.read(refs[generation - 1]) == SECRET_TEXT
            assert reader.verify("s", generation).ok


def test_chunk_in_the_place_of_another(sealed: Repository) -> None:
    """Sealed with the same server's key, but at another address, in another codec, cut or changed."""
    first, second = sealed.put(b"1" * 100)[0], sealed.put(b"2" * 100)[0]
    sealed.commit("s", {"refs": [first, second]})
    good = sealed.store.get(first.key)
    cipher = Cipher(KEY)
    for bad in (
        sealed.store.get(second.key),
        cipher.seal(b"3" * 100, first.hash, first.codec),
        cipher.seal(b"1" * 100, first.hash, "zlib+aes"),
        b"1" * 100,
        b"",
        good[:11],
        good[:-1],
        good + b"x",
        bytes(len(good)),
        *(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(len(good))),
    ):
        sealed.store.put(first.key, bad)
        with pytest.raises(CorruptChunk):
            sealed.read([first])
    sealed.store.put(first.key, good)
    assert sealed.read([first]) == b"1" * 100


def test_every_bit_of_a_manifest_counts() -> None:
    """The sealed content, its nonce, and what is in clear."""
    cipher = Cipher(KEY)
    signing_key = signing.derive(KEY, "manifest")
    raw = manifest.build("s", 7, 1.5, {"n": 1}, signing_key, cipher)
    assert manifest.parse(raw, "s", 7, signing_key, cipher)["n"] == 1
    for position in range(8 * len(raw)):
        edited = bytearray(raw)
        edited[position // 8] ^= 1 << position % 8
        with pytest.raises(SignatureError):
            manifest.parse(bytes(edited), "s", 7, signing_key, cipher)


def test_content_of_another_manifest(sealed: Repository) -> None:
    """Sealed content belongs to its session and generation, even for one who could sign."""
    signing_key = signing.derive(KEY, "manifest")
    cipher = Cipher(KEY)
    old = json.loads(manifest.build("s", 1, 1.0, {"n": 1}, signing_key, cipher))
    new = json.loads(manifest.build("s", 2, 2.0, {"n": 2}, signing_key, cipher))
    mixed = {**new, "encrypted": old["encrypted"]}
    mixed["mac"] = signing.signature(mixed, signing_key)
    with pytest.raises(SignatureError, match="decrypted"):
        manifest.parse(signing.canonical(mixed), "s", 2, signing_key, cipher)
    new["encrypted"]["alg"] = "ROT-13"
    new["mac"] = signing.signature(new, signing_key)
    with pytest.raises(FormatError, match="upgrade"):
        manifest.parse(signing.canonical(new), "s", 2, signing_key, cipher)


def test_oversized_chunk_is_not_read_into_memory(sealed: Repository, tmp_path: Path) -> None:
    """A terabyte in the place of a chunk (a file with a hole) is refused by its size, encrypted or not."""
    for repository in (sealed, Repository(DirectoryStore(tmp_path / "plain"), KEY)):
        refs = commit(repository)
        assert isinstance(repository.store, DirectoryStore)
        os.truncate(Path(repository.store.root) / refs[0].key, 1 << 40)
        with pytest.raises(CorruptChunk):
            repository.read(refs)


def test_environment_without_the_package(sealed: Repository, tmp_path: Path) -> None:
    """It says what to install, leaves nothing behind, and reads and collects what it can. In a process where the import
    fails."""
    commit(sealed)
    code = f"""
import sys
sys.modules["cryptography"] = None
from elastic_spawner.checkpoint import Repository, encryption
from elastic_spawner.errors import EncryptionError
from elastic_spawner.stores import DirectoryStore
store, key = DirectoryStore(sys.argv[1]), bytes.fromhex({KEY.hex()!r})
assert not encryption.available() and not encryption.wanted("where_possible") and encryption.wanted("yes")
writer = Repository(store, key, encrypt=True)
for attempt in (lambda: writer.put(b"x"), lambda: writer.commit("s", {{}}), lambda: writer.latest("s"),
                lambda: writer.verify("s"), encryption.require):
    try:
        attempt()
    except EncryptionError as error:
        assert "pip install cryptography" in str(error), error
    else:
        raise AssertionError("no error")
reader = Repository(store, key)
assert reader.generations("s")[0].problem is None
assert reader.gc(keep=1, grace_s=0).generations_deleted == 0
reader.commit("s", {{"refs": reader.put(b"plain")}})
assert reader.gc(keep=1, grace_s=0).generations_deleted == 1
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "store")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert [info.generation for info in sealed.generations("s")] == [2]


def test_policies() -> None:
    """A word that is none is refused."""
    assert available()
    assert (wanted("no"), wanted("yes"), wanted("where_possible")) == (False, True, True)
    with pytest.raises(EncryptionError, match="choose one of"):
        wanted("maybe")

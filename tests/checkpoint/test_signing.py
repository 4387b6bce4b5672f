"""Key derivation against the RFC's vectors, and manifests that somebody has changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastic_spawner.checkpoint import Repository, manifest, signing
from elastic_spawner.errors import CheckpointError, FormatError, SignatureError
from elastic_spawner.stores import DirectoryStore

KEY = bytes(range(32))


def test_hkdf_vectors_of_rfc_5869() -> None:
    """Appendix A, cases 1 and 3."""
    okm = signing.derive(b"\x0b" * 22, bytes(range(0xF0, 0xFA)), 42, bytes(range(13)))
    assert okm.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    okm = signing.derive(b"\x0b" * 22, b"", 42)
    assert okm.hex() == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"


def test_keys_for_different_uses_differ() -> None:
    """By `info`, text or bytes alike."""
    assert signing.derive(KEY, "manifest") != signing.derive(KEY, "agent")
    assert signing.derive(KEY, "manifest") == signing.derive(KEY, b"manifest")


@pytest.mark.parametrize("length", [0, -1, 255 * 32 + 1])
def test_lengths_that_hkdf_cannot_give(length: int) -> None:
    """Refused rather than cut."""
    with pytest.raises(ValueError, match="HKDF"):
        signing.derive(KEY, "x", length)


def test_short_secrets_are_refused() -> None:
    """An empty environment variable must not become a key."""
    with pytest.raises(ValueError, match="too short"):
        signing.derive(b"", "x")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_any_json_is_signed_and_read_back(content: dict[str, object]) -> None:
    """Surrogates, large integers and all."""
    raw = manifest.build("s", 7, 1.5, content, KEY)
    found = manifest.parse(raw, "s", 7, KEY)
    ours = {"format": 1, "session": "s", "generation": 7, "created": 1.5, "mac": found["mac"]}
    assert found == {**content, **ours}


@pytest.fixture(scope="module")
def signed() -> bytes:
    """A small manifest."""
    return manifest.build("s", 7, 1.5, {"kind": "kernel", "ä": [1, 2.5, None, "\u00e9\ud800"]}, KEY)


def test_every_single_bit_counts(signed: bytes) -> None:
    """All of them tried, including those whose change would mean the same to a JSON reader."""
    for position in range(8 * len(signed)):
        edited = bytearray(signed)
        edited[position // 8] ^= 1 << position % 8
        with pytest.raises(SignatureError):
            manifest.parse(bytes(edited), "s", 7, KEY)


def test_every_truncation_and_any_addition(signed: bytes) -> None:
    """A torn manifest is none."""
    for length in range(len(signed)):
        with pytest.raises(SignatureError):
            manifest.parse(signed[:length], "s", 7, KEY)
    for more in (b" ", b"\n", b"{}"):
        with pytest.raises(SignatureError):
            manifest.parse(signed + more, "s", 7, KEY)


def test_another_key(signed: bytes) -> None:
    """Another server's manifest is not believed."""
    with pytest.raises(SignatureError, match="another server's"):
        manifest.parse(signed, "s", 7, bytes(32))


@pytest.mark.parametrize(("session", "generation"), [("t", 7), ("s", 8)])
def test_manifest_in_the_place_of_another(signed: bytes, session: str, generation: int) -> None:
    """Well signed, but moved: an old generation cannot pass for a new one."""
    with pytest.raises(SignatureError):
        manifest.parse(signed, session, generation, KEY)


@pytest.mark.parametrize(
    "mac", [None, "x", {}, {"alg": "none", "value": ""}, {"alg": "HMAC-SHA256", "value": 5}, {"alg": "HMAC-SHA256"}]
)
def test_no_signature_or_another_algorithm(signed: bytes, mac: object) -> None:
    """The manifest does not choose how it is verified."""
    document = {**json.loads(signed), "mac": mac}
    with pytest.raises(SignatureError):
        manifest.parse(signing.canonical(document), "s", 7, KEY)


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, b'{"a":NaN}', b"9" * 5000])
def test_what_is_no_manifest(text: bytes) -> None:
    """With a key it is forged or damaged; without one its format is wrong."""
    with pytest.raises(SignatureError):
        manifest.parse(text, "s", 7, KEY)
    with pytest.raises(FormatError):
        manifest.parse(text, "s", 7, None)


def test_newer_format_names_both_versions(signed: bytes) -> None:
    """Signed with our key in the way that we know, or in a way of its own: the user is told to upgrade."""
    document = {**json.loads(signed), "format": 9}
    for mac in (signing.signature(document, KEY), {"alg": "ED25519", "value": "?"}):
        with pytest.raises(FormatError, match=r"format 9.*up to 2.*upgrade"):
            manifest.parse(signing.canonical({**document, "mac": mac}), "s", 7, KEY)
    with pytest.raises(FormatError, match="upgrade"):
        manifest.parse(signing.canonical(document), "s", 7, None)


@pytest.mark.parametrize(
    "content", [{"x": float("nan")}, {"x": float("inf")}, {"x": b""}, {"x": object()}, {"x": {1, 2}}]
)
def test_what_is_not_json_is_not_committed(tmp_path: Path, content: dict[str, object]) -> None:
    """And the generation before is as it was."""
    with Repository(DirectoryStore(tmp_path), KEY) as repository:
        repository.commit("s", {"good": True})
        with pytest.raises(FormatError, match="plain JSON"):
            repository.commit("s", content)
        assert repository.latest("s")["good"] is True  # type: ignore[index]
        assert [info.generation for info in repository.generations("s")] == [1]


def test_forged_manifest_in_the_store(tmp_path: Path) -> None:
    """It is refused; the earlier generation is still to be had, and looking without a key shows both."""
    with Repository(DirectoryStore(tmp_path), KEY) as repository:
        repository.commit("s", {"n": 1})
        raw = repository.store.get("manifests/s/00000001.json")
        repository.store.put("manifests/s/00000002.json", raw.replace(b'"generation":1', b'"generation":2'))
        with pytest.raises(SignatureError):
            repository.latest("s")
        with pytest.raises(SignatureError):
            repository.verify("s")
        assert repository.load("s", 1)["n"] == 1
        assert Repository(DirectoryStore(tmp_path), None).latest("s")["generation"] == 2  # type: ignore[index]


def test_without_a_key_nothing_is_signed(tmp_path: Path) -> None:
    """Inspection cannot commit."""
    with pytest.raises(CheckpointError, match="without a key"):
        Repository(DirectoryStore(tmp_path), None).commit("s", {})
    with pytest.raises(ValueError, match="too short"):
        Repository(DirectoryStore(tmp_path), b"")

"""Encryption of chunks and manifests, for stores whose owners are not to read the values in them.

AES-256-GCM of the package `cryptography`, which is imported when something is first sealed or opened. All keys are
derived from the server's secret, as the one that signs the manifests is.

- The address of a chunk is HMAC-SHA-256 of its plain bytes: equal chunks of one server are still stored once, and
  who has no key can neither guess what a chunk holds nor see whether two servers hold the same.
- Each address has a key of its own, derived from it, under which only these bytes (in one codec or another) are ever
  sealed. So neither the number of chunks nor the quality of the random nonce bounds what may be stored, which it does
  where one key seals everything (NIST SP 800-38D, section 8.3).
- Address and codec are associated data: a chunk cannot pass for another.
"""

from __future__ import annotations

import hmac
import importlib
import os
from typing import Any

from elastic_spawner.checkpoint import signing
from elastic_spawner.errors import CorruptChunk, EncryptionError
from elastic_spawner.stores.base import Buffer

ALGORITHM = "AES-256-GCM"

POLICIES = ("no", "yes", "where_possible")
"""What is done about encryption: never, always (no save without), or where `cryptography` can be imported."""

OVERHEAD = 12 + 16
"""Bytes that sealing adds: the nonce in front and the tag behind."""

_NONCE = 12


def available() -> bool:
    """Whether this environment can encrypt."""
    try:
        require()
    except EncryptionError:
        return False
    return True


def require() -> None:
    """Raise `EncryptionError` where this environment cannot encrypt."""
    _aead(bytes(32))


def wanted(policy: str) -> bool:
    """Whether the policy makes a save here encrypt. With `yes` it does, and fails where it cannot."""
    if policy not in POLICIES:
        raise EncryptionError(f"{policy!r} is no policy of encryption: choose one of {', '.join(POLICIES)}")
    return policy == "yes" or (policy == "where_possible" and available())


class Cipher:
    """Seals and opens with the keys that follow from one server's `secret` (`ValueError` below 16 bytes).

    Methods may be called from several threads. They raise `EncryptionError` where the package is missing.
    """

    def __init__(self, secret: bytes) -> None:
        self._address = signing.derive(secret, "chunk address")
        self._chunks = signing.derive(secret, "chunk encryption")
        self._manifests = signing.derive(secret, "manifest encryption")

    def address(self, data: Buffer) -> str:
        """The address of plain bytes. Gives up the interpreter lock while it runs."""
        return hmac.digest(self._address, data, "sha256").hex()

    def seal(self, data: Buffer, address: str, codec: str) -> bytes:
        """Encrypt a chunk's bytes, compressed or not, that are to be stored at `address`."""
        nonce = os.urandom(_NONCE)
        return nonce + bytes(_aead(self._key(address)).encrypt(nonce, data, _about(address, codec)))

    def open(self, data: bytes | bytearray, address: str, codec: str) -> bytes:
        """Undo `seal`. Raises `CorruptChunk` where anything differs."""
        aead, view = _aead(self._key(address)), memoryview(data)
        try:
            return bytes(aead.decrypt(view[:_NONCE], view[_NONCE:], _about(address, codec)))
        except (_invalid_tag(), ValueError) as error:
            raise CorruptChunk(
                f"chunk {address[:12]} was altered, or sealed with another server's key: it cannot be decrypted"
            ) from error

    def seal_manifest(self, content: bytes, about: bytes) -> tuple[bytes, bytes]:
        """Encrypt a manifest's content; returns nonce and sealed bytes. `about` is the header that belongs to it."""
        nonce = os.urandom(_NONCE)
        return nonce, bytes(_aead(self._manifest_key(nonce)).encrypt(nonce, content, about))

    def open_manifest(self, nonce: bytes, sealed: bytes, about: bytes) -> bytes:
        """Undo `seal_manifest`. Raises `ValueError` where anything differs."""
        aead = _aead(self._manifest_key(nonce))
        try:
            return bytes(aead.decrypt(nonce, sealed, about))
        except _invalid_tag() as error:
            raise ValueError("it cannot be decrypted") from error

    def _key(self, address: str) -> bytes:
        return hmac.digest(self._chunks, address.encode(), "sha256")

    def _manifest_key(self, nonce: bytes) -> bytes:
        return hmac.digest(self._manifests, nonce, "sha256")


def _about(address: str, codec: str) -> bytes:
    return f"elastic_spawner chunk {address} {codec}".encode()


def _aead(key: bytes) -> Any:
    try:
        return importlib.import_module("cryptography.hazmat.primitives.ciphers.aead").AESGCM(key)
    except ImportError as error:
        raise EncryptionError(
            "encrypted checkpoints need the package cryptography in this environment: pip install cryptography"
        ) from error


def _invalid_tag() -> type[Exception]:
    found: type[Exception] = importlib.import_module("cryptography.exceptions").InvalidTag
    return found

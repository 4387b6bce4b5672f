"""Signatures of manifests: nothing of a checkpoint is believed, least of all unpickled, before these hold.

Keys are derived from the server's secret by HKDF-SHA256 (RFC 5869), one for each use, so that a key that leaks from
one use does not open another. Manifests are signed by HMAC-SHA256 over their canonical JSON. Only the standard
library is used.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from elastic_spawner.errors import FormatError

ALGORITHM = "HMAC-SHA256"

_MINIMUM = 16


def derive(secret: bytes, info: str | bytes, length: int = 32, salt: bytes = b"") -> bytes:
    """Derive a key of `length` bytes for the use `info` from `secret`: HKDF-SHA256 of RFC 5869.

    Raises `ValueError` where the secret has less than 16 bytes or `length` is more than HKDF can give.
    """
    if len(secret) < _MINIMUM:
        raise ValueError(
            f"a secret of {len(secret)} bytes is too short: {_MINIMUM} random bytes are the least, 32 are usual"
        )
    if not 0 < length <= 255 * 32:
        raise ValueError(f"HKDF-SHA256 gives 1 to {255 * 32} bytes, not {length}")
    info = info.encode() if isinstance(info, str) else info
    pseudo_random = hmac.digest(salt or bytes(32), secret, "sha256")
    block, output, counter = b"", b"", 0
    while len(output) < length:
        counter += 1
        block = hmac.digest(pseudo_random, block + info + bytes([counter]), "sha256")
        output += block
    return output[:length]


def canonical(document: Mapping[str, Any]) -> bytes:
    """The one way to write `document` as JSON: sorted keys, no blanks, ASCII only.

    Raises `FormatError` where it cannot be written as JSON (NaN and infinity cannot).
    """
    return joined(members(document))


def members(document: Mapping[str, Any]) -> dict[str, str]:
    """Each member of `document` as it is in its canonical text; raises `FormatError` as `canonical` does."""
    return {name: _text(value) for name, value in document.items()}


def joined(texts: Mapping[str, str]) -> bytes:
    """The canonical text of the document whose `members` these are."""
    if not all(isinstance(name, str) for name in texts):
        raise FormatError("a manifest must be plain JSON: its members have texts for names")
    inside = ",".join(f"{_text(name)}:{texts[name]}" for name in sorted(texts))
    return f"{{{inside}}}".encode("ascii")


def _text(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise FormatError(f"a manifest must be plain JSON: {error}") from error


def signed(texts: Mapping[str, str], key: bytes) -> bytes:
    """The canonical text of a document with its `mac`, from its `members` without one."""
    return joined({**texts, "mac": _text({"alg": ALGORITHM, "value": _mac(texts, key)})})


def signature(document: Mapping[str, Any], key: bytes) -> dict[str, str]:
    """The `mac` entry for `document` (whose own `mac`, if any, does not count)."""
    return {"alg": ALGORITHM, "value": _mac(members(document), key)}


def _mac(texts: Mapping[str, str], key: bytes) -> str:
    unsigned = joined({name: text for name, text in texts.items() if name != "mac"})
    return hmac.new(key, unsigned, hashlib.sha256).hexdigest()


def is_sound(raw: bytes, document: Mapping[str, Any], key: bytes) -> bool:
    """Whether `raw` is the canonical text of `document`, and its `mac` entry was made with `key`.

    The text itself is compared, so that not even an edit which means the same goes unnoticed.
    """
    try:
        texts = members(document)
        return joined(texts) == raw and _holds(document, texts, key)
    except FormatError:
        return False


def _holds(document: Mapping[str, Any], texts: Mapping[str, str], key: bytes) -> bool:
    """Whether the `mac` entry of `document` was made with `key`. Takes the same time whatever differs."""
    mac = document.get("mac")
    if not isinstance(mac, dict) or mac.get("alg") != ALGORITHM or not isinstance(mac.get("value"), str):
        return False
    return hmac.compare_digest(mac["value"].encode("utf-8", "replace"), _mac(texts, key).encode())

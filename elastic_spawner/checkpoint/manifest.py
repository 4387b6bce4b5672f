"""The manifest: what a checkpoint consists of, written last and signed.

A manifest is one JSON object in canonical form. This module adds and checks what every manifest has (format, session,
generation, time, signature); what is in it beyond that is the business of those who save and restore.

In an encrypted manifest (format 2) that content is sealed. In clear are, besides what every manifest has, the addresses
of its chunks with their sizes in the store: a collector needs them, and has no key. The signature is over all of it.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from elastic_spawner.checkpoint import signing
from elastic_spawner.checkpoint.chunks import references
from elastic_spawner.checkpoint.encryption import ALGORITHM, Cipher
from elastic_spawner.errors import CheckpointError, EncryptionError, FormatError, SignatureError

PLAIN = 1
SEALED = 2
FORMAT = SEALED
"""The newest format that this version reads. It writes `PLAIN`, and `SEALED` where it encrypts."""

PREFIX = "manifests/"

_SESSION = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_KEY = re.compile(r"manifests/([^/]+)/(\d{8,})\.json")
_HEADER = ("format", "session", "generation", "created")
_OURS = (*_HEADER, "mac", "encrypted")


def check_session(session: str) -> str:
    """Return `session` if it is a legal name; raise `CheckpointError` otherwise."""
    if not isinstance(session, str) or not _SESSION.fullmatch(session):
        raise CheckpointError(
            f"{session!r} is no name for a session: letters, digits, '.', '_' and '-', 200 at most, no dot in front"
        )
    return session


def manifest_key(session: str, generation: int) -> str:
    """The key in the store."""
    return f"{PREFIX}{check_session(session)}/{generation:08d}.json"


def parse_key(key: str) -> tuple[str, int] | None:
    """The session and generation of a manifest's key; None where it is not a manifest's."""
    match = _KEY.fullmatch(key)
    return (match[1], int(match[2])) if match and _SESSION.fullmatch(match[1]) else None


def build(
    session: str,
    generation: int,
    created: float,
    content: Mapping[str, Any],
    key: bytes,
    cipher: Cipher | None = None,
) -> bytes:
    """Sign `content` as a generation of `session` and write it as JSON; sealed by the `cipher` if there is one.

    `created` is in seconds since the epoch. Raises `FormatError` where the content is not plain JSON.
    """
    texts = signing.members({name: value for name, value in content.items() if name not in _OURS})
    header = {"session": session, "generation": generation, "created": created}
    if cipher is None:
        return signing.signed({**texts, **signing.members({**header, "format": PLAIN})}, key)
    document: dict[str, Any] = {**header, "format": SEALED}
    nonce, sealed = cipher.seal_manifest(zlib.compress(signing.joined(texts), 1), _about(document))
    document["encrypted"] = {"alg": ALGORITHM, "nonce": nonce.hex(), "content": base64.b64encode(sealed).decode()}
    document["chunks"] = sorted({(ref.hash, ref.stored_size) for ref in references(content)})
    return signing.signed(signing.members(document), key)


def parse(raw: bytes, session: str, generation: int, key: bytes | None, cipher: Cipher | None = None) -> dict[str, Any]:
    """Read a manifest and verify that it was signed with `key`, is this generation of this session, and can be
    understood.

    Without a key the signature is not verified. Of an encrypted manifest the content is there when a `cipher` opens it,
    and what is in clear otherwise; `is_sealed` tells. Raises `SignatureError`, `FormatError`, `EncryptionError`.
    """
    where = f"generation {generation} of session {session!r}"
    forged = SignatureError(
        f"{where} was not signed with this server's key: it is damaged, forged, or another server's; "
        "nothing of it is used. An earlier generation may still hold"
    )
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise (forged if key else FormatError(f"{where} is not JSON: {error}")) from error
    if not isinstance(document, dict):
        raise forged if key else FormatError(f"{where} is not a JSON object")
    newer = _newer(document.get("format"))
    mac = document.get("mac")
    known_signature = isinstance(mac, dict) and mac.get("alg") == signing.ALGORITHM
    if key is not None and (known_signature or not newer):
        if not signing.is_sound(raw, document, key):
            raise forged
    if newer:
        raise FormatError(
            f"{where} has format {document['format']}, and this elastic_spawner reads formats up to {FORMAT}: "
            "upgrade elastic_spawner to read it"
        )
    if document.get("format") not in (PLAIN, SEALED):
        raise FormatError(
            f"{where} has format {document.get('format')!r}, which no version of elastic_spawner has written"
        )
    if document.get("session") != session or document.get("generation") != generation:
        raise forged if key else FormatError(f"{where} says that it is another: it was copied or renamed")
    if not isinstance(document.get("created"), (int, float)):
        raise FormatError(f"{where} does not say when it was created")
    if document["format"] == SEALED and cipher is not None:
        return _open(document, where, cipher)
    return document


def is_sealed(document: Mapping[str, Any]) -> bool:
    """Whether the content of this manifest is missing, for it is encrypted and was not opened."""
    return isinstance(document.get("encrypted"), dict)


def chunk_sizes(document: Any) -> Iterator[tuple[str, int]]:
    """Address and size in the store of each chunk that a manifest names, opened or not, each as often as it occurs."""
    if isinstance(document, dict) and is_sealed(document) and isinstance(document.get("chunks"), list):
        for item in document["chunks"]:
            if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and type(item[1]) is int:
                yield item[0], item[1]
    else:
        yield from ((ref.hash, ref.stored_size) for ref in references(document))


def _about(document: Mapping[str, Any]) -> bytes:
    return signing.canonical({name: document[name] for name in _HEADER})


def _open(document: dict[str, Any], where: str, cipher: Cipher) -> dict[str, Any]:
    try:
        box = document["encrypted"]
        if box["alg"] != ALGORITHM:
            raise FormatError(
                f"{where} is encrypted by {box['alg']}, which this elastic_spawner does not know: upgrade it"
            )
        sealed = base64.b64decode(box["content"], validate=True)
        text = cipher.open_manifest(bytes.fromhex(box["nonce"]), sealed, _about(document))
        content = json.loads(zlib.decompress(text))
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise SignatureError(f"{where} cannot be decrypted with this server's key: nothing of it is used") from error
    except EncryptionError as error:
        raise EncryptionError(f"{where} is encrypted: {error}") from error
    return {**content, **{name: document[name] for name in (*_HEADER, "mac")}, "encrypted": ALGORITHM}


def _newer(version: Any) -> bool:
    return type(version) is int and version > FORMAT

"""The manifest: what a checkpoint consists of, written last and signed.

A manifest is one JSON object in canonical form. This module adds and checks what every manifest has (format, session,
generation, time, signature); what is in it beyond that is the business of those who save and restore.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from elastic_spawner.checkpoint import signing
from elastic_spawner.errors import CheckpointError, FormatError, SignatureError

FORMAT = 1
"""The newest format that this version reads, and the one it writes."""

PREFIX = "manifests/"

_SESSION = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_KEY = re.compile(r"manifests/([^/]+)/(\d{8,})\.json")
_OURS = ("format", "session", "generation", "created", "mac")


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


def build(session: str, generation: int, created: float, content: Mapping[str, Any], key: bytes) -> bytes:
    """Sign `content` as a generation of `session` and write it as JSON.

    `created` is in seconds since the epoch. Raises `FormatError` where the content is not plain JSON.
    """
    plain = json.loads(signing.canonical({name: value for name, value in content.items() if name not in _OURS}))
    document = {**plain, "format": FORMAT, "session": session, "generation": generation, "created": created}
    document["mac"] = signing.signature(document, key)
    return signing.canonical(document)


def parse(raw: bytes, session: str, generation: int, key: bytes | None) -> dict[str, Any]:
    """Read a manifest and verify that it was signed with `key`, is this generation of this session, and can be
    understood.

    Without a key the signature is not verified. Raises `SignatureError`, `FormatError`.
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
        # The text itself is compared too, so that not even an edit which means the same goes unnoticed.
        if not _is_canonical(document, raw) or not signing.holds(document, key):
            raise forged
    if newer:
        raise FormatError(
            f"{where} has format {document['format']}, and this elastic_spawner reads formats up to {FORMAT}: "
            "upgrade elastic_spawner to read it"
        )
    if document.get("format") != FORMAT:
        raise FormatError(
            f"{where} has format {document.get('format')!r}, which no version of elastic_spawner has written"
        )
    if document.get("session") != session or document.get("generation") != generation:
        raise forged if key else FormatError(f"{where} says that it is another: it was copied or renamed")
    if not isinstance(document.get("created"), (int, float)):
        raise FormatError(f"{where} does not say when it was created")
    return document


def _newer(version: Any) -> bool:
    return type(version) is int and version > FORMAT


def _is_canonical(document: dict[str, Any], raw: bytes) -> bool:
    try:
        return signing.canonical(document) == raw
    except FormatError:
        return False

"""``inspect``, ``verify`` and ``gc``: on the store itself. Nothing here unpickles anything."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ..checkpoint.repository import Repository, VerifyReport
from ..errors import CheckpointNotFound, EncryptionError, FormatError, SignatureError
from ..stores import open_store
from . import keys, manifests
from .failure import Failure, bad_input
from .output import bytes_text, moment_text, print_json, printable, table

NOT_CHECKED = "signature not checked, for lack of a key: give --key-file, or --hub-secret-file with --owner"

FAULTS = {
    "damaged": "not as stored; an earlier generation may be (--all)",
    "signature": "not signed with this key: it is forged or damaged, or the key is another server's",
    "format": "of a format that this version does not read: upgrade elastic-spawner",
    "key": "encrypted, and cannot be verified here",
}

NOTEBOOK = "notebook"
"""The session of checkpoints that are made in a notebook without a hub."""


@dataclass(frozen=True)
class Opened:
    """A store that has checkpoints."""

    repository: Repository
    sessions: list[str]
    signed: bool
    """Whether there is a key to check signatures with."""


@contextmanager
def _opened(options: argparse.Namespace) -> Iterator[Opened]:
    """Open the store, changing nothing. Raises Failure when there is no checkpoint in it."""
    key = keys.find_key(options)
    create = {} if options.store.startswith("s3:") else {"create": False}
    with Repository(open_store(options.store, **create), None) as repository:
        sessions = repository.sessions()
        if not sessions:
            raise bad_input(f"there is no checkpoint in {options.store}{_elsewhere(options.store)}")
        if key is None and sessions == [NOTEBOOK]:
            key = keys.notebook_key()
        if key is not None:
            repository = Repository(repository.store, key)
        yield Opened(repository, sessions, key is not None)


def _elsewhere(url: str) -> str:
    """Where the checkpoints may be instead, when they are below the directory that was given."""
    path = Path(unquote(urlsplit(url).path)) if url.startswith("file:") else Path(url).expanduser()
    found: list[Path] = []
    if "://" not in url or url.startswith("file:"):
        found = sorted(p.parent for pattern in ("*/manifests", "*/*/manifests") for p in path.glob(pattern))
    if not found:
        return ""
    return f"; there are some in {', '.join(map(str, found[:5]))}{' ...' if len(found) > 5 else ''}"


def _check_session(opened: Opened, session: str | None) -> None:
    if session is not None and session not in opened.sessions:
        raise bad_input(f"there is no session {session!r} in it, but {', '.join(opened.sessions)}")


# -- inspect -----------------------------------------------------------------------------------------------------------


def inspect(options: argparse.Namespace) -> int:
    """List the sessions, and describe one of them."""
    if options.generation is not None and options.session is None:
        raise bad_input("--generation needs --session, for each session counts its own")
    with _opened(options) as opened:
        _check_session(opened, options.session)
        if options.session is not None:
            return _inspect_session(opened, options)
        overview = [_overview(opened, session) for session in opened.sessions]
    if options.json:
        print_json({"store": options.store, "signature_checked": opened.signed, "sessions": overview})
    else:
        labels = {n: path for entry in overview for n, path in manifests.notebooks(entry.get("manifest") or {}).items()}
        rows = [_overview_row(entry, labels) for entry in overview]
        print(table(rows, ("session", "generation", "made", "stored", "what"), right=(1, 3)))
        print("\n" + ("signatures checked" if opened.signed else NOT_CHECKED))
        print("--session NAME shows a session's variables and cells")
    bad = [f"{entry['session']}: {entry['problem']}" for entry in overview if entry["problem"]]
    if bad:
        raise Failure("; ".join(bad))
    return 0


def _inspect_session(opened: Opened, options: argparse.Namespace) -> int:
    repository = opened.repository
    manifest = (
        repository.latest(options.session)
        if options.generation is None
        else repository.load(options.session, options.generation)
    )
    if manifest is None:
        raise CheckpointNotFound(f"there is no checkpoint of session {options.session!r} in {options.store}")
    if options.json:
        print_json({"signature_checked": opened.signed, **manifest})
    else:
        print(manifests.describe(manifest))
        print("\n" + ("signature checked" if opened.signed else NOT_CHECKED))
    return 0


def _overview(opened: Opened, session: str) -> dict[str, Any]:
    generations = opened.repository.generations(session)
    entry: dict[str, Any] = {
        "session": session,
        "generations": [asdict(info) for info in generations],
        "manifest": None,
        "problem": None,
    }
    try:
        entry["manifest"] = opened.repository.latest(session)
    except (SignatureError, FormatError, EncryptionError) as error:
        entry["problem"] = str(error)
    return entry


def _overview_row(entry: dict[str, Any], labels: dict[str, str]) -> tuple[str, ...]:
    newest = entry["generations"][-1] if entry["generations"] else {}
    what = manifests.one_line(entry["manifest"]) if entry["manifest"] else "unusable"
    label = labels.get(entry["session"].removeprefix("kernel-"))
    return (
        entry["session"],
        str(newest.get("generation", "")),
        moment_text(newest.get("created")),
        bytes_text(newest.get("bytes")),
        f"{label}: {what}" if label else what,
    )


# -- verify ------------------------------------------------------------------------------------------------------------


def verify(options: argparse.Namespace) -> int:
    """Hash every chunk again."""
    if options.generation is not None and options.session is None:
        raise bad_input("--generation needs --session, for each session counts its own")
    if options.generation is not None and options.all:
        raise bad_input("give either --generation or --all")
    with _opened(options) as opened:
        _check_session(opened, options.session)
        results = [
            _verified(opened, session, generation)
            for session in ([options.session] if options.session else opened.sessions)
            for generation in _generations(opened, session, options)
        ]
    if options.json:
        print_json({"store": options.store, "signature_checked": opened.signed, "checkpoints": results})
    else:
        for result in results:
            print(_verdict(result))
        print("signatures checked" if opened.signed else NOT_CHECKED)
    bad = [result for result in results if not result["ok"]]
    if bad:
        names = ", ".join(f"{result['session']} generation {result['generation']}" for result in bad)
        faults = {result["fault"] for result in bad}
        why = FAULTS[faults.pop() if len(faults) == 1 else "damaged"]
        raise Failure(f"{names}: {why}", Failure.BAD_INPUT if why == FAULTS["format"] else Failure.FAILED)
    return 0


def _generations(opened: Opened, session: str, options: argparse.Namespace) -> list[int]:
    if options.generation is not None:
        return [options.generation]
    numbers = [info.generation for info in opened.repository.generations(session)]
    return numbers if options.all else numbers[-1:]


def _verified(opened: Opened, session: str, generation: int) -> dict[str, Any]:
    result: dict[str, Any] = {"session": session, "generation": generation, "fault": None, "affected": []}
    try:
        report: VerifyReport = opened.repository.verify(session, generation)
    except (SignatureError, FormatError, EncryptionError) as error:
        kinds = {FormatError: "format", EncryptionError: "key"}
        fault = kinds.get(type(error), "signature")
        return {**result, "ok": False, "signed": False, "problems": [str(error)], "fault": fault}
    if report.problems:
        result["fault"] = "damaged"
        result["affected"] = manifests.affected(opened.repository.load(session, generation), report.problems)
    return {**result, **report.to_dict()}


def _verdict(result: dict[str, Any]) -> str:
    name = f"{result['session']} generation {result['generation']}"
    if result["ok"]:
        return f"{name}: good, {result['chunks']} chunks, {bytes_text(result['bytes'])}"
    lines = [f"{name}: BAD", *(f"  {printable(problem)}" for problem in result["problems"])]
    if result["affected"]:
        lines.append(f"  a restore would re-run or report as lost: {printable(', '.join(result['affected']))}")
    return "\n".join(lines)


# -- gc ----------------------------------------------------------------------------------------------------------------


def gc(options: argparse.Namespace) -> int:
    """Collect garbage."""
    if options.keep < 1:
        raise bad_input("--keep is the number of generations to keep: 1 or more")
    if not options.grace >= 0:
        raise bad_input("--grace is a number of seconds: 0 or more")
    with _opened(options) as opened:
        report = opened.repository.gc(options.keep, options.grace, options.dry_run)
    if options.json:
        print_json({"store": options.store, "signature_checked": opened.signed, **report.to_dict()})
        return 0
    verb = "would delete" if report.dry_run else "deleted"
    print(
        f"{verb} {report.generations_deleted} generations and {report.chunks_deleted} chunks "
        f"({bytes_text(report.bytes_deleted)}); {report.chunks_kept} chunks are in use, and {report.chunks_waiting} "
        f"younger than {options.grace:g} s were left alone"
    )
    if not opened.signed:
        print(NOT_CHECKED)
    return 0

"""The server's own manifest: which kernels and sessions it has, and from which checkpoint each kernel comes back.

It is written after every save of all kernels, and whenever the list changes, so that a kernel which the user shut down
or emptied stays so, even if the server is killed the moment after. Session `server` of the checkpoint repository.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

from elastic_spawner.errors import CheckpointError, FormatError

SESSION = "server"


@dataclass(frozen=True)
class KernelEntry:
    """One kernel in the server's manifest."""

    id: str
    name: str
    language: str
    folder: str | None = None
    """API path of the folder that it was started in."""
    generation: int | None = None
    """Its last checkpoint known to the agent; None: it had none, and comes back empty unless it saved itself since."""
    floor: int = 0
    """Checkpoints up to this generation do not come back: the user restarted the kernel after them."""
    saved: float | None = None
    """When that checkpoint was made, seconds since 1970."""


@dataclass(frozen=True)
class SessionEntry:
    """One session (an open notebook or console) in the server's manifest."""

    id: str
    path: str
    name: str
    type: str
    kernel_id: str


@dataclass(frozen=True)
class ServerManifest:
    """What the server is to look like when it comes back."""

    kernels: tuple[KernelEntry, ...] = ()
    sessions: tuple[SessionEntry, ...] = ()
    saved: float | None = None
    """When all kernels were last saved together, seconds since 1970; None: never."""
    reason: str = ""
    """Why they were."""
    ending: bool = False
    """The server was to end after that, and nothing was run since: it is not lost without notice."""

    def to_json(self) -> dict[str, Any]:
        return {"kind": "server", **asdict(self)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> ServerManifest:
        """Raises FormatError when the document is no server's manifest. Fields that we do not know are passed over."""
        try:
            if document["kind"] != "server":
                raise FormatError(f"this is the manifest of a {document['kind']}, not of a server")
            return cls(
                kernels=tuple(_entries(KernelEntry, document["kernels"])),
                sessions=tuple(_entries(SessionEntry, document["sessions"])),
                saved=document.get("saved"),
                reason=document.get("reason", ""),
                ending=bool(document.get("ending", False)),
            )
        except (KeyError, TypeError) as error:
            raise FormatError(f"the server's manifest lacks something: {error}") from error

    def sessions_of(self, kernel_id: str) -> list[SessionEntry]:
        return [session for session in self.sessions if session.kernel_id == kernel_id]


def _entries(kind: type[Any], documents: Iterable[dict[str, Any]]) -> Iterable[Any]:
    names = {field.name for field in fields(kind)}
    for document in documents:
        yield kind(**{name: value for name, value in document.items() if name in names})


@dataclass(frozen=True)
class Choice:
    """Which checkpoint a kernel is to come back from."""

    generation: int | None
    created: float | None = None
    """When it was made, seconds since 1970."""
    notes: tuple[str, ...] = ()
    """What was wrong with newer ones, for the report."""


def choose_generation(repository: Any, session: str, generation: int | None, floor: int) -> Choice:
    """The newest checkpoint of a kernel above `floor` whose manifest can be trusted. Blocks; raises StoreError.

    A damaged one is passed over for the one before it, which is kept for this; and so is a partial one, which a
    deadline ended before it had all that the one before it has.
    """
    notes: list[str] = []
    chosen: dict[str, Any] | None = None
    partial: dict[str, Any] | None = None
    newer = sorted(
        (info.generation for info in repository.generations(session) if info.generation > floor), reverse=True
    )
    for candidate in newer:
        try:
            manifest = repository.load(session, candidate)
        except CheckpointError as error:
            notes.append(f"checkpoint {candidate} cannot be used: {error}")
            continue
        if not manifest.get("partial"):
            chosen = manifest
            break
        partial = partial or manifest
    if partial is not None and chosen is not None:
        lacks = ", ".join(map(str, partial["partial"][:5]))
        notes.append(
            f"checkpoint {partial['generation']} was not finished in time and lacks {lacks}: the one before is used"
        )
    chosen = chosen or partial
    if generation is not None and generation > floor and (not newer or newer[0] < generation):
        notes.append(f"checkpoint {generation} is gone from the store")
    if chosen is None:
        return Choice(None, notes=tuple(notes))
    return Choice(chosen["generation"], chosen["created"], tuple(notes))

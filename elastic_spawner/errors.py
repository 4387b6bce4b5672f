"""The exceptions that elastic_spawner raises, in one tree.

Foreign exceptions (the operating system's, boto3's, Kubernetes') are turned into these at one place each, so callers
need to know only this module. Every message says what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class ElasticError(Exception):
    """Base of all errors of elastic_spawner."""


class StoreError(ElasticError):
    """A checkpoint store could not do what it was asked to."""


class StoreURLError(StoreError, ValueError):
    """The URL names no store that we know how to open."""


class StoreNotFound(StoreError, KeyError):
    """There is nothing under this key."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return Exception.__str__(self)


class StoreUnavailable(StoreError):
    """The store does not answer; trying again later may help."""


class StoreFull(StoreError):
    """The store has no room left."""


class StoreDenied(StoreError):
    """The store refuses us: wrong credentials or missing permission."""


class CheckpointError(ElasticError):
    """A checkpoint cannot be used."""


class CheckpointNotFound(CheckpointError):
    """There is no checkpoint of this session."""


class SignatureError(CheckpointError):
    """The manifest was not signed with this key: it is forged, damaged, or another server's."""


class CorruptChunk(CheckpointError):
    """A chunk is missing or its bytes are not those that were stored."""


class FormatError(CheckpointError):
    """The checkpoint has a format that this version does not read."""


class CodecMissing(FormatError):
    """The checkpoint is sound, and what it was packed by is not in this environment; ``cure`` says what helps."""

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(f"{problem}: {cure}")
        self.problem, self.cure = problem, cure


class EncryptionError(CheckpointError):
    """A checkpoint is encrypted, or is to be, and the key or the package that this needs is not there."""


class PlanError(ElasticError):
    """No replication plan can be made from what was given."""


class SaveError(ElasticError):
    """A session could not be saved; the previous checkpoint is as it was."""


class GaveWay(SaveError):
    """A save was broken off because the user wants to go on; what it has written is found by the next one."""

    def __init__(self) -> None:
        super().__init__("the save was broken off, for a cell waits; the previous checkpoint holds")


class WouldLose(SaveError):
    """Saving was refused because some variables can be neither stored nor recomputed; nothing was written.

    ``lost`` lists them as {"name", "type", "reason", "cell", "cure"}.
    """

    def __init__(self, lost: Sequence[Mapping[str, object]]) -> None:
        shown = "; ".join(f"{v['name']} ({v['type']}): {v['reason']}" for v in lost[:5])
        more = f"; and {len(lost) - 5} more" if len(lost) > 5 else ""
        super().__init__(
            f"a move would lose {len(lost)} of the variables: {shown}{more}. Delete them, or accept the loss"
        )
        self.lost = list(lost)


class RestoreError(ElasticError):
    """A session could not be restored; the checkpoint is as it was."""


class SizeError(ElasticError, ValueError):
    """A size is no size, or lies outside the configured bounds."""


class MigrationError(ElasticError):
    """A move of a server could not be made."""

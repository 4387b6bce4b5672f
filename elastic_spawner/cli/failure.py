"""What ends a command otherwise than well."""

from __future__ import annotations

from ..errors import (
    CheckpointNotFound,
    ElasticError,
    FormatError,
    SizeError,
    StoreNotFound,
    StoreURLError,
)

BAD_INPUT_ERRORS = (SizeError, StoreURLError, StoreNotFound, CheckpointNotFound, FormatError)


class Failure(Exception):
    """Ends the command with one line on stderr."""

    FAILED = 1
    BAD_INPUT = 2

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status
        """The exit status."""


def bad_input(message: str) -> Failure:
    """The failure for what cannot be done as it was asked for."""
    return Failure(message, Failure.BAD_INPUT)


def as_failure(error: Exception) -> Failure | None:
    """Return how the command ends because of this error; None for one that is a fault of ours."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, BAD_INPUT_ERRORS):
        return bad_input(str(error))
    if isinstance(error, ElasticError):
        return Failure(str(error))
    return None

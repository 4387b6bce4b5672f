"""Files that a cell read, described so that a later change of them is noticed."""

from __future__ import annotations

import os

from ..history import FileRead
from ..objects.digest import Digest

_HASHED = 4 << 20
"""Of files up to this size in bytes the content is compared, too."""


def file_read(path: str) -> FileRead | None:
    """Describe a file; None where the path is no file."""
    if not path:
        return None
    try:
        status = os.stat(path)
        if not os.path.isfile(path):
            return None
        return FileRead(
            path, status.st_size, status.st_mtime_ns, file_digest(path) if status.st_size <= _HASHED else ""
        )
    except OSError:
        return FileRead(path, -1, 0)


def file_digest(path: str) -> str:
    """Digest of a file's content; raises OSError."""
    digest = Digest()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.text()

"""Making live objects again, for `reduce_live`. The functions' names are part of the checkpoint format."""

from __future__ import annotations

import os
from typing import Any

notes: list[str] = []
"""What the user has to be told about what was made; whoever loads takes them out."""


def sqlite(
    path: str, image: Any, isolation_level: Any, row_factory: Any, text_factory: Any, in_transaction: bool = False
) -> Any:
    """A sqlite3 connection: to the same file, or to a database in memory with the same content.

    A transaction that was open is over: what it changed is there, and cannot be rolled back. Raises OSError when the
    file is gone: connecting would make an empty one.
    """
    import sqlite3

    if path:
        if not os.path.exists(path):
            raise FileNotFoundError(f"the database {path} is gone")
        made = sqlite3.connect(path)
    else:
        made = sqlite3.connect(":memory:")
        if isinstance(image, str):
            made.executescript(image)
        elif image is not None:
            made.deserialize(bytes(image))  # type: ignore[attr-defined]  # from 3.11; a dump is text before that
    made.isolation_level = isolation_level
    made.row_factory = row_factory
    made.text_factory = text_factory
    if in_transaction:
        notes.append("a database in memory has what its open transaction changed, which can no longer be rolled back")
    return made

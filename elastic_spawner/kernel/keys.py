"""The key that signs checkpoints made without a hub: one per user, kept in the user's data folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ..errors import SaveError


def user_key_file() -> Path:
    """Where the key lies: ``$XDG_DATA_HOME/elastic_spawner/key``, by default below ``~/.local/share``."""
    base = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return Path(base) / "elastic_spawner" / "key"


def user_key() -> bytes:
    """The user's key; made at the first use. Raises SaveError when it can be neither read nor made."""
    path = user_key_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            key = bytes.fromhex(path.read_text().strip())
            if len(key) < 16:
                raise ValueError("it is too short") from None
            return key
        key = secrets.token_bytes(32)
        with os.fdopen(descriptor, "w") as f:
            f.write(key.hex() + "\n")
            f.flush()
            os.fsync(f.fileno())
        return key
    except (OSError, ValueError) as e:
        raise SaveError(
            f"the key that signs your checkpoints ({path}) can be neither read nor made: {e}. "
            "Make the folder writable, or set XDG_DATA_HOME to one that is"
        ) from e

"""Secrets of the hub, and what is derived from them.

There is one hub secret. Everything else is derived from it (HKDF-SHA256), so nothing else has to be stored or told
apart: one secret per server, the agent's token from that, and the control server's token.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from ..checkpoint.signing import derive

SECRET_ENV = "ELASTIC_SPAWNER_HUB_SECRET"
FORMER_ENV = "ELASTIC_SPAWNER_FORMER_HUB_SECRETS"
SECRET_FILE = "elastic_spawner_secret"
MIN_BYTES = 16


class HubKeys:
    """The hub secret and what is derived from it."""

    def __init__(self, secret: bytes, former: Sequence[bytes] = ()) -> None:
        """``former``: secrets that the hub had before. What follows from them is known again, and never given out as
        the present one."""
        for one in (secret, *former):
            if len(one) < MIN_BYTES:
                raise ValueError(f"a hub secret of elastic_spawner has {len(one)} bytes; give {MIN_BYTES} at least")
        self._secret = secret
        self._former = [HubKeys(one) for one in former]
        self._fernet = Fernet(base64.urlsafe_b64encode(derive(secret, "state")))

    def server_secret(self, user: str, server: str) -> bytes:
        """Return the secret of one server: its checkpoints are signed with it.

        No user name contains a slash followed by a server name of another user: the name of the server comes last, and
        JupyterHub forbids slashes in it.
        """
        return derive(self._secret, f"{user}/{server}")

    def former_server_secrets(self, user: str, server: str) -> list[bytes]:
        """Return the secrets that one server had before: what they have signed is taken over."""
        return [keys.server_secret(user, server) for keys in self._former]

    def agent_tokens(self, user: str, server: str) -> list[str]:
        """Return the tokens of a server's agent, which may have been started under a former secret."""
        return [keys.agent_token(user, server) for keys in (self, *self._former)]

    def agent_token(self, user: str, server: str) -> str:
        """Return the token that the hub shows to a server's agent."""
        return derive(self.server_secret(user, server), "agent").hex()

    def store_token(self, user: str, server: str) -> str:
        """Return the token for which the hub signs requests to one server's part of the store."""
        return derive(self.server_secret(user, server), "store").hex()

    def is_store_token(self, user: str, server: str, token: str) -> bool:
        """Whether a server shows its token for the store, of the present secret or a former one."""
        known = [keys.store_token(user, server) for keys in (self, *self._former)]
        return any([hmac.compare_digest(token.encode(), one.encode()) for one in known])

    def control_token(self) -> str:
        """Return the token that the resize service shows to the control server."""
        return derive(self._secret, "control").hex()

    def seal(self, text: str) -> str:
        """Encrypt what must not be readable in the hub's database."""
        return self._fernet.encrypt(text.encode()).decode()

    def unseal(self, sealed: str) -> str:
        """Return what was sealed, or an empty string when that was done with another secret."""
        for keys in (self, *self._former):
            try:
                return keys._fernet.decrypt(sealed.encode()).decode()
            except InvalidToken:
                continue
        return ""


def load_secret(configured: str = "", path: str | Path = SECRET_FILE) -> bytes:
    """Return the hub secret: as configured, else from the environment, else from a file, which is made when missing.

    A configured secret of an even number of hexadecimal digits is taken as bytes in hexadecimal, any other as text.

    Raises ValueError when it is too short, and OSError when the file can be neither read nor made.
    """
    text = configured or os.environ.get(SECRET_ENV, "")
    if text:
        return _decode(text, "the configured secret")
    path = Path(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return _decode(path.read_text().strip(), f"the secret in {path}")
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return _decode(path.read_text().strip(), f"the secret in {path}")


def load_former(configured: Sequence[str] = ()) -> list[bytes]:
    """Return the secrets that the hub had before: as configured, and from the environment, parted by commas.

    Raises ValueError when one is too short.
    """
    texts = [*configured, *os.environ.get(FORMER_ENV, "").split(",")]
    return [_decode(text.strip(), "a former secret") for text in texts if text.strip()]


def _decode(text: str, what: str) -> bytes:
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = text.encode()
    if len(secret) < MIN_BYTES:
        raise ValueError(
            f"{what} has {len(secret)} bytes; give {MIN_BYTES} at least, for example by `openssl rand -hex 32`"
        )
    return secret

"""What the spawner tells the agent, by the environment of the single-user server."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from elastic_spawner.checkpoint.encryption import POLICIES
from elastic_spawner.checkpoint.signing import derive
from elastic_spawner.lib import build_lib

CONFIG_FOLDER = Path(__file__).resolve().parent / "etc"
"""The folder that goes in front of JUPYTER_CONFIG_PATH; it enables the extension."""

PREFIX = "ELASTIC_SPAWNER_"


class SettingsError(ValueError):
    """The environment says something that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """Where this server's checkpoints are, its secret, and what is lent to the kernels."""

    store_url: str
    """This server's own prefix; nobody else's checkpoints are below it."""
    secret: bytes = field(repr=False)
    """32 bytes, known to the hub and to this server."""
    libs: tuple[str, ...]
    """Folders appended to a kernel's `sys.path` when it lacks our package or what that needs."""
    encrypt: str = "no"
    """Whether checkpoints are encrypted: `no`, `yes`, or `where_possible`."""
    save_interval: float = 0.0
    """Seconds between saves of a kernel that nobody asked for; 0: there are none."""
    fallback: str = ""
    """Folder in the user's home where is saved what the store does not take before the server ends; empty: nowhere."""
    former: tuple[bytes, ...] = field(default=(), repr=False)
    """Secrets that the server had before: what they have signed is taken over."""
    launch: str = ""
    """Which start of the server this is: another one has the same when its container was started again."""

    @property
    def token(self) -> str:
        """What a caller of the HTTP API has to send: `Authorization: Bearer <token>`."""
        return agent_token(self.secret)

    @property
    def public_url(self) -> str:
        """The store's URL without credentials and options, fit to be shown."""
        parts = urlsplit(self.store_url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def agent_token(secret: bytes) -> str:
    """The bearer token (hex) of the agent of the server that has this secret."""
    return derive(secret, "agent").hex()


def take_settings(environ: MutableMapping[str, str]) -> Settings | None:
    """Read our variables and take them out, so that neither kernels nor terminals inherit the secret.

    Also takes our folder out of JUPYTER_CONFIG_PATH: it has done its work when this runs. Returns None when the
    spawner set nothing. Raises SettingsError.
    """
    ours = {name: environ.pop(name) for name in list(environ) if name.startswith(PREFIX)}
    _forget_config_folder(environ)
    url, secret = ours.get(PREFIX + "STORE_URL", ""), ours.get(PREFIX + "SECRET", "")
    if not url and not secret:
        return None
    if not url or not secret:
        missing = PREFIX + ("SECRET" if url else "STORE_URL")
        raise SettingsError(
            f"{missing} is not set; the spawner has to set both the store's URL and the server's secret"
        )
    key = _secret("SECRET", secret)
    former = tuple(_secret("FORMER_SECRETS", one) for one in ours.get(PREFIX + "FORMER_SECRETS", "").split(",") if one)
    encrypt = ours.get(PREFIX + "ENCRYPT", "no")
    if encrypt not in POLICIES:
        raise SettingsError(f"{PREFIX}ENCRYPT is {encrypt!r}; it has to be one of {', '.join(POLICIES)}")
    interval = ours.get(PREFIX + "SAVE_INTERVAL", "0")
    try:
        save_interval = float(interval)
    except ValueError:
        save_interval = -1.0
    if not 0 <= save_interval < float("inf"):
        raise SettingsError(f"{PREFIX}SAVE_INTERVAL is {interval!r}; it has to be a number of seconds, 0 for never")
    libs = tuple(folder for folder in ours.get(PREFIX + "LIB", "").split(os.pathsep) if folder)
    launch = ours.get(PREFIX + "LAUNCH", "")
    fallback = ours.get(PREFIX + "FALLBACK", "")
    return Settings(url, key, libs or (str(build_lib()),), encrypt, save_interval, fallback, former, launch)


def _secret(name: str, text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        raise SettingsError(f"{PREFIX}{name} is not hexadecimal; the spawner has to give 32 bytes in hex") from None
    if len(key) < 16:
        raise SettingsError(f"{PREFIX}{name} has {len(key)} bytes; 32 are expected, 16 are the least")
    return key


def _forget_config_folder(environ: MutableMapping[str, str]) -> None:
    folders = environ.get("JUPYTER_CONFIG_PATH", "").split(os.pathsep)
    kept = [folder for folder in folders if folder and Path(folder).resolve() != CONFIG_FOLDER]
    if kept:
        environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(kept)
    else:
        environ.pop("JUPYTER_CONFIG_PATH", None)

"""Which key a checkpoint was signed with."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from .failure import bad_input

SECRET_ENV = "ELASTIC_SPAWNER_SECRET"
MIN_BYTES = 16


def find_key(options: argparse.Namespace) -> bytes | None:
    """Return the key that the options or the environment give; None without one.

    Raises Failure for one that is none.
    """
    if options.hub_secret_file or options.owner:
        return _derived(options)
    if options.key_file:
        return _read(Path(options.key_file))
    text = os.environ.get(SECRET_ENV)
    return _decode(text, SECRET_ENV) if text else None


def notebook_key() -> bytes | None:
    """The key of this user's own checkpoints, made in a notebook without a hub; None when there is none."""
    base = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    path = Path(base) / "elastic_spawner" / "key"
    return _read(path) if path.exists() else None


def _read(path: Path) -> bytes:
    try:
        return _decode(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise bad_input(f"the key in {path} cannot be read: {error}") from None


def _decode(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        raise bad_input(f"what {where} has is no key: a key is written in hexadecimal") from None
    if len(key) < MIN_BYTES:
        raise bad_input(f"the key in {where} is too short: it has {len(key)} bytes, {MIN_BYTES} are the least")
    return key


def _derived(options: argparse.Namespace) -> bytes:
    if options.key_file:
        raise bad_input("give either --key-file, or --hub-secret-file with --owner")
    if not (options.hub_secret_file and options.owner):
        raise bad_input("--hub-secret-file and --owner USER[/SERVER] belong together")
    path = Path(options.hub_secret_file)
    try:
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise bad_input(f"the hub secret in {path} cannot be read: {error}") from None
    if not secret:
        raise bad_input(f"there is no hub secret in {path}: it is empty")
    try:
        from ..hub.keys import HubKeys, load_secret
    except ImportError as error:
        raise bad_input(f"--hub-secret-file needs the hub's packages ({error}): install elastic-spawner[hub]") from None
    user, _, server = options.owner.partition("/")
    try:
        # As text rather than as a file, whose mode would be changed.
        return HubKeys(load_secret(configured=secret)).server_secret(user, server)
    except ValueError as error:
        raise bad_input(f"the hub secret in {path} cannot be used: {error}") from None

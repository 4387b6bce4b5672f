"""Where checkpoints live: a directory, S3, or pre-signed HTTP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from elastic_spawner.errors import StoreURLError
from elastic_spawner.stores.base import Entry, Store
from elastic_spawner.stores.directory import DirectoryStore

if TYPE_CHECKING:
    from elastic_spawner.stores.presigned import PresignedStore, SignedRequest, Signer

__all__ = ["DirectoryStore", "Entry", "PresignedStore", "SignedRequest", "Signer", "Store", "open_store"]

_HELP = (
    "a store is file:///absolute/directory (or the plain path), "
    "or s3://bucket/prefix?endpoint=https://host&region=name&path_style=1"
)


def open_store(url: str, **options: Any) -> Store:
    """Open the store that `url` names.

    `file:///directory` or a plain path: options `create` (default true: make the directory where it is absent).
    `s3://bucket/prefix?endpoint=..&region=..&path_style=1`: options as `S3Store` takes them (`access_key`,
    `secret_key`, `session_token`, `client`, `timeout`); without them boto3 finds credentials in its usual places.
    `signed+http://...`: a store that the hub signs requests for, as a spawner gives it to its servers.

    Raises `StoreURLError` where the URL names no store, `StoreNotFound`, `StoreDenied`, `StoreUnavailable`.
    """
    if not isinstance(url, str) or not url.strip():
        raise StoreURLError(f"{url!r} is no store: {_HELP}")
    if "\0" in url:
        raise StoreURLError(f"{url!r} is no store: it has a NUL character in it")
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", url):
        if url.startswith(("/", "./", "../", "~/")) or url in (".", "..", "~"):
            return DirectoryStore(url, **options)
        raise StoreURLError(f"{url!r} is no store: {_HELP}; for a directory beside you write ./{url}")
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise StoreURLError(f"{url!r} is no store: file URLs have three slashes, as in file:///absolute/directory")
        if parts.query or parts.fragment:
            raise StoreURLError(f"{url!r} is no store: file URLs take no options (write %3F for '?' and %23 for '#')")
        return DirectoryStore(unquote(parts.path), **options)
    if parts.scheme == "s3":
        from elastic_spawner.stores.s3 import S3Store

        return S3Store.from_url(url, **options)
    if parts.scheme in ("signed+http", "signed+https"):
        from elastic_spawner.stores.hub_signed import open_signed

        return open_signed(url)
    raise StoreURLError(f"no store has the scheme {parts.scheme!r}: {_HELP}")


def __getattr__(name: str) -> Any:
    """Import the pre-signed store when somebody asks for it: a kernel that saves to a directory needs no HTTP
    client."""
    if name in ("PresignedStore", "SignedRequest", "Signer"):
        from elastic_spawner.stores import presigned

        return getattr(presigned, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Names of users and servers as parts of paths and URLs."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

_MAX_SEGMENT = 120
_UNSAFE = re.compile(r"[^A-Za-z0-9-]")

DEFAULT_SERVER = "_"
"""What stands for the server without a name; no named one is ever written like this."""


def segment(name: str) -> str:
    """Return a name as one part of a path or key: different names give different parts, and none gives ``.`` or
    ``..``."""
    if not name:
        return DEFAULT_SERVER
    safe = _UNSAFE.sub(lambda match: "".join(f"_{byte:02x}" for byte in match[0].encode()), name)
    if len(safe) > _MAX_SEGMENT:
        safe = safe[:_MAX_SEGMENT] + "_" + hashlib.sha256(name.encode()).hexdigest()[:32]
    return safe


def join_url(url: str, *segments: str) -> str:
    """Append parts to the path of a store's URL, leaving its query (endpoint, region) as it is."""
    if "://" not in url:
        url = Path(url).absolute().as_uri()
    parts = urlsplit(url)
    path = "/".join([parts.path.rstrip("/"), *segments])
    return urlunsplit(parts._replace(path=path)) if parts.netloc or parts.scheme != "file" else f"file://{path}"


def public_url(url: str) -> str:
    """Return a store's URL without anything secret: no user information, no query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rsplit('@', 1)[-1]}{parts.path}"


def file_path(url: str) -> Path | None:
    """Return the directory that a ``file://`` URL names; None for any other URL."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None

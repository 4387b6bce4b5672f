"""A store behind pre-signed URLs: for user pods, which hold no keys of the cloud.

Whoever holds the keys (the hub) signs each request for the server's own prefix only; here it is sent by plain
http.client. `S3Store.sign` is such a signer; one that asks the hub over HTTP has the same shape.
"""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from elastic_spawner.errors import StoreError, StoreUnavailable, StoreURLError
from elastic_spawner.stores.base import Buffer, Entry, Store, check_key, not_found
from elastic_spawner.stores.errors import http_errors, status_error
from elastic_spawner.stores.retry import attempts

_SLACK_S = 5.0  # see stores/s3.py
_LAST_MODIFIED = re.compile(rb"<LastModified>([0-9T:.Z+-]+)</LastModified>")


@dataclass(frozen=True)
class SignedRequest:
    """A request that may be sent as it stands."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that were signed too and must be sent."""


class Signer(Protocol):
    """Signs one request; see `S3Store.sign` for the operations. Called anew for each attempt, for signatures expire."""

    def __call__(self, op: str, key: str, after: str = "") -> SignedRequest: ...


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class PresignedStore(Store):
    """A store whose every request is signed by `sign`. `url` is for messages, `timeout` is in seconds for one
    answer."""

    remote = True
    parallel = 8

    def __init__(self, sign: Signer, url: str = "presigned:", timeout: float = 60) -> None:
        self.url = url
        self._sign = sign
        self._timeout = timeout
        self._threads = threading.local()

    def get(self, key: str) -> bytes:
        return self._ask("get", check_key(key)).body

    def put(self, key: str, data: Buffer) -> None:
        self._ask("put", check_key(key), data)

    def create(self, key: str, data: Buffer) -> bool:
        return self._ask("create", check_key(key), data, expect=(409, 412)).status < 300

    def stat(self, key: str) -> Entry | None:
        answer = self._ask("stat", check_key(key), expect=(404,))
        if answer.status == 404:
            return None
        modified = parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp()
        return Entry(key, int(answer.headers["Content-Length"]), modified)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        after = ""
        while True:
            answer = self._ask("list", prefix, after=after)
            entries, more = _parse_listing(answer.body, prefix)
            yield from entries
            if not more or not entries:
                return
            after = entries[-1].key

    def delete(self, key: str) -> None:
        self._ask("delete", check_key(key), expect=(404,))

    def touch(self, key: str) -> bool:
        try:
            answer = self._ask("touch", check_key(key), expect=(400, 403, 404, 501))
        except StoreURLError:  # a signer that does not sign copies
            return self.rewrite(key)
        if answer.status == 404:
            return False
        copied = _copied(answer.body) if answer.status < 300 else None
        date = answer.headers["Date"]
        if copied is None or not date or copied < parsedate_to_datetime(date).timestamp() - _SLACK_S:
            return self.rewrite(key)
        return True

    def now(self) -> float:
        answer = self._ask("list", "")
        date = answer.headers["Date"]
        return parsedate_to_datetime(date).timestamp() if date else time.time()

    def close(self) -> None:
        """Close this thread's connections; those of other threads end with them."""
        for connection in getattr(self._threads, "connections", {}).values():
            connection.close()
        self._threads = threading.local()

    # -- HTTP

    def _ask(
        self, op: str, key: str, data: Buffer | None = None, after: str = "", expect: tuple[int, ...] = ()
    ) -> _Answer:
        """Send one request; try again where that may help. Statuses in `expect` are answers, not errors."""
        what = f"{key or 'the list'} in {self.url}"
        for last in attempts():
            request = self._sign(op, key, after) if after else self._sign(op, key)
            endpoint = "{0.scheme}://{0.netloc}".format(urlsplit(request.url))
            error: StoreError
            try:
                with http_errors(endpoint, what):
                    answer = self._send(request, data)
            except StoreUnavailable as caught:
                error = caught
            else:
                if answer.status < 300 or answer.status in expect:
                    return answer
                if answer.status == 404 and op == "get" and b"NoSuchBucket" not in answer.body:
                    raise not_found(key, self.url)
                error = status_error(answer.status, what, endpoint, _detail(answer.body))
            if last or not isinstance(error, StoreUnavailable):
                raise error
        raise AssertionError("unreachable")

    def _send(self, request: SignedRequest, data: Buffer | None) -> _Answer:
        parts = urlsplit(request.url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise StoreURLError(f"the signer gave {request.url!r}, which is no HTTP address")
        connections: dict[tuple[str, str], http.client.HTTPConnection]
        connections = self._threads.__dict__.setdefault("connections", {})
        where = (parts.scheme, parts.netloc)
        connection = connections.get(where)
        if connection is None:
            kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
            connection = connections[where] = kind(parts.netloc, timeout=self._timeout)
        body = bytes(data) if isinstance(data, bytearray) else data
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        try:
            connection.request(request.method, target, body=body, headers=dict(request.headers))
            answer = connection.getresponse()
            return _Answer(answer.status, answer.headers, answer.read())
        except BaseException:
            connection.close()  # opens itself anew at the next request
            raise


def _detail(body: bytes) -> str:
    """Code and message of an S3 error document; the text's beginning where it is something else."""
    try:
        root = ElementTree.fromstring(body)
        return f"{root.findtext('Code', '')} {root.findtext('Message', '')}".strip()
    except ElementTree.ParseError:
        return body[:200].decode("utf-8", "replace").strip()


def _copied(body: bytes) -> float | None:
    """The new date of the object in the answer to a copy; None in an error, which S3 may report under status 200."""
    match = _LAST_MODIFIED.search(body)
    return _time(match[1].decode()) if match else None


def _time(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _parse_listing(body: bytes, prefix: str) -> tuple[list[Entry], bool]:
    """The entries of a ListObjectsV2 answer, and whether there are more. Keys lose what the signer put before
    `prefix`."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise StoreError(f"the store answered a listing with something else: {body[:80]!r}") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    decode = unquote if root.findtext("EncodingType") == "url" else str
    base = decode(root.findtext("Prefix") or "").removesuffix(prefix)
    entries = []
    for item in root.iterfind("Contents"):
        modified = _time(item.findtext("LastModified") or "")
        key = decode(item.findtext("Key") or "").removeprefix(base)
        entries.append(Entry(key, int(item.findtext("Size") or 0), modified))
    return entries, root.findtext("IsTruncated") == "true"

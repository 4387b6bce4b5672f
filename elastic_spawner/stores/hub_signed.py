"""A store whose requests the hub signs: for servers that hold no keys of the cloud.

The URL is ``signed+http://hub:8081/hub/api/elastic/sign/USER/SERVER?token=...``, as the spawner gives it to the server.
The token lets its holder have requests signed for that one server's prefix, and nothing else.
"""

from __future__ import annotations

import http.client
import json
import threading
from urllib.parse import parse_qs, urlsplit

from elastic_spawner.errors import StoreDenied, StoreError, StoreUnavailable, StoreURLError
from elastic_spawner.stores.presigned import PresignedStore, SignedRequest
from elastic_spawner.stores.retry import attempts

SCHEMES = ("signed+http", "signed+https")


class HubSigner:
    """Asks the hub to sign each request. May be called from several threads at once."""

    def __init__(self, url: str, timeout: float = 20) -> None:
        """Raises StoreURLError for what is no such URL."""
        parts = urlsplit(url)
        tokens = parse_qs(parts.query).get("token", [])
        if parts.scheme not in SCHEMES or not parts.netloc or len(tokens) != 1:
            raise StoreURLError("a store that the hub signs for is signed+http://hub:port/path?token=...")
        self._secure = parts.scheme == "signed+https"
        self._host, self._path, self._token = parts.netloc, parts.path, tokens[0]
        self._timeout = timeout
        self._threads = threading.local()

    def __call__(self, op: str, key: str, after: str = "") -> SignedRequest:
        """Return the signed request.

        Raises StoreDenied when the hub does not know the token, StoreURLError for an operation that it does not sign,
        and StoreUnavailable when it does not answer.
        """
        question = json.dumps({"op": op, "key": key, "after": after}).encode()
        for last in attempts(tries=5, pause_s=0.6, factor=2):
            try:
                return self._read(*self._ask(question))
            except (OSError, http.client.HTTPException, StoreUnavailable) as error:
                # A hub that is just being restarted is back in a few seconds.
                if last:
                    raise StoreUnavailable(f"the hub at {self._host} does not sign requests: {error}") from error
        raise AssertionError("unreachable")

    def _ask(self, question: bytes) -> tuple[int, bytes]:
        connection: http.client.HTTPConnection | None = getattr(self._threads, "connection", None)
        if connection is None:
            kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            connection = self._threads.connection = kind(self._host, timeout=self._timeout)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            connection.request("POST", self._path, body=question, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except BaseException:
            connection.close()  # opens itself anew at the next request
            raise

    def _read(self, status: int, body: bytes) -> SignedRequest:
        if status == 403:
            raise StoreDenied(f"the hub at {self._host} does not know this server's token: was its secret changed?")
        if status == 400:
            raise StoreURLError(f"the hub does not sign this: {body[:200].decode('utf-8', 'replace')}")
        if status != 200:
            raise StoreUnavailable(f"it answered {status}")
        try:
            found = json.loads(body)
            return SignedRequest(found["method"], found["url"], found["headers"])
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"the hub at {self._host} answered something else than a signed request") from error


def open_signed(url: str) -> PresignedStore:
    """Open the store. Raises StoreURLError; nothing is asked of the hub yet."""
    parts = urlsplit(url)
    return PresignedStore(HubSigner(url), url=f"{parts.scheme}://{parts.netloc}{parts.path}")

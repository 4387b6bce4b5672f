"""Talking to a hub's resize service, with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from .failure import Failure, bad_input

TIMEOUT_S = 100.0


class Unreachable(Failure):
    """The service did not answer. When it did before, trying again later may help."""


class HubApi:
    """The service's REST API. Each call raises Failure."""

    def __init__(self, hub_url: str, token: str | None, service: str = "elastic") -> None:
        parts = urlsplit(hub_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise bad_input(f"{hub_url!r} is no address of a hub: give --hub-url https://hub.example.org")
        if not token:
            raise bad_input(
                "no API token: set JUPYTERHUB_API_TOKEN, or give --token (the hub's page makes one, under Token)"
            )
        if not token.isascii() or not token.isprintable():
            raise bad_input("this API token has characters in it that no token has")
        base = hub_url.rstrip("/").removesuffix("/hub")
        self.url = f"{base}/services/{quote(service, safe='')}/api/"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._opener = urllib.request.build_opener(_NoRedirects)

    def get(self, path: str) -> Any:
        with self._open(path) as answer:
            return _json(answer.read(), self.url)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        with self._open(path, json.dumps(body).encode()) as answer:
            return _json(answer.read(), self.url)

    def events(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield the data of server-sent events. Raises Unreachable when the connection breaks."""
        with self._open(path) as answer:
            try:
                name = ""
                for raw in answer:
                    line = raw.decode(errors="replace").rstrip("\r\n")
                    if line.startswith("event:"):
                        name = line[6:].strip()
                    elif line.startswith("data:"):
                        data = _json(line[5:].encode(), self.url)
                        if name == "error":
                            raise Unreachable(str(data.get("message")))
                        yield data
                    elif not line:
                        name = ""
            except (OSError, http.client.HTTPException) as error:
                raise Unreachable(f"the connection to {self.url} broke: {error}") from error

    def _open(self, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
        request = urllib.request.Request(self.url + path, body, self._headers)
        try:
            answer: http.client.HTTPResponse = self._opener.open(request, timeout=TIMEOUT_S)
            return answer
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise Unreachable(
                f"no answer from {self.url} ({reason}): is --hub-url right, and does the hub run?"
            ) from None

    def _refusal(self, error: urllib.error.HTTPError) -> Failure:
        try:
            message = str(json.loads(error.read())["error"]["message"])
        except (ValueError, KeyError, TypeError, OSError):
            return self._not_the_service(error)
        return Failure(message, Failure.BAD_INPUT if error.code in (400, 404) else Failure.FAILED)

    def _not_the_service(self, error: urllib.error.HTTPError) -> Unreachable:
        """What somebody else answers: the proxy, the hub, or no hub at all."""
        target = error.headers.get("Location", "")
        if error.code < 400 and "://" in target:
            message = f"{self.url} sends elsewhere ({target}): give that address with --hub-url"
        elif error.code < 400 or error.code in (403, 404):
            message = (
                f"{self.url} answers {error.code}: is --hub-url right, and does this hub have the service? "
                "(elastic_spawner.hub.configure(c) in jupyterhub_config.py adds it)"
            )
        else:
            return Unreachable(f"{self.url} answered {error.code} {error.reason}; the hub's log says more")
        return Unreachable(message, Failure.BAD_INPUT)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The token must not follow to wherever an answer points."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _json(text: bytes, url: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Failure(f"{url} does not answer in JSON: is --hub-url the hub's address?") from None

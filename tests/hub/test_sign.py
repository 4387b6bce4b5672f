"""A store whose requests the hub signs: what a server can do with it, and what nobody can."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from anyio.from_thread import start_blocking_portal
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from elastic_spawner.errors import StoreDenied, StoreNotFound, StoreURLError
from elastic_spawner.hub import sign
from elastic_spawner.hub.keys import HubKeys
from elastic_spawner.stores import Store, open_store
from tests.conftest_s3 import ACCESS_KEY, SECRET_KEY, S3Server

KEYS = HubKeys(b"hub secret of the tests")
NAMES = [("ada", ""), ("ada", "big"), ("ada", "_"), ("ada/x", ""), ("ada@example.org", "sérver"), ("bob", "")]


@dataclass
class Hub:
    """The hub's own handler in a server of its own, in front of a real S3 server."""

    api_url: str
    s3: S3Server
    bucket: str

    def url(self, user: str, server: str) -> str:
        return sign.signed_url(self.api_url, user, server, KEYS.store_token(user, server))

    def store(self, user: str = "ada", server: str = "") -> Store:
        return open_store(self.url(user, server))


@pytest.fixture
def hub(s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setattr(sign, "_serving", set())
    sockets = bind_sockets(0, "127.0.0.1")

    async def start() -> HTTPServer:
        class App:
            hub_prefix = "/hub/"
            tornado_application = web.Application([(r".*", web.ErrorHandler, {"status_code": 404})], xsrf_cookies=True)

        App.tornado_application.settings["log"] = logging.getLogger("hub")
        sign.ensure_served(App, s3_server.url(bucket, "checkpoints"), KEYS)
        sign.ensure_served(App, "s3://another", KEYS)  # changes nothing
        server = HTTPServer(App.tornado_application)
        server.add_sockets(sockets)
        return server

    with start_blocking_portal() as portal:
        server = portal.call(start)
        yield Hub(f"http://127.0.0.1:{sockets[0].getsockname()[1]}/hub/api", s3_server, bucket)
        portal.call(server.stop)


@pytest.mark.parametrize(("user", "server"), NAMES)
def test_a_server_has_its_own_part_of_the_store(hub: Hub, user: str, server: str) -> None:
    for name in NAMES:
        hub.store(*name).put("manifests/a.json", f"of {name}".encode())
    store = hub.store(user, server)
    assert store.get("manifests/a.json") == f"of {(user, server)}".encode()
    assert [entry.key for entry in store.list()] == ["manifests/a.json"]
    assert store.create("manifests/a.json", b"no") is False
    assert store.touch("manifests/a.json")
    store.delete("manifests/a.json")
    with pytest.raises(StoreNotFound):
        store.get("manifests/a.json")


def test_the_token_of_one_server_opens_no_other(hub: Hub) -> None:
    """Not another user's, nor another one of the same user, nor with no token at all."""
    hub.store("bob").put("chunks/secret", b"of bob")
    own = KEYS.store_token("ada", "")
    for user, server, token in [("bob", "", own), ("ada", "big", own), ("ada", "", own[:-1]), ("ada", "", "é")]:
        store = open_store(sign.signed_url(hub.api_url, user, server, token))
        for attempt in (lambda s=store: s.get("chunks/secret"), lambda s=store: list(s.list()), store.now):
            with pytest.raises(StoreDenied):
                attempt()


@pytest.mark.parametrize("key", ["../_/chunks/a", "/a", "a//b", "..", "", "a/../../bob/_/chunks/secret"])
def test_no_key_leads_out_of_the_prefix(hub: Hub, key: str) -> None:
    signer = hub.store()._sign  # type: ignore[attr-defined]  # the store itself refuses such keys before it asks
    for op in ("get", "put", "create", "delete", "stat", "touch"):
        with pytest.raises(StoreURLError):
            signer(op, key)


def test_a_signed_request_is_good_for_nothing_else(hub: Hub) -> None:
    """Neither for another object, nor for another method."""
    hub.store("bob").put("chunks/secret", b"of bob")
    hub.store().put("chunks/secret", b"of ada")
    signed = hub.store()._sign("get", "chunks/secret")  # type: ignore[attr-defined]
    with urlopen(signed.url) as answer:
        assert answer.read() == b"of ada"
    with pytest.raises(OSError, match="403"):
        urlopen(signed.url.replace("/ada/", "/bob/"))
    parts = urlsplit(signed.url)
    with pytest.raises(OSError, match="403"):
        urlopen(f"{parts.scheme}://{parts.netloc}/{hub.bucket}?{parts.query}")


@pytest.mark.parametrize("op", ["", "list_buckets", "delete_bucket"])
def test_only_what_a_store_needs_is_signed(hub: Hub, op: str) -> None:
    with pytest.raises(StoreURLError):
        hub.store()._sign(op, "a")  # type: ignore[attr-defined]


@pytest.mark.parametrize("url", ["signed+http://hub/path", "signed+http:///path?token=a", "signed+http://h/p?token="])
def test_an_address_without_a_token_is_no_store(url: str) -> None:
    with pytest.raises(StoreURLError):
        open_store(url)


def test_the_address_that_is_shown_has_no_token(hub: Hub) -> None:
    assert "token" not in hub.store().url

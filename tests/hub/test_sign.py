"""A store whose requests the hub signs: what a server can do with it, and what nobody can."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from anyio.from_thread import start_blocking_portal
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from elastic_spawner.checkpoint.repository import Repository
from elastic_spawner.errors import SignatureError, StoreDenied, StoreError, StoreNotFound, StoreURLError
from elastic_spawner.hub import notices, sign
from elastic_spawner.hub.keys import HubKeys
from elastic_spawner.stores import PresignedStore, Store, open_store
from tests.conftest_s3 import ACCESS_KEY, SECRET_KEY, S3Server

KEYS = HubKeys(b"hub secret of the tests")
NAMES = [("ada", ""), ("ada", "big"), ("ada", "_"), ("ada/x", ""), ("ada@example.org", "sérver"), ("bob", "")]


class Users(dict[str, Any]):
    """The hub's users and their servers, as far as the handler looks at them."""

    def __init__(self, names: list[tuple[str, str]]) -> None:
        for user, server in names:
            servers = self[user].orm_user.orm_spawners if user in self else {}
            self[user] = SimpleNamespace(orm_user=SimpleNamespace(orm_spawners={**servers, server: None}))


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
            users = Users(NAMES)
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


@pytest.mark.parametrize(
    ("url", "keys", "said"),
    [
        ("s3://no-such-bucket/x?{options}", SECRET_KEY, "does not exist"),
        ("s3://{bucket}/x?{options}", "wrong", "check the credentials"),
        ("s3://{bucket}/x?endpoint=http://127.0.0.1:9&region=us-east-1&path_style=1", SECRET_KEY, "does not answer"),
        ("s3://{bucket}/x?{options}", SECRET_KEY, ""),
    ],
)
def test_what_is_wrong_with_the_store_is_said_at_once(
    s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, url: str, keys: str, said: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys)
    options = f"endpoint={s3_server.endpoint}&region=us-east-1&path_style=1"
    signing = sign.Signing(url.format(bucket=bucket, options=options), KEYS)
    if not said:
        asyncio.run(signing.check())
        return
    with pytest.raises(StoreError, match=said):
        asyncio.run(signing.check())


def test_a_clock_that_differs_is_named(s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the hub's check; and where a request is refused for it, by the error of that."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    now = time.time()
    monkeypatch.setattr(sign.time, "time", lambda: now + 1000)
    with pytest.raises(StoreError, match="clock is"):
        asyncio.run(sign.Signing(s3_server.url(bucket, "x"), KEYS).check())
    monkeypatch.undo()
    request = s3_server.store(bucket, "x").sign("get", "a", expires_s=1)
    time.sleep(2.5)
    store = PresignedStore(lambda *_: request)
    with pytest.raises(StoreDenied, match="clock"):
        store.get("a")


def test_nobody_writes_lists_or_forges_what_is_anothers(hub: Hub) -> None:
    """Ada's own requests, bent to Bob's part: other paths, other prefixes of a listing, other sources of a copy."""
    Repository(hub.store("bob"), KEYS.server_secret("bob", "")).commit("server", {"kind": "server"})
    own = hub.store()._sign  # type: ignore[attr-defined]
    hub.store().put("manifests/server/00000001.json", b"{}")
    for op, data in (("put", b"forged"), ("create", b"forged"), ("delete", None), ("touch", b"")):
        signed = own(op, "manifests/server/00000001.json")
        for url in (signed.url.replace("/ada/", "/bob/"), signed.url.replace("/ada/_/", "/bob/_/", 1)):
            headers = {k: v.replace("/ada/", "/bob/") for k, v in signed.headers.items()}
            with pytest.raises(HTTPError, match="403"):
                urlopen(Request(url, data=data, headers=headers, method=signed.method))
        if op == "touch":  # a copy of Bob's object to an own key: the source is signed, too
            headers = {k: v.replace("/ada/", "/bob/") for k, v in signed.headers.items()}
            with pytest.raises(HTTPError, match="403"):
                urlopen(Request(signed.url, data=b"", headers=headers, method=signed.method))
    listing = own("list", "manifests/")
    for bent in (
        listing.url.replace("%2Fada%2F", "%2Fbob%2F"),
        listing.url.replace("ada%2F_%2F", ""),
        listing.url + "x",
    ):
        assert bent != listing.url
        with pytest.raises(HTTPError, match="403"):
            urlopen(bent)
    # Even whoever may write there cannot forge: Ada's key signs for Ada.
    stolen = hub.s3.store(hub.bucket, "checkpoints/bob/_")
    Repository(stolen, KEYS.server_secret("ada", "")).commit("server", {"kind": "server"})
    bobs = Repository(hub.store("bob"), KEYS.server_secret("bob", ""))
    with pytest.raises(SignatureError):
        bobs.latest("server")
    Repository(stolen, KEYS.server_secret("ada", "")).write_note("journal", {"cells": {}})
    with pytest.raises(SignatureError):
        bobs.read_note("journal")


def test_a_token_ends_with_its_user_and_server(hub: Hub) -> None:
    """Whoever was deleted has left a token that is right by its making: of the next one of that name."""
    for user, server in [("eve", ""), ("ada", "gone"), ("ada/x", "big")]:
        with pytest.raises(StoreDenied):
            hub.store(user, server).put("chunks/a", b"still here")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_nothing_but_a_question_is_answered(hub: Hub, method: str) -> None:
    address, _, token = hub.url("ada", "").removeprefix("signed+").partition("?token=")
    with pytest.raises(HTTPError, match="40[45]"):
        urlopen(Request(address, method=method, headers={"Authorization": f"Bearer {token}"}))


@pytest.mark.parametrize(
    "path",
    [
        "bob/server-",
        "ada/..%2Fbob/server-",
        "ada/server-/../../bob/server-",
        "%61da/server-big",
        "ada%2F/server-",
        "ada",
    ],
)
def test_the_token_is_good_for_one_way_to_write_one_server(hub: Hub, path: str) -> None:
    """Ada's token at other paths, written as they may be to pass for hers."""
    body = b'{"op": "list", "key": "", "after": ""}'
    headers = {"Authorization": f"Bearer {KEYS.store_token('ada', '')}"}
    with pytest.raises(HTTPError, match="40[34]"):
        urlopen(Request(f"{hub.api_url}/elastic/sign/{path}", data=body, headers=headers))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"x"', b'{"op": "get"}', b'{"op": ["get"], "key": {}, "after": 1}', b"\xff"]
)
def test_a_question_that_makes_no_sense_is_refused(hub: Hub, body: bytes) -> None:
    address, _, token = hub.url("ada", "").removeprefix("signed+").partition("?token=")
    with pytest.raises(HTTPError, match="400"):
        urlopen(Request(address, data=body, method="POST", headers={"Authorization": f"Bearer {token}"}))


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


def test_a_store_that_cannot_be_used_is_told_until_it_can(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bucket that is made only later, as far as the hub's log and the admins' page are concerned."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setattr(notices, "_notices", {})
    monkeypatch.setattr(sign, "CHECK_AGAIN_S", 0.2)
    name = f"late-{secrets.token_hex(4)}"

    async def play() -> list[str]:
        checking = asyncio.ensure_future(
            sign._check(sign.Signing(s3_server.url(name, "x"), KEYS), logging.getLogger("hub"))
        )
        while not notices.notices():
            await asyncio.sleep(0.05)
        told = notices.notices()
        await asyncio.sleep(0.6)
        assert notices.notices() == told
        s3_server.store(name, "").client.create_bucket(Bucket=name)
        await checking
        return told

    (text,) = asyncio.run(play())
    assert "does not exist" in text and name in text and "servers start without" in text
    assert notices.notices() == []
    assert caplog.text.count(text) == 1

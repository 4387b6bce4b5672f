"""A hub without keys of its own: its service account has a role (IRSA), and what it signs carries the role's session.

The role's keys come from a fake of the Security Token Service.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from elastic_spawner.errors import StoreDenied, StoreError
from elastic_spawner.hub.keys import HubKeys
from elastic_spawner.hub.sign import Signing
from tests.conftest_s3 import ACCESS_KEY, SECRET_KEY, S3Server

KEYS = HubKeys(b"hub secret of the tests")
SESSION = "session/of+the=role"
ROLE = "arn:aws:iam::111122223333:role/hub"
_ANSWER = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{key}</AccessKeyId>
<SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{session}</SessionToken>
<Expiration>{until:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>
<AssumedRoleUser><Arn>{role}/hub</Arn><AssumedRoleId>A:hub</AssumedRoleId></AssumedRoleUser>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""
_REFUSAL = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>InvalidIdentityToken</Code><Message>No OpenIDConnect provider found in your account</Message></Error>
</ErrorResponse>"""


@dataclass
class FakeSts:
    """A fake of Amazon's STS: gives the S3 server's keys to whoever shows the token that it knows."""

    known: str = "token of the service account"
    lifetime: timedelta = timedelta(hours=1)
    asked: list[dict[str, str]] = field(default_factory=list)

    def __enter__(self) -> FakeSts:
        sts = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                sts.asked.append({name: values[0] for name, values in body.items()})
                knows = sts.asked[-1].get("WebIdentityToken") == sts.known
                until = datetime.now(timezone.utc) + sts.lifetime
                words = {"key": ACCESS_KEY, "secret": SECRET_KEY, "session": SESSION, "until": until, "role": ROLE}
                self.send_response(200 if knows else 400)
                self.send_header("Content-Type", "text/xml")
                self.end_headers()
                self.wfile.write((_ANSWER.format(**words) if knows else _REFUSAL).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def sts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSts]:
    """The hub's pod as EKS makes it: a token in a file, a role, and no key anywhere."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    token = tmp_path / "token"
    with FakeSts() as fake:
        token.write_text(fake.known)
        for name, value in {
            "AWS_ROLE_ARN": ROLE,
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_STS": fake.url,
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            monkeypatch.setenv(name, value)
        yield fake


def sign(signing: Signing, op: str, key: str) -> dict[str, Any]:
    return asyncio.run(signing.sign("ada", "", op, key, ""))


def test_what_is_signed_carries_the_session_of_the_role(sts: FakeSts) -> None:
    """One question to the STS is enough for all of it."""
    signing = Signing("s3://bucket/x", KEYS)
    for op in ("put", "create", "get", "stat", "list", "touch", "delete"):
        signed = sign(signing, op, "chunks/a")
        query = parse_qs(urlsplit(signed["url"]).query)
        assert query["X-Amz-Security-Token"] == [SESSION]
        assert ACCESS_KEY in query["X-Amz-Credential"][0] and SECRET_KEY not in signed["url"]
    assert [(a["Action"], a["RoleArn"]) for a in sts.asked] == [("AssumeRoleWithWebIdentity", ROLE)]


def test_a_store_that_does_not_know_the_session_is_named(sts: FakeSts, s3_server: S3Server, bucket: str) -> None:
    """The S3 server of the tests knows keys, and no sessions of roles: the token did reach it."""
    with pytest.raises(StoreDenied, match="InvalidToken.*check the credentials"):
        asyncio.run(Signing(s3_server.url(bucket, "x"), KEYS).check())


def test_keys_of_a_role_that_end_are_renewed(sts: FakeSts, s3_server: S3Server, bucket: str) -> None:
    sts.lifetime = timedelta(minutes=1)
    signing = Signing(s3_server.url(bucket, "x"), KEYS)
    sign(signing, "get", "chunks/a")
    before = len(sts.asked)
    sign(signing, "get", "chunks/a")
    assert len(sts.asked) > before


def test_a_role_that_is_refused_is_named(sts: FakeSts, s3_server: S3Server, bucket: str) -> None:
    """By the check at the hub's start, and by whatever is to be signed."""
    sts.known = "another"
    signing = Signing(s3_server.url(bucket, "x"), KEYS)
    for attempt in (lambda: asyncio.run(signing.check()), lambda: sign(signing, "get", "chunks/a")):
        with pytest.raises(StoreDenied, match="InvalidIdentityToken.*OpenIDConnect"):
            attempt()


def test_without_keys_and_role_it_says_what_to_set(sts: FakeSts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ROLE_ARN")
    monkeypatch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE")
    with pytest.raises(StoreError, match="AWS_ACCESS_KEY_ID"):
        sign(Signing("s3://bucket/x?region=eu-central-1", KEYS), "get", "chunks/a")


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("s3://abc/x?region=eu-central-1", "abc.s3.eu-central-1.amazonaws.com", "/x/ada/_/chunks/a"),
        ("s3://abc/x?region=eu-central-1&path_style=1", "s3.eu-central-1.amazonaws.com", "/abc/x/ada/_/chunks/a"),
        ("s3://abc?endpoint=https://minio.test:9000&path_style=1", "minio.test:9000", "/abc/ada/_/chunks/a"),
    ],
    ids=["by host", "by path", "another server"],
)
def test_address_region_and_encryption_are_the_admin_s(sts: FakeSts, url: str, host: str, path: str) -> None:
    """And whoever sends the request has to send the headers for the encryption: they are signed."""
    sse = "aws:kms"
    signed = sign(
        Signing(f"{url}{'&' if '?' in url else '?'}sse={sse}&sse_kms_key_id=arn:key", KEYS), "put", "chunks/a"
    )
    parts = urlsplit(signed["url"])
    query = parse_qs(parts.query)
    assert (parts.netloc, parts.path) == (host, path)
    assert ("/eu-central-1/s3/" if "eu-central-1" in url else "/us-east-1/s3/") in query["X-Amz-Credential"][0]
    assert signed["headers"] == {
        "x-amz-server-side-encryption": sse,
        "x-amz-server-side-encryption-aws-kms-key-id": "arn:key",
    }
    assert set(signed["headers"]) < set(query["X-Amz-SignedHeaders"][0].split(";"))
    assert "x-amz-server-side-encryption" not in sign(Signing(url, KEYS), "get", "chunks/a")["headers"]

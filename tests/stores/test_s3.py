"""S3 that does not answer, refuses, or lacks the bucket; and what pre-signed requests may not do."""

from __future__ import annotations

import http.client
from urllib.parse import unquote, urlsplit

import pytest

from elastic_spawner.errors import StoreDenied, StoreNotFound, StoreUnavailable, StoreURLError
from elastic_spawner.stores import PresignedStore, SignedRequest
from elastic_spawner.stores.s3 import S3Store
from tests.conftest_s3 import ACCESS_KEY, SECRET_KEY, S3Server, free_port


def test_endpoint_that_does_not_answer() -> None:
    """The endpoint is named; with keys and without."""
    endpoint = f"http://127.0.0.1:{free_port()}"
    store = S3Store("bucket", endpoint=endpoint, region="x", path_style=True, access_key="a", secret_key="b", timeout=2)
    with pytest.raises(StoreUnavailable, match=endpoint):
        store.put("x", b"")
    with pytest.raises(StoreUnavailable, match=endpoint):
        PresignedStore(store.sign).get("x")


def test_wrong_key(s3_server: S3Server, bucket: str) -> None:
    """Denied, with what to check."""
    store = S3Store.from_url(s3_server.url(bucket), access_key=ACCESS_KEY, secret_key="wrong")
    with pytest.raises(StoreDenied, match="check the credentials"):
        store.put("x", b"")
    with pytest.raises(StoreDenied, match="check the credentials"):
        PresignedStore(store.sign).put("x", b"")


def test_bucket_that_is_not_there(s3_server: S3Server) -> None:
    """A missing bucket is not taken for an empty one."""
    store = s3_server.store("no-such-bucket")
    for opened in (store, PresignedStore(store.sign)):
        with pytest.raises(StoreNotFound, match="bucket"):
            list(opened.list())
        with pytest.raises(StoreNotFound, match="bucket"):
            opened.put("x", b"")


def test_stores_of_two_users_do_not_see_each_other(s3_server: S3Server, bucket: str) -> None:
    """A prefix ends at its slash: ada does not see ada2."""
    ada, ada2 = s3_server.store(bucket, "ada"), s3_server.store(bucket, "ada2")
    ada.put("x", b"1")
    ada2.put("y", b"2")
    assert [entry.key for entry in ada.list()] == ["x"]
    assert [entry.key for entry in PresignedStore(ada2.sign).list()] == ["y"]


def test_signer_signs_within_the_prefix_only(s3_server: S3Server, bucket: str) -> None:
    """Whatever a pod asks for."""
    store = s3_server.store(bucket, "ada")
    for op, key in [("get", "../bob/x"), ("put", "/x"), ("list", "../"), ("bogus", "x"), ("delete", "")]:
        with pytest.raises(StoreURLError):
            store.sign(op, key)


def test_signed_request_is_good_for_its_object_and_method_only(s3_server: S3Server, bucket: str) -> None:
    """Another key or another method under the same signature is refused by the server."""
    store = s3_server.store(bucket, "ada")
    store.put("mine", b"1")
    s3_server.store(bucket, "bob").put("theirs", b"2")
    good = store.sign("get", "mine")
    tampered = SignedRequest("GET", good.url.replace("/ada/mine", "/bob/theirs"))
    with pytest.raises(StoreDenied):
        PresignedStore(lambda op, key, after="": tampered).get("mine")
    with pytest.raises(StoreDenied):
        PresignedStore(lambda op, key, after="": SignedRequest("PUT", good.url)).put("mine", b"forged")
    assert store.get("mine") == b"1"


def test_condition_of_a_signed_create_cannot_be_left_out(s3_server: S3Server, bucket: str) -> None:
    """The header is part of the signature, so that no pod overwrites a generation by such a request."""
    store = s3_server.store(bucket, "ada")
    store.put("m", b"first")
    request = store.sign("create", "m")
    parts = urlsplit(request.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("PUT", f"{parts.path}?{parts.query}", body=b"second")
    assert connection.getresponse().status in (403, 412)
    assert store.get("m") == b"first"


def test_many_keys_are_listed_over_several_answers(s3_server: S3Server, bucket: str) -> None:
    """A listing goes on where an answer was cut off."""
    store = s3_server.store(bucket, "ada")
    for number in range(25):
        store.put(f"k/{number:02}", b"")

    def sign(op: str, key: str, after: str = "") -> SignedRequest:
        assert op == "list"
        where = {
            "Bucket": bucket,
            "Prefix": f"ada/{key}",
            "MaxKeys": 10,
            **({"StartAfter": f"ada/{after}"} if after else {}),
        }
        return SignedRequest("GET", store.client.generate_presigned_url("list_objects_v2", Params=where))

    assert [entry.key for entry in PresignedStore(sign).list("k/")] == [f"k/{number:02}" for number in range(25)]


def test_connection_that_the_server_has_closed(s3_server: S3Server, bucket: str) -> None:
    """A kept connection that is dead is opened anew without anybody noticing."""
    store = PresignedStore(s3_server.store(bucket).sign)
    store.put("x", b"1")
    for connection in store._threads.connections.values():
        connection.sock.close() if connection.sock else None
    assert store.get("x") == b"1"


@pytest.mark.parametrize("query", ["sse=AES256", "sse=aws%3Akms&sse_kms_key_id=mine"])
def test_encryption_by_the_server_is_asked_for_in_what_is_signed(s3_server: S3Server, bucket: str, query: str) -> None:
    """A pod that leaves the header out has its request refused: the header is part of what the hub has signed."""
    store = S3Store.from_url(f"{s3_server.url(bucket, 'enc')}&{query}", access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    for op in ("put", "create", "touch"):
        request = store.sign(op, "x")
        assert request.headers["x-amz-server-side-encryption"] == store._encrypted["ServerSideEncryption"]
        assert "x-amz-server-side-encryption" in unquote(urlsplit(request.url).query)
    assert not store.sign("get", "x").headers
    store.put("direct", b"1")
    signed = PresignedStore(store.sign)
    signed.put("signed", b"2")
    assert {entry.key: store.get(entry.key) for entry in store.list()} == {"direct": b"1", "signed": b"2"}


@pytest.mark.parametrize("query", ["sse=rot13", "sse_kms_key_id=mine"])
def test_encryption_that_no_server_has(query: str) -> None:
    """Said when the store is opened."""
    with pytest.raises(StoreURLError, match=query.partition("=")[0]):
        S3Store.from_url(f"s3://bucket/x?{query}", access_key="a", secret_key="b")


def test_the_description_of_the_service_is_read_once(s3_server: S3Server, bucket: str) -> None:
    """It takes 10 MB, and a hub has clients for several purposes."""
    one, other = (S3Store.from_url(s3_server.url(bucket, name)) for name in ("one", "other"))
    assert one.client is not other.client
    described = [store.client.meta.service_model._service_description for store in (one, other)]
    assert described[0] is described[1]

"""A store in a bucket of S3 or of a server that speaks its protocol.

boto3 is imported when the first store is opened, not before. Objects are never larger than a chunk or a manifest, so
there are no multipart uploads that a crash could leave behind. `create` relies on `If-None-Match: *`, which S3 and the
current self-hosted servers honour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from elastic_spawner.errors import StoreError, StoreNotFound, StoreUnavailable, StoreURLError
from elastic_spawner.stores.base import Buffer, Entry, Store, check_key
from elastic_spawner.stores.errors import s3_errors
from elastic_spawner.stores.retry import attempts

if TYPE_CHECKING:
    from elastic_spawner.stores.presigned import SignedRequest

SLACK_S = 5.0
"""A copy onto itself that is dated longer ago than this has not changed the date: some servers do nothing then."""

_PARALLEL = 8
_TEXTS = ("endpoint", "region", "sse", "sse_kms_key_id")
_YES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}

T = TypeVar("T")


class S3Store(Store):
    """Objects of `bucket` whose keys begin with `prefix`.

    `endpoint` is the server's URL where it is not Amazon's, `path_style` puts the bucket into the path instead of
    the host name, `timeout` is in seconds for one answer. `sse` (`AES256` or `aws:kms`, with `sse_kms_key_id`) asks
    the server to encrypt what is written; without it, it does as the bucket is set up. Without keys boto3 looks in
    its usual places (environment, files, instance role). A ready boto3 `client` may be given instead. Raises
    `StoreURLError` where boto3 is missing or an argument makes no sense; nothing is asked of the server yet.
    """

    remote = True
    parallel = _PARALLEL

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint: str | None = None,
        region: str | None = None,
        path_style: bool = False,
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
        timeout: float = 60,
        sse: str | None = None,
        sse_kms_key_id: str | None = None,
        client: Any = None,
    ) -> None:
        if sse not in (None, "AES256", "aws:kms"):
            raise StoreURLError(f"sse={sse}: server-side encryption is AES256 or aws:kms")
        if sse_kms_key_id and sse != "aws:kms":
            raise StoreURLError("sse_kms_key_id names a key for sse=aws:kms")
        self._encrypted = {"ServerSideEncryption": sse} if sse else {}
        if sse_kms_key_id:
            self._encrypted["SSEKMSKeyId"] = sse_kms_key_id
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        if self.prefix:
            check_key(self.prefix)
        self.url = f"s3://{bucket}/{self.prefix}"
        if client is None:
            keys = {
                "aws_access_key_id": access_key,
                "aws_secret_access_key": secret_key,
                "aws_session_token": session_token,
            }
            # Amazon's own by "auto" would be signed for its one global address, which only redirects to most regions.
            by_host = "virtual" if endpoint is None and "." not in bucket else "auto"
            client = _client(endpoint, region, "path" if path_style else by_host, timeout, keys)
        self.client = client
        self.endpoint: str = client.meta.endpoint_url

    @classmethod
    def from_url(cls, url: str, **options: Any) -> S3Store:
        """Open `s3://bucket/prefix?endpoint=https://host&region=name&path_style=1`.

        Options win over the URL. Raises `StoreURLError`.
        """
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise StoreURLError(
                "keys do not belong into the URL of a store, which is shown and logged: pass them as options"
            )
        if not parts.netloc:
            raise StoreURLError("an S3 store is s3://bucket/prefix: the bucket is missing")
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        unknown = set(query) - {*_TEXTS, "path_style"}
        if unknown or parts.fragment:
            raise StoreURLError(
                f"{', '.join(sorted(unknown)) or '#'}: an S3 URL takes endpoint, region, path_style, sse, "
                "sse_kms_key_id"
            )
        given: dict[str, Any] = {name: query[name] or None for name in _TEXTS if name in query}
        if "path_style" in query:
            if query["path_style"].lower() not in _YES:
                raise StoreURLError(f"path_style={query['path_style']} is neither 1 nor 0")
            given["path_style"] = _YES[query["path_style"].lower()]
        return cls(parts.netloc, parts.path, **{**given, **options})

    def get(self, key: str) -> bytes:
        return self._fetch(key, lambda answer: bytes(answer["Body"].read()))

    def get_into(self, key: str, buffer: memoryview) -> int:
        def fill(answer: Any) -> int:
            size, body, count = int(answer["ContentLength"]), answer["Body"], 0
            while count < min(size, len(buffer)):
                read = body.readinto(buffer[count:])
                if not read:
                    break
                count += read
            body.close()
            return size if size > len(buffer) else count

        return self._fetch(key, fill)

    def _fetch(self, key: str, take: Callable[[Any], T]) -> T:
        """Ask for an object and take its content. botocore asks again where a request fails, not where its answer is
        cut off while it is read."""
        from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

        for last in attempts():
            try:
                with s3_errors(self.endpoint, self._name(key)):
                    return take(self.client.get_object(Bucket=self.bucket, Key=self._key(key)))
            except StoreUnavailable as error:
                cut = isinstance(error.__cause__, (IncompleteReadError, ReadTimeoutError, ResponseStreamingError))
                if last or not cut:
                    raise
        raise AssertionError("unreachable")

    def put(self, key: str, data: Buffer) -> None:
        with s3_errors(self.endpoint, self._name(key)):
            self.client.put_object(Bucket=self.bucket, Key=self._key(key), Body=_body(data), **self._encrypted)

    def create(self, key: str, data: Buffer) -> bool:
        try:
            with s3_errors(self.endpoint, self._name(key)):
                self.client.put_object(
                    Bucket=self.bucket, Key=self._key(key), Body=_body(data), IfNoneMatch="*", **self._encrypted
                )
        except StoreError as error:
            if _status(error) in (409, 412):  # there is one already, or somebody else is writing it right now
                return False
            raise
        return True

    def stat(self, key: str) -> Entry | None:
        try:
            with s3_errors(self.endpoint, self._name(key)):
                found = self.client.head_object(Bucket=self.bucket, Key=self._key(key))
        except StoreNotFound:
            return None
        return Entry(key, found["ContentLength"], found["LastModified"].timestamp())

    def list(self, prefix: str = "") -> Iterator[Entry]:
        base = f"{self.prefix}/" if self.prefix else ""
        with s3_errors(self.endpoint, f"the list of {self.url}"):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=base + prefix)
            for page in pages:
                for item in page.get("Contents", ()):
                    yield Entry(item["Key"][len(base) :], item["Size"], item["LastModified"].timestamp())

    def delete(self, key: str) -> None:
        try:
            with s3_errors(self.endpoint, self._name(key)):
                self.client.delete_object(Bucket=self.bucket, Key=self._key(key))
        except StoreNotFound:  # S3 itself does not mind, others do
            pass

    def touch(self, key: str) -> bool:
        """Copy the object onto itself, inside the server."""
        source = {"Bucket": self.bucket, "Key": self._key(key)}
        try:
            with s3_errors(self.endpoint, self._name(key)):
                answer = self.client.copy_object(
                    **source, CopySource=source, MetadataDirective="REPLACE", **self._encrypted
                )
        except StoreNotFound:
            return False
        copied = answer["CopyObjectResult"]["LastModified"].timestamp()
        return copied >= _date(answer) - SLACK_S or self.rewrite(key)

    def now(self) -> float:
        with s3_errors(self.endpoint, self.url):
            answer = self.client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, MaxKeys=1)
        return _date(answer)

    def close(self) -> None:
        self.client.close()

    def sign(self, op: str, key: str, after: str = "", expires_s: int = 900) -> SignedRequest:
        """Sign one request for whoever has no keys: the signer of a `PresignedStore`.

        `op` is one of `get`, `put`, `create`, `stat`, `delete`, `touch`, `list`; for `list` the key is a prefix and the
        answer begins after the key `after`. The URL is good for `expires_s` seconds. Raises `StoreURLError` for any
        other op or a bad key.
        """
        from elastic_spawner.stores.presigned import SignedRequest

        where = {"Bucket": self.bucket}
        headers: dict[str, str] = {}
        if op == "list":
            base = f"{self.prefix}/" if self.prefix else ""
            call, method = "list_objects_v2", "GET"
            if key:
                check_key(key.removesuffix("/"))
            where["Prefix"] = base + key
            if after:
                where["StartAfter"] = base + check_key(after)
        elif op in _CALLS:
            call, method = _CALLS[op]
            where["Key"] = self._key(key)
        else:
            raise StoreURLError(f"{op!r} is nothing that can be signed: {', '.join((*_CALLS, 'list'))} can")
        if op == "create":
            headers = {"If-None-Match": "*"}
            where["IfNoneMatch"] = "*"
        if op == "touch":
            where.update(CopySource=f"{self.bucket}/{where['Key']}", MetadataDirective="REPLACE")
            headers = {"x-amz-copy-source": f"{self.bucket}/{where['Key']}", "x-amz-metadata-directive": "REPLACE"}
        if op in ("put", "create", "touch"):
            where.update(self._encrypted)
            headers.update({_ENCRYPTION_HEADERS[name]: value for name, value in self._encrypted.items()})
        with s3_errors(self.endpoint, self._name(key)):
            url = self.client.generate_presigned_url(call, Params=where, ExpiresIn=expires_s, HttpMethod=method)
        return SignedRequest(method, url, headers)

    def _key(self, key: str) -> str:
        check_key(key)
        return f"{self.prefix}/{key}" if self.prefix else key

    def _name(self, key: str) -> str:
        return f"{key} in {self.url}"


_ENCRYPTION_HEADERS = {
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
}
_CALLS = {
    "get": ("get_object", "GET"),
    "put": ("put_object", "PUT"),
    "create": ("put_object", "PUT"),
    "stat": ("head_object", "HEAD"),
    "delete": ("delete_object", "DELETE"),
    "touch": ("copy_object", "PUT"),
}


_descriptions: list[Any] = []
"""What boto3 has read of Amazon's services, once for all clients of this process: 10 MB."""


def _client(endpoint: str | None, region: str | None, style: str, timeout: float, keys: dict[str, str | None]) -> Any:
    try:
        import boto3
        import botocore.session
        from botocore.config import Config
    except ImportError as error:
        raise StoreURLError("s3:// stores need boto3: pip install 'elastic-spawner[s3]'") from error
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": style},
        retries={"mode": "standard", "max_attempts": 4},
        connect_timeout=min(10, timeout),
        read_timeout=timeout,
        max_pool_connections=2 * _PARALLEL,
    )
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        raise StoreURLError(f"the endpoint {endpoint!r} is no URL: write https://host[:port]")
    with s3_errors(endpoint or "S3", "the client"):
        # A session of our own: the default one is the user's.
        session = botocore.session.Session()
        if _descriptions:
            session.register_component("data_loader", _descriptions[0])
        else:
            _descriptions.append(session.get_component("data_loader"))
        made = boto3.session.Session(botocore_session=session)
        return made.client("s3", endpoint_url=endpoint, region_name=region, config=config, **keys)


def _date(answer: dict[str, Any]) -> float:
    """When the server answered, by its clock."""
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()


def _body(data: Buffer) -> bytes:
    return data if type(data) is bytes else bytes(data)


def _status(error: StoreError) -> int:
    response = getattr(error.__cause__, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))

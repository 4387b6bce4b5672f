"""Foreign exceptions become ours here, and nowhere else."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from elastic_spawner.errors import StoreDenied, StoreError, StoreFull, StoreNotFound, StoreUnavailable, StoreURLError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_SKEW = ("RequestTimeTooSkewed", "Request has expired", "ExpiredPresignRequest", "RequestExpired", "not valid yet")
_TOKENS = ("ExpiredToken", "InvalidToken", "InvalidIdentityToken", "TokenRefreshRequired")
"""What is said with status 400 of the keys of a role."""
_AWAY = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.ENODEV, errno.ENXIO}


def free_space(path: str | os.PathLike[str]) -> str:
    """Say how much room is left where `path` is, as in `1.5 MB of 20.0 MB free`."""
    where = Path(path)
    while not where.exists() and where != where.parent:
        where = where.parent
    try:
        usage = shutil.disk_usage(where)
    except OSError:
        return "free space unknown"
    return f"{usage.free / 1e6:.1f} MB of {usage.total / 1e6:.1f} MB free"


@contextmanager
def os_errors(root: str, key: str = "") -> Iterator[None]:
    """Turn the operating system's errors at `key` in the directory `root` into ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise StoreNotFound(f"there is no {key or error.filename} in {root}") from error
    except OSError as error:
        where = error.filename or root
        if error.errno in _FULL:
            why = {errno.EDQUOT: "the quota is used up", errno.EFBIG: "a file size limit was hit"}
            text = why.get(error.errno or 0, "the disk is full")
            raise StoreFull(
                f"no room for {key or 'the checkpoint'} in {root}: {text} ({free_space(root)}); "
                "free some space or choose another store"
            ) from error
        if error.errno in _DENIED:
            raise StoreDenied(
                f"not allowed to use {where}: {error.strerror}; make {root} writable for uid {os.geteuid()}"
            ) from error
        if error.errno in {errno.ENOTDIR, errno.EISDIR, errno.EEXIST}:
            raise StoreURLError(
                f"{where} is in the way: {error.strerror}; the store needs a directory of its own"
            ) from error
        if error.errno in _AWAY:
            raise StoreUnavailable(f"{root} does not answer: {error.strerror} at {where}") from error
        raise StoreError(f"{root}: {error.strerror or error} at {where}") from error


def status_error(status: int, what: str, endpoint: str, detail: str = "") -> StoreError:
    """The error for an HTTP status (and S3 error code or text in `detail`) that a store answered."""
    tail = f": {detail}" if detail else ""
    if (
        any(sign in detail for sign in ("QuotaExceeded", "NoSpaceLeft", "StorageFull", "InsufficientStorage"))
        or status == 507
    ):
        return StoreFull(f"no room for {what} at {endpoint}{tail}; free some space or choose another store")
    if "NoSuchBucket" in detail:
        return StoreNotFound(f"the bucket of {what} does not exist at {endpoint}{tail}; create it first")
    if status == 404:
        return StoreNotFound(f"there is no {what} at {endpoint}")
    if status in (401, 403) or (status == 400 and any(sign in detail for sign in _TOKENS)):
        cure = "check the credentials and their policy"
        if any(sign in detail for sign in _SKEW):
            cure = "the clock of whoever signed this differs from the store's: set both by NTP"
        return StoreDenied(f"not allowed to use {what} at {endpoint} ({status}){tail}; {cure}")
    if status in (408, 429) or status >= 500:
        return StoreUnavailable(f"{endpoint} could not serve {what} ({status}){tail}; try again later")
    return StoreError(f"{endpoint} refused {what} ({status}){tail}")


@contextmanager
def http_errors(endpoint: str, what: str) -> Iterator[None]:
    """Turn the errors of http.client into ours."""
    import http.client  # here, for it takes long to import and kernels that save to a directory have no use for it
    import ssl

    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise StoreDenied(f"the certificate of {endpoint} is not trusted: {error.verify_message}") from error
    except (OSError, http.client.HTTPException) as error:
        raise StoreUnavailable(f"{endpoint} does not answer ({what}): {error or type(error).__name__}") from error


@contextmanager
def s3_errors(endpoint: str, what: str) -> Iterator[None]:
    """Turn the errors of boto3 and botocore into ours."""
    from botocore import exceptions as boto
    from urllib3.exceptions import HTTPError

    try:
        yield
    except boto.ClientError as error:
        response: dict[str, Any] = dict(error.response)
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        told = response.get("Error", {})
        raise status_error(
            status, what, endpoint, f"{told.get('Code', '')} {told.get('Message', '')}".strip()
        ) from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.TokenRetrievalError) as error:
        raise StoreDenied(
            f"no credentials for {endpoint}: {error}; "
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or pass them as options"
        ) from error
    except (boto.ParamValidationError, boto.InvalidRegionError, boto.NoRegionError, ValueError) as error:
        raise StoreURLError(f"{what} at {endpoint} is no S3 address: {error}") from error
    except (boto.HTTPClientError, boto.ConnectionError, HTTPError, OSError) as error:
        raise StoreUnavailable(f"{endpoint} does not answer ({what}): {error}") from error
    except boto.BotoCoreError as error:
        raise StoreError(f"{endpoint}: {error} ({what})") from error

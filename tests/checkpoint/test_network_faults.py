"""A network that fails at any request of a save, a restore or a collection, between us and the real S3 server."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import botocore.endpoint
import pytest

from elastic_spawner.checkpoint import ChunkRef, Repository
from elastic_spawner.checkpoint.manifest import chunk_sizes
from elastic_spawner.errors import CorruptChunk, StoreError, StoreUnavailable
from elastic_spawner.stores import PresignedStore, Store, retry
from elastic_spawner.stores.s3 import S3Store
from tests.conftest_s3 import ACCESS_KEY, SECRET_KEY, S3Server
from tests.stores.faulty import FAULTS, FaultyNetwork

KEY = bytes(range(32))
OLD = [b"old %d " % n * 300 for n in range(3)]
NEW = [OLD[1], b"new " * 700, bytes(2000)]

Open = Callable[[str, str], Store]


@pytest.fixture(params=["s3", "presigned"])
def open_store(request: pytest.FixtureRequest, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens the store with this prefix at this address; it tries again without waiting."""
    monkeypatch.setattr(botocore.endpoint, "time", types.SimpleNamespace(sleep=lambda _s: None))
    monkeypatch.setattr(retry, "time", types.SimpleNamespace(sleep=lambda _s: None))

    clients: dict[str, Any] = {}  # making one takes longer than a trial
    # only where it is waited for: a busy machine may take a second for any request
    timeout = 1 if request.node.callspec.params.get("fault") == "time-out" else 30

    def opened(endpoint: str, prefix: str) -> Store:
        keys = {"region": "us-east-1", "path_style": True, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
        made = S3Store(bucket, prefix, endpoint=endpoint, timeout=timeout, client=clients.get(endpoint), **keys)
        clients[endpoint] = made.client
        made.parallel = 1  # the n-th request is always the same one
        return PresignedStore(made.sign, made.url, timeout=timeout) if request.param == "presigned" else made

    return opened


@pytest.fixture
def network(s3_server: S3Server) -> Iterator[FaultyNetwork]:
    """A network between us and the server, that works as yet."""
    with FaultyNetwork(s3_server.endpoint) as opened:
        yield opened


def save(repository: Repository, datas: list[bytes]) -> int:
    """Put and commit."""
    return repository.commit("s", {"items": [repository.put(data) for data in datas]})


def load(repository: Repository) -> list[bytes]:
    """What the newest generation holds."""
    found = repository.latest("s")
    assert found is not None
    return [bytes(repository.read([ChunkRef.from_json(ref) for ref in refs])) for refs in found["items"]]


def check(store: Store, allowed: list[list[bytes]]) -> None:
    """The newest generation is whole; the next save works; then a collection leaves what it needs and nothing else."""
    with Repository(store, KEY) as repository:
        assert load(repository) in allowed
        generation = save(repository, OLD[:1])
        later = store.now() + 2  # the server tells its time in whole seconds
        store.now = lambda: later  # type: ignore[method-assign]
        repository.gc(keep=1, grace_s=0)
        assert repository.verify("s").ok
        needed = {address for address, _ in chunk_sizes(repository.load("s", generation))}
        left = [entry.key for entry in store.list()]
    assert {key.rpartition("/")[2].partition(".")[0] for key in left if key.startswith("chunks/")} == needed
    assert [key for key in left if not key.startswith("chunks/")] == [f"manifests/s/{generation:08d}.json"]


@pytest.mark.parametrize("fault", FAULTS)
def test_save_through_a_fault(
    s3_server: S3Server, bucket: str, open_store: Open, network: FaultyNetwork, fault: str
) -> None:
    """At every request, once: the save succeeds in the end, or fails and the previous generation holds."""
    point = succeeded = 0
    while True:
        point += 1
        with Repository(open_store(s3_server.endpoint, f"p{point}"), KEY) as repository:
            save(repository, OLD)
        network.plan(point, fault)
        with Repository(open_store(network.url, f"p{point}"), KEY) as repository:
            try:
                save(repository, NEW)
                succeeded += 1
                allowed = [NEW]
            except StoreError as error:
                assert str(error)
                allowed = [OLD, NEW]
        check(open_store(s3_server.endpoint, f"p{point}"), allowed)
        if network.requests < point:
            break
        if fault == "time-out" and point == 4:
            break  # each costs a second; what follows is as in `answer lost`
    assert point > 3 and succeeded >= point - 1, "trying again helps against a single fault"
    uploads = s3_server.store(bucket).client.list_multipart_uploads(Bucket=bucket)
    assert not uploads.get("Uploads"), "objects are put in one request"


def test_client_killed_between_any_two_requests(s3_server: S3Server, open_store: Open, network: FaultyNetwork) -> None:
    """The same as a network that does not come back: a clear error, the previous generation, no garbage for ever."""
    point, done = 0, False
    while not done:
        point += 1
        with Repository(open_store(s3_server.endpoint, f"k{point}"), KEY) as repository:
            save(repository, OLD)
        network.plan(point, "down")
        with Repository(open_store(network.url, f"k{point}"), KEY) as repository:
            try:
                save(repository, NEW)
                done = True
            except StoreUnavailable as error:
                assert network.url in str(error)
        check(open_store(s3_server.endpoint, f"k{point}"), [NEW] if done else [OLD])
    assert point > 4


@pytest.mark.parametrize("fault", ["answer cut", "503", "down"])
def test_restore_and_collection_through_a_fault(
    s3_server: S3Server, open_store: Open, network: FaultyNetwork, fault: str
) -> None:
    """What is read is right or an error; a collection that was cut off takes nothing that is needed."""
    with Repository(open_store(s3_server.endpoint, "r"), KEY) as repository:
        save(repository, [b"oldest" * 100])
        save(repository, OLD)
        repository.put(b"garbage" * 100)
        repository.store.flush()
    point, ended = 0, False
    while not ended:
        point += 1
        network.plan(point, fault)
        with Repository(open_store(network.url, "r"), KEY) as repository:
            try:
                assert load(repository) == OLD
                repository.gc(keep=1, grace_s=0)
            except (StoreError, CorruptChunk) as error:
                assert str(error)
        ended = network.requests < point
    check(open_store(s3_server.endpoint, "r"), [OLD])

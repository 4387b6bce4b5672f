"""A real S3 server (versitygw) for the tests, built once by Go into the cache folder.

A test folder that wants it imports the fixtures `s3_server` and `bucket` into its conftest.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from elastic_spawner.stores.s3 import S3Store

VERSION = "v1.8.0"
ACCESS_KEY = "elastic-tests"
SECRET_KEY = "elastic-tests-secret"


@dataclass(frozen=True)
class S3Server:
    """A running server."""

    endpoint: str
    root: Path
    """The directory that holds its buckets."""

    def url(self, bucket: str, prefix: str = "") -> str:
        """The URL of a store in it."""
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}&region=us-east-1&path_style=1"

    def store(self, bucket: str, prefix: str = "") -> S3Store:
        """Open a store in it, with its keys."""
        return S3Store.from_url(self.url(bucket, prefix), access_key=ACCESS_KEY, secret_key=SECRET_KEY)


def versitygw() -> Path:
    """The server's program; built when it is not in the cache. Fails, and does not skip, where that cannot be done."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "elastic-spawner" / "bin"
    program = cache / f"versitygw-{VERSION}"
    if program.exists():
        return program
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if go is None:
        pytest.fail(f"tests of S3 need versitygw: install Go, or put versitygw {VERSION} to {program}")
    build = cache / f"build-{os.getpid()}"
    build.mkdir(parents=True)
    try:
        source = f"github.com/versity/versitygw/cmd/versitygw@{VERSION}"
        environment = {**os.environ, "GOBIN": str(build), "CGO_ENABLED": "0"}
        done = subprocess.run([go, "install", source], env=environment, capture_output=True, text=True, timeout=900)
        if done.returncode:
            pytest.fail(f"versitygw could not be built:\n{done.stderr[-2000:]}")
        os.replace(build / "versitygw", program)
    finally:
        shutil.rmtree(build, ignore_errors=True)
    return program


def free_port() -> int:
    """A port of this machine on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return when the server answers; fail with its log when it ended, or after half a minute."""
    for _ in range(300):
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"versitygw does not answer:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One server for all the tests."""
    program = versitygw()
    root = tmp_path_factory.mktemp("s3")
    log = tmp_path_factory.mktemp("s3-log") / "log"
    port = free_port()
    keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(program), "--port", f"127.0.0.1:{port}", "posix", str(root)],
            env={**os.environ, **keys},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(process, port, log)
        yield S3Server(f"http://127.0.0.1:{port}", root)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def bucket(s3_server: S3Server) -> str:
    """An empty bucket."""
    name = f"bucket-{os.urandom(4).hex()}"
    s3_server.store(name).client.create_bucket(Bucket=name)
    return name

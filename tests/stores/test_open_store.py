"""What a store's URL may be, and what is said about one that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from elastic_spawner.errors import StoreNotFound, StoreURLError
from elastic_spawner.stores import DirectoryStore, open_store
from elastic_spawner.stores.s3 import S3Store


def test_file_url_opens_the_directory_and_makes_it(tmp_path: Path) -> None:
    """The directory is made, for its owner only."""
    store = open_store(f"file://{tmp_path}/a/b")
    assert isinstance(store, DirectoryStore)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_file_url_is_percent_decoded(tmp_path: Path) -> None:
    """Blanks and percent signs come as in every URL, and `url` leads back to the same place."""
    store = open_store(f"file://{tmp_path}/with%20blank%25")
    assert (tmp_path / "with blank%").is_dir()
    assert open_store(store.url).url == store.url


def test_plain_paths_are_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute ones, and relative ones that begin with a dot."""
    monkeypatch.chdir(tmp_path)
    assert open_store(str(tmp_path / "x")).url == (tmp_path / "x").as_uri()
    assert open_store("./y").url == (tmp_path / "y").as_uri()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "   ",
        "checkpoints",
        "http://host/x",
        "gs://bucket",
        "file:relative",
        "file://host/dir",
        "file:///dir?x=1",
        "s3:///no-bucket",
        "s3://bucket/x?colour=red",
        "s3://bucket/x?path_style=maybe",
        "s3://bucket/x?endpoint=host:9000",
        "s3://key:secret@bucket/x",
        "s3://bucket/a//b",
        "s3://bucket/../x",
        "/a\0b",
    ],
)
def test_what_is_no_store_is_refused_with_what_would_be(url: str) -> None:
    """The message names the forms that exist, or the part that is wrong."""
    with pytest.raises(StoreURLError) as caught:
        open_store(url)
    assert any(
        word in str(caught.value)
        for word in ("file:///", "s3://", "S3 URL", "keys", "path_style", "segments", "NUL", "https")
    )


def test_the_secret_in_a_url_is_not_repeated() -> None:
    """Messages are logged."""
    with pytest.raises(StoreURLError) as caught:
        open_store("s3://key:hunter2@bucket/x")
    assert "hunter2" not in str(caught.value)


def test_directory_url_on_a_file(tmp_path: Path) -> None:
    """A file in the way is said to be one."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreURLError, match="is a file, not a directory"):
        open_store(f"file://{tmp_path}/file")
    with pytest.raises(StoreURLError, match="in the way"):
        open_store(f"file://{tmp_path}/file/below")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_store_that_is_only_looked_at_is_not_made(tmp_path: Path) -> None:
    """`create=False` is for inspection."""
    with pytest.raises(StoreNotFound, match="does not exist"):
        open_store(f"file://{tmp_path}/none", create=False)
    assert not (tmp_path / "none").exists()


def test_s3_url_parts() -> None:
    """Bucket, prefix, endpoint, region and style are taken from the URL; nothing is asked of the server."""
    store = open_store(
        "s3://bkt/a/b/?endpoint=http://127.0.0.1:1&region=eu-west-3&path_style=1", access_key="a", secret_key="b"
    )
    assert isinstance(store, S3Store)
    assert (store.bucket, store.prefix, store.endpoint) == ("bkt", "a/b", "http://127.0.0.1:1")
    assert store.client.meta.region_name == "eu-west-3"

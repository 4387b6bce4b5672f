"""Names of users and servers in paths and URLs."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastic_spawner.hub.naming import DEFAULT_SERVER, file_path, join_url, public_url, segment
from elastic_spawner.stores import DirectoryStore, open_store
from elastic_spawner.stores.base import check_key

NAMES = st.text(max_size=200)


@given(NAMES, NAMES)
def test_different_names_have_different_parts(one, other):
    assert (segment(one) == segment(other)) == (one == other)


@given(NAMES)
def test_every_part_is_safe_in_a_path_and_a_key(name):
    assert re.fullmatch(r"[A-Za-z0-9_-]+", segment(name))
    assert len(segment(name)) <= 160
    assert check_key(segment(name))


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../../etc", "_", "a\x00b", "Ünï", "a b"])
def test_nasty_names(name):
    assert "/" not in segment(name) and "." not in segment(name)
    assert segment(name) != DEFAULT_SERVER


def test_the_default_server_has_a_part_of_its_own():
    assert segment("") == DEFAULT_SERVER


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("file:///srv/checkpoints", "file:///srv/checkpoints/ann/_"),
        ("file:///srv/checkpoints/", "file:///srv/checkpoints/ann/_"),
        ("s3://bucket/prefix?endpoint=http://s3:9000&path_style=1", None),
        ("s3://bucket?region=eu", "s3://bucket/ann/_?region=eu"),
    ],
)
def test_a_servers_prefix_in_a_store(url, expected):
    expected = expected or "s3://bucket/prefix/ann/_?endpoint=http://s3:9000&path_style=1"
    assert join_url(url, "ann", "_") == expected


def test_a_plain_path_is_a_store_too(tmp_path):
    url = join_url(str(tmp_path / "with space"), "ann")
    assert isinstance(open_store(url), DirectoryStore)
    assert file_path(url) == tmp_path / "with space" / "ann"
    assert (tmp_path / "with space" / "ann").is_dir()


def test_nothing_secret_is_shown():
    assert public_url("s3://key:secret@bucket/prefix?endpoint=x") == "s3://bucket/prefix"

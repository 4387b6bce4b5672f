"""Secrets: where they come from, and that each is its own."""

from __future__ import annotations

import pytest

from elastic_spawner.agent.settings import agent_token
from elastic_spawner.hub.keys import FORMER_ENV, SECRET_ENV, HubKeys, load_former, load_secret

SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def no_secret_in_the_environment(monkeypatch):
    monkeypatch.delenv(SECRET_ENV, raising=False)


def test_the_agent_knows_the_hub_by_the_same_token():
    keys = HubKeys(SECRET)
    assert keys.agent_token("ann", "") == agent_token(keys.server_secret("ann", ""))


def test_every_use_has_a_key_of_its_own():
    keys = HubKeys(SECRET)
    derived = [keys.server_secret("ann", ""), keys.server_secret("ann", "b"), keys.server_secret("ann/b", "")]
    texts = [keys.control_token(), keys.agent_token("ann", ""), *(key.hex() for key in derived)]
    assert len(set(texts)) == len(texts)
    assert HubKeys(SECRET[::-1]).control_token() != keys.control_token()


def test_what_was_sealed_is_read_back_and_only_with_the_same_secret():
    sealed = HubKeys(SECRET).seal("token")
    assert "token" not in sealed
    assert HubKeys(SECRET).unseal(sealed) == "token"
    assert HubKeys(SECRET[::-1]).unseal(sealed) == ""


def test_the_secret_file_is_made_once_and_readable_by_the_hub_only(tmp_path):
    path = tmp_path / "secret"
    first = load_secret(path=path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_secret(path=path) == first
    assert len(first) == 32


def test_a_secret_file_that_others_can_read_is_closed(tmp_path):
    path = tmp_path / "secret"
    secret = load_secret(path=path)
    path.chmod(0o644)
    assert load_secret(path=path) == secret
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_configured_secret_comes_before_the_environment_and_that_before_the_file(tmp_path, monkeypatch):
    path = tmp_path / "secret"
    monkeypatch.setenv(SECRET_ENV, "e" * 32)
    assert load_secret("c" * 64, path) == bytes.fromhex("c" * 64)
    assert load_secret(path=path) == bytes.fromhex("e" * 32)
    assert not path.exists()


def test_a_short_secret_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="openssl rand -hex 32"):
        load_secret("short", tmp_path / "secret")


def test_what_follows_from_a_former_secret_is_known_again():
    old, new = HubKeys(SECRET), HubKeys(SECRET[::-1], [SECRET])
    assert new.server_secret("ann", "") != old.server_secret("ann", "")
    assert new.former_server_secrets("ann", "") == [old.server_secret("ann", "")]
    assert new.agent_tokens("ann", "") == [new.agent_token("ann", ""), old.agent_token("ann", "")]
    for keys in (old, new):
        assert new.is_store_token("ann", "", keys.store_token("ann", ""))
        assert not new.is_store_token("ann", "", keys.store_token("ann", "b"))
        assert new.unseal(keys.seal("token")) == "token"
    assert old.unseal(new.seal("token")) == "" and not old.is_store_token("ann", "", new.store_token("ann", ""))


def test_former_secrets_come_from_the_settings_and_the_environment(monkeypatch):
    monkeypatch.setenv(FORMER_ENV, f" {SECRET.hex()},, another secret of 28 bytes ")
    assert load_former(["configured, with a comma"]) == [
        b"configured, with a comma",
        SECRET,
        b"another secret of 28 bytes",
    ]
    with pytest.raises(ValueError, match="a former secret has 5 bytes"):
        load_former(["short"])

"""What the spawner tells the agent, and what kernels inherit of it."""

from __future__ import annotations

import os

import pytest

from elastic_spawner.agent.settings import CONFIG_FOLDER, SettingsError, agent_token, take_settings

SECRET = "ab" * 32


def environment(**more: str) -> dict[str, str]:
    return {
        "PATH": "/bin",
        "ELASTIC_SPAWNER_STORE_URL": "file:///checkpoints/ada",
        "ELASTIC_SPAWNER_SECRET": SECRET,
        "ELASTIC_SPAWNER_LIB": os.pathsep.join(["/lent/a", "/lent/b"]),
        **more,
    }


def test_are_taken_out_of_the_environment() -> None:
    environ = environment(JUPYTER_CONFIG_PATH=os.pathsep.join([str(CONFIG_FOLDER), "/etc/admin"]))
    settings = take_settings(environ)
    assert settings is not None
    assert settings.store_url == "file:///checkpoints/ada"
    assert settings.secret == bytes.fromhex(SECRET)
    assert settings.libs == ("/lent/a", "/lent/b")
    assert settings.encrypt == "no"
    assert environ == {"PATH": "/bin", "JUPYTER_CONFIG_PATH": "/etc/admin"}


def test_our_configuration_folder_alone_leaves_no_variable() -> None:
    environ = environment(JUPYTER_CONFIG_PATH=str(CONFIG_FOLDER))
    take_settings(environ)
    assert environ == {"PATH": "/bin"}


def test_none_without_a_spawner() -> None:
    assert take_settings({"PATH": "/bin"}) is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ELASTIC_SPAWNER_SECRET": ""}, "ELASTIC_SPAWNER_SECRET is not set"),
        ({"ELASTIC_SPAWNER_STORE_URL": ""}, "ELASTIC_SPAWNER_STORE_URL is not set"),
        ({"ELASTIC_SPAWNER_SECRET": "no hex"}, "not hexadecimal"),
        ({"ELASTIC_SPAWNER_SECRET": "abcd"}, "has 2 bytes"),
        ({"ELASTIC_SPAWNER_ENCRYPT": "perhaps"}, "one of no, yes, where_possible"),
    ],
)
def test_what_cannot_be_used_is_named_and_taken_out_all_the_same(wrong: dict[str, str], message: str) -> None:
    environ = environment(**wrong)
    with pytest.raises(SettingsError, match=message):
        take_settings(environ)
    assert environ == {"PATH": "/bin"}


def test_the_secret_is_not_shown() -> None:
    settings = take_settings(
        environment(ELASTIC_SPAWNER_STORE_URL="s3://key:word@bucket/ada?endpoint=https://s3&token=t")
    )
    assert settings is not None
    assert "ab" * 8 not in repr(settings) and str(bytes.fromhex(SECRET)) not in repr(settings)
    assert settings.public_url == "s3://bucket/ada"


def test_every_server_has_its_own_token() -> None:
    assert agent_token(bytes(32)) != agent_token(bytes(31) + b"\1")
    assert agent_token(bytes(32)) != bytes(32).hex()

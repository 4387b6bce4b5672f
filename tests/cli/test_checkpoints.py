"""inspect, verify and gc, on stores in directories."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from elastic_spawner.checkpoint import manifest as manifests
from elastic_spawner.checkpoint.repository import Repository
from elastic_spawner.cli import main
from elastic_spawner.hub.keys import HubKeys
from elastic_spawner.stores import open_store

from .conftest import Run

KEY = bytes(range(32))
KERNEL = "kernel-1234"
TROUBLE = "\x1b[31mred\x07"


def commit(store: Path, key: bytes = KEY, session: str = KERNEL, data: bytes = b"x" * 5000) -> int:
    """Write a checkpoint of a kernel as the kernel part does, and the server's list."""
    with Repository(open_store(str(store)), key) as repository:
        refs = [ref.to_json() for ref in repository.put(data)]
        generation = repository.commit(
            session,
            {
                "kind": "kernel",
                "python": "3.11.2",
                "libraries": {"numpy": "2.1.0"},
                "components": [{"names": ["big", "alias"], "codec": "pickle", "payload": refs, "buffers": []}],
                "variables": {
                    "big": {"plan": "store", "type": "list", "bytes": 5000, "cell": 2, "reason": ""},
                    TROUBLE: {"plan": "lost", "type": "socket", "bytes": 0, "cell": 3, "reason": "used the network"},
                    "gen": {"plan": "rerun", "type": "generator", "bytes": 0, "cell": 4, "reason": "a generator"},
                },
                "rerun": [{"cell": 4, "source": f"gen = (i for i in big)\nprint('{TROUBLE}')", "seconds": 1.5}],
            },
        )
        entry = {"id": "1234", "name": "python3", "language": "python", "generation": generation}
        tab = {"id": "s", "path": "work.ipynb", "name": "work.ipynb", "type": "notebook", "kernel_id": "1234"}
        repository.commit("server", {"kind": "server", "kernels": [entry], "sessions": [tab]})
    return generation


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    commit(folder)
    return folder


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY.hex() + "\n")
    return path


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def chunk_of(store: Path) -> Path:
    (path,) = (path for path in (store / "chunks").rglob("*") if path.is_file())
    return path


def damage(store: Path) -> None:
    path = chunk_of(store)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


# -- inspect ---------------------------------------------------------------------------------------------------------


def test_inspect_lists_sessions_and_says_that_nothing_was_checked(run: Run, store: Path) -> None:
    before = snapshot(store)
    done = run("inspect", store)
    assert done.status == 0
    assert "work.ipynb: 3 variables, Python 3.11.2" in done.out
    assert "the server's list of 1 kernel" in done.out
    assert "signature not checked" in done.out
    assert snapshot(store) == before


def test_inspect_shows_what_became_of_each_variable(run: Run, store: Path, key_file: Path) -> None:
    done = run("inspect", store.as_uri(), "--session", KERNEL, "--key-file", key_file)
    assert done.status == 0
    rows = {line.split()[0]: line.split()[1] for line in done.out.splitlines() if line and not line.startswith(" ")}
    assert (rows["big"], rows["gen"]) == ("stored", "re-run")
    assert "numpy 2.1.0" in done.out
    assert "a restore re-runs cell 4 (took 1.5 s)\n    gen = (i for i in big)" in done.out
    assert done.out.endswith("signature checked\n")


def test_nothing_from_a_checkpoint_commands_the_terminal(run: Run, store: Path) -> None:
    done = run("inspect", store, "--session", KERNEL)
    assert "\x1b" not in done.out and "\x07" not in done.out
    assert "\\x1b[31mred\\x07" in done.out


def test_inspect_gives_json(run: Run, store: Path, key_file: Path) -> None:
    overview = run("inspect", store, "--json").json
    assert overview["signature_checked"] is False
    assert [entry["session"] for entry in overview["sessions"]] == [KERNEL, "server"]
    manifest = run("inspect", store, "--session", KERNEL, "--json", "--key-file", key_file).json
    assert manifest["signature_checked"] is True
    assert manifest["variables"]["big"]["plan"] == "store"


def test_inspect_takes_a_manifest_that_is_all_wrong(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever can write to the store can write anything into a manifest; without a key it is shown, not believed."""
    path = store / manifests.manifest_key(KERNEL, 1)
    document = json.loads(path.read_text())
    path.chmod(0o600)
    for value in ([1], "text", None, 7, {"a": [{}]}, [{"names": 1}]):
        for field in ("kind", "variables", "rerun", "components", "libraries", "python"):
            path.write_text(json.dumps({**document, field: value}))
            assert main(["inspect", str(store), "--session", KERNEL]) == 0, (field, value)
            assert main(["inspect", str(store)]) == 0, (field, value)


# -- verify ----------------------------------------------------------------------------------------------------------


def test_verify_is_content_with_what_is_as_it_was(run: Run, store: Path, key_file: Path) -> None:
    commit(store)
    done = run("verify", store, "--all", "--key-file", key_file)
    assert done.status == 0
    assert done.out.count(": good,") == 4
    assert "signatures checked" in done.out


def test_verify_names_a_damaged_chunk_and_its_variables(run: Run, store: Path, key_file: Path) -> None:
    damage(store)
    done = run("verify", store, "--key-file", key_file)
    assert done.status == 1
    assert f"{KERNEL} generation 1: not as stored" in done.err
    assert "re-run or report as lost: alias, big" in done.out
    report = run("verify", store, "--json").json
    bad = {entry["session"]: entry for entry in report["checkpoints"] if not entry["ok"]}
    assert list(bad) == [KERNEL] and bad[KERNEL]["affected"] == ["alias", "big"]


def test_verify_finds_a_missing_chunk(run: Run, store: Path) -> None:
    chunk_of(store).unlink()
    assert run("verify", store).status == 1


def test_verify_tells_a_forged_manifest(run: Run, store: Path, key_file: Path) -> None:
    path = store / manifests.manifest_key(KERNEL, 1)
    path.chmod(0o600)
    path.write_text(path.read_text().replace("3.11.2", "3.11.3"))
    done = run("verify", store, "--key-file", key_file)
    assert done.status == 1
    assert "not signed with this key" in done.err
    assert run("verify", store).status == 0  # without the key nobody can tell


def test_verify_by_the_hub_s_secret(run: Run, tmp_path: Path) -> None:
    secret = os.urandom(32)
    (tmp_path / "hub_secret").write_text(secret.hex() + "\n")
    (tmp_path / "hub_secret").chmod(0o440)
    folder = tmp_path / "ann" / "lab"
    commit(folder, HubKeys(secret).server_secret("ann", "lab"))
    options = ("--hub-secret-file", tmp_path / "hub_secret", "--owner")
    assert run("verify", folder, *options, "ann/lab").status == 0
    assert run("verify", folder, *options, "ann").status == 1
    assert (tmp_path / "hub_secret").stat().st_mode & 0o777 == 0o440


def test_a_notebook_s_own_checkpoints_are_checked_with_the_user_s_own_key(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    with Repository(open_store(str(folder)), KEY) as repository:
        repository.commit("notebook", {"kind": "kernel", "variables": {}})
    assert "signature not checked" in run("verify", folder).out
    key = tmp_path / ".local" / "share" / "elastic_spawner" / "key"
    key.parent.mkdir(parents=True)
    key.write_text(KEY.hex())
    assert "signatures checked" in run("verify", folder).out
    assert "signatures checked" in run("verify", folder, XDG_DATA_HOME=str(tmp_path / ".local" / "share")).out


def test_a_newer_format_is_told_apart_from_damage(run: Run, store: Path) -> None:
    path = store / manifests.manifest_key(KERNEL, 1)
    path.chmod(0o600)
    path.write_text(path.read_text().replace('"format":1', '"format":99').replace('"format": 1', '"format": 99'))
    for command in (("inspect", store, "--session", KERNEL), ("verify", store)):
        done = run(*command)
        assert done.status == 2, done
        assert "upgrade elastic" in done.err


# -- gc --------------------------------------------------------------------------------------------------------------


def test_gc_keeps_what_it_is_told_to(run: Run, store: Path) -> None:
    for i in range(3):
        commit(store, data=bytes([i]) * 5000)
    done = run("gc", store, "--keep", 1, "--grace", 0, "--json")
    assert done.status == 0
    assert (done.json["generations_deleted"], done.json["chunks_deleted"]) == (6, 3)
    assert run("verify", store, "--all").status == 0
    assert [len(entry["generations"]) for entry in run("inspect", store, "--json").json["sessions"]] == [1, 1]


def test_gc_leaves_young_chunks_alone(run: Run, store: Path) -> None:
    commit(store, data=b"y" * 5000)
    done = run("gc", store, "--keep", 1)
    assert "deleted 2 generations and 0 chunks" in done.out
    assert "1 younger than 3600 s were left alone" in done.out


def test_gc_dry_run_deletes_nothing_and_says_what_it_would(run: Run, store: Path) -> None:
    for i in range(3):
        commit(store, data=bytes([i]) * 5000)
    (store / ".tmp" / "left").write_bytes(b"by a killed save")
    before = snapshot(store)
    told = run("gc", store, "--keep", 1, "--grace", 0, "--dry-run", "--json").json
    assert "would delete 6 generations" in run("gc", store, "--keep", 1, "--grace", 0, "--dry-run").out
    assert snapshot(store) == before
    done = run("gc", store, "--keep", 1, "--grace", 0, "--json").json
    assert (told.pop("dry_run"), done.pop("dry_run")) == (True, False)
    assert told == done
    assert done["temporary_deleted"] == 1


def test_gc_with_another_server_s_key_deletes_nothing(run: Run, store: Path, tmp_path: Path) -> None:
    commit(store)
    (tmp_path / "other").write_text(os.urandom(32).hex())
    before = snapshot(store)
    assert run("gc", store, "--keep", 1, "--grace", 0, "--key-file", tmp_path / "other").status == 0
    assert snapshot(store) == before


# -- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("inspect", "gopher://host/x"), "no store has the scheme 'gopher'"),
        (("inspect", "store"), "for a directory beside you write ./store"),
        (("verify", "/nowhere/at/all"), "/nowhere/at/all"),
        (("gc", "{store}", "--keep", "0"), "1 or more"),
        (("gc", "{store}", "--grace", "-1"), "0 or more"),
        (("gc", "{store}", "--grace", "nan"), "0 or more"),
        (("inspect", "{store}", "--session", "kernel-9"), f"no session 'kernel-9' in it, but {KERNEL}, server"),
        (("inspect", "{store}", "--session", KERNEL, "--generation", "7"), "no generation 7"),
        (("verify", "{store}", "--generation", "1"), "--generation needs --session"),
        (("verify", "{store}", "--key-file", "/nowhere"), "cannot be read"),
        (("verify", "{store}", "--key-file", "{store}/../short"), "too short"),
        (("verify", "{store}", "--key-file", "{store}/../words"), "hexadecimal"),
        (("verify", "{store}", "--owner", "ann"), "belong together"),
        (("inspect", "{empty}"), "there is no checkpoint in"),
        (("inspect", "{store}/.."), "there are some in"),
    ],
)
def test_bad_input_is_told_in_one_line(run: Run, store: Path, arguments: tuple[str, ...], message: str) -> None:
    (store.parent / "short").write_text("00ff")
    (store.parent / "words").write_text("not a key at all")
    (store.parent / "empty").mkdir()
    before = snapshot(store)
    done = run(*(a.format(store=store, empty=store.parent / "empty") for a in arguments))
    assert done.status == 2
    assert message in done.err
    assert done.err.count("\n") == 1 and done.err.startswith("elastic-spawner: ")
    assert done.out == ""
    assert snapshot(store) == before
    assert not Path("/nowhere").exists()


def test_a_key_in_the_environment_that_is_none_is_refused(run: Run, store: Path) -> None:
    done = run("verify", store, ELASTIC_SPAWNER_SECRET="zz")
    assert (done.status, "ELASTIC_SPAWNER_SECRET" in done.err) == (2, True)


# -- encrypted -------------------------------------------------------------------------------------------------------


def test_encrypted_checkpoint(run: Run, tmp_path: Path) -> None:
    """With the key everything is shown; without it no name is, and a collection works all the same."""
    key = os.urandom(32)
    (tmp_path / "key").write_text(key.hex())
    with Repository(open_store(str(tmp_path / "sealed")), key, encrypt=True) as repository:
        for n in range(2):
            content = {"kind": "kernel", "variables": {"salary": {"plan": "store"}}, "refs": repository.put(b"%d" % n)}
            repository.commit(KERNEL, content)
    for command in (("inspect",), ("inspect", "--session", KERNEL)):
        shown = run(*command, tmp_path / "sealed")
        assert shown.status == 0 and "encrypted: its key is needed" in shown.out and "salary" not in shown.out
    refused = run("verify", tmp_path / "sealed")
    assert refused.status != 0 and "encrypted" in refused.err
    with_key = ("--key-file", tmp_path / "key")
    assert "salary" in run("inspect", tmp_path / "sealed", "--session", KERNEL, *with_key).out
    done = run("gc", tmp_path / "sealed", "--keep", 1, "--grace", 0, "--json")
    assert (done.json["generations_deleted"], done.json["chunks_deleted"]) == (1, 1)
    assert run("verify", tmp_path / "sealed", *with_key).status == 0

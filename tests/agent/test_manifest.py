"""The server's manifest, and which checkpoint of a kernel is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from elastic_spawner.agent.manifest import KernelEntry, ServerManifest, SessionEntry, choose_generation
from elastic_spawner.checkpoint.repository import Repository
from elastic_spawner.errors import FormatError
from elastic_spawner.stores import open_store

MANIFEST = ServerManifest(
    (KernelEntry("k1", "python3", "python", "", 3, 1, 12.5), KernelEntry("k2", "ir", "R")),
    (SessionEntry("s1", "a.ipynb", "a.ipynb", "notebook", "k1"), SessionEntry("s2", "c", "", "console", "k1")),
    99.5,
    "resize",
)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(open_store(tmp_path.as_uri()), bytes(32))


def damage(tmp_path: Path, generation: int) -> None:
    (tmp_path / "manifests" / "kernel-k" / f"{generation:08d}.json").write_text('{"format": 1}')


def test_goes_through_the_repository_unchanged(repository: Repository) -> None:
    repository.commit("server", MANIFEST.to_json())
    document = repository.latest("server")
    assert document is not None
    assert ServerManifest.from_json(document) == MANIFEST


def test_knows_the_sessions_of_a_kernel() -> None:
    assert [session.id for session in MANIFEST.sessions_of("k1")] == ["s1", "s2"]
    assert MANIFEST.sessions_of("k2") == []


def test_fields_of_a_later_version_are_passed_over() -> None:
    document = MANIFEST.to_json()
    document["kernels"][0]["colour"] = "blue"
    document["more"] = True
    assert ServerManifest.from_json(document) == MANIFEST


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "kernel"},
        {},
        {"kind": "server", "kernels": []},
        {"kind": "server", "kernels": [{"id": "k"}], "sessions": []},
        {"kind": "server", "kernels": None, "sessions": []},
    ],
)
def test_refuses_what_is_no_server_s_manifest(document: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        ServerManifest.from_json(document)


def test_the_newest_checkpoint_is_chosen(repository: Repository) -> None:
    for _ in range(3):
        repository.commit("kernel-k", {"kind": "kernel"})
    choice = choose_generation(repository, "kernel-k", 2, 0)
    assert (choice.generation, choice.notes) == (3, ())


def test_a_damaged_one_is_passed_over_and_named(repository: Repository, tmp_path: Path) -> None:
    for _ in range(3):
        repository.commit("kernel-k", {"kind": "kernel"})
    damage(tmp_path, 3)
    choice = choose_generation(repository, "kernel-k", 3, 0)
    assert choice.generation == 2
    assert len(choice.notes) == 1 and "checkpoint 3 cannot be used" in choice.notes[0]


def test_none_from_before_a_restart_by_the_user_is_chosen(repository: Repository, tmp_path: Path) -> None:
    for _ in range(3):
        repository.commit("kernel-k", {"kind": "kernel"})
    assert choose_generation(repository, "kernel-k", None, 3).generation is None
    damage(tmp_path, 3)
    assert choose_generation(repository, "kernel-k", 3, 2).generation is None


def test_one_that_is_gone_is_named(repository: Repository) -> None:
    choice = choose_generation(repository, "kernel-k", 4, 0)
    assert choice.generation is None
    assert choice.notes == ("checkpoint 4 is gone from the store",)


def test_store_that_was_rolled_back_is_told(repository: Repository, tmp_path: Path) -> None:
    """The one before is good, and cannot be told from the newest by itself; the list of kernels knows."""
    for _ in range(3):
        repository.commit("kernel-k", {"kind": "kernel"})
    repository.store.delete("manifests/kernel-k/00000003.json")
    choice = choose_generation(repository, "kernel-k", 3, 0)
    assert (choice.generation, choice.notes) == (2, ("checkpoint 3 is gone from the store",))


def test_a_kernel_without_any_has_nothing_to_be_told(repository: Repository) -> None:
    choice = choose_generation(repository, "kernel-k", None, 0)
    assert (choice.generation, choice.notes) == (None, ())

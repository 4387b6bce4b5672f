"""Who may do what, from JupyterHub's scopes alone."""

from __future__ import annotations

import pytest

from elastic_spawner.hub.service.rights import Rights


def rights(*scopes: str, name: str = "ann", kind: str = "user") -> Rights:
    return Rights.of({"name": name, "kind": kind, "scopes": list(scopes)})


def test_the_scope_without_a_filter_covers_everybody() -> None:
    everybody = rights("custom:elastic:resize")
    assert everybody.resize_all
    assert everybody.may_resize("bob", "") and everybody.may_see("bob", "lab")


def test_a_user_without_scopes_sees_their_own_and_resizes_nothing() -> None:
    nobody = rights()
    assert nobody.may_see("ann", "") and nobody.may_see("ann", "lab")
    assert not nobody.may_see("bob", "")
    assert not nobody.may_resize("ann", "") and not nobody.resize_all


@pytest.mark.parametrize(
    ("scope", "covered", "others"),
    [
        ("custom:elastic:resize!user=bob", [("bob", ""), ("bob", "lab")], [("bobby", ""), ("cara", "")]),
        ("custom:elastic:resize!server=bob/lab", [("bob", "lab")], [("bob", ""), ("bob", "laboratory")]),
        ("custom:elastic:resize!server=bob/", [("bob", "")], [("bob", "lab")]),
    ],
)
def test_a_filter_covers_what_it_names(scope: str, covered: list, others: list) -> None:
    filtered = rights(scope)
    assert not filtered.resize_all
    for server in covered:
        assert filtered.may_resize(*server) and filtered.may_see(*server)
    for server in others:
        assert not filtered.may_resize(*server) and not filtered.may_see(*server)


@pytest.mark.parametrize("scope", ["custom:elastic:resiz", "custom:elastic", "admin:servers", "servers!user=bob"])
def test_other_scopes_give_nothing_here(scope: str) -> None:
    assert not rights(scope).may_see("bob", "")


def test_a_service_is_not_the_user_of_the_same_name() -> None:
    assert not rights(kind="service", name="ann").may_see("ann", "")


@pytest.mark.parametrize("name", ["bob!user=ann", "ann=", "a,b"])
def test_a_name_that_looks_like_a_filter_is_covered_by_no_filter(name: str) -> None:
    assert not rights("custom:elastic:resize!user=ann").may_resize(name, "")
    assert not rights("custom:elastic:resize!user=ann").may_resize("ann", name)

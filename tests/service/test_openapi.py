"""The OpenAPI file says what there is."""

from __future__ import annotations

import re

from jsonschema import Draft202012Validator

from elastic_spawner.hub.service import api
from elastic_spawner.migration import Step

from .openapi import DOCUMENT, check, operation


def _template(pattern: str) -> str:
    group = "([^/]+)"
    path = pattern.replace(r"\.", ".").replace(group, "{user}", 1).replace(group, "{server}")
    return path.removeprefix("api")


def test_every_route_is_described_and_no_other() -> None:
    routes = {_template(pattern): handler for pattern, handler in api.HANDLERS if handler is not api.NoApiHandler}
    described = {
        (path, method) for path, methods in DOCUMENT["paths"].items() for method in methods if method != "parameters"
    }
    there = {
        (path, method)
        for path, handler in routes.items()
        for method in ("get", "post", "put", "patch", "delete")
        if method in vars(handler)
    }
    assert described == there


def test_every_schema_is_one() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere() -> None:
    text = api.OPENAPI.read_text()
    for kind, name in set(re.findall(r'"#/components/(\w+)/(\w+)"', text)):
        assert name in DOCUMENT["components"][kind]


def test_every_step_of_a_move_is_named() -> None:
    named = DOCUMENT["components"]["schemas"]["Progress"]["properties"]["step"]["enum"]
    assert set(named) == {step.value for step in Step} | {"idle"}


def test_the_example_is_what_the_schema_wants() -> None:
    content = operation("POST", "servers/ann/-/resize")["requestBody"]["content"]["application/json"]
    check(content["schema"], content["example"])

"""Holding answers against the OpenAPI file."""

from __future__ import annotations

import json
import re
from typing import Any

from jsonschema import Draft202012Validator

from elastic_spawner.hub.service.api import OPENAPI

DOCUMENT: dict[str, Any] = json.loads(OPENAPI.read_text())


def operation(method: str, path: str) -> dict[str, Any]:
    """What the file says of a request, by its path below api/."""
    for template, operations in DOCUMENT["paths"].items():
        parts = re.split(r"(\{\w+\})", template)
        pattern = "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts)
        if re.fullmatch(pattern, "/" + path):
            return dict(operations[method.lower()])
    raise AssertionError(f"openapi.json has no {path}")


def check(schema: dict[str, Any], value: Any) -> None:
    """Assert that a value is as a schema of the file says."""
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(value)


def check_answer(method: str, path: str, status: int, value: Any) -> None:
    """Assert that an answer is as the file says."""
    responses = operation(method, path)["responses"]
    assert str(status) in responses, f"{method} {path} answers {status}, of which openapi.json says nothing: {value}"
    check(next(iter(responses[str(status)]["content"].values()))["schema"], value)

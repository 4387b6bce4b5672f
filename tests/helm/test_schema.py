"""Values that make no sense are refused before anything is installed, by their names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from elastic_spawner.hub.kube import ElasticKubeSpawner

from .conftest import CHART, S3, Refused, Render

SCHEMA = json.loads((CHART / "values.schema.json").read_text())


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"storage": {}}, "storage"),
        ({"store": {"type": "gcs"}}, "/store/type"),
        ({"store": {"type": "s3"}}, "/store/s3/bucket"),
        ({"store": {"type": "s3", "s3": {"bucket": "No_Bucket"}}}, "/store/s3/bucket"),
        ({"store": {"s3": {"endpoint": "minio:9000"}}}, "/store/s3/endpoint"),
        ({"store": {"s3": {"secretKey": "x"}}}, "secretKey"),
        ({"store": {"s3": {"serverSideEncryption": "rot13"}}}, "/store/s3/serverSideEncryption"),
        ({"store": {"pvc": {"mountPath": "relative"}}}, "/store/pvc/mountPath"),
        ({"store": {"pvc": {"accessModes": []}}}, "/store/pvc/accessModes"),
        ({"secret": {"value": "short"}}, "/secret/value"),
        ({"servers": {"evictionGrace": 5}}, "/servers/evictionGrace"),
        ({"servers": {"maxMemory": "much"}}, "/servers/maxMemory"),
        ({"servers": {"maxCpus": 0}}, "/servers/maxCpus"),
        ({"servers": {"agentImage": {"name": ""}}}, "/servers/agentImage/name"),
        ({"servers": {"encryptCheckpoints": True}}, "/servers/encryptCheckpoints"),
        ({"resizers": {"users": "ann"}}, "/resizers/users"),
        ({"service": {"port": 80}}, "/service/port"),
        ({"networkPolicy": {"store": [{"pods": {}}]}}, "pods"),
        ({"jupyterhub": {"proxyUrl": "proxy-public"}}, "/jupyterhub/proxyUrl"),
        ({"hub": {"enabled": "yes"}}, "/hub/enabled"),
        ({"hub": {"baseUrl": "jupyter"}}, "/hub/baseUrl"),
        ({"hub": {"proxy": {"service": {"type": "Ingress"}}}}, "/hub/proxy/service/type"),
        ({"test": {"user": "Ann Smith"}}, "/test/user"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_and_named(render: Render, values: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused) as refusal:
        render(values)
    assert named.strip("/").replace("/", ".") in str(refusal.value).replace("/", ".")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"store": S3},
        {"servers": {"maxMemory": "64G", "maxCpus": 0.5}},
        {"hub": {"enabled": True, "config": {"KubeSpawner": {"anything": 1}}}},
        {"global": {"shared": 1}},
    ],
    ids=str,
)
def test_what_makes_sense_is_taken(run_helm: Callable[..., str], values: dict[str, Any]) -> None:
    """`helm lint` finds nothing but that there is no icon."""
    said = run_helm("lint", str(CHART), "--strict", "--kube-version", "1.36.0", values=values)
    assert "0 chart(s) failed" in said
    assert "WARNING" not in said and "ERROR" not in said


def objects(schema: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each part of the schema that describes a value, by its path."""
    for name, part in schema.get("properties", {}).items():
        yield f"{where}/{name}", part
        yield from objects(part, f"{where}/{name}")
    if "items" in schema:
        yield from objects(schema["items"], f"{where}[]")


def test_nothing_unknown_is_taken_and_everything_is_described() -> None:
    """What takes any name says so by allowing it on purpose."""
    assert SCHEMA["additionalProperties"] is False
    for where, part in objects(SCHEMA):
        assert len(part.get("description", "")) > 3, where
        if part.get("type") == "object":
            assert "additionalProperties" in part, where
            assert part.get("properties") or part["additionalProperties"] is not False, where


def test_every_default_is_described() -> None:
    """values.yaml and the schema list the same values."""

    def compare(values: dict[str, Any], schema: dict[str, Any], where: str) -> None:
        described = schema.get("properties")
        if described is None:
            return
        missing = {"global"} if not where else set()
        assert set(values) | missing >= set(described) - ({"limits"} if where.endswith("resources") else set()), where
        for name, value in values.items():
            assert name in described, f"{where}/{name}"
            if isinstance(value, dict):
                compare(value, described[name], f"{where}/{name}")

    compare(yaml.safe_load((CHART / "values.yaml").read_text()), SCHEMA, "")


def test_every_trait_that_is_set_is_one(render: Render) -> None:
    """The names are the spawner's own, and it takes the values."""
    rendered = render({"store": {"type": "pvc"}, "servers": {"maxMemory": "8G", "maxCpus": 4}})
    traits = json.loads(rendered.one("ConfigMap", "elastic-spawner")["data"]["settings.json"])["traits"]
    known = ElasticKubeSpawner.class_traits(config=True)
    taken = {name: known[name].validate(None, value) for name, value in traits.items()}
    assert taken["max_mem"] == 8 << 30

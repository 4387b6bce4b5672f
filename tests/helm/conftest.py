"""Rendering the chart with the real helm, without a cluster."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.machine.build import CannotBuild, helm

CHART = Path(__file__).resolve().parents[2] / "helm" / "elastic-spawner"
S3 = {"type": "s3", "s3": {"bucket": "checkpoints"}}
ALONE = {"hub": {"enabled": True}}


class Refused(Exception):
    """What helm said on its way out."""


class Rendered:
    """The objects that a release consists of."""

    def __init__(self, text: str) -> None:
        self.objects: list[dict[str, Any]] = [found for found in yaml.safe_load_all(text) if found]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """All objects of a kind by their names."""
        return {found["metadata"]["name"]: found for found in self.objects if found["kind"] == kind}

    def one(self, kind: str, name: str) -> dict[str, Any]:
        return self.of(kind)[name]

    def pods(self) -> dict[str, dict[str, Any]]:
        """The specification of each pod that runs, whatever makes it, by kind and name."""
        found = {}
        for one in self.objects:
            spec = one.get("spec", {})
            if one["kind"] == "Pod":
                found[f"Pod {one['metadata']['name']}"] = spec
            elif "template" in spec:
                found[f"{one['kind']} {one['metadata']['name']}"] = spec["template"]["spec"]
        return found


Render = Callable[..., Rendered]


@pytest.fixture(scope="session")
def run_helm() -> Callable[..., str]:
    """Runs helm and returns its output. Raises Refused."""
    try:
        program = helm()
    except CannotBuild as error:
        pytest.skip(f"NOT RUN, because helm cannot be had here: {error}")

    def run(*arguments: str, values: dict[str, Any] | None = None) -> str:
        done = subprocess.run(
            [str(program), *arguments, "-f", "-"],
            input=yaml.safe_dump(values or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Refused(done.stderr + done.stdout)
        return done.stdout

    return run


@pytest.fixture(scope="session")
def render(run_helm: Callable[..., str]) -> Render:
    """Renders the chart as a release called elastic-spawner in the namespace hubs."""

    def template(values: dict[str, Any] | None = None, *arguments: str) -> Rendered:
        where = ("template", "elastic-spawner", str(CHART), "-n", "hubs", "--kube-version", "1.36.0")
        return Rendered(run_helm(*where, *arguments, values=values))

    return template


@pytest.fixture(scope="session")
def notes(run_helm: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """What an admin reads after an installation. `helm template` leaves that out, so a copy of the chart makes an
    object of it."""
    copy = tmp_path_factory.mktemp("notes") / "elastic-spawner"
    shutil.copytree(CHART, copy)
    (copy / "templates" / "NOTES.txt").rename(copy / "files" / "NOTES.txt")
    (copy / "templates" / "notes.yaml").write_text(
        "apiVersion: v1\nkind: Notes\nmetadata: {name: notes}\n"
        'text: {{ tpl (.Files.Get "files/NOTES.txt") . | toJson }}\n'
    )

    def read(values: dict[str, Any] | None = None) -> str:
        where = ("template", "elastic-spawner", str(copy), "-n", "hubs", "--kube-version", "1.36.0")
        rendered = Rendered(run_helm(*where, "-s", "templates/notes.yaml", values=values))
        return str(rendered.one("Notes", "notes")["text"])

    return read

"""What is installed is what is in the tree: nothing forgotten, nothing that would not be there elsewhere."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(TREE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_the_whole_package(wheel: zipfile.ZipFile) -> None:
    """Modules, templates, scripts, styles, the OpenAPI file and the agent's configuration are all there."""
    package = TREE / "elastic_spawner"
    files = {p.relative_to(TREE).as_posix() for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert files <= set(wheel.namelist())
    for part in ("static/", "templates/", "openapi.json", "agent/etc/jupyter_server_config.py"):
        assert any(part in name for name in wheel.namelist()), part


def test_the_wheel_holds_the_demos_notebook(wheel: zipfile.ZipFile) -> None:
    """`elastic-spawner demo` finds its notebook without a checkout."""
    notebook = (TREE / "examples" / "notebooks" / "demo.ipynb").read_bytes()
    assert wheel.read("elastic_spawner/demo/demo.ipynb") == notebook


def test_the_wheel_registers_command_and_spawner(wheel: zipfile.ZipFile) -> None:
    """JupyterHub finds the spawner by its name, and the shell the command."""
    (name,) = (n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    entries = wheel.read(name).decode()
    assert "elastic-spawner = elastic_spawner.cli:main" in entries
    assert "elastic-local = elastic_spawner.hub.local:ElasticLocalSpawner" in entries


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    """No tests, no examples and no caches are installed."""
    top = {name.partition("/")[0] for name in wheel.namelist()}
    assert {t for t in top if not t.endswith(".dist-info")} == {"elastic_spawner"}
    assert [n for n in wheel.namelist() if "__pycache__" in n or "/tests/" in n] == []

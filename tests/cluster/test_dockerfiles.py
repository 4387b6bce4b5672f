"""The Dockerfiles say what the images that are built here have in them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from elastic_spawner.lib import build_lib

from .machine.__main__ import DOCKERFILES, dockerfiles
from .machine.contents import compile_command


def test_the_dockerfiles_are_made_from_the_list_of_contents() -> None:
    found = {path.name: path.read_text() for path in DOCKERFILES.iterdir()}
    assert found == dockerfiles()


def test_the_lent_packages_are_compiled_whatever_their_dates_are(tmp_path: Path) -> None:
    """The source is not read any more, which has another date in an image."""
    folder = build_lib(tmp_path, copy=True)
    subprocess.run(compile_command(sys.executable, str(folder)), check=True)
    (folder / "elastic_spawner" / "errors.py").write_text("raise SystemExit('compiled anew')")
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import elastic_spawner.errors as e; print(e.__file__)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert said.stdout.startswith(str(folder))

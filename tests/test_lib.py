"""The folder lent to kernels holds our package and what it needs, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from elastic_spawner import lib
from elastic_spawner.lib import PACKAGES, build_lib
from tests.agent.environments import environment


def test_links_to_the_packages_and_to_nothing_else(tmp_path: Path) -> None:
    folder = build_lib(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == sorted(PACKAGES)
    assert (folder / "elastic_spawner" / "lib.py").samefile(lib.__file__)


def test_a_copy_needs_the_installed_packages_no_more(tmp_path: Path) -> None:
    folder = build_lib(tmp_path, copy=True)
    assert sorted(path.name for path in folder.iterdir()) == sorted(PACKAGES)
    assert not any(path.is_symlink() for path in folder.rglob("*"))


def test_a_copy_is_compiled_and_stays_so_wherever_it_is_put(tmp_path: Path) -> None:
    """An image changes the times of files, and is read only."""
    folder = build_lib(tmp_path, copy=True)
    sources = [*folder.glob("elastic_spawner/**/*.py"), *folder.glob("dill/*.py")]
    assert len(sources) > 100
    for source in sources:
        os.utime(source, (0, 0))
        flags = int.from_bytes(Path(cache_from_source(str(source))).read_bytes()[4:8], "little")
        assert flags == 0b01, f"{source} is looked at before its compiled form is used"
    script = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); compiled = []\n"
        "of_ours = lambda args: str(args[1]).startswith(sys.path[0])\n"
        "note = lambda event, args: compiled.append(args) if event == 'compile' and of_ours(args) else None\n"
        "sys.addaudithook(note)\n"
        "import elastic_spawner.kernel.session\n"
        "assert elastic_spawner.__file__.startswith(sys.path[0]); print(len(compiled))"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "0\n"


def test_is_made_once(tmp_path: Path) -> None:
    folder = build_lib(tmp_path)
    before = folder.stat().st_mtime_ns
    assert build_lib(tmp_path) == folder
    assert folder.stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_several_may_make_it_at_once(tmp_path: Path) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(build_lib(tmp_path, copy=True))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == [found[0].name]


def test_says_which_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lib, "PACKAGES", (*PACKAGES, "no_such_package"))
    with pytest.raises(ModuleNotFoundError, match="no_such_package is not installed"):
        build_lib(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("copy", [False, True])
def test_another_environment_gets_our_packages_and_none_of_the_others(tmp_path: Path, copy: bool) -> None:
    script = (
        "import sys, json, importlib.util as u\n"
        f"had = [name for name in {PACKAGES!r} if u.find_spec(name)]\n"
        f"sys.path.append({str(build_lib(tmp_path, copy=copy))!r})\n"
        "import elastic_spawner, dill, cloudpickle, networkx\n"
        "print(json.dumps([had, bool(u.find_spec('jupyter_server'))]))"
    )
    python = environment("ipykernel6", "ipykernel<7")
    ran = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(ran.stdout) == [[], False]


def test_a_folder_beside_the_caller_is_found_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub names it by its own working directory, and kernels run elsewhere."""
    monkeypatch.chdir(tmp_path)
    folder = build_lib("lib")
    assert folder.is_absolute() and folder.parent == tmp_path / "lib"

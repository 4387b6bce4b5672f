"""The folder that is lent to kernels which have none of our packages: made by the hub, or by the agent itself.

A kernel may run in an environment of another Python version than the server. Appending the server's site-packages to
its `sys.path` would show it hundreds of packages that were built for that other version. So a folder is made that holds
our package and its pure Python dependencies and nothing else.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

PACKAGES = ("elastic_spawner", "dill", "cloudpickle", "networkx")
"""What the kernel part needs; all of them pure Python."""


def build_lib(target: str | os.PathLike[str] | None = None, *, copy: bool = False) -> Path:
    """Make the folder of packages for kernels, or find the one that was made before, and return it.

    `target` is the folder that holds such folders, one per set of versions (default: the user's cache); the users'
    kernels must be able to read it. With `copy` the packages are copied, for an image or another machine; else they
    are linked to, and follow the installed ones. A copy is compiled for each Python that is found here. Raises
    ModuleNotFoundError, OSError.
    """
    parent = (Path(target) if target is not None else _cache_folder()).absolute()
    sources = {name: _package_folder(name) for name in PACKAGES}
    folder = parent / f"lib-{_version('elastic_spawner')}-{_fingerprint(sources, copy)}"
    if folder.is_dir():
        return folder
    parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=parent))
    try:
        making.chmod(0o755)  # mkdtemp keeps others out, but the kernels may be other users'
        for name, source in sources.items():
            if copy:
                shutil.copytree(source, making / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
            else:
                (making / name).symlink_to(source, target_is_directory=True)
        if copy:
            _compile(making)
        try:
            making.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster, and made the same
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder


def _compile(folder: Path) -> None:
    """Compile what is there for every Python that is found here: where the folder is mounted, nobody may write to it,
    and each kernel would compile what it imports. Nobody changes the sources, nor keeps their times in an image.
    """
    found = {f"3.{minor}": shutil.which(f"python3.{minor}") for minor in range(10, 30)}
    found[".".join(map(str, sys.version_info[:2]))] = sys.executable
    for python in filter(None, found.values()):
        command = [python, "-m", "compileall", "-q", "-q", "--invalidation-mode", "unchecked-hash", str(folder)]
        # one that does not start here, or is too old for a package, is no reason to lend nothing
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "elastic-spawner"


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"{name} is not installed beside elastic_spawner; install elastic-spawner with pip", name=name
        )
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def _version(name: str) -> str:
    try:
        return metadata.version(name.replace("_", "-"))
    except metadata.PackageNotFoundError:  # lent from such a folder itself: no metadata there
        return "0"


def _fingerprint(sources: dict[str, Path], copy: bool) -> str:
    digest = hashlib.sha256(repr([(name, _version(name), str(source)) for name, source in sources.items()]).encode())
    if copy:  # a development version changes without changing its number
        for path in sorted(sources["elastic_spawner"].rglob("*.py")):
            status = path.stat()
            digest.update(f"{path} {status.st_size} {status.st_mtime_ns}".encode())
    return ("copy-" if copy else "link-") + digest.hexdigest()[:12]

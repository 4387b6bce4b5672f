"""The folder of Python packages that user kernels get, whatever their own environment lacks.

It holds links to our package and its pure Python dependencies and to nothing else, so that a kernel which appends the
folder to ``sys.path`` sees no other package of the hub's environment.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

PACKAGES = ("elastic_spawner", "dill", "cloudpickle", "networkx")


def build_lib(directory: str | Path) -> Path:
    """Make or bring up to date the folder, and return it.

    Raises ImportError when a package is missing in this environment, and OSError.
    """
    directory = Path(directory).absolute()
    directory.mkdir(parents=True, exist_ok=True)
    for name in PACKAGES:
        source = _package_dir(name)
        link = directory / name
        if link.is_symlink() and Path(os.readlink(link)) == source:
            continue
        temporary = directory / f".{name}.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(source, target_is_directory=True)
        os.replace(temporary, link)
    return directory


def _package_dir(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{name} is missing in the hub's environment: install elastic-spawner with its dependencies")
    return Path(next(iter(spec.submodule_search_locations))).resolve()

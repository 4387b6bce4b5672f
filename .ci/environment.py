#!/usr/bin/env python3
"""Make one of the project's environments, unless it is there already, and print where it is.

    python3 .ci/environment.py main

Standard library only, because it runs before anything is installed. An environment is a virtual environment with this
checkout installed editable, plus the JupyterHub proxy from npm where it is needed. Most are made from the interpreter
that runs this file; some name another one, and are not made where that cannot be had (exit status 3). It lies in the
user's cache folder (or in `$ELASTIC_ENVIRONMENTS`) under a name that holds a hash of everything it was made from: of
`pyproject.toml`, of this file, of the interpreter and of the checkout's place. So a second run finds it, and a change
makes a new one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import debian_python

TREE = Path(__file__).resolve().parent.parent

NO_SUCH_PYTHON = 3
"""Exit status: the environment's Python is not on this machine, nor in Debian's archive."""


@dataclass(frozen=True)
class Recipe:
    """What an environment is made from."""

    requirements: tuple[str, ...]
    """Arguments of ``uv pip install``."""
    proxy: bool = False
    browser: bool = False
    python: str = ""
    """The interpreter's minor version; empty for the one that runs this file."""


def catalogue(python: str = "", *others: str) -> Recipe:
    """The conformance catalogue's libraries, the newest of each but for what ``others`` requires."""
    return Recipe(("-e", ".", "--group", "conformance", *others), python=python)


ENVIRONMENTS = {
    "demo": Recipe(("-e", ".[demo]"), proxy=True),
    "main": Recipe(("-e", ".[test]"), proxy=True, browser=True),
    "hub5": Recipe(("-e", ".[test]", "jupyterhub==5.5.*"), proxy=True),
    "conformance": catalogue(),
    "conformance-3.10": catalogue("3.10", "ipykernel<7", "numpy<2", "pandas<3"),
    "conformance-3.11": catalogue("3.11", "ipykernel<7", "numpy<2", "pandas<3", "pyarrow<26"),
    "conformance-3.12": catalogue("3.12", "ipykernel<7", "pandas<3"),
    "conformance-3.13": catalogue("3.13"),
    "conformance-3.14": catalogue("3.14"),
    "kernel-3.10": Recipe(("-e", ".", "ipykernel", "numpy"), python="3.10"),
    "kernel-3.11": Recipe(("-e", ".", "ipykernel"), python="3.11"),
    "kernel-3.12": Recipe(("-e", ".", "ipykernel"), python="3.12"),
    "kernel-3.13": Recipe(("-e", ".", "ipykernel"), python="3.13"),
    "kernel-3.14": Recipe(("-e", ".", "ipykernel"), python="3.14"),
    "kernel-3.15": Recipe(("-e", ".", "ipykernel"), python="3.15"),
    "benchmarks": Recipe(("-e", ".", "--group", "benchmarks")),
    "docs": Recipe(("-e", ".[docs]")),
}
PROXY = "configurable-http-proxy@^5"
# command -> Debian's package
SYSTEM_PACKAGES = {"node": "nodejs", "npm": "npm", "chromium": "chromium"}


def say(text: str) -> None:
    print(f"[environment] {text}", file=sys.stderr, flush=True)


def fail(text: str) -> NoReturn:
    say(text)
    sys.exit(1)


def run(*command: str | Path, **env: str) -> None:
    """Run a command with its output on our stderr; end the program with a clear line when it fails."""
    environ = {**os.environ, **env}
    done = subprocess.run([str(c) for c in command], cwd=TREE, stdout=sys.stderr, env=environ, check=False)
    if done.returncode:
        fail(f"`{' '.join(map(str, command))}` ended with status {done.returncode}; its output is above")


def system_packages(packages: list[str]) -> None:
    """Install Debian packages when we may, else say what is missing."""
    wanted = " ".join(packages)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        fail(f"missing: {wanted}. Install them first, on Debian or Ubuntu: sudo apt-get install {wanted}")
    say(f"installing {wanted}")
    run("apt-get", "update", "-q", DEBIAN_FRONTEND="noninteractive")
    run("apt-get", "install", "-q", "-y", "--no-install-recommends", *packages, DEBIAN_FRONTEND="noninteractive")


def cache_folder() -> Path:
    """Where environments live: the cache folder, or `.venv` in the tree where there is no cache folder to write to."""
    if given := os.environ.get("ELASTIC_ENVIRONMENTS"):
        return Path(given).absolute()
    # Root's goes where other users can read it: some tests give their rights up.
    usual = "/var/cache" if os.geteuid() == 0 else os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    cache = Path(usual).expanduser() / "elastic-spawner" / "environments"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        (cache / ".writable").touch()
    except OSError:
        return TREE / ".venv"
    return cache


def interpreter(version: str) -> Path:
    """An interpreter of this minor version, from PATH, pyenv or Debian's archive; ends with status 3 without one."""
    if not version or version == f"3.{sys.version_info[1]}":
        return Path(sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser() / "versions"
    for found in (shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python{version}"))):
        # a shim of pyenv's is there for versions that it will not run
        if found and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0:
            return Path(found)
    if found := debian_python.interpreter(version, cache_folder(), say):
        return found
    say(f"Python {version} is not on this machine")
    sys.exit(NO_SUCH_PYTHON)


def key(name: str, python: Path) -> str:
    parts = [name, sys.version, str(python.resolve()), str(TREE)]
    content = [(TREE / "pyproject.toml").read_bytes(), Path(__file__).read_bytes()]
    return hashlib.blake2b("\0".join(parts).encode() + b"\0".join(content), digest_size=6).hexdigest()


def prune(cache: Path, name: str) -> None:
    """Remove the environments that nobody will ask for again: of checkouts that are gone, and our own older ones."""
    for mark in cache.glob("*/tree"):
        tree = mark.read_text().strip()
        if not Path(tree).is_dir() or (tree == str(TREE) and mark.parent.name.rpartition("-")[0] == name):
            say(f"removing the old {mark.parent.name}")
            shutil.rmtree(mark.parent, ignore_errors=True)


def make_python(folder: Path, python: Path, requirements: tuple[str, ...]) -> None:
    made = subprocess.run([str(python), "-m", "venv", str(folder)], capture_output=True, text=True, check=False)
    if made.returncode:  # Debian keeps ensurepip in a package of its own
        shutil.rmtree(folder, ignore_errors=True)
        if "ensurepip" not in made.stdout + made.stderr:
            fail(f"cannot make a virtual environment in {folder}: {(made.stderr or made.stdout).strip()}")
        system_packages([f"python3.{sys.version_info[1]}-venv"])
        run(python, "-m", "venv", folder)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv>=0.5")
    run(folder / "bin" / "uv", "pip", "install", "--quiet", "--python", folder / "bin" / "python", *requirements)


def make_proxy(folder: Path) -> None:
    """Put configurable-http-proxy into the environment's bin folder."""
    if missing := [SYSTEM_PACKAGES[c] for c in ("node", "npm") if not shutil.which(c)]:
        system_packages(missing)
    node = folder / "node"
    run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", node, PROXY)
    (folder / "bin" / "configurable-http-proxy").symlink_to(node / "node_modules" / ".bin" / "configurable-http-proxy")


def environment(name: str) -> Path:
    """The environment's folder, made when it is not there yet."""
    recipe = ENVIRONMENTS[name]
    python = interpreter(recipe.python)
    if recipe.browser and not shutil.which("chromium"):
        system_packages([SYSTEM_PACKAGES["chromium"]])
    if recipe.proxy and not shutil.which("node"):  # the proxy in the environment needs it, however old that is
        system_packages([SYSTEM_PACKAGES["node"]])
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{name}-{key(name, python)}"
    with open(cache / f".lock-{name}", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "complete").exists():
            return folder
        prune(cache, name)
        shutil.rmtree(folder, ignore_errors=True)
        say(f"making {folder}")
        make_python(folder, python, recipe.requirements)
        (folder / "tree").write_text(f"{TREE}\n")
        if recipe.proxy:
            make_proxy(folder)
        (folder / "complete").touch()
    return folder


def main() -> None:
    if sys.version_info < (3, 10):  # noqa: UP036 - nobody has checked the interpreter before us
        fail(f"Python 3.10 or newer is needed, and this is {sys.version.split()[0]}; try `make PYTHON=python3.11 ...`")
    if len(sys.argv) != 2 or sys.argv[1] not in {*ENVIRONMENTS, "--clean"}:
        fail(f"usage: environment.py {' | '.join(ENVIRONMENTS)} | --clean")
    if sys.argv[1] == "--clean":
        for name in ENVIRONMENTS:
            prune(cache_folder(), name)
    else:
        print(environment(sys.argv[1]))


if __name__ == "__main__":
    main()

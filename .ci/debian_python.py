"""A CPython that this machine lacks, from the archive of Debian's next release. Standard library only.

Nothing is installed, and root is not needed: apt resolves and downloads the packages with a state of its own, checks
them by Debian's keyring, and they are unpacked into the cache folder, with the C library that they were built for. That
is a newer one than the machine's, so the interpreter is started by its own loader, through a script of one line. To
Python itself all is as usual (``sys.executable``, virtual environments, child processes); only ``/proc/PID/exe`` names
the loader.
"""

from __future__ import annotations

import fcntl
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

ARCHIVE = "http://deb.debian.org/debian"
SUITE = "forky"
VERSIONS = ("3.14", "3.15")
"""The minor versions that are asked for there."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

CONFIG = """\
#clear APT::Update;
#clear DPkg;
Dir::State "{0}/state"; Dir::State::status "/dev/null"; Dir::Cache "{0}/cache";
Dir::Etc::SourceList "{0}/sources.list"; Dir::Etc::SourceParts "/dev/null";
APT::Install-Recommends "false"; APT::Sandbox::User "root"; APT::Update::Error-Mode "any";
Acquire::Languages "none"; Acquire::Retries "2";
"""


def download(packages: list[str], folder: Path) -> list[Path]:
    """These packages and all that they need, as files below a folder; raises CalledProcessError."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "sources.list").write_text(f"deb [signed-by={KEYRING} target=Packages] {ARCHIVE} {SUITE} main\n")
    (folder / "config").write_text(CONFIG.format(folder))
    for command in (["update"], ["install", "-y", "--download-only", *packages]):
        apt = ["apt-get", "-q", "-c", str(folder / "config"), *command]
        subprocess.run(apt, check=True, capture_output=True, text=True)
    return sorted((folder / "cache" / "archives").glob("*.deb"))


def wrap(folder: Path, version: str, home: Path) -> None:
    """Make an unpacked interpreter start by the loader beside it, when the folder is at ``home``."""
    (loader,) = folder.glob("usr/lib/*/ld-linux*.so.*")
    loader = home / loader.relative_to(folder)
    program = folder / "usr" / "bin" / f"python{version}"
    program.rename(f"{program}.elf")
    binary = home / "usr" / "bin" / f"python{version}.elf"
    words = f"{shlex.quote(str(loader))} --library-path {shlex.quote(str(loader.parent))}"
    program.write_text(f'#!/bin/sh\nexec {words} --argv0 "$0" {shlex.quote(str(binary))} "$@"\n')
    program.chmod(0o755)
    # where `venv` finds the wheel of pip
    for settings in (folder / "usr" / "lib" / f"python{version}").glob("_sysconfig*"):
        wheels = "/usr/share/python-wheels/"
        settings.write_text(settings.read_text().replace(f"DIR': '{wheels}", f"DIR': '{home}{wheels}"))


def interpreter(version: str, cache: Path, say: Callable[[str], None]) -> Path | None:
    """An interpreter of this minor version, kept in the cache folder; none where it cannot be had, and said why."""
    if version not in VERSIONS:
        return None
    if missing := [name for name in ("apt-get", "dpkg-deb") if not shutil.which(name)]:
        say(f"Python {version} is not taken from Debian's archive: {', '.join(missing)} is not on this machine")
        return None
    if not KEYRING.exists():
        say(f"Python {version} is not taken from Debian's archive: {KEYRING} (of debian-archive-keyring) is not there")
        return None
    home = cache / f"python-{version}"
    program = home / "usr" / "bin" / f"python{version}"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / f".lock-python-{version}", "w") as lock, tempfile.TemporaryDirectory(dir=cache) as made:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program.exists():
            return program
        say(f"unpacking Python {version} from Debian's {SUITE}")
        unpacked = Path(made) / "unpacked"
        try:
            wanted = [f"python{version}", f"python{version}-venv", "libc6", "libstdc++6"]
            for package in download(wanted, Path(made) / "apt"):
                subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True, capture_output=True, text=True)
            wrap(unpacked, version, home)
            unpacked.rename(home)
            subprocess.run([program, "-c", "import ctypes, sqlite3, ssl"], check=True, capture_output=True, text=True)
        except subprocess.CalledProcessError as error:
            shutil.rmtree(home, ignore_errors=True)
            say(f"Python {version} cannot be had from Debian's archive: {error.stderr.strip()}")
            return None
    return program

"""The cluster's daemons: started in the background, found again after a crash, ended for certain."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

MARK = "ELASTIC_CLUSTER"
"""In the environment of each daemon, and of what the daemons start (shims, but no containers)."""


class Daemons:
    """Starts daemons that go on when this process ends. Their logs are in ``folder``."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.programs = programs
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: Sequence[str], **environment: str) -> subprocess.Popen[bytes]:
        path = f"{self.programs}:/usr/sbin:/usr/bin:/sbin:/bin"
        with open(self.folder / f"{name}.log", "wb") as log:
            return subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                # Nothing of the caller's environment: the cluster is to be the same whoever starts it.
                env={"PATH": path, "HOME": str(self.folder), "LANG": "C.UTF-8", MARK: "1", **environment},
                start_new_session=True,
            )

    def tail(self, name: str, lines: int = 15) -> str:
        path = self.folder / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(no log)"


def wait_for(what: str, condition: Callable[[], object], timeout_s: float, pause_s: float = 0.2) -> None:
    """Wait until ``condition`` returns something true. Raises TimeoutError that names ``what``."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        time.sleep(pause_s)


def marked() -> Iterator[int]:
    """The processes of any cluster of ours on this machine."""
    wanted = f"{MARK}=1".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted in entry.joinpath("environ").read_bytes().split(b"\0"):
                yield int(entry.name)
        except OSError:
            continue


def kill_all(find: Callable[[], Iterator[int]], timeout_s: float = 20) -> None:
    """Kill processes, by ``kill -9``, until no more are found."""
    deadline = time.monotonic() + timeout_s
    while found := [pid for pid in find() if not _is_zombie(pid)]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes that do not end: {found}")
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True

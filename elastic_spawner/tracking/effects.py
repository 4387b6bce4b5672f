"""What a cell does to the outside, through the interpreter's audit events (PEP 578).

An audit hook cannot be removed, so there is one for the process; it does next to nothing while no cell is recorded.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
import types
from collections.abc import Callable
from typing import Any

_READ_LIMIT = 64

# event -> how it is told to the user
_ACTS: dict[str, str] = {
    "os.remove": "removed a file",
    "os.rename": "renamed a file",
    "os.mkdir": "made a folder",
    "os.rmdir": "removed a folder",
    "os.link": "linked a file",
    "os.symlink": "linked a file",
    "os.truncate": "truncated a file",
    "os.chmod": "changed a file's mode",
    "os.chown": "changed a file's owner",
    "os.utime": "changed a file's times",
    "os.setxattr": "changed a file's attributes",
    "shutil.rmtree": "removed a folder",
    "shutil.move": "moved a file",
    "shutil.copyfile": "copied a file",
    "os.system": "ran a command",
    "os.exec": "replaced the process",
    "os.fork": "started a process",
    "os.forkpty": "started a process",
    "os.posix_spawn": "started a process",
    "os.spawn": "started a process",
    "os.kill": "sent a signal",
    "subprocess.Popen": "started a process",
    "pty.spawn": "started a process",
    "socket.connect": "used the network",
    "socket.bind": "used the network",
    "socket.sendto": "used the network",
    "socket.sendmsg": "used the network",
    "socket.getaddrinfo": "used the network",
    "urllib.Request": "used the network",
    "http.client.connect": "used the network",
    "ftplib.connect": "used the network",
    "smtplib.connect": "used the network",
    "_thread.start_new_thread": "started a thread",
    "_thread.start_joinable_thread": "started a thread",
    "webbrowser.open": "opened a browser",
    "mmap.__new__": "",
    "sqlite3.connect": "",
    "open": "",
    "builtins.input": "asked for input",
}


_OF_IMPORTS = frozenset({"started a process", "started a thread", "ran a command"})


class Effects:
    """What happened since `start`: acts on the outside, and files that were read."""

    def __init__(self) -> None:
        self.acts: dict[str, None] = {}
        self.reads: dict[str, None] = {}
        self._recording = False
        self._threads: set[threading.Thread] = set()
        self._system, self._caches = _own_folders()
        self._hook: Callable[[str, tuple[Any, ...]], None] | None = None

    def install(self) -> None:
        """Add the audit hook; once in a process."""
        if self._hook is not None:
            return
        acts = _ACTS
        get_thread = threading.get_ident

        def hook(event: str, args: tuple[Any, ...]) -> None:
            if event in acts and self._recording:
                if get_thread() in _ignored_threads or sys._getframe(1).f_code.co_name == _PROBE:
                    return
                try:
                    self._note(event, args)
                except Exception:
                    # an exception here would break the user's own call
                    self.acts.setdefault("acted on the outside in a way that could not be read", None)

        self._hook = hook
        sys.addaudithook(hook)

    def start(self) -> None:
        """Forget what was noted and begin to record."""
        self.acts, self.reads = {}, {}
        self._threads = set(threading.enumerate())
        self._recording = True

    def stop(self) -> tuple[list[str], list[str]]:
        """Stop recording; returns (acts, paths read)."""
        self._recording = False
        # One that has ended did all that it did within the cell, and that was noted as the cell's own.
        if any(t not in self._threads and not is_kernels(t) for t in threading.enumerate()):
            self.note("started a thread")
        self._threads = set()
        return list(self.acts), list(self.reads)

    def note(self, act: str) -> None:
        """Note an act that raises no audit event."""
        self.acts.setdefault(act, None)

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        text = _ACTS[event]
        if event == "open":
            self._note_open(*args)
        elif event == "sqlite3.connect":
            path = os.fspath(args[0]) if not isinstance(args[0], str) else args[0]
            if path not in (":memory:", b":memory:", "") and not self._is_own(path, writing=True):
                self.acts.setdefault(f"opened the database {_show(path)}", None)
        elif event == "mmap.__new__":
            if args and args[0] not in (-1, 0):
                self.reads.setdefault("", None)
        elif event.startswith("os.") and args and isinstance(args[0], (str, bytes)) and self._is_own(args[0], True):
            return
        elif event.startswith("_thread.") and args and isinstance(getattr(args[0], "__self__", None), threading.Thread):
            return  # whether it outlives the cell is seen at the end
        elif text == "used the network" and event in ("socket.bind", "socket.connect") and _is_local(args):
            self.acts.setdefault("used a local socket", None)
        elif not (text in _OF_IMPORTS and self._is_import()):
            self.acts.setdefault(text, None)

    def _is_import(self) -> bool:
        """Whether it is the doing of a library's module that is being imported: it asks what machine this is."""
        frame: types.FrameType | None = sys._getframe(3)
        module = None
        while frame is not None:
            if frame.f_code.co_name == "<module>":
                module = frame.f_code.co_filename
            elif module is not None and frame.f_code.co_filename == "<frozen importlib._bootstrap>":
                return module.startswith(self._system)
            frame = frame.f_back
        return False

    def _note_open(self, path: Any, mode: Any, flags: Any) -> None:
        if isinstance(path, int) or path is None:
            return
        writes = (
            bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))
            if isinstance(flags, int)
            else False
        )
        if isinstance(mode, str) and any(c in mode for c in "wax+"):
            writes = True
        if self._is_own(path, writes):
            return
        if writes:
            self.acts.setdefault(f"wrote the file {_show(path)}", None)
        elif len(self.reads) < _READ_LIMIT:
            self.reads.setdefault(os.path.abspath(os.fsdecode(path)), None)
        else:
            self.reads.setdefault("", None)  # too many to remember: unknown

    def _is_own(self, path: Any, writing: bool) -> bool:
        """Whether the path is a cache's own business; when it is only read, also the interpreter's or the system's."""
        name = os.fsdecode(path)
        if "__pycache__" in name or name.endswith((".pyc", ".so", "history.sqlite")):
            return True
        if name.startswith(self._caches):
            return True
        return not writing and (name.startswith(self._system) or _is_cell(name))


def _is_cell(path: str) -> bool:
    """Whether the path is where ipykernel says that the source of a cell lies: tracebacks look for it there."""
    compiler = sys.modules.get("ipykernel.compiler")
    return compiler is not None and path.startswith(compiler.get_tmp_directory() + os.sep)


_PROBE = "_get_default_tempdir"
"""The function of `tempfile` that writes a file to see where it can, once in a process and at any time: ipykernel has
it done while it compiles the first cell."""

_ignored_threads: set[int] = set()
_KERNELS = ("ipykernel.", "IPython.", "zmq.", "tornado.", "tqdm.", "pycares", "elastic_spawner.")


def ignore_thread(ident: int) -> None:
    """Do not attribute what this thread does to the cell that happens to run (the kernel's own threads)."""
    _ignored_threads.add(ident)


def heed_thread(ident: int) -> None:
    """The thread has ended: another one may get its number."""
    _ignored_threads.discard(ident)


def is_kernels(thread: Any) -> bool:
    """Whether the thread is the kernel's own: it opens another one whenever a front end asks for a subshell.

    Or ours, or a library's that touches nothing of the user's: tqdm's redraws bars, that of pycares (by which aiohttp
    resolves names) closes its sockets.
    """
    made_by = (type(thread).__module__, getattr(getattr(thread, "_target", None), "__module__", None))
    return any(isinstance(m, str) and m.startswith(_KERNELS) for m in made_by)


def _own_folders() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Folders of the interpreter, its libraries and the system; and those of caches and devices."""
    system = {*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, "/etc", "/usr"}
    home = os.path.expanduser("~")
    caches = {os.path.join(home, name) for name in (".cache", ".ipython", ".config")} | {"/proc", "/sys", "/dev"}
    for variable in ("XDG_CACHE_HOME", "IPYTHONDIR", "MPLCONFIGDIR", "JUPYTER_RUNTIME_DIR", "NUMBA_CACHE_DIR"):
        if os.environ.get(variable):
            caches.add(os.environ[variable])

    def prefixes(folders: set[str]) -> tuple[str, ...]:
        found = {f.rstrip("/") for f in folders if f and os.path.isabs(f)}
        return tuple(f + "/" for f in found - {"", home.rstrip("/")})

    return prefixes(system), prefixes(caches)


def _is_local(args: tuple[Any, ...]) -> bool:
    address = args[1] if len(args) > 1 else None
    return isinstance(address, (str, bytes))  # AF_UNIX


def _show(path: Any) -> str:
    return os.path.basename(os.fsdecode(path)) or os.fsdecode(path)

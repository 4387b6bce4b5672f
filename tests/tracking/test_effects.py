"""What code does to the outside, seen by a real audit hook in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import json, sys
import os, shutil, socket, sqlite3, subprocess, threading, tempfile, math, mmap, pathlib, glob
from elastic_spawner.tracking import effects as module
effects = module.Effects()
effects.install()
effects.install()
exec(sys.argv[1], globals())
effects.start()
error = None
try:
    exec(sys.argv[2], globals())
except BaseException as e:
    error = type(e).__name__
acts, reads = effects.stop()
open("after.txt", "w").close()
sys.stderr.write("RESULT" + json.dumps([acts, reads, error, list(effects.acts)]))
"""


def watch(folder: Path, source: str, setup: str = "", stdin: str = "") -> tuple[list[str], list[str], str | None]:
    """(acts, paths read, error) of a source run in ``folder``."""
    (folder / "in.txt").write_text("some text")
    (folder / "sub").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, setup, source],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HOME": str(folder / "home")},
    )
    found: list[Any] = json.loads(done.stderr.rsplit("RESULT", 1)[1])
    acts, reads, error, after = found
    assert acts == after  # nothing is recorded any longer once it has been stopped
    return acts, reads, error


@pytest.mark.parametrize(
    ("source", "act"),
    [
        ("open('out.txt', 'w').close()", "wrote the file out.txt"),
        ("open('out.txt', 'a').close()", "wrote the file out.txt"),
        ("open('in.txt', 'r+').close()", "wrote the file in.txt"),
        ("open('new.txt', 'x').close()", "wrote the file new.txt"),
        ("os.close(os.open('out.txt', os.O_WRONLY | os.O_CREAT))", "wrote the file out.txt"),
        ("pathlib.Path('out.txt').write_bytes(b'a')", "wrote the file out.txt"),
        ("shutil.copy('in.txt', 'copy.txt')", "wrote the file copy.txt"),
        ("os.remove('in.txt')", "removed a file"),
        ("pathlib.Path('in.txt').unlink()", "removed a file"),
        ("os.rename('in.txt', 'b.txt')", "renamed a file"),
        ("shutil.move('in.txt', 'sub')", "moved a file"),
        ("os.makedirs('a/b')", "made a folder"),
        ("os.rmdir('sub')", "removed a folder"),
        ("shutil.rmtree('sub')", "removed a folder"),
        ("os.symlink('in.txt', 'link')", "linked a file"),
        ("os.chmod('in.txt', 0o600)", "changed a file's mode"),
        ("os.utime('in.txt')", "changed a file's times"),
        ("os.truncate('in.txt', 0)", "truncated a file"),
        ("os.system('true')", "ran a command"),
        ("subprocess.run(['true'])", "started a process"),
        ("pid = os.fork()\nif not pid: os._exit(0)\nos.waitpid(pid, 0)", "started a process"),
        ("os.kill(os.getpid(), 0)", "sent a signal"),
        ("t = threading.Thread(target=threading.Event().wait, daemon=True); t.start()", "started a thread"),
        ("t = threading.Thread(target=open, args=('new', 'w')); t.start(); t.join()", "wrote the file new"),
        ("socket.create_connection(('127.0.0.1', port)).close()", "used the network"),
        ("socket.socket().bind(('127.0.0.1', 0))", "used the network"),
        ("socket.socket(type=socket.SOCK_DGRAM).sendto(b'a', ('127.0.0.1', port))", "used the network"),
        ("socket.socket(socket.AF_UNIX).bind('here')", "used a local socket"),
        ("sqlite3.connect('data.db').close()", "opened the database data.db"),
        ("input()", "asked for input"),
    ],
)
def test_an_act_on_the_outside_is_noted(tmp_path: Path, source: str, act: str) -> None:
    """Files, processes, signals, threads, sockets, databases, questions: the user is told what it was."""
    setup = "server = socket.create_server(('127.0.0.1', 0)); port = server.getsockname()[1]"
    acts, _, error = watch(tmp_path, source, setup, stdin="answer\n")
    assert error is None
    assert act in acts


@pytest.mark.parametrize(
    "source",
    [
        "x = sum(range(1000)); print(x)",
        "x = open('in.txt').read()",
        "x = os.listdir('.'), glob.glob('*'), os.stat('in.txt'), os.path.exists('nothing')",
        "import json.tool, xml.dom.minidom, decimal",
        "x = sqlite3.connect(':memory:'); x.execute('create table t (a)')",
        "open(os.devnull, 'w').write('a')",
        "os.remove('nothing')",
        "lock = threading.Lock(); lock.acquire(); lock.release()",
        "t = threading.Thread(target=print, args=('done within the cell',)); t.start(); t.join()",
        "x = tempfile.gettempdir()",
    ],
)
def test_what_changes_nothing_outside_is_no_act(tmp_path: Path, source: str) -> None:
    """Reading, computing, importing and a database in memory are nobody's business."""
    acts, _, _ = watch(tmp_path, source)
    assert acts == ([] if "remove" not in source else ["removed a file"])


def test_files_that_are_read_are_noted(tmp_path: Path) -> None:
    """Paths in full, each once; not those of libraries."""
    source = "import json.tool\nfor _ in range(2): open('in.txt').read()\nopen(b'sub/../in.txt').close()"
    _, reads, _ = watch(tmp_path, source)
    assert reads == [str(tmp_path / "in.txt")]


def test_more_files_than_are_kept_in_mind_are_told(tmp_path: Path) -> None:
    """Beyond the limit an empty path says that there were more."""
    source = "for i in range(100):\n    try: open(f'none{i}')\n    except OSError: pass"
    _, reads, _ = watch(tmp_path, source)
    assert "" in reads
    assert len(reads) < 100


@pytest.mark.parametrize(
    "folder", ["/etc", "/usr/local/share", "{prefix}/share"], ids=["etc", "usr", "the interpreter's folder"]
)
def test_writing_among_the_systems_files_is_an_act(tmp_path: Path, folder: str) -> None:
    """Reading a library's or the system's files depends on nothing of the user's; writing there is the user's act."""
    path = f"{folder.format(prefix=sys.prefix)}/elastic-spawner-no-such-folder/out.txt"
    acts, _, error = watch(tmp_path, f"open({path!r}, 'w')")
    assert error == "FileNotFoundError"
    assert acts == ["wrote the file out.txt"]
    assert watch(tmp_path, f"open({path!r})")[1] == []


def test_a_folder_is_not_taken_for_one_whose_name_begins_alike(tmp_path: Path) -> None:
    """Data that lie in a folder beside the interpreter's, named alike, are the user's."""
    path = f"{sys.prefix}-no-such-folder/data.csv"
    assert watch(tmp_path, f"open({path!r})")[1] == [path]


def test_what_happened_before_and_after_is_not_the_cells(tmp_path: Path) -> None:
    """Only what happens between start and stop is noted."""
    acts, reads, _ = watch(tmp_path, "x = 1", setup="open('out.txt', 'w').close(); open('in.txt').close()")
    assert (acts, reads) == ([], [])


def test_an_ignored_threads_acts_are_not_the_cells(tmp_path: Path) -> None:
    """The kernel's own threads write and send while a cell runs."""
    setup = (
        "go, done = threading.Event(), threading.Event()\n"
        "def work():\n    go.wait()\n    open('out.txt', 'w').close()\n    done.set()\n"
        "t = threading.Thread(target=work); t.start(); {}"
    )
    source = "go.set(); done.wait(); t.join()"
    assert watch(tmp_path, source, setup.format("module.ignore_thread(t.ident)"))[0] == []
    assert watch(tmp_path, source, setup.format("pass"))[0] == ["wrote the file out.txt"]


def test_an_event_that_cannot_be_read_is_an_act_and_breaks_nothing(tmp_path: Path) -> None:
    """The user's call goes through, and what it did counts as unknown."""
    source = "import sys\nsys.audit('open', object(), 'w', 0)\nx = open('in.txt').read()"
    acts, reads, error = watch(tmp_path, source)
    assert error is None
    assert acts == ["acted on the outside in a way that could not be read"]
    assert reads == [str(tmp_path / "in.txt")]

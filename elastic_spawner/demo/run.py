"""The demo's story, from an empty folder to a session that has moved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from .hub import DemoError, DemoHub
from .jupyter import Kernel, KernelLost
from .move import Admin, Watch
from .result import Cell, Result

Say = Callable[[str], None]

READING_S = 0.5
"""Seconds between two cells: a person looks at what came out. The kernel part does then what it has put off."""


def read_notebook(path: Path) -> tuple[str, Any]:
    """(file name, notebook). Raises OSError, and ValueError when the file holds no Python notebook."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no notebook {path}")
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:
        raise ValueError(f"{path} is no notebook: {error}") from error
    language = notebook.metadata.get("kernelspec", {}).get("language", "python")
    if language.lower() != "python":
        raise ValueError(f"{path} is a {language} notebook; sessions of Python kernels are what can be moved")
    return path.name, notebook


@contextmanager
def run(notebook: tuple[str, Any], size: dict[str, Any], say: Say) -> Iterator[tuple[Result, DemoHub]]:
    """Yield what happened, and the hub, which is ended afterwards.

    Raises DemoError when the story cannot be told to its end.
    """
    name, content = notebook
    result = Result(name)
    with DemoHub() as hub:
        with _step(result, "hub started"):
            hub.start()
        say(f"JupyterHub runs at {hub.url}")
        with _step(result, "server started"):
            hub.start_users_server()
        admin = Admin(hub.url, hub.user_token(hub.admin))
        result.size_before = _size(admin, hub.user)
        with _step(result, "kernel started"):
            tab = hub.log_in(hub.user)
            kernel = Kernel.open(tab, name, content)
            kernel.connect()
        say(f"running the cells of {name}")
        with _step(result, "cells run"):
            _run_cells(kernel, content, result)
        result.before = kernel.look()
        with _step(result, "plan made"):
            result.plan = _plan(admin, hub.user, kernel.id)
        asked = " and ".join(str(v) + (" CPUs" if k == "cpus" else "") for k, v in size.items())
        say(f"resizing the server to {asked}")
        _move(result, admin, hub.user, kernel, size)
        result.size_after = _size(admin, hub.user)
        result.checkpoint = _server(admin, hub.user)["last_checkpoint"] or {}
        result.after = kernel.look()
        result.restored = kernel.restore_report() or {}
        reply = kernel.execute("pass")
        result.count_after = reply.count
        kernel.close()
        yield result, hub


def _run_cells(kernel: Kernel, content: Any, result: Result) -> None:
    for cell in content.cells:
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        reply = kernel.execute(cell.source)
        result.cells.append(Cell(reply.count, cell.source, reply.seconds, reply.status))
        result.count_before = reply.count
        time.sleep(READING_S)
        if reply.status != "ok" and "raises-exception" not in cell.metadata.get("tags", []):
            raise DemoError(f"cell {reply.count} of the notebook failed before any move:\n{reply.text}")


def _move(result: Result, admin: Admin, user: str, kernel: Kernel, size: dict[str, Any]) -> None:
    watch = Watch(kernel.tab, kernel.id)
    watch.start()
    try:
        result.story = admin.resize(user, on_loss="accept", **size)
        with _step(result, "tab reconnected"):
            kernel.connect()
    except KernelLost as error:
        raise DemoError(f"an open tab would have lost its kernel: {error}") from error
    finally:
        watch.finish()
    result.outage_s, result.fatal = watch.outage_s, sorted(watch.fatal)


def _plan(admin: Admin, user: str, kernel_id: str) -> dict[str, Any]:
    answer = admin.call("GET", f"servers/{user}/-/plan")
    kernel = next((k for k in answer["kernels"] if k["id"] == kernel_id), None)
    if kernel is None or kernel.get("error"):
        raise DemoError(f"there is no plan for the notebook's kernel: {kernel or answer}")
    return kernel["plan"]


def _server(admin: Admin, user: str) -> dict[str, Any]:
    answer = admin.call("GET", "servers")
    servers = answer["servers"] if isinstance(answer, dict) else answer
    return next(s for s in servers if s["user"] == user)


def _size(admin: Admin, user: str) -> dict[str, Any]:
    return _server(admin, user)["size"]


@contextmanager
def _step(result: Result, name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    result.steps.append((name, time.perf_counter() - began))

"""IPython's side of a session: the user's names, running cells again, and what the shell itself remembers."""

from __future__ import annotations

import asyncio
import io
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager
from typing import Any

from ..history import CellExecution, FileRead
from ..objects.kinds import ATOMIC
from ..objects.live import kernel_streams
from ..tracking import hidden
from ..tracking.files import file_digest
from ..tracking.patches import Target
from . import modules
from .limit import AGAIN_S, TookTooLong, run_limited
from .parts import LAST, Parts, is_short
from .process import ProcessParts

_AUTOMATIC = re.compile(r"^(_i|_ii|_iii|_ih|_oh|_dh|_i\d+|__(name|doc|package|loader|spec|builtins?|file)__)$")
_OUTPUT = re.compile(r"^_\d+$")
_SHELL_NAMES = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open"})
_MISSING = object()


class ShellStage:
    """The user's shell as checkpoint and tracking need it."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.namespace: dict[str, Any] = shell.user_ns
        self.parts = Parts(shell, modules.is_users)
        self.process = ProcessParts()
        self.sources = modules.Sources()

    def names(self) -> list[str]:
        """The user's variables: what is not the shell's own."""
        hidden = self.shell.user_ns_hidden
        return [
            name
            for name, value in list(self.namespace.items())
            # nearly all names are done with by the first question, and there may be thousands of them
            if (type(name) is str and name[:1] != "_" and name not in hidden and name not in _SHELL_NAMES)
            or self._is_users(name, value)
        ]

    def _is_users(self, name: Any, value: Any) -> bool:
        return (
            isinstance(name, str)
            and not (name in _SHELL_NAMES and self._is_shells(name, value))
            and not (name[:1] == "_" and (_AUTOMATIC.match(name) or self._is_output(name, value)))
            and self.shell.user_ns_hidden.get(name, _MISSING) is not value
        )

    def _is_output(self, name: str, value: Any) -> bool:
        """Whether the name is bound by the display hook, and not by the user."""
        if name in LAST:
            return value is getattr(self.shell.displayhook, name, None)
        return _OUTPUT.match(name) is not None and value is self.namespace.get("_oh", {}).get(int(name[1:]), _MISSING)

    def shown(self) -> list[Any]:
        """What the shell itself holds of what cells have shown, as often as it does."""
        hook, last = self.shell.displayhook, self.shell.last_execution_result
        held = [*self.namespace.get("_oh", {}).values(), *self.shell.user_ns_hidden.values()]
        held += [getattr(hook, name, None) for name in LAST]
        return held if last is None else [*held, last.result]

    def _is_shells(self, name: str, value: Any) -> bool:
        if name in ("In", "Out"):
            return value is self.namespace.get("_ih" if name == "In" else "_oh")
        if name == "open":
            return (
                getattr(value, "__module__", None) in ("io", "_io", "IPython.core.interactiveshell")
                or callable(value)
                and (getattr(value, "__qualname__", "") == "_modified_open")
            )
        return type(value).__module__.startswith(("IPython", "ipykernel")) or name == "get_ipython"

    # -- what is shown

    def parent(self) -> Any:
        """The message that runs the present cell; None outside of a kernel."""
        return getattr(getattr(self.shell, "display_pub", None), "parent_header", None)

    def show(self, data: dict[str, str], parent: Any) -> None:
        """Add an output to the cell that the message ``parent`` ran."""
        kernel = getattr(self.shell, "kernel", None)
        if kernel is None or kernel.iopub_socket is None or not parent:
            return
        content = {"data": data, "metadata": {}, "transient": {}}
        kernel.session.send(
            kernel.iopub_socket, "display_data", content, parent=parent, ident=self.shell.display_pub.topic
        )

    # -- what is kept beside the variables

    def attributes(self, patched: Iterable[Target]) -> dict[str, Any]:
        """What the session has in modules, as ``module.attribute`` -> value (see `modules`)."""
        return modules.attributes(self.namespace, patched)

    def set_attribute(self, name: str, value: Any) -> None:
        """Set a part of the shell or ``module.attribute``; raises ImportError when the module is gone."""
        if not (self.parts.put(name, value) or self.process.put(name, value)):
            modules.put(name, value)

    @contextmanager
    def registering_nothing(self, but: Set[str]) -> Iterator[None]:
        """What is registered meanwhile (handlers of loggers, callbacks of the shell) is not any more afterwards.

        Whoever runs cells again puts those back that there were in the end; ``but`` names the others.
        """
        before = [(entries, list(entries)) for _, entries, _ in self._lists()]
        known = {id(entries): {*map(id, copy)} for entries, copy in before}
        try:
            yield
        finally:
            for name, entries, is_users in list(self._lists()):
                there = known.get(id(entries), ())
                if name not in but:
                    entries[:] = [e for e in entries if id(e) in there or not is_users(e)]

    def _lists(self) -> Iterator[tuple[str, list[Any], Callable[[Any], bool]]]:
        yield from self.parts.lists()
        yield from self.process.lists()

    # -- running cells again

    def run(self, cell: CellExecution, limit_s: float) -> str | None:
        """Run a cell again with its output caught; returns the name of the exception type that it raised, or `TOO_LONG`
        when it was interrupted after ``limit_s`` seconds."""
        from ..checkpoint.stage import TOO_LONG  # with it comes all that saves

        kernel = getattr(self.shell, "kernel", None)
        asked = getattr(kernel, "_allow_stdin", None)
        try:
            if kernel is not None:
                kernel._allow_stdin = False  # nobody is there to be asked
            with _quiet(self.shell):
                result = self._run(cell.source, limit_s)
        except TookTooLong:
            return TOO_LONG
        finally:
            if kernel is not None:
                kernel._allow_stdin = asked
        error = result.error_before_exec or result.error_in_exec
        return None if error is None else type(error).__name__

    def _run(self, source: str, limit_s: float) -> Any:
        shell = self.shell
        transformed = shell.transform_cell(source)
        if not shell.should_run_async(source, transformed_cell=transformed):
            return run_limited(lambda: shell.run_cell(source, store_history=False, silent=True), limit_s)
        # the kernel's own loop is busy with the restore: top-level await gets another one
        outcome: list[Any] = []

        async def work() -> None:
            task = asyncio.ensure_future(
                shell.run_cell_async(source, store_history=False, silent=True, transformed_cell=transformed)
            )
            done, _ = await asyncio.wait([task], timeout=limit_s)
            outcome.append(task.result() if done else None)
            if not done:
                task.cancel()
                await asyncio.wait([task], timeout=AGAIN_S)

        thread = threading.Thread(target=lambda: asyncio.run(work()), name="elastic-spawner-replay")
        thread.start()
        thread.join()
        if outcome[0] is None:
            raise TookTooLong
        return outcome[0]

    # -- hidden state

    def set_hidden(self, kind: str, text: str) -> None:
        """Put one kind of hidden state back; raises what the library raises."""
        hidden.apply(kind, hidden.decode(text))

    def file_changed(self, file: Any) -> bool:
        """Whether a file that a cell read is another one now, or gone."""
        return file_changed(file)

    # -- what the shell remembers

    def other_parts(self, used: set[str]) -> dict[str, Any]:
        """What the user changed in the shell and the process, by names that no variable has (see `parts`).

        ``used`` are attributes that cells used.
        """
        return {**self.parts.collect(self._held()), **self.process.collect(used)}

    def _held(self) -> dict[int, str]:
        """What variables hold, by id: not what is equal wherever it comes from."""
        return {id(v): n for n in self.names() if type(v := self.namespace[n]) not in ATOMIC}

    def prepare(self, extras: dict[str, Any]) -> list[str]:
        """Before anything is loaded: modules as they were imported, and extensions. Returns notes for the user."""
        notes = modules.remember(extras["sources"])
        return notes + self.parts.load_extensions(extras["extensions"], extras["autoreload"])

    def extras(self) -> dict[str, Any]:
        """Input history, number of the next cell, outputs that are plain or variables', extensions, folders."""
        shell, held = self.shell, self._held()
        outputs = self.namespace.get("_oh", {})
        known = {
            str(n): (held.get(id(value)), None if id(value) in held else value)
            for n, value in outputs.items()
            if id(value) in held or is_short(value)
        }
        last = {}
        for name in LAST:
            value = getattr(shell.displayhook, name, "")
            number = next((n for n, v in outputs.items() if v is value and not is_short(v)), None)
            last[name] = (number, value if number is None and is_short(value) else None)
        return {
            "execution_count": shell.execution_count,
            "inputs": list(shell.history_manager.input_hist_parsed),
            "inputs_raw": list(shell.history_manager.input_hist_raw),
            "folders": [list(map(str, self.namespace.get("_dh", ()))), list(map(str, shell.dir_stack))],
            "extensions": self.parts.extensions(),
            "sources": {} if self.parts.autoreload().get("enabled") else self.sources.texts(),
            "autoreload": self.parts.autoreload(),
            "aliases": {n: "_ih" for n in self.histories("_ih")} | {n: "_oh" for n in self.histories("_oh")},
            "outputs": known,
            "last": last,
            "logging_to": shell.logger.logfname if shell.logger.log_active else "",
        }

    def histories(self, name: str) -> list[str]:
        """The user's own names of ``In`` (``_ih``) or ``Out`` (``_oh``)."""
        history = self.namespace.get(name)
        return [n for n in self.names() if self.namespace[n] is history] if history is not None else []

    def set_extras(self, extras: dict[str, Any]) -> list[str]:
        """Give the shell back what it remembered. Runs after the variables are bound; returns notes for the user."""
        shell, namespace = self.shell, self.namespace
        manager = shell.history_manager
        for mine, saved in (
            (manager.input_hist_parsed, extras["inputs"]),
            (manager.input_hist_raw, extras["inputs_raw"]),
        ):
            mine[: len(saved)] = saved
        for n, source in enumerate(extras["inputs_raw"]):
            if n and source:
                namespace.setdefault(f"_i{n}", source)
        shell.execution_count = max(shell.execution_count, extras["execution_count"])
        for mine, saved in zip((namespace.get("_dh", []), shell.dir_stack), extras["folders"]):
            mine[:] = saved
        for name, history in extras["aliases"].items():
            namespace[name] = namespace[history]
        outputs = namespace["_oh"]
        for n, (variable, value) in extras["outputs"].items():
            if variable is None or variable in namespace:
                outputs[int(n)] = value if variable is None else namespace[variable]
                namespace.setdefault("_" + n, outputs[int(n)])
        self._set_last(extras["last"])
        if extras["logging_to"]:
            return [f"The session was logged to {extras['logging_to']}: run %logstart again to go on."]
        return []

    def _set_last(self, last: dict[str, Any]) -> None:
        """Bind ``_``, ``__``, ``___`` as the display hook has them, unless they are the user's own variables."""
        hook, outputs = self.shell.displayhook, self.namespace["_oh"]
        for name, (number, value) in last.items():
            free = self.namespace.get(name, "") is getattr(hook, name)
            if number is not None and number in outputs:
                setattr(hook, name, outputs[number])
            elif number is None and value is not None:
                setattr(hook, name, value)
            if free:
                # as the hook itself does it, or it takes the name for the user's own from now on
                self.shell.push({name: getattr(hook, name)}, interactive=False)


def file_changed(file: FileRead) -> bool:
    """Whether the file is another one than was read, by size and time, and by content where that was kept."""
    try:
        status = os.stat(file.path)
        if status.st_size != file.size:
            return True
        if status.st_mtime_ns == file.mtime_ns:
            return False
        return not file.digest or file_digest(file.path) != file.digest
    except OSError:
        return True


@contextmanager
def _quiet(shell: Any) -> Iterator[None]:
    """Nothing that is shown meanwhile reaches the user.

    The kernel's streams stay the objects that they are: a cell may keep them, as a logging handler does, or ask them
    for what only they have. One that the user has put in their place is not written to: it has what it was given.
    """
    silenced = [(shell, "_showtraceback"), (shell.display_pub, "publish"), (shell.display_pub, "clear_output")]
    own = [s for s in kernel_streams.values() if type(s).__module__ == "ipykernel.iostream"]
    silenced += [(stream, "write") for stream in own]
    before = [vars(owner).get(name, _MISSING) for owner, name in silenced]
    streams = {name: stream for name in ("stdout", "stderr") if (stream := getattr(sys, name)) is not None}
    others = {name: io.StringIO() for name, s in streams.items() if all(s is not k for k in own)}
    try:
        for owner, name in silenced:
            setattr(owner, name, _wrote if name == "write" else _nothing)
        for name, other in others.items():
            setattr(sys, name, other)
        yield
    finally:
        for name, other in others.items():
            if getattr(sys, name) is other:
                setattr(sys, name, streams[name])
        for (owner, name), value in zip(silenced, before):
            if value is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


def _nothing(*_args: Any, **_keywords: Any) -> None:
    """In the place of what shows something."""


def _wrote(text: str) -> int:
    return len(text)

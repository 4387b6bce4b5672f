"""IPython's side of a session: the user's names, running cells again, and what the shell itself remembers."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import sysconfig
import threading
import types
from typing import Any

from ..history import CellExecution, FileRead
from ..objects.kinds import ATOMIC
from ..tracking import hidden
from ..tracking.tracker import file_digest

_AUTOMATIC = re.compile(r"^(_|__|___|_i|_ii|_iii|_ih|_oh|_dh|_i\d+|_\d+|_exit_code|__\w+__)$")
_SHELL_NAMES = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open"})
_MISSING = object()
_PLAIN = (int, float, str, bool, type(None))


class ShellStage:
    """The user's shell as checkpoint and tracking need it."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.namespace: dict[str, Any] = shell.user_ns

    def names(self) -> list[str]:
        """The user's variables: what is not the shell's own."""
        hidden_names = self.shell.user_ns_hidden
        return [
            name
            for name, value in list(self.namespace.items())
            if isinstance(name, str)
            and not (name in _SHELL_NAMES and self._is_shells(name, value))
            and not (name[:1] == "_" and _AUTOMATIC.match(name))
            and hidden_names.get(name, _MISSING) is not value
        ]

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

    # -- modules of the user

    def module_attributes(self) -> dict[str, Any]:
        """Data of modules that are the user's own files, as ``module.attribute`` -> value."""
        found = {}
        for name, module in list(sys.modules.items()):
            if not isinstance(module, types.ModuleType) or not _is_users_module(name, module):
                continue
            for key, value in list(vars(module).items()):
                if key.startswith("__") or isinstance(
                    value, (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
                ):
                    continue
                found[f"{name}.{key}"] = value
        return found

    def set_attribute(self, name: str, value: Any) -> None:
        """Set ``module.attribute``; raises ImportError when the module is gone."""
        import importlib

        module, _, key = name.rpartition(".")
        setattr(importlib.import_module(module), key, value)

    # -- running cells again

    def run(self, cell: CellExecution) -> str | None:
        """Run a cell again with its output caught; returns the name of the exception type that it raised."""
        from IPython.utils.capture import capture_output

        shell = self.shell
        kernel = getattr(shell, "kernel", None)
        asked = getattr(kernel, "_allow_stdin", None)
        shell._showtraceback, shown = (lambda *_args, **_kw: None), shell.__dict__.get("_showtraceback")
        try:
            if kernel is not None:
                kernel._allow_stdin = False  # nobody is there to be asked
            with capture_output():
                result = self._run(cell.source)
        finally:
            if shown is None:
                del shell._showtraceback
            else:
                shell._showtraceback = shown
            if kernel is not None:
                kernel._allow_stdin = asked
        error = result.error_before_exec or result.error_in_exec
        return None if error is None else type(error).__name__

    def _run(self, source: str) -> Any:
        shell = self.shell
        transformed = shell.transform_cell(source)
        if not shell.should_run_async(source, transformed_cell=transformed):
            return shell.run_cell(source, store_history=False, silent=True)
        # the kernel's own loop is busy with the restore: top-level await gets another one
        outcome: list[Any] = []

        def work() -> None:
            outcome.append(
                asyncio.run(
                    shell.run_cell_async(source, store_history=False, silent=True, transformed_cell=transformed)
                )
            )

        thread = threading.Thread(target=work, name="elastic-spawner-replay")
        thread.start()
        thread.join()
        return outcome[0]

    # -- hidden state

    def set_hidden(self, kind: str, text: str) -> None:
        """Put one kind of hidden state back; raises what the library raises."""
        hidden.apply(kind, hidden.decode(text))

    def file_changed(self, file: Any) -> bool:
        """Whether a file that a cell read is another one now, or gone."""
        return file_changed(file)

    # -- what the shell remembers

    def extras(self) -> dict[str, Any]:
        """Input history, number of the next cell, registered magics and callbacks, outputs that are variables."""
        shell = self.shell
        names = {id(v): n for n, v in self.namespace.items() if n in set(self.names()) and type(v) not in ATOMIC}
        magics = [
            (kind, name, names[id(function)])
            for kind, table in shell.magics_manager.magics.items()
            for name, function in table.items()
            if id(function) in names
        ]
        callbacks = [
            (event, names[id(function)])
            for event, functions in shell.events.callbacks.items()
            for function in functions
            if id(function) in names
        ]
        # an output that is neither a plain value nor held by a variable is left out: better none than another one
        outputs = {
            str(n): (names.get(id(value)), None if id(value) in names else value)
            for n, value in self.namespace.get("_oh", {}).items()
            if id(value) in names or (type(value) in _PLAIN and not _is_long(value))
        }
        return {
            "execution_count": shell.execution_count,
            "inputs": list(shell.history_manager.input_hist_parsed),
            "inputs_raw": list(shell.history_manager.input_hist_raw),
            "magics": magics,
            "callbacks": callbacks,
            "outputs": outputs,
        }

    def set_extras(self, extras: dict[str, Any]) -> None:
        """Give the shell back what it remembered. Runs after the variables are bound."""
        shell, namespace = self.shell, self.namespace
        manager = shell.history_manager
        for mine, saved in (
            (manager.input_hist_parsed, extras["inputs"]),
            (manager.input_hist_raw, extras["inputs_raw"]),
        ):
            mine[: len(saved)] = saved
        shell.execution_count = max(shell.execution_count, extras["execution_count"])
        for kind, name, variable in extras["magics"]:
            if variable in namespace:
                shell.register_magic_function(namespace[variable], kind, name)
        for event, variable in extras["callbacks"]:
            if variable in namespace and namespace[variable] not in shell.events.callbacks.get(event, ()):
                shell.events.register(event, namespace[variable])
        for n, (variable, value) in extras["outputs"].items():
            if variable is None or variable in namespace:
                namespace["_oh"][int(n)] = namespace["_" + n] = value if variable is None else namespace[variable]
        for name, n in zip(("_", "__", "___"), sorted(map(int, namespace["_oh"]), reverse=True)):
            namespace[name] = namespace["_oh"][n]


def _is_long(value: Any) -> bool:
    return isinstance(value, str) and len(value) > 10_000


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


def _library_folders() -> tuple[str, ...]:
    paths = {sysconfig.get_paths()[k] for k in ("stdlib", "platstdlib", "purelib", "platlib")} | {
        sys.prefix,
        sys.base_prefix,
    }
    return tuple(os.path.realpath(p) + os.sep for p in paths)


_LIBRARIES = _library_folders()
_OWN = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))) + os.sep


def _is_users_module(name: str, module: types.ModuleType) -> bool:
    """A module from a file that belongs to no installation."""
    path = getattr(module, "__file__", None)
    if not path or name == "__main__" or name.split(".")[0] == "elastic_spawner":
        return False
    path = os.path.realpath(path)
    return os.path.isfile(path) and not (
        path.startswith(_LIBRARIES) or path.startswith(_OWN) or "site-packages" in path or "dist-packages" in path
    )

"""What the user changed in the shell itself: magics, callbacks, transformers, formatters, settings, outputs.

Each such thing is a *part*: a value under a name that no variable can have (``Out[3]``, ``%shout``, ``formatter
text/html``). Parts travel as variables do, linked with what they share, and a part that cannot is reported under its
name. What the shell came with, and what libraries register by themselves when they are imported, is no part.
"""

from __future__ import annotations

import math
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..objects.kinds import MAIN

_OUTPUT = "Out["
LAST = ("_", "__", "___")
_TRANSFORMERS = ("input_transformers_cleanup", "input_transformers_post", "ast_transformers")
_NO_SETTINGS = frozenset(
    {"ast_transformers", "banner1", "banner2", "enable_tip", "history_length", "history_load_length"}
)
_PLAIN = (int, float, str, bytes, bool, type(None))


class Parts:
    """The parts of one shell, told from what it had when this was made. ``is_users`` says whose a module's file is."""

    def __init__(self, shell: Any, is_users: Callable[[str, types.ModuleType], bool]) -> None:
        self.shell = shell
        self._is_users = is_users
        self._magics = {(kind, name): f for kind, name, f in self._all_magics()}
        self._known = {id(f): f for _, f in self._hooked()}
        self._settings = dict(self._all_settings())
        self.named: Mapping[int, str] = {}
        self._extensions = set(shell.extension_manager.loaded)
        self._printers = {(mime, cls): f for mime, cls, f in self._all_printers()}

    # -- collecting

    def collect(self, named: Mapping[int, str]) -> dict[str, Any]:
        """Every part by its name; ``named`` are the ids of what variables hold, which are no parts as outputs."""
        self.named = named
        return dict(self._parts())

    def _parts(self) -> Iterator[tuple[str, Any]]:
        yield from self._outputs()
        for kind, name, function in self._all_magics():
            if self._magics.get((kind, name)) is not function and self._belongs(function):
                yield ("%" if kind == "line" else "%%") + name, _magic(function)
        for name, functions in self._groups():
            yield name, functions
        printers: dict[str, list[Any]] = {}
        for mime, cls, function in self._all_printers():
            if self._printers.get((mime, cls)) is not function and (self._belongs(function) or self._belongs(cls)):
                printers.setdefault(mime, []).append((cls, function))
        yield from ((f"formatter {mime}", entries) for mime, entries in printers.items())
        settings = {key: v for key, v in self._all_settings() if key not in self._settings or self._settings[key] != v}
        if settings:
            yield "shell settings", settings
        handler = self._exception_handler()
        if handler is not None:
            yield "exception handler", handler

    def _outputs(self) -> Iterator[tuple[str, Any]]:
        outputs = self.shell.user_ns.get("_oh", {})
        for number, value in outputs.items():
            if type(number) is int and not is_short(value) and id(value) not in self.named:
                yield f"{_OUTPUT}{number}]", value
        held = {id(v) for v in outputs.values()} | self.named.keys()
        for name in LAST:
            value = getattr(self.shell.displayhook, name, "")
            if id(value) not in held and not is_short(value):
                yield f"last output {name}", value

    def _all_magics(self) -> Iterator[tuple[str, str, Any]]:
        for kind, table in self.shell.magics_manager.magics.items():
            for name, function in list(table.items()):
                yield kind, name, function

    def _hooked(self) -> Iterator[tuple[str, Any]]:
        for event, functions in self.shell.events.callbacks.items():
            yield from ((f"callback {event}", f) for f in functions)
        for attribute in _TRANSFORMERS:
            yield from ((attribute.replace("_", " "), f) for f in getattr(self.shell, attribute, ()))
        manager = getattr(getattr(self.shell, "kernel", None), "comm_manager", None)
        yield from ((f"comm target {n}", f) for n, f in getattr(manager, "targets", {}).items())

    def _groups(self) -> Iterator[tuple[str, Any]]:
        groups: dict[str, list[Any]] = {}
        for name, function in self._hooked():
            if id(function) not in self._known and self._belongs(function):
                groups.setdefault(name, []).append(function)
        yield from groups.items()

    def _all_printers(self) -> Iterator[tuple[str, Any, Any]]:
        formatter = self.shell.display_formatter
        extra = [formatter.ipython_display_formatter, getattr(formatter, "mimebundle_formatter", None)]
        for mime, one in [*formatter.formatters.items(), *((type(f).__name__, f) for f in extra if f is not None)]:
            yield from ((mime, cls, function) for cls, function in list(one.type_printers.items()))
            yield from ((mime, names, function) for names, function in list(one.deferred_printers.items()))

    def _all_settings(self) -> Iterator[tuple[tuple[str, str], Any]]:
        """The values that ``%config`` shows."""
        for one in [*self.shell.configurables, *self.shell.display_formatter.formatters.values()]:
            for trait in one.traits(config=True):
                if trait in _NO_SETTINGS:
                    continue
                try:
                    value = getattr(one, trait)
                except Exception:
                    continue
                if _is_plain(value):
                    yield (type(one).__name__, trait), value
        yield ("InteractiveTB", "mode"), self.shell.InteractiveTB.mode
        yield ("InteractiveShell", "call_pdb"), self.shell.call_pdb

    def _exception_handler(self) -> Any:
        if not self.shell.custom_exceptions:
            return None
        wrapped = self.shell.CustomTB.__func__  # closes over the user's function
        cells = dict(zip(wrapped.__code__.co_freevars, wrapped.__closure__ or ()))
        return self.shell.custom_exceptions, cells["handler"].cell_contents if "handler" in cells else None

    def _belongs(self, function: Any) -> bool:
        """Whether a function or class is the user's: what a library put there comes back with the library."""
        if isinstance(function, types.MethodType):
            return self._belongs(type(function.__self__)) or self._belongs(function.__func__)
        name = function[0] if isinstance(function, tuple) else getattr(function, "__module__", None)
        if type(function).__module__ == "IPython.core.alias" or type(function).__name__ == "MagicAlias":
            return True
        if not isinstance(function, (type, types.FunctionType, types.BuiltinFunctionType, tuple)):
            name = type(function).__module__
        if name == MAIN:
            return True
        module = sys.modules.get(name) if isinstance(name, str) else None
        return module is None or self._is_users(str(name), module)

    def lists(self) -> Iterator[tuple[str, list[Any], Callable[[Any], bool]]]:
        """The lists to which code adds, with the part that each belongs to, and which of their entries are its."""
        for event, functions in self.shell.events.callbacks.items():
            yield f"callback {event}", functions, self._belongs
        for attribute in _TRANSFORMERS:
            yield attribute.replace("_", " "), getattr(self.shell, attribute, []), self._belongs

    # -- what is plain enough for the manifest

    def extensions(self) -> list[str]:
        """Extensions that the user loaded, in no order."""
        return sorted(self.shell.extension_manager.loaded - self._extensions - {"elastic_spawner"})

    def autoreload(self) -> dict[str, Any]:
        """What ``%autoreload`` and ``%aimport`` were told; empty when they were not asked for anything."""
        reloader = self._reloader()
        found = {k: getattr(reloader, k) for k in _RELOADER if hasattr(reloader, k)}
        return {k: dict(v) if isinstance(v, dict) else v for k, v in found.items()}

    def _reloader(self) -> Any:
        magics = self.shell.magics_manager.registry
        return getattr(magics["AutoreloadMagics"], "_reloader", None) if "AutoreloadMagics" in magics else None

    # -- putting back

    def load_extensions(self, names: list[str], autoreload: dict[str, Any]) -> list[str]:
        """Load these extensions again; returns a note for each that does not load."""
        notes = []
        for name in names:
            try:
                self.shell.extension_manager.load_extension(name)
            except Exception as e:
                notes.append(
                    f"The extension {name} could not be loaded ({type(e).__name__}: {e}): run %load_ext {name}."
                )
        reloader = self._reloader()
        for key, value in autoreload.items() if reloader is not None else ():
            setattr(reloader, key, value)
        return notes

    def put(self, name: str, value: Any) -> bool:
        """Put a part back; False when the name is no part's. Raises what the shell raises."""
        shell = self.shell
        if name.startswith(_OUTPUT):
            number = name[len(_OUTPUT) : -1]
            shell.user_ns["_oh"][int(number)] = shell.user_ns["_" + number] = value
        elif name.startswith("last output "):
            setattr(shell.displayhook, name.split()[-1], value)
        elif name.startswith("%"):
            self._put_magic("cell" if name.startswith("%%") else "line", name.lstrip("%"), value)
        elif name.startswith("callback "):
            registered = shell.events.callbacks[name.split()[1]]
            registered += [f for f in value if f not in registered]
        elif name.replace(" ", "_") in _TRANSFORMERS:
            present = getattr(shell, name.replace(" ", "_"))
            present += [f for f in value if f not in present]
        elif name.startswith("comm target "):
            shell.kernel.comm_manager.targets[name.split(" ", 2)[2]] = value[0]
        elif name.startswith("formatter "):
            self._put_printers(name.split(" ", 1)[1], value)
        elif name == "shell settings":
            self._put_settings(value)
        elif name == "exception handler":
            shell.set_custom_exc(*value)
        else:
            return False
        return True

    def _put_magic(self, kind: str, name: str, value: tuple[Any, ...]) -> None:
        manager = self.shell.magics_manager
        what, *rest = value
        if what == "alias":
            manager.register_alias(name, *rest)
        elif what == "command":
            self.shell.alias_manager.define_alias(name, *rest)
        else:
            function = rest[0]
            manager.magics[kind][name] = function
            owner = getattr(function, "__self__", None)
            if owner is None:
                setattr(manager.user_magics, name, function)
            else:
                manager.registry[type(owner).__name__] = owner

    def _put_printers(self, mime: str, entries: list[Any]) -> None:
        formatter = self.shell.display_formatter
        others = (formatter.ipython_display_formatter, getattr(formatter, "mimebundle_formatter", None))
        one: Any = formatter.formatters.get(mime) or next(f for f in others if type(f).__name__ == mime)
        for key, function in entries:
            if isinstance(key, tuple):
                one.for_type_by_name(*key, function)
            else:
                one.for_type(key, function)

    def _put_settings(self, values: dict[tuple[str, str], Any]) -> None:
        shell = self.shell
        for (owner, trait), value in values.items():
            if owner == "InteractiveTB":
                shell.InteractiveTB.set_mode(value)
                continue
            if trait == "call_pdb":
                shell.call_pdb = value
                continue
            for one in [*shell.configurables, *shell.display_formatter.formatters.values()]:
                if type(one).__name__ == owner and getattr(one, trait, value) != value:
                    setattr(one, trait, value)


_RELOADER = ("enabled", "check_all", "autoload_obj", "modules", "skip_modules", "hide_errors")


def _magic(function: Any) -> tuple[Any, ...]:
    if type(function).__name__ == "MagicAlias":
        return ("alias", function.magic_name, function.magic_kind, getattr(function, "magic_params", None))
    if type(function).__module__ == "IPython.core.alias":
        return ("command", function.cmd)
    return ("function", function)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(k) and _is_plain(v) for k, v in value.items())
    return isinstance(value, _PLAIN)


def is_short(value: Any) -> bool:
    """Whether the value can be written into the manifest."""
    if type(value) is int:
        return value.bit_length() < 64
    if type(value) is float:
        return math.isfinite(value)
    return type(value) in (bool, type(None)) or type(value) is str and len(value) <= 10_000


def is_output(name: str) -> bool:
    """Whether the part is the output of a cell, and nothing that the user set."""
    return name.startswith((_OUTPUT, "last output "))


def made_by(name: str) -> int | None:
    """The ``n`` of the ``In [n]`` that made the part, where its name tells."""
    return int(name[len(_OUTPUT) : -1]) if name.startswith(_OUTPUT) else None

"""Restoring a session: load what was stored, run again what has to be, compare, and say what became of each variable.

Every variable has three ways, taken in this order: load it, recompute it, report it lost. What cannot be loaded, or is
not what was saved, goes on to the next way; a wrong value is never bound.
"""

from __future__ import annotations

import importlib
import math
import sys
import time
from collections.abc import Mapping, Sequence, Set
from typing import Any

from ..errors import CheckpointError, CheckpointNotFound, CodecMissing, CorruptChunk, RestoreError
from ..history import CellExecution, History, Rerun
from ..planning import Cell, Problem, Variable, requirements
from . import pickling, rebuild_live, standard
from .compare import Comparer, Verdict, is_installed
from .packs import ExtentReader
from .rebuild import annotated
from .record import read_history, read_lists
from .report import LOADED, LOST, PENDING, RECOMPUTED, Fate, RestoreReport
from .repository import Repository
from .stage import TOO_LONG, Stage, rerun_limit

_refused: list[dict[str, Any]] = []
"""What was loaded and is not what was saved. It is never dropped: its ``__del__`` might act a second time."""

FIRST_HIDDEN = ("environment", "search path", "folder", "locale", "interpreter", "warnings", "matplotlib.backend")


class Restorer:
    """One restore of one manifest.

    ``later``: components of more bytes than this, that nothing needs which is done before `restore` returns, may be put
    off (`put_off`); their variables are ``pending`` in the report.
    """

    def __init__(
        self, repository: Repository, manifest: Mapping[str, Any], stage: Stage, later: int | None = None
    ) -> None:
        self.later = later
        self.put_off: list[Mapping[str, Any]] = []
        """In the order in which the session came to be."""
        self.repository, self.manifest, self.stage = repository, manifest, stage
        self.reader = ExtentReader(repository, manifest["packs"])
        self.entries: Mapping[str, Any] = manifest["variables"]
        self.attributes = frozenset(manifest["extras"].get("attributes", ()))
        """Those of the entries that are ``module.attribute`` and no variables."""
        self.values: dict[str, Any] = {}
        self.fates: dict[str, Fate] = {}
        self.problems: dict[str, str] = {}
        self.cures: dict[str, str] = {}
        """What helps with a problem, where it is not to run a cell again."""
        self.comparer = Comparer(manifest, stage.namespace)
        self.history = History()
        self.report = RestoreReport(manifest["session"], manifest["generation"], manifest["created"])
        self._raised: dict[int, str] = {}
        self._done: set[int] = set()
        self._missing: dict[str, dict[str, None]] = {}
        """Libraries that are not installed here, and what of them was not brought back."""
        self._interruptible = False

    def restore(self) -> RestoreReport:
        """Do it all; never raises for the sake of a single variable."""
        started = time.perf_counter()
        annotated.forget()
        self.history = self._load_history()
        self._load_lists()
        for kind in FIRST_HIDDEN:
            self._set_hidden(kind, self.manifest["hidden"].get(kind))
        self.report.notes += self.stage.prepare(self.manifest["extras"])
        self._import_submodules()
        self._load_components()
        loaded = time.perf_counter()
        self._recompute({n for n, e in self.entries.items() if e["plan"] == "rerun"} | self.problems.keys())
        rerun = time.perf_counter()
        self._bind()
        self._finish_hidden()
        self._note_missing()
        for name, entry in self.entries.items():
            if name not in self.fates:
                self._lose(name, self.problems.get(name) or entry["reason"] or "it could not be saved")
        self.report.variables = self.fates
        self.report.seconds = {
            "load": loaded - started,
            "rerun": rerun - loaded,
            "total": time.perf_counter() - started,
        }
        return self.report

    # -- load

    def _load_history(self) -> History:
        try:
            return read_history(self.manifest["history"], self.reader)
        except (CorruptChunk, ValueError, KeyError) as e:
            self.report.notes.append(f"The record of the cells cannot be read ({e}): nothing can be recomputed.")
            return History()

    def _load_lists(self) -> None:
        """Put back into the extras what was stored beside them."""
        try:
            lists = read_lists(self.manifest["lists"], self.reader)
        except (CorruptChunk, ValueError) as e:
            self.report.notes.append(f"The shell's input history cannot be read ({e}).")
            lists = {name: [] for name in self.manifest["lists"]}
        self.manifest = {**self.manifest, "extras": {**self.manifest["extras"], **lists}}

    def _import_submodules(self) -> None:
        for name in self.manifest["extras"].get("submodules", ()):
            try:
                importlib.import_module(name)
            except Exception as e:
                if not self._misses_library(e, name):
                    self.report.notes.append(f"{name} could not be imported ({type(e).__name__}: {e}).")

    def _load_components(self) -> None:
        """Load in the order in which the session came to be: what runs while loading finds its globals."""
        components = sorted(self.manifest["components"], key=self._age)
        waiting = self._that_can_wait(components)
        blind = []
        for component in components:
            if component not in waiting and isinstance(self.load(component), NameError):
                blind.append(component)
        # to import a library later would change the state that it keeps under the user's hands
        now = [c for c in waiting if self.problems or not self._imported(c)]
        for component in now:
            self.load(component)
        for component in blind if now else ():  # it may have looked for what was put off
            for name in component["names"]:
                self.problems.pop(name, None)
                self.cures.pop(name, None)
            self.load(component)
        self.put_off = [c for c in waiting if c not in now]
        for component in self.put_off:
            for name in component["names"]:
                self.fates[name] = self.fate(name, PENDING)
                self.stage.namespace.pop(name, None)  # of another session, or of a restore before this one

    def _that_can_wait(self, components: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Large components of data only, that neither a cell which is run again touches nor anything of the shell."""
        if self.later is None or not self.comparer.same_python:
            return []
        rerun = self.manifest["rerun_cells"]
        busy = {name for name, _ in self.manifest["extras"]["outputs"].values() if name is not None}
        if any(e["plan"] == "rerun" for e in self.entries.values()):
            if not self._may_run(rerun):
                return []
            for cell in (self.history.cells[n] for n in rerun):
                busy |= {name for name, _ in cell.reads} | cell.writes | cell.deletes
        return [
            c
            for c in components
            if c["bytes"] > self.later
            and c["codec"] == "pickle"
            and (busy | self.attributes).isdisjoint(c["names"])
            and all(self.entries[n].get("data") for n in c["names"])
        ]

    def _imported(self, component: Mapping[str, Any]) -> bool:
        return all(m in sys.modules for n in component["names"] for m in self.entries[n]["modules"])

    def load(self, component: Mapping[str, Any], read: tuple[Any, Sequence[Any]] | None = None) -> Exception | None:
        """Load a component, compare it and bind its names; returns what loading it raised.

        ``read`` are its stream and its buffers, if they were read and verified before: then nothing is bound.
        """
        names = component["names"]
        try:
            stream, buffers = read or self.read(component)
            values = pickling.load(stream, buffers)
        except Exception as e:
            self.not_loaded(names, e)
            return e
        finally:
            told, rebuild_live.notes[:] = list(rebuild_live.notes), []
        self.report.bytes += component["bytes"]
        self.report.notes += [f"{', '.join(names)}: {text}." for text in told]
        compared = {n: self._compare(n, values.get(n)) for n in names}
        unequal = {n: problem for n, (_, problem) in compared.items() if problem is not None}
        if unequal:
            _refused.append(values)
            # the others of the component share objects with what is wrong
            for name in names:
                self.problems[name] = unequal.get(name, f"it shares objects with {next(iter(unequal))}, which differs")
            return None
        if not self.comparer.same_python:
            modules = {m for n in names for m in self.entries[n]["modules"]}
            standard.complete(values.values(), self.stage.namespace, modules)
        for name in names:
            self.values[name] = values[name]
            self.fates[name] = self._loaded(name, compared[name][0])
            if name not in self.attributes and read is None:
                self.stage.namespace[name] = values[name]
        annotated.settle()
        return None

    def read(self, component: Mapping[str, Any]) -> tuple[bytearray, list[bytearray]]:
        """Stream and buffers of a component, verified. Raises CorruptChunk, FormatError, StoreError."""
        return self.reader.read(component["payload"]), [self.reader.read(b) for b in component["buffers"]]

    def not_loaded(self, names: list[str], error: Exception) -> None:
        """Note why the names of a component could not be loaded."""
        if isinstance(error, CodecMissing):
            self.problems.update(dict.fromkeys(names, error.problem))
            self.cures.update(dict.fromkeys(names, error.cure))
            return
        said = str(error) if isinstance(error, CheckpointError) else f"{type(error).__name__}: {error}"[:300]
        blamed = (
            [b for n in names if (b := self.comparer.blame(n))[0]] if not isinstance(error, CheckpointError) else []
        )
        for name in names:
            cause, cure = next((b for b in [self.comparer.blame(name), *blamed] if b[0] and blamed), ("", ""))
            if cure:
                missing = self.comparer.missing_libraries(name)
                self.problems[name] = cause if missing else f"{cause}, which could not load it ({said})"
                self.cures[name] = cure
            else:
                self.problems[name] = said if isinstance(error, CheckpointError) else f"loading it failed ({said})"

    def _loaded(self, name: str, verified: bool) -> Fate:
        return self.fate(name, LOADED, "" if verified else self.comparer.why_unknown(name), verified)

    def _age(self, component: Mapping[str, Any]) -> tuple[bool, int]:
        names = component["names"]
        made_of_modules = all(self.entries[n]["type"] == "module" for n in names)
        return not made_of_modules, min(self.history.active.get(n, 0) for n in names)

    # -- compare

    def _compare(self, name: str, value: Any, recomputed: bool = False) -> tuple[bool, str | None]:
        """Whether the value is known to be the one that was saved, and why it is not, if so."""
        try:
            verdict = self.comparer.compare(name, value, recomputed)
        except Exception as e:
            return False, f"it cannot be looked at ({type(e).__name__}: {e})"[:200]
        return verdict is Verdict.SAME, "it is not the value that was saved" if verdict is Verdict.OTHER else None

    # -- recompute

    def recompute(self, problems: Mapping[str, str], cures: Mapping[str, str]) -> dict[str, Any]:
        """Recompute what was put off and could not be loaded, from copies of what its cells need; returns the values.

        The namespace must hold nothing of the session, which may have gone on since. ``fates`` and ``report.rerun``
        say what became of each. Raises KeyboardInterrupt when a cell is interrupted.
        """
        self._interruptible = True
        self.history = self._load_history()
        self.problems, self.cures = dict(problems), dict(cures)
        components = sorted(self.manifest["components"], key=self._age)
        there = {n for c in components for n in c["names"]} - problems.keys()
        problem = self._problem(there)
        found = [requirements(problem, {name}, there) for name in sorted(problems)]
        cells = {number for needed in found if isinstance(needed, tuple) for number in needed}
        read = {name for number in cells for name, _ in self.history.cells[number].reads} & there
        for component in components:
            if not read.isdisjoint(component["names"]):
                self.load(component)
        self._recompute(set(problems))
        for name in problems:
            if name not in self.fates:
                self._lose(name, self.problems[name])
        return {n: self.values[n] for n in problems if self.fates[n].status == RECOMPUTED}

    def _recompute(self, wanted: set[str]) -> None:
        for name in [n for n in wanted if self.comparer.missing_libraries(n)]:
            wanted.discard(name)  # no cell can make it here
            self.problems[name], self.cures[name] = self.comparer.blame(name)
        if not wanted:
            return
        cells = self._cells_for(wanted)
        for name in self.values.keys() & self.stage.namespace.keys() if cells else ():
            # a cell that is re-run finds the names of its time, no later ones
            del self.stage.namespace[name]
        # what could not be loaded is what they register; what was, is put back in place of that
        with self.stage.registering_nothing(but=self.attributes - self.values.keys()):
            for number in cells:
                self._run(self.history.cells[number])
        for name in sorted(wanted):
            self._take(name)

    def _cells_for(self, wanted: set[str]) -> list[int]:
        """The cells to run, in order; names that cannot be had are noted as problems."""
        if not self.problems and self._may_run(self.manifest["rerun_cells"]):
            return list(self.manifest["rerun_cells"])
        cells: set[int] = set()
        available = set(self.values)
        problem = self._problem(available)
        for name in sorted(wanted):
            needed = requirements(problem, {name}, available)
            if isinstance(needed, tuple):
                cells.update(needed)
            elif name not in self.cures:
                because = f"{self.problems[name]}; " if name in self.problems else ""
                self.problems[name] = because + needed.describe(self._label)
        return sorted(cells)

    def _may_run(self, numbers: Sequence[int]) -> bool:
        cells = [self.history.cells.get(n) for n in numbers]
        return all(c is not None and c.rerun is not Rerun.FORBIDDEN and self._changed(c) is None for c in cells)

    def _changed(self, cell: CellExecution) -> str | None:
        """A file that the cell read and that is another one now."""
        return next((f.path for f in cell.files if self.stage.file_changed(f)), None)

    def _problem(self, available: Set[str]) -> Problem:
        cells = {}
        for number, cell in self.history.cells.items():
            changed = self._changed(cell)
            forbidden = cell.rerun is Rerun.FORBIDDEN or changed is not None
            reason = f"it read {changed}, which has changed since" if changed else "; ".join(cell.reasons)
            seconds = math.inf if forbidden else cell.seconds
            cells[number] = Cell(number, seconds, cell.reads, frozenset((n, number) for n in cell.writes), reason)
        variables = []
        for name in self.entries:
            cost = 0.0 if name in available else math.inf
            variables.append(Variable(name, (name, self.history.active.get(name, 0)), cost, cost))
        return Problem(cells, tuple(variables))

    def _label(self, number: int) -> str:
        cell = self.history.cells.get(number)
        return cell.label() if cell is not None else "a cell before the history began"

    def _run(self, cell: CellExecution) -> None:
        """Run one cell in the scene of its time."""
        namespace = self.stage.namespace
        for name, value in self.values.items():
            if name not in self.attributes and self.history.active.get(name, 0) < cell.number:
                namespace[name] = value
        for kind, text in self._hidden_before(cell.number).items():
            self._set_hidden(kind, text)
        started = time.perf_counter()
        raised = self.stage.run(cell, limit := rerun_limit(cell))
        if self._interruptible and raised == "KeyboardInterrupt" != cell.error:
            raise KeyboardInterrupt
        if raised == TOO_LONG:
            self._raised[cell.number] = (
                f"{cell.label()}, run again, had not ended after {limit:.0f} s (it took {cell.seconds:.1f} s before)"
            )
        elif raised != cell.error:
            self._raised[cell.number] = (
                f"running {cell.label()} again raised {raised}"
                if raised
                else f"{cell.label()} raised {cell.error} before and did not again"
            )
        self._done.add(cell.number)
        for name in cell.writes:
            if self.history.active.get(name) == cell.number and name in namespace and name not in self.values:
                self.values[name] = namespace[name]
        self.report.rerun.append(
            {
                "cell": cell.execution_count,
                "source": cell.source,
                "seconds": time.perf_counter() - started,
                "error": raised,
            }
        )

    def _take(self, name: str) -> None:
        """Accept or refuse a recomputed value."""
        if name in self.fates:
            return
        number = self.history.active.get(name)
        if number not in self._done:
            self.values.pop(name, None)
            return
        problem = self._raised.get(number) if number is not None else None
        if problem is None and name not in self.values:
            problem = "running its cell again did not make it"
        verified = False
        if problem is None:
            verified, problem = self._compare(name, self.values[name], recomputed=True)
            if problem is not None:
                doubts = "; ".join(self._doubts(number)) or "its cell does not repeat exactly"
                problem = f"recomputing it gave another value than it had ({doubts})"
        if problem is not None:
            self.values.pop(name, None)
            if name not in self.cures:
                self.problems[name] = f"{self.problems[name]}; {problem}" if name in self.problems else problem
            return
        reason = self.problems.pop(name, "") or self.entries[name]["reason"]
        unknown = "" if verified else self.comparer.why_unknown(name)
        reason = "; ".join(filter(None, (reason, unknown)))
        self.fates[name] = self.fate(name, RECOMPUTED, reason, verified)

    def _doubts(self, number: int | None) -> tuple[str, ...]:
        cell = self.history.cells.get(number) if number is not None else None
        return cell.reasons if cell is not None else ()

    # -- hidden state

    def _hidden_before(self, number: int) -> dict[str, str]:
        """Each kind of hidden state as it was just before the cell ran."""
        found = {}
        for later in sorted(n for n in self.history.cells if n >= number):
            for kind, key in self.history.cells[later].hidden.items():
                if kind not in found and key in self.history.hidden_values:
                    found[kind] = self.history.hidden_values[key]
        for kind, text in self.manifest["hidden"].items():
            found.setdefault(kind, text)
        return found

    def _set_hidden(self, kind: str, text: str | None) -> None:
        if text is None:
            return
        try:
            self.stage.set_hidden(kind, text)
        except Exception as e:
            if self._misses_library(e, kind):
                return
            note = f"The state of {kind} could not be put back ({type(e).__name__}: {e})."
            if note not in self.report.notes:
                self.report.notes.append(note)

    def _finish_hidden(self) -> None:
        # last, since loading and re-running may have moved it
        for kind, text in self.manifest["hidden"].items():
            self._set_hidden(kind, text)

    def _misses_library(self, error: Exception, part: str) -> bool:
        """Whether it is a library that is not installed here; then it is noted once, with all that it takes along."""
        library = error.name.partition(".")[0] if isinstance(error, ModuleNotFoundError) and error.name else ""
        if not library or is_installed(library):
            return False
        self._missing.setdefault(library, {})[part] = None
        return True

    def _note_missing(self) -> None:
        for library, parts in self._missing.items():
            wanted = f"{library} {self.comparer.libraries.get(library, '')}".strip()
            states = [p for p in parts if p in self.manifest["hidden"]]
            modules = [p for p in parts if p not in states]
            gone = [f"{', '.join(modules)} could not be imported"] if modules else []
            gone += [f"the state of {', '.join(states)} could not be put back"] if states else []
            self.report.notes.append(
                f"{library} is not installed here: {'; '.join(gone)}. Install {wanted} and restore again."
            )

    # -- bind

    def _bind(self) -> None:
        namespace = self.stage.namespace
        made = {n for number in self._done for n in self.history.cells[number].writes}
        for name in made - self.values.keys():
            namespace.pop(name, None)
        for name, value in self.values.items():
            if name not in self.fates:
                continue
            if name in self.attributes:
                try:
                    self.stage.set_attribute(name, value)
                except Exception as e:
                    self.fates.pop(name)
                    self.problems[name] = f"it could not be set ({type(e).__name__}: {e})"
            else:
                namespace[name] = value

    def fate(self, name: str, status: str, reason: str = "", verified: bool = False) -> Fate:
        """What is said of a variable."""
        entry = self.entries[name]
        return Fate(status, reason, entry["cell"], verified, entry["type"], self.cures.get(name, ""))

    def _lose(self, name: str, reason: str) -> None:
        self.fates[name] = self.fate(name, LOST, reason)


def find(repository: Repository, session: str, generation: int | None = None) -> dict[str, Any]:
    """The manifest to restore from. Raises CheckpointNotFound, SignatureError, FormatError, RestoreError."""
    manifest = repository.latest(session) if generation is None else repository.load(session, generation)
    if manifest is None:
        raise CheckpointNotFound(f"there is no checkpoint of {session!r} in {repository.store.url}")
    if manifest.get("kind") != "kernel":
        raise RestoreError(f"the checkpoint {session!r} is not a kernel's, but of kind {manifest.get('kind')!r}")
    return manifest

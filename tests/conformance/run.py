"""Run the conformance catalogue with elastic_spawner and print its verdicts as a table.

    python -m tests.conformance.run CATALOGUE [--parts cases,own] [--only PART,...] [-j JOBS] [--python PYTHON ...]

The catalogue (small sessions, realistic notebooks, and the harness that runs them in real kernels) is kept outside the
repository, because every checkpointing tool is measured with the same one; `notebooks` beside this file are more of the
kind. With several interpreters the table has a row for each, and says which versions of Python and of the libraries it
stands for.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

# What may never happen, whatever the session does: a silent wrong or missing value, a broken cell, a dead kernel.
NEVER = ("wrong", "missing", "broken_cells", "crash", "ckpt_error", "restore_error")
VERDICTS = ("pass", "reported", *NEVER)


@dataclass(frozen=True)
class Outcome:
    """What the harness said about one part of the catalogue."""

    what: str
    runs: tuple[dict, ...]
    log: str
    seconds: float = 0.0

    def names(self, *verdicts: str) -> list[str]:
        return sorted(r["case"] for r in self.runs if r["verdict"] in verdicts)

    def details(self, *verdicts: str) -> str:
        """One line for each run with one of these verdicts, with what the harness found."""
        lines = []
        for run in self.runs:
            if run["verdict"] in verdicts:
                found = [p for p in run.get("probes", []) if p is not True]
                errors = [run[k] for k in ("crash", "ckpt", "restore", "broken_cells") if run.get(k, "ok") != "ok"]
                lines.append(f"{run['case']}: {run['verdict']} {errors or ''} {found or ''} lost={run.get('lost')}")
        return "\n".join(sorted(lines))


PARTS = ("cases", "books", "own")
"""What there is to run: the catalogue's sessions, its notebooks, and the notebooks beside this file."""


def run(what: str, catalogue: Path, python: str, *, jobs: int = 2, only: str | None = None) -> Outcome:
    """Run one of `PARTS` on the interpreter ``python``.

    The harness's progress goes to our standard output. Sessions whose kernel did not start (on a busy machine,
    and before elastic_spawner comes in) are tried once more, alone. Raises RuntimeError when the harness itself fails.
    """
    outcome = _run(what, catalogue, python, jobs, only)
    unstarted = [r["case"] for r in outcome.runs if r.get("crash", "").startswith("Timeout: kernel start")]
    if not unstarted:
        return outcome
    print(f"once more, because their kernels did not start: {', '.join(unstarted)}", flush=True)
    again = {r["case"]: r for r in _run(what, catalogue, python, 1, ",".join(unstarted)).runs}
    runs = tuple(again[r["case"]] if r["case"] in unstarted else r for r in outcome.runs)
    return Outcome(what, runs, outcome.log)


def _run(what: str, catalogue: Path, python: str, jobs: int, only: str | None) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as folder:
        out = Path(folder, "out.jsonl")
        command = [python, str(catalogue / "harness.py"), "books" if what == "own" else what, "--tools", "elastic"]
        command += ["-j", str(jobs), "-o", str(out)]
        command += ["--only", only] if only else []
        command += ["--folder", str(_our_notebooks(catalogue, Path(folder)))] if what == "own" else []
        env = {**os.environ, "CONFORMANCE_WORK": str(Path(folder, "work")), "PYTHONDONTWRITEBYTECODE": "1"}
        log = []
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as harness:
            assert harness.stdout
            for line in harness.stdout:
                log.append(line)
                print(line, end="", flush=True)
        runs = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
        if harness.returncode or not (runs or only):
            raise RuntimeError(f"the harness ended with {harness.returncode}:\n{''.join(log[-30:])}")
        return Outcome(what, tuple(runs), "".join(log))


def _whatever_happens(what: str, catalogue: Path, python: str, jobs: int, only: str | None) -> Outcome:
    """As `run`; a harness that fails counts as a crash, and what else there is to run is run."""
    started = time.monotonic()
    try:
        outcome = run(what, catalogue, python, jobs=jobs, only=only)
    except RuntimeError as error:
        print(error, flush=True)
        runs = ({"case": "the harness", "group": "the harness", "verdict": "crash", "crash": str(error)},)
        outcome = Outcome(what, runs, str(error))
    return replace(outcome, seconds=time.monotonic() - started)


def _our_notebooks(catalogue: Path, folder: Path) -> Path:
    """A folder as the harness wants one: our notebooks, and the catalogue's way of reading them."""
    shutil.copytree(Path(__file__).with_name("notebooks"), folder / "ours" / "notebooks")
    shutil.copy(catalogue / "notebooks" / "__init__.py", folder / "ours" / "notebooks")
    return folder / "ours"


LIBRARIES = ("ipykernel", "numpy", "pandas", "torch", "polars", "pyarrow", "scikit-learn", "xgboost", "lightgbm")


def versions(python: str) -> dict[str, str]:
    """What the interpreter has: its own version and those of `LIBRARIES`, ``MISSING`` for what it lacks."""
    code = """
import importlib.metadata as m, json, platform, sys
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return "MISSING"
print(json.dumps({"python": platform.python_version(), **{n: version(n) for n in sys.argv[1:]}}))
"""
    asked = subprocess.run([python, "-c", code, *LIBRARIES], capture_output=True, text=True, check=True)
    return dict(json.loads(asked.stdout))


def matrix(found: list[tuple[dict[str, str], list[Outcome]]]) -> str:
    """A row of verdict counts for each interpreter and part, headed by its versions."""
    lines = []
    for has, outcomes in found:
        lines.append(", ".join(f"{name} {version}" for name, version in has.items()))
        for outcome in outcomes:
            counts = Counter(r["verdict"] for r in outcome.runs)
            told = ", ".join(f"{counts[v]} {v}" for v in VERDICTS if counts[v])
            lines.append(f"    {outcome.what:6} {len(outcome.runs):4} run in {outcome.seconds:4.0f} s: {told}")
    return "\n".join(lines)


def table(outcomes: list[Outcome]) -> str:
    """The verdict counts, a row for each group of sessions."""
    rows: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        for r in outcome.runs:
            rows.setdefault(f"{outcome.what}: {r['group']}", Counter())[r["verdict"]] += 1
            rows.setdefault(f"{outcome.what}: all", Counter())[r["verdict"]] += 1
    width = max(map(len, rows), default=0)
    lines = [" ".join([" " * width, *(v.rjust(13) for v in VERDICTS)])]
    for name, counts in sorted(rows.items()):
        lines.append(" ".join([name.ljust(width), *(str(counts[v] or "-").rjust(13) for v in VERDICTS)]))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--only", help="comma-separated parts of the sessions' names")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("--python", action="append", help="an interpreter to run the kernels on; may be repeated")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"which of {', '.join(PARTS)} (default: all)")
    args = parser.parse_args()
    if not set(args.parts.split(",")) <= set(PARTS):
        parser.error(f"--parts takes {', '.join(PARTS)}")
    if not (args.catalogue / "harness.py").exists():
        print(f"no catalogue: {args.catalogue} holds no harness.py", file=sys.stderr)
        return 2
    found: list[tuple[dict[str, str], list[Outcome]]] = []
    for python in args.python or [sys.executable]:
        has = versions(python)
        print(f"==== {', '.join(f'{k} {v}' for k, v in has.items())}", flush=True)
        found.append((has, []))
        for part in args.parts.split(","):
            found[-1][1].append(_whatever_happens(part, args.catalogue.resolve(), python, args.jobs, args.only))
            print("\n" + matrix(found) + "\n", flush=True)  # so far: a run that is cut off has told what it saw
    for has, outcomes in found:
        print(f"\n==== Python {has['python']}\n{table(outcomes)}")
        for outcome in outcomes:
            print(f"\n{outcome.what} that did not pass:\n{outcome.details('reported', *NEVER) or '-'}")
    print("\n" + matrix(found))
    return 1 if any(outcome.names(*NEVER) for _, outcomes in found for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Run the conformance catalogue with elastic_spawner and print its verdicts as a table.

    python -m tests.conformance.run CATALOGUE [--only PART,...] [-j JOBS]

The catalogue (small sessions, five realistic notebooks, and the harness that runs them in real kernels) is kept
outside the repository, because every checkpointing tool is measured with the same one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
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


def run(what: str, catalogue: Path, python: str, *, jobs: int = 2, only: str | None = None) -> Outcome:
    """Run ``cases`` or ``books`` of the catalogue on the interpreter ``python``.

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
        command = [python, str(catalogue / "harness.py"), what, "--tools", "elastic", "-j", str(jobs), "-o", str(out)]
        command += ["--only", only] if only else []
        env = {**os.environ, "CONFORMANCE_WORK": str(Path(folder, "work")), "PYTHONDONTWRITEBYTECODE": "1"}
        log = []
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as harness:
            assert harness.stdout
            for line in harness.stdout:
                log.append(line)
                print(line, end="", flush=True)
        if harness.returncode or not out.exists():
            raise RuntimeError(f"the harness ended with {harness.returncode}:\n{''.join(log[-30:])}")
        return Outcome(what, tuple(json.loads(line) for line in out.read_text().splitlines()), "".join(log))


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
    args = parser.parse_args()
    if not (args.catalogue / "harness.py").exists():
        print(f"no catalogue: {args.catalogue} holds no harness.py", file=sys.stderr)
        return 2
    outcomes = [
        run(what, args.catalogue.resolve(), sys.executable, jobs=jobs, only=args.only)
        for what, jobs in (("cases", args.jobs), ("books", 1))
    ]
    print("\n" + table(outcomes))
    for outcome in outcomes:
        print(f"\n{outcome.what} that did not pass:\n{outcome.details('reported', *NEVER) or '-'}")
    return 1 if any(outcome.names(*NEVER) for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())

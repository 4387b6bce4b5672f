"""Measure everything in real kernels, print the tables, and put tables and drawings into docs/benchmarks.md.

With --only, --quick or --scale nothing in docs/ is written, unless --page says which page.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from tests.kernel.runner import KernelDied

from . import checkpoints, chunk_store, overhead, page, planning, plots, sessions, tables
from .kernels import Failed

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
PARTS = ("overhead", "planning", "chunk store")
_LIBRARIES = ("ipykernel", "ipython", "numpy", "pandas", "pyarrow", "scikit-learn", "networkx", "dill", "cloudpickle",
              "xxhash", "zstandard")  # fmt: skip


def facts(options: argparse.Namespace) -> dict[str, Any]:
    """What the figures depend on; neither names of hosts nor of folders."""
    versions = {"Python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        flags = ""
    return {
        "date": date.today().isoformat(),
        "versions": versions,
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        "sha_ni": " sha_ni" in flags or " sha2" in flags,
        "load_before": os.getloadavg()[0],
        "repeat": options.repeat,
        "scale": options.scale,
    }


def run(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Measure what was asked for. What fails is told, and does not keep the rest from being measured."""
    started = time.monotonic()
    figures: dict[str, Any] = {"facts": facts(options), "sessions": {}}
    only = options.only.split(",") if options.only else []

    def wanted(name: str) -> bool:
        return not only or any(part in name for part in only)

    chosen = sessions.synthetic(options.scale)
    if options.quick and not only:
        pass  # a notebook has no smaller size
    elif options.conformance.is_dir():
        chosen += sessions.notebooks(options.conformance)
    else:
        print(f"no notebooks: {options.conformance} is not there; give --conformance", file=sys.stderr)
    chosen = [session for session in chosen if wanted(session.name)]
    ends = started + 60 * options.minutes
    _rounds(options, work, started, chosen, figures, range(1), ends)
    if wanted("overhead"):
        try:
            figures["overhead"] = _overhead(options, work, started)
        except (Failed, KernelDied, subprocess.CalledProcessError) as e:
            figures.setdefault("failed", {})["overhead"] = str(e)[:300]
    if wanted("planning"):
        _say(started, "planning")
        cells, variables = (200, 50) if options.quick else (2000, 500)
        figures["planning"] = {
            "shapes": planning.measure(cells, variables, 5),
            "history": planning.saved_history(int(cells * 2.5), variables, 5),
        }
    if wanted("chunk store"):
        _say(started, "chunk store")
        figures["chunk store"] = chunk_store.measure(max(1, int(256 * options.scale)), work, 3)
    _rounds(options, work, started, chosen, figures, range(1, options.repeat), ends)
    figures["facts"].update(load_after=os.getloadavg()[0], seconds=time.monotonic() - started)
    return figures


def _rounds(
    options: argparse.Namespace,
    work: Path,
    started: float,
    chosen: list[sessions.Session],
    figures: dict[str, Any],
    numbers: range,
    ends: float,
) -> None:
    """Measure rounds of the sessions. The first is always made, a later one when it will be over before ``ends``."""
    for number in numbers:
        for session in chosen:
            found = figures["sessions"].get(session.name)
            began = time.monotonic()
            if number and (found is None or began + found["seconds"] > ends):
                continue
            _say(started, f"{session.name}, round {number + 1}")
            try:
                one = checkpoints.one_round(session, work / session.name, sys.executable, number, options.idle)
            except (Failed, KernelDied) as e:
                _say(started, f"{session.name} FAILED: {e}")
                figures.setdefault("failed", {})[session.name] = str(e)[:300]
                continue
            rounds = [*found["rounds"], one] if found else [one]
            figures["sessions"][session.name] = {
                "computes": session.computes,
                "seconds": time.monotonic() - began,
                "ratios": checkpoints.ratios(rounds),
                "rounds": rounds,
            }


def _overhead(options: argparse.Namespace, work: Path, started: float) -> dict[str, Any]:
    found: dict[str, Any] = {"states": {}}
    for name, build in overhead.states(options.scale).items():
        _say(started, f"x = 1 beside {name}")
        pairs = 10 if options.quick else 60
        found["states"][name] = overhead.beside(build, work / name.replace(" ", "-"), sys.executable, pairs)
    _say(started, "loops and imports")
    turns = 10_000 if options.quick else 2_000_000
    found["loops"] = overhead.loops(work / "loops", sys.executable, 3 if options.quick else 9, turns)
    found["imports"] = overhead.imports(sys.executable, 1 if options.quick else 5)
    _say(started, "many cells")
    found["many_cells"] = overhead.many_cells(work / "many", sys.executable, 50 if options.quick else 5000)
    return found


def _say(started: float, text: str) -> None:
    print(f"[{time.monotonic() - started:4.0f} s] {text}", file=sys.stderr, flush=True)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options, with what follows from them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", metavar="PART,...", help=f"sessions, or {', '.join(PARTS)}; parts of names will do")
    parser.add_argument("--repeat", type=int, help="rounds of each session (2)")
    parser.add_argument("--scale", type=float, help="size of the synthetic sessions (1.0)")
    parser.add_argument("--idle", type=float, default=3.0, help="seconds of pause before every second checkpoint (3)")
    parser.add_argument("--minutes", type=float, default=12, help="no round is begun that would end later (12)")
    parser.add_argument("--quick", action="store_true", help="small and once: whether it runs, not how fast")
    usual = Path(os.environ.get("CONFORMANCE") or ROOT.parent / "shared" / "conformance")
    parser.add_argument("--conformance", type=Path, default=usual, help="folder that holds notebooks/")
    parser.add_argument("--directory", type=Path, help="where stores and files are written (the temporary folder)")
    parser.add_argument("--page", type=Path, help="the page to write tables and drawings for (docs/benchmarks.md)")
    parser.add_argument("--again", action="store_true", help="write the page again from the figures beside it")
    options = parser.parse_args(arguments)
    whole = not (options.only or options.quick or options.scale)
    options.repeat = options.repeat or (1 if options.quick else 2)
    options.scale = options.scale or (0.01 if options.quick else 1.0)
    options.page = options.page or (PAGE if whole else None)
    return options


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    options = parse(arguments)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or every kernel compiles what it imports, as no user's does
    pictures = options.page.parent / "images" / "benchmarks" if options.page else None
    if options.again and pictures:
        figures = json.loads((pictures / "figures.json").read_text())
    else:
        with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=options.directory) as folder:
            figures = run(options, Path(folder))
    for heading, text in tables.sections(figures):
        print(f"\n{heading}\n\n{text}")
    if options.page and pictures:
        pictures.mkdir(parents=True, exist_ok=True)
        (pictures / "figures.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
        plots.draw(figures, pictures)
        page.rewrite(options.page, page.measured(figures, "images/benchmarks"))
        print(f"\nwritten: {options.page.name}, and its drawings and figures")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the kernels end with us, as after an interrupt
    sys.exit(main())

"""A run's figures as tables in Markdown: each goal beside what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from .goals import RESTORING, SAVING, WATCHING, Goal, single


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose columns are padded, so that its source can be read too."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    lines.insert(1, ["-" * w for w in widths])
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths)) + " |" for line in lines)


def by_session(figures: dict[str, Any], goals: Sequence[Goal]) -> str:
    """One row for each session; the first row is what is wanted."""
    head = ["session", *(g.title for g in goals)]
    rows = [["*wanted*", *(g.wanted for g in goals)]]
    for name, found in figures["sessions"].items():
        cells = []
        for goal in goals:
            value = found["ratios"][goal.key]
            applies = found["computes"] or not goal.computing_only
            cells.append(goal.text(value) if applies or value is None else goal.text(value).strip("*") + " †")
        rows.append([name, *cells])
    return table(head, rows)


def peers(figures: dict[str, Any]) -> str:
    """Seconds of saving and of restoring, of everybody."""
    rows = []
    for name, found in figures["sessions"].items():
        rounds = found["rounds"]
        others = rounds[0]["peers"]
        row = [name, _seconds([sum(r["rerun_s"]) for r in rounds])]
        row.append(
            _pair([r["first"]["seconds"] for r in rounds], [x["seconds"] for r in rounds for x in r["restores"]])
        )
        row.append(
            _pair([s["seconds"] for r in rounds for s in r["raw_saves"]], [s for r in rounds for s in r["raw_loads"]])
        )
        for other in ("cloudpickle", "dill"):
            peer = others[other]
            failed = "fails" if "more than" not in peer.get("failed", "") else "given up"
            save = f"{peer['save']['seconds']:.2f}" if "save" in peer else failed
            load = f"{peer['load']:.2f}" if "load" in peer else failed
            row.append(f"{save} / {load}")
        rows.append(row)
    return table(["session", "re-running", "elastic_spawner", "raw pickle-5", "cloudpickle", "dill.dump_module"], rows)


def details(figures: dict[str, Any]) -> str:
    """What became of each session, and how much was left out of the peers' work because they cannot take it."""
    rows = []
    for name, found in figures["sessions"].items():
        first = found["rounds"][0]
        saved, restored = first["first"], first["restores"][0]
        probes = restored.get("probes", [])
        left = f"{len(first['raw_left'])} / {len(first['peers']['cloudpickle']['left'])}"
        rows.append(
            [
                name,
                f"{saved['bytes'] / 1e6:.1f} / {first['raw_saves'][0]['bytes'] / 1e6:.1f}",
                f"{saved['on_disk'] / 1e6:.1f}",
                f"{saved['stored']} / {saved['recomputed']} / {len(saved['lost'])}",
                f"{sum(probes)} of {len(probes)}",
                f"{max(x['memory'] for r in found['rounds'] for x in r['restores']) / 1e6:.0f}",
                left,
            ]
        )
    return table(
        ["session", "MB serialised / raw", "MB in the store", "stored / recomputed / lost", "probes true after restore",
         "MB at the peak of a restore", "variables that raw / cloudpickle cannot take"],
        rows,
    )  # fmt: skip


def others(figures: dict[str, Any]) -> str:
    """All that is not about one session."""
    return table(
        ["what", "measured on", "wanted", "measured"],
        [[goal.title, on, goal.wanted, goal.text(value)] for goal, on, value in single(figures)],
    )


def storage(figures: dict[str, Any]) -> str:
    """The chunk store beside plain files."""
    found = figures["chunk store"]
    middle = {step: statistics.median(values) for step, values in found["seconds"].items()}
    rows = []
    for step, seconds in middle.items():
        base = "plain read" if "read" in step else "plain write"
        rows.append([step, f"{seconds:.3f}", f"{seconds / middle[base]:.2f} x {base}"])
    return table(["step", f"seconds for {found['megabytes']} MiB, median", "ratio"], rows)


def sections(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """Heading and table of everything that was measured."""
    found = []
    if figures.get("sessions"):
        found += [
            ("Saving", by_session(figures, SAVING)),
            ("Restoring", by_session(figures, RESTORING)),
            ("Watching", by_session(figures, WATCHING)),
            ("Seconds, to save / to restore", peers(figures)),
            ("What was saved", details(figures)),
        ]
    if single(figures):
        found.append(("Cost while nothing happens, and planning", others(figures)))
    if "chunk store" in figures:
        found.append(("Storage", storage(figures)))
    if figures.get("failed"):
        found.append(("Not measured", failures(figures)))
    return found


def failures(figures: dict[str, Any]) -> str:
    """What could not be measured, and why."""
    return "\n".join(f"- {name}: {why}" for name, why in figures.get("failed", {}).items())


def _seconds(values: list[float]) -> str:
    return f"{statistics.median(values):.2f}"


def _pair(saves: list[float], loads: list[float]) -> str:
    return f"{_seconds(saves)} / {_seconds(loads)}"

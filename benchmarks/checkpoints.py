"""One session: saved and restored by us and by the peers, on the same values, in alternation."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from .kernels import KEY, SESSION, Bench, Failed, Kernel
from .sessions import Session

PEER_LIMIT_S = 30.0
"""dill is given up after this many seconds."""


def one_round(session: Session, folder: Path, python: str, number: int, idle_s: float) -> dict[str, Any]:
    """Run the session without us and with us, save and restore it; the figures of round ``number``.

    Seconds are wall time, sizes are bytes. In every second round the kernel is left alone for ``idle_s`` seconds
    between the last cell and the checkpoint, for a person pauses there as a rule. The slower peers are measured in the
    first round only.
    """
    one: dict[str, Any] = {"idle_s": idle_s if number % 2 else 0.0}
    with Bench(folder / f"plain{number}", python) as bench:
        kernel = bench.kernel(watched=False)
        one["rerun_s"] = [kernel.cell(c) for c in session.cells]
        one["memory_plain"] = kernel.memory()["now"]
    with Bench(folder / f"watched{number}", python) as bench:
        _watched(session, bench, one, peers=number == 0)
    shutil.rmtree(folder)
    return one


def _watched(session: Session, bench: Bench, one: dict[str, Any], peers: bool) -> None:
    store, raw = bench.folder / "store", bench.folder / "raw"
    raw.mkdir()
    kernel = bench.kernel(watched=True)
    kernel.inside("meter")
    one["cells_s"] = [kernel.cell(c) for c in session.cells]
    one["hooks"] = kernel.inside("metered")
    one["memory_watched"] = kernel.memory()["now"]
    captured = {name: kernel.value(e) for name, e in session.capture.items()} if peers else {}
    time.sleep(one["idle_s"])
    one["first"] = _checkpoint(kernel, store)
    one["largest_component"] = kernel.inside("largest_component")
    chosen = kernel.inside("choose", kind="raw")
    one["raw_left"] = chosen["left"]
    one["raw_saves"] = [
        _clocked(kernel, "raw_save", folder=str(raw), names=chosen["names"], number=n) for n in range(2)
    ]
    kernel.cell(session.change)
    one["second"] = _checkpoint(kernel, store)
    kernel.inside("raw_save", folder=str(raw), names=chosen["names"], number=2)
    if peers:
        one["peers"] = _peer_saves(kernel, raw)
    small = session.small or f"({', '.join(kernel.inside('small'))},)"
    touch_all = f"[{', '.join(chosen['names'])}] and None"
    kernel.kill()
    for _ in range(2):
        one.setdefault("restores", []).append(_restore(session, bench, store, small, touch_all, captured))
        captured = {}
        with bench.beside(f"raw-load-{len(one['restores'])}") as beside:
            loader = beside.kernel(watched=False)
            loader.inside("small")
            seconds, _ = loader.clocked("raw_load", folder=str(raw), definitions=session.definitions, number=2)
            one.setdefault("raw_loads", []).append(seconds)
    if peers:
        _peer_loads(one["peers"], bench, raw)


def _checkpoint(kernel: Kernel, store: Path) -> dict[str, Any]:
    """Save as the agent does; seconds as whoever asks sees them, and the memory it took beside what was there."""
    os.sync()
    kernel.forget_peak()
    before = kernel.memory()["now"]
    seconds, done = kernel.call("checkpoint", url=store.as_uri(), session=SESSION, key=KEY)
    plan = done["plan"]
    return {
        "seconds": seconds,
        "memory": kernel.memory()["peak"] - before,
        "bytes": done["bytes"],
        "written": done["bytes_written"],
        "on_disk": disk_usage(store),
        "stored": len(plan["store"]),
        "recomputed": len(plan["recomputed"]),
        "rerun_cells": len(plan["rerun"]),
        "lost": [v["name"] for v in plan["lost"]],
    }


def _restore(
    session: Session, bench: Bench, store: Path, small: str, touch_all: str, captured: dict[str, str]
) -> dict[str, Any]:
    """Restore into a new kernel; the clock starts with the request and is read again behind the user's first cells."""
    kernel = bench.kernel(watched=True)
    kernel.forget_peak()
    before = kernel.memory()["now"]
    started = time.perf_counter()
    _, report = kernel.call("restore", url=store.as_uri(), session=SESSION, key=KEY)
    answered = time.perf_counter()
    kernel.cell(small)
    first_cell = time.perf_counter()
    broken = ""
    try:
        kernel.cell(touch_all)
    except Failed as e:  # a variable that is lost, and was reported so
        broken = str(e)
    done = time.perf_counter()
    memory = kernel.memory()
    fates = [v["status"] for v in report["variables"].values()]
    found: dict[str, Any] = {
        "answered_s": answered - started,
        "first_cell_s": first_cell - started,
        "seconds": done - started,
        "memory": memory["peak"] - before,
        "memory_kept": memory["now"] - before,
        "fates": {s: fates.count(s) for s in set(fates)},
        "broken": broken,
    }
    if captured or not session.capture:
        found["probes"] = [_probe(kernel, p, captured) for p in session.probes]
    kernel.kill()
    return found


def _probe(kernel: Kernel, probe: str, captured: dict[str, str]) -> bool:
    for name, value in captured.items():
        probe = probe.replace(f"${name}$", value)
    return kernel.value(f"True if ({probe}) else False") == "True"


def _peer_saves(kernel: Kernel, folder: Path) -> dict[str, Any]:
    chosen = kernel.inside("choose", kind="cloudpickle")
    peers: dict[str, Any] = {"cloudpickle": {"left": chosen["left"]}, "dill": {}}
    _try(
        peers["cloudpickle"],
        "save",
        lambda: _clocked(kernel, "cloudpickle_save", folder=str(folder), names=chosen["names"]),
    )
    _try(peers["dill"], "save", lambda: _clocked(kernel, "dill_save", folder=str(folder), limit=PEER_LIMIT_S))
    return peers


def _peer_loads(peers: dict[str, Any], bench: Bench, folder: Path) -> None:
    for name, arguments in (("cloudpickle", {}), ("dill", {"limit": PEER_LIMIT_S})):
        if "save" in peers[name]:
            with bench.beside(f"{name}-load") as beside:  # dill opens files again, and so empties some
                kernel = beside.kernel(watched=False)
                _try(
                    peers[name],
                    "load",
                    lambda k=kernel, n=name, a=arguments: k.clocked(f"{n}_load", folder=str(folder), **a)[0],
                )


def _clocked(kernel: Kernel, function: str, **arguments: Any) -> dict[str, Any]:
    """Run one of the peers' saves; the seconds are those that whoever asks has to wait, as for our own."""
    os.sync()  # what was written before is not theirs to wait for, nor ours
    seconds, result = kernel.clocked(function, **arguments)
    return {**result, "seconds": seconds}


def _try(into: dict[str, Any], key: str, action: Any) -> None:
    try:
        into[key] = action()
    except Failed as e:
        into["failed"] = f"{key}: {e}"[:200]


def disk_usage(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(os.path.getsize(os.path.join(root, f)) for root, _, files in os.walk(folder) for f in files)


def ratios(rounds: list[dict[str, Any]]) -> dict[str, float | None]:
    """The figures of all rounds of one session as ratios: medians over the rounds, in each the peers' best of two."""

    def median(values: list[float]) -> float:
        return statistics.median(values)

    rerun = median([sum(r["rerun_s"]) for r in rounds])
    raw_save = [min(s["seconds"] for s in r["raw_saves"]) for r in rounds]
    restores = [r for one in rounds for r in one["restores"]]
    restore = median([r["seconds"] for r in restores])
    at_once = [r["first"]["seconds"] / s for r, s in zip(rounds, raw_save) if not r["idle_s"]]
    rested = [r["first"]["seconds"] / s for r, s in zip(rounds, raw_save) if r["idle_s"]]
    raw_bytes = rounds[0]["raw_saves"][0]["bytes"]
    plain = median([r["memory_plain"] for r in rounds])
    return {
        "checkpoint / raw, at once": median(at_once) if at_once else None,
        "checkpoint / raw, after a pause": median(rested) if rested else None,
        "stored / raw bytes": median([r["first"]["on_disk"] for r in rounds]) / raw_bytes,
        "second / first checkpoint": median([r["second"]["seconds"] / r["first"]["seconds"] for r in rounds]),
        "restore / re-running": restore / rerun,
        "restore / raw load": median([min(x["seconds"] for x in r["restores"]) / min(r["raw_loads"]) for r in rounds]),
        "first cell / re-running": median([r["first_cell_s"] for r in restores]) / rerun,
        "save memory above largest component, MB": (
            max(r["first"]["memory"] - r["largest_component"] for r in rounds) / 1e6
        ),
        "added to run time by hooks": median([r["hooks"]["wall"] for r in rounds]) / rerun,
        "watched / plain run time": median([sum(r["cells_s"]) for r in rounds]) / rerun,
        "memory added, MB": (median([r["memory_watched"] for r in rounds]) - plain) / 1e6,
        "memory added / namespace": (median([r["memory_watched"] for r in rounds]) - plain)
        / max(1, rounds[0]["first"]["bytes"]),
    }

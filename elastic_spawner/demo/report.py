"""The demo's result for a person at a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .result import Result

CODE_KINDS = {"module", "function", "type", "builtin_function_or_method", "ABCMeta"}


def show(result: Result) -> str:
    parts = [
        f"\nThe session of {result.notebook}, moved from {_size(result.size_before)} to {_size(result.size_after)}",
        _plan(result),
        _seconds(result),
        _variables(result),
        _summary(result),
    ]
    return "\n\n".join(parts)


def _plan(result: Result) -> str:
    plan = result.plan
    ran = {c.number: c for c in result.cells}
    rows = []
    for cell in plan.get("rerun", []):
        makes = [v["name"] for v in plan.get("recomputed", []) if cell["cell"] in (v.get("cells") or [])]
        first = next(iter(cell["source"].strip().splitlines()), "")
        seconds = cell.get("seconds", ran[cell["cell"]].seconds if cell["cell"] in ran else 0.0)
        rows.append((f"[{cell['cell']}]", f"{seconds:.2f} s", _names(makes), first[:60]))
    stored = plan.get("store", [])
    costs = f"{_s(plan.get('store_seconds'))} to store, {_s(plan.get('restore_seconds'))} to restore"
    lines = [
        f"The plan: store {len(stored)} variables ({_bytes(plan.get('bytes'))}), re-run {len(rows)} of "
        f"{len(result.cells)} cells; expected: {costs}",
    ]
    if rows:
        lines.append(_table(("cell", "took", "for", "source"), rows))
    for lost in plan.get("lost", []):
        lines.append(f"  {lost['name']} cannot be kept: {lost['reason']}. {lost.get('cure') or ''}".rstrip())
    return "\n".join(lines)


def _seconds(result: Result) -> str:
    rows = [(name, f"{seconds:.2f}") for name, seconds in result.steps if name != "tab reconnected"]
    rows += [(f"move: {step}", f"{seconds:.2f}") for step, seconds in result.step_seconds]
    rows += [(name, f"{seconds:.2f}") for name, seconds in result.steps if name == "tab reconnected"]
    return _table(("step", "seconds"), rows, right={1})


def _variables(result: Result) -> str:
    rows = [
        (v.name, v.type, _bytes(v.bytes) if v.bytes is not None else "", v.plan, v.fate, v.value, v.reason or v.after)
        for v in result.variables
        if not (v.type in CODE_KINDS and v.value == "same")
    ]
    code = [v.name for v in result.variables if v.type in CODE_KINDS and v.value == "same"]
    lines = [_table(("variable", "type", "bytes", "plan", "fate", "value", ""), rows, right={2})]
    if code:
        lines.append(f"the same, too: the modules, functions and classes {', '.join(code)}")
    for group in result.after["shared"]:
        lines.append(f"{' and '.join(group)} share one array's memory, as before")
    return "\n".join(lines)


def _summary(result: Result) -> str:
    variables, saved = result.variables, result.checkpoint
    same = sum(v.value == "same" for v in variables)
    lost = [v.name for v in variables if v.fate == "lost"]
    lines = [
        f"{same} of {len(variables)} variables are the same as before"
        + (f"; reported as lost: {', '.join(lost)}" if lost else ""),
        f"checkpoint: {_bytes(saved.get('bytes_written'))} written in {_s(saved.get('seconds'))}",
        f"an open tab had no server for {result.outage_s:.1f} s, and its kernel is the one it had",
        f"the cell before the move was [{result.count_before}], the cell after it [{result.count_after}]",
        *(f"NOT AS IT SHOULD BE: {fault}" for fault in result.broken),
    ]
    return "\n".join(lines)


def _names(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] | set[int] = frozenset()) -> str:
    widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, ["-" * w for w in widths], *rows]:
        cells = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths))]
        lines.append(("  " + "  ".join(cells)).rstrip()[:150])
    return "\n".join(lines)


def _bytes(n: Any) -> str:
    if n is None:
        return "?"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= factor:
            return f"{n / factor:.1f} {unit}"
    return f"{n} B"


def _s(seconds: Any) -> str:
    return "?" if seconds is None else f"{seconds:.2f} s"


def _size(size: dict[str, Any]) -> str:
    memory, cpus = size.get("memory"), size.get("cpus")
    memory_text = "unlimited memory" if memory is None else f"{memory / 2**30:.4g} GiB"
    cpus_text = "all CPUs" if cpus is None else f"{cpus:.4g} CPU{'' if cpus == 1 else 's'}"
    return f"{memory_text} and {cpus_text}"

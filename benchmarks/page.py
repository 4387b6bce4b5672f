"""Puts a run's tables into the page of the documentation that shows them, between two marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import tables

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
_PICTURES = {
    "Saving": "saving",
    "Restoring": "restoring",
    "Watching": "watching",
    "Cost while nothing happens, and planning": "idle",
}


def measured(figures: dict[str, Any], pictures: str) -> str:
    """The part of the page that a run writes; ``pictures`` is the folder of the drawings as the page names it."""
    facts = figures["facts"]
    libraries = ", ".join(f"{n} {v}" for n, v in facts["versions"].items())
    lines = [
        f"Measured on {facts['date']} in {facts['seconds'] / 60:.0f} minutes: {facts['cores']} cores, "
        f"{facts['memory_gb']:.0f} GB of memory, SHA-256 {'' if facts['sha_ni'] else 'not '}in the processor, load "
        f"{facts['load_before']:.1f} before and {facts['load_after']:.1f} after. {libraries}. "
        f"Repeats: {facts['repeat']}; scale: {facts['scale']:g}.",
        "",
    ]
    for heading, text in tables.sections(figures):
        lines += [f"### {heading}", "", text, ""]
        if heading in _PICTURES:
            lines += [f"![{heading}]({pictures}/{_PICTURES[heading]}.svg)", ""]
    return "\n".join(lines)


def rewrite(page: Path, text: str) -> None:
    """Replace what stands between the marks. Raises ValueError when the page has none."""
    old = page.read_text()
    if BEGIN not in old or END not in old:
        raise ValueError(f"{page} has no place for the figures: it needs the lines {BEGIN} and {END}")
    page.write_text(f"{old.partition(BEGIN)[0]}{BEGIN}\n\n{text}\n{END}{old.partition(END)[2]}")

"""Manifests in words. Whoever can write to the store can write them, so no field is taken to be what it should be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..checkpoint.manifest import chunk_sizes, is_sealed
from ..checkpoint.packs import refs_of
from .output import bytes_text, dict_of, dicts_of, moment_text, number_of, printable, table, text_of

PLANS = {"store": "stored", "rerun": "re-run", "lost": "lost"}


def one_line(manifest: dict[str, Any]) -> str:
    """``12 variables, Python 3.11.2``."""
    if is_sealed(manifest):
        return "encrypted: its key is needed to see what it holds"
    if manifest.get("kind") == "server":
        count = len(dicts_of(manifest.get("kernels")))
        return f"the server's list of {count} kernel{'' if count == 1 else 's'}"
    count = len(dict_of(manifest.get("variables")))
    return f"{count} variable{'' if count == 1 else 's'}, Python {text_of(manifest.get('python')) or 'unknown'}"


def notebooks(manifest: dict[str, Any]) -> dict[str, str]:
    """The notebooks of the kernels in a server's list, by the kernels' ids."""
    return {
        text_of(session.get("kernel_id")): text_of(session.get("path"))
        for session in dicts_of(manifest.get("sessions"))
    }


def describe(manifest: dict[str, Any]) -> str:
    """All that a person may want to know of a checkpoint."""
    lines = [
        f"session {text_of(manifest.get('session'))}, generation {text_of(manifest.get('generation'))}, "
        f"made {moment_text(number_of(manifest.get('created')))}, format {text_of(manifest.get('format'))}"
    ]
    stored = sum(size for _, size in set(chunk_sizes(manifest)))
    lines.append(f"{one_line(manifest)}; {bytes_text(stored)} in the store")
    if is_sealed(manifest):
        return lines[0] + "\n" + lines[1]
    if manifest.get("encrypted"):
        lines.append(f"encrypted by {text_of(manifest['encrypted'])}")
    if manifest.get("kind") == "server":
        return "\n".join([*lines, "", _kernels(manifest)])
    libraries = dict_of(manifest.get("libraries"))
    if libraries:
        lines.append(", ".join(f"{printable(name)} {text_of(version)}" for name, version in sorted(libraries.items())))
    return "\n\n".join(["\n".join(lines), *filter(None, (_variables(manifest), _cells(manifest)))])


def _kernels(manifest: dict[str, Any]) -> str:
    labels = notebooks(manifest)
    rows = [
        (
            text_of(kernel.get("id")),
            labels.get(text_of(kernel.get("id")), "-"),
            text_of(kernel.get("name")),
            text_of(kernel.get("generation")) or "none",
        )
        for kernel in dicts_of(manifest.get("kernels"))
    ]
    return table(rows, ("kernel", "notebook", "kind", "generation"))


def _variables(manifest: dict[str, Any]) -> str:
    rows = [
        (
            printable(name),
            PLANS.get(str(fate.get("plan")), "?"),
            text_of(fate.get("type")),
            bytes_text(number_of(fate.get("bytes"))),
            text_of(fate.get("cell")),
            text_of(fate.get("reason")),
        )
        for name, fate in ((name, dict_of(fate)) for name, fate in dict_of(manifest.get("variables")).items())
    ]
    rows.sort(key=lambda row: (list(PLANS.values()).index(row[1]) if row[1] in PLANS.values() else -1, row[0]))
    return table(rows, ("variable", "is", "type", "size", "cell", "why"), right=(3, 4)) if rows else ""


def _cells(manifest: dict[str, Any]) -> str:
    blocks = []
    for cell in dicts_of(manifest.get("rerun")):
        seconds = number_of(cell.get("seconds"))
        source = cell.get("source") if isinstance(cell.get("source"), str) else ""
        blocks.append(
            f"a restore re-runs cell {text_of(cell.get('cell'))}"
            + (f" (took {seconds:.1f} s)" if seconds is not None else "")
            + "".join(f"\n    {line}" for line in printable(str(source), lines=True).splitlines())
        )
    return "\n".join(blocks)


def affected(manifest: dict[str, Any], problems: Iterable[str]) -> list[str]:
    """The variables whose chunks the problems name."""
    text = "\n".join(problems)
    names: set[str] = set()
    for component in dicts_of(manifest.get("components")):
        buffers = component.get("buffers")
        extents = [component.get("payload"), *(buffers if isinstance(buffers, list) else [])]
        if any(ref.hash[:12] in text for e in extents for ref in refs_of(e, manifest.get("packs"))):
            names.update(name for name in component.get("names") or [] if isinstance(name, str))
    return sorted(names)

"""A run's ratios as drawings (SVG): one panel for each goal, one dot for each session, a line where the goal is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .goals import RESTORING, SAVING, WATCHING, Goal, single

GOOD, BAD, TEXT, LINE = "#1a7f37", "#b35900", "#1f2328", "#57606a"


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:
    """Write the drawings; returns their paths. They have a background of their own, for light and for dark pages."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "benchmarks", "font.size": 11})
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    if figures.get("sessions"):
        for name, goals in (("saving", SAVING), ("restoring", RESTORING), ("watching", WATCHING)):
            made.append(_panels(figures, goals, folder / f"{name}.svg"))
    if rows := single(figures):
        labels = [f"{goal.title}\n{on}" for goal, on, _ in rows]
        made.append(_one(labels, [v / g.limit for g, _, v in rows], "measured / wanted", 1.0, folder / "idle.svg"))
    return made


def _panels(figures: dict[str, Any], goals: Sequence[Goal], path: Path) -> Path:
    from matplotlib import pyplot

    sessions = list(figures["sessions"])
    height = 0.9 + 0.32 * len(sessions)
    figure, axes = pyplot.subplots(len(goals), 1, figsize=(8, height * len(goals)), facecolor="white")
    for goal, ax in zip(goals, axes):
        values = []
        for name in sessions:
            found = figures["sessions"][name]
            values.append(found["ratios"][goal.key] if found["computes"] or not goal.computing_only else None)
        scale = 100 if goal.unit == "%" else 1
        _dots(ax, sessions, [None if v is None else v * scale for v in values], goal.limit * scale)
        unit = "" if goal.unit == "x" else f" ({goal.unit})"
        ax.set_title(f"{goal.title}{unit}: wanted {goal.wanted}", loc="left", fontsize=11, color=TEXT)
    return _save(figure, path)


def _one(labels: list[str], values: list[float | None], title: str, limit: float, path: Path) -> Path:
    from matplotlib import pyplot

    figure, ax = pyplot.subplots(figsize=(8, 1.0 + 0.42 * len(labels)), facecolor="white")
    _dots(ax, labels, values, limit)
    ax.tick_params(axis="y", labelsize=8)
    ax.set_title(title, loc="left", fontsize=11, color=TEXT)
    return _save(figure, path)


def _dots(ax: Any, labels: list[str], values: list[float | None], limit: float) -> None:
    positions = list(range(len(labels)))[::-1]
    known = [v for v in values if v is not None and v > 0] + [limit]
    low, high = min(known) / 2, max(known) * 3
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ax.axvline(limit, color=LINE, linewidth=1.2, linestyle="--")
    for at, value in zip(positions, values):
        if value is None:
            continue
        colour = GOOD if round(value, 2) <= limit else BAD
        # a difference that came out below nothing stands at the edge, with its own figure beside it
        shown = max(value, low)
        ax.hlines(at, low, shown, color=colour, linewidth=2)
        ax.plot([shown], [at], "o", color=colour)
        label = ax.annotate(f"{value:.3g}", (shown, at), (7, 0), textcoords="offset points", va="center", color=TEXT)
        label.set(size=9, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
    ax.set_yticks(positions, labels)
    ax.set_ylim(-0.7, len(labels) - 0.3)
    ax.tick_params(colors=TEXT)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def _save(figure: Any, path: Path) -> Path:
    from matplotlib import pyplot

    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path

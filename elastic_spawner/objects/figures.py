"""Figures of matplotlib: which of them pyplot keeps open, and what makes one up wherever it is kept."""

from __future__ import annotations

import sys
from typing import Any


def is_figure(cls: type) -> bool:
    """Whether instances are whole figures, which pyplot may keep."""
    return any((c.__module__, c.__name__) == ("matplotlib.figure", "Figure") for c in cls.__mro__)


def open_figures() -> dict[int, Any]:
    """The figures that pyplot keeps, by their numbers, the current one last."""
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    return {} if helpers is None else {n: m.canvas.figure for n, m in helpers.Gcf.figs.items()}


def number_of(figure: Any) -> int | None:
    """The number by which pyplot keeps the figure."""
    return next((number for number, kept in open_figures().items() if kept is figure), None)


def figure_state(figure: Any) -> tuple[Any, Any, dict[str, Any]]:
    """The function, its arguments and the state of which the figure is made, without its place in pyplot."""
    made, args, state = figure.__reduce_ex__(5)[:3]
    return made, args, {k: v for k, v in state.items() if k != "_restore_to_pylab"}


def reduce_drawn(obj: Any) -> Any:
    """What makes up a part of a figure wherever it is kept, as pickle would take it apart; None of what is no such
    part."""
    if is_figure(type(obj)):
        made, args, state = figure_state(obj)
        return made, args, {**state, "number": number_of(obj)}
    if type(obj).__module__ == "matplotlib.transforms" and "_invalid" in getattr(obj, "__dict__", ()):
        made, args, state = obj.__reduce_ex__(5)[:3]
        # loading a figure sets its resolution again, so that what hangs on it is to be computed anew
        return made, args, {k: v for k, v in state.items() if k != "_invalid"}
    if (type(obj).__module__, type(obj).__name__) == ("matplotlib.cbook", "CallbackRegistry"):
        return _registry_state(obj)
    return None


def _registry_state(registry: Any) -> Any:
    """How the registry is pickled, without how often something was registered: a window of a figure does so, too.

    To ask the registry itself would be to use up a number.
    """
    copy = object.__new__(type(registry))
    vars(copy).update(vars(registry), _cid_gen=iter(range(1)))
    made, args, state = copy.__reduce_ex__(5)[:3]
    state["callbacks"] = {s: d for s, d in state["callbacks"].items() if d}
    return made, args, dict(sorted(state.items()))  # one that was pickled has them in another order

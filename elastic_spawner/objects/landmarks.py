"""Objects that modules own and a session may have a name for: ``env = os.environ``, ``from random import shuffle``.

They are kept by their place. Their content is hidden state (see `tracking.hidden`), and a copy would be another object:
what is set in it would have no effect.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

_PLACES = (
    ("os", "environ"),
    ("sys", "path"),
    ("sys", "modules"),
    ("sys", "argv"),
    ("sys", "meta_path"),
    ("sys", "path_hooks"),
    ("warnings", "filters"),
    ("random", "_inst"),
    ("threading", "_main_thread"),
    ("copyreg", "dispatch_table"),
    ("numpy.random.mtrand", "_rand"),
    ("pandas", "options"),
    ("matplotlib", "rcParams"),
    ("matplotlib.style", "library"),
    ("torch", "default_generator"),
)


def landmarks() -> dict[int, tuple[str, str]]:
    """Module and attribute of each that is there, by the object's id."""
    found = {}
    for module, name in _PLACES:
        loaded = sys.modules.get(module)
        if loaded is not None and name in vars(loaded):
            found[id(vars(loaded)[name])] = module, name
    return found


def at(module: str, name: str) -> Any:
    """The object at this place; raises ImportError and AttributeError."""
    return getattr(importlib.import_module(module), name)

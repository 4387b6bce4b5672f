"""State of libraries that no variable holds: their random generators, options and settings.

A library that was not imported has none: then its reader returns None.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from operator import is_
from typing import Any


def numpy_random() -> Any:
    numpy = sys.modules.get("numpy")
    source = sys.modules.get("numpy.random")
    if numpy is None or source is None:
        return None
    name, keys, *rest = source.get_state(legacy=True)
    return (name, keys.tobytes(), *rest)


def set_numpy_random(state: Any) -> None:
    import numpy

    name, keys, *rest = state
    numpy.random.set_state((name, numpy.frombuffer(keys, dtype="u4"), *rest))


def torch_random() -> Any:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_rng_state"):
        return None
    return bytes(torch.get_rng_state().numpy())


def set_torch_random(state: Any) -> None:
    import torch

    torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))


def torch_settings() -> Any:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_default_dtype"):
        return None
    printing = vars(torch._tensor_str.PRINT_OPTS)
    return {
        "dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "anomalies": torch.is_anomaly_enabled(),
        "printing": {k: v for k, v in printing.items() if isinstance(v, (int, float, str, bool, type(None)))},
    }


def set_torch_settings(values: Any) -> None:
    import torch

    torch.set_default_dtype(getattr(torch, values["dtype"]))
    torch.set_grad_enabled(values["gradients"])
    torch.use_deterministic_algorithms(values["deterministic"])
    torch.autograd.set_detect_anomaly(values["anomalies"])
    vars(torch._tensor_str.PRINT_OPTS).update(values["printing"])  # what set_printoptions would do; it takes no None


_pandas_before: tuple[list[Any], dict[str, Any]] = [], {}
"""The values of all options when they were looked at last, and which of them were not at their default."""


def pandas_options() -> Any:
    """Options that are not at their default."""
    global _pandas_before
    config = sys.modules.get("pandas._config.config")
    if config is None:
        return None
    values = list(_leaves(config._global_config))
    before, out = _pandas_before
    if len(values) != len(before) or not all(map(is_, values, before)):
        out = {}
        for key, option in config._registered_options.items():
            try:
                root, leaf = config._get_root(key)
                value = root[leaf]
            except Exception:
                continue
            if (
                value is not option.defval
                and value != option.defval
                and isinstance(value, (int, float, str, bool, type(None)))
            ):
                out[key] = value
        _pandas_before = values, out
    return out


def _leaves(options: dict[str, Any]) -> Iterator[Any]:
    """The values of nested dictionaries."""
    for value in options.values():
        if type(value) is dict:
            yield from _leaves(value)
        else:
            yield value


def set_pandas(values: Any) -> None:
    import pandas

    for key in pandas_options().keys() - values.keys():
        pandas.reset_option(key)
    for key, value in values.items():
        pandas.set_option(key, value)


def numpy_print() -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "get_printoptions"):
        return None
    options = numpy.get_printoptions()
    return {k: v for k, v in options.items() if isinstance(v, (int, float, str, bool, type(None)))}


def set_numpy_print(values: Any) -> None:
    import numpy

    known = numpy.get_printoptions()
    numpy.set_printoptions(**{k: v for k, v in values.items() if k in known and k != "override_repr"})


def numpy_errors() -> Any:
    numpy = sys.modules.get("numpy")
    return numpy.geterr() if numpy is not None and hasattr(numpy, "geterr") else None


def set_numpy_errors(values: Any) -> None:
    import numpy

    numpy.seterr(**values)


def matplotlib_parameters() -> Any:
    """rcParams that differ from matplotlib's defaults."""
    matplotlib = sys.modules.get("matplotlib")
    if matplotlib is None or not hasattr(matplotlib, "rcParamsDefault"):
        return None
    current, default = dict.items(matplotlib.rcParams), matplotlib.rcParamsDefault
    return {k: v for k, v in current if k != "backend" and dict.get(default, k) != v and _plain(v)}


def set_matplotlib(values: Any) -> None:
    import matplotlib

    for key in matplotlib_parameters().keys() - values.keys():
        matplotlib.rcParams[key] = matplotlib.rcParamsDefault[key]
    for key, value in values.items():
        if key in matplotlib.rcParams:
            matplotlib.rcParams[key] = value


def matplotlib_backend() -> Any:
    """The backend, once one was chosen."""
    matplotlib = sys.modules.get("matplotlib")
    chosen = dict.get(getattr(matplotlib, "rcParams", {}), "backend")
    return chosen if isinstance(chosen, str) else None


def set_matplotlib_backend(name: Any) -> None:
    import matplotlib

    present = str(matplotlib_backend())
    if name != present and not ("inline" in name and "inline" in present):  # that one has two names
        matplotlib.use(name, force=False)


def _plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_plain, value))
    return isinstance(value, (int, float, str, bool, type(None)))

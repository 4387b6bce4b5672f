"""The settings that the Helm chart makes, put into JupyterHub's configuration.

The chart renders one JSON file for the hub, its own or the one of zero-to-jupyterhub, so that all settings are checked
by the chart's schema. In the hub's configuration (``hub.extraConfig`` there)::

    from elastic_spawner.hub.chart import configure_from_chart
    configure_from_chart(c)
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from .. import stores
from ..errors import ElasticError, StoreError
from . import naming
from .keys import SECRET_ENV
from .setup import configure

SETTINGS = Path("/etc/elastic-spawner/settings.json")
HUB_PORT = 8081
"""Where the hub listens, in both charts."""
_TRAITS_OF = "ElasticKubeSpawner"
_SET_ELSEWHERE = ("ElasticKubeSpawner", "ElasticSpawnerMixin")


class ChartError(ElasticError):
    """The hub's pod lacks something that the chart brings."""


def configure_from_chart(c: Any, path: str | Path = SETTINGS) -> None:
    """Call ``configure`` with what the chart's settings say.

    The spawner class stays as ``c`` has it. A setting of ours that ``c`` has already (``hub.config``) wins over the
    chart's, as does what comes after this call. Raises ChartError that says what is missing in the hub's pod.
    """
    settings = _read(path)
    if not os.environ.get(SECRET_ENV):
        raise ChartError(
            f"{SECRET_ENV} is not set in the hub's pod: it comes from the secret of the elastic-spawner chart, as "
            "hub.extraEnv of examples/values-z2jh.yaml says. Without it every restart of the hub would lose all "
            "checkpoints"
        )
    for name, value in settings["traits"].items():
        if not any(name in c[where] for where in _SET_ELSEWHERE):
            c[_TRAITS_OF][name] = value
    base_url = c.JupyterHub.base_url if "base_url" in c.JupyterHub else "/"
    configure(
        c,
        spawner=None,
        store_url=settings["storeUrl"],
        resizers=settings["resizers"],
        resizer_groups=settings["resizerGroups"],
        control_port=settings["controlPort"],
        service_url=settings["serviceUrl"],
        # The service runs in the hub's own pod. By the Kubernetes service it would come back in from outside, which a
        # NetworkPolicy of the hub need not allow.
        service_environment={
            "JUPYTERHUB_API_URL": f"http://127.0.0.1:{HUB_PORT}{base_url.rstrip('/')}/hub/api",
            **settings["serviceEnvironment"],
        },
    )


def delete_checkpoints(path: str | Path = SETTINGS) -> int:
    """Delete everything in the store that the chart's settings name, and return how many objects that were.

    Raises ChartError and StoreError.
    """
    url = _read(path)["storeUrl"]
    store = stores.open_store(url)
    count = 0
    for entry in store.list(""):
        store.delete(entry.key)
        count += 1
    print(f"deleted {count} object(s) of {naming.public_url(url)}")
    return count


def _read(path: str | Path) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = json.loads(Path(path).read_text())
    except OSError as error:
        raise ChartError(
            f"the chart's settings cannot be read ({error}): mount the ConfigMap of the elastic-spawner chart there, "
            "as hub.extraVolumes and hub.extraVolumeMounts of examples/values-z2jh.yaml do"
        ) from error
    except ValueError as error:
        raise ChartError(f"{path} is not JSON: {error}") from error
    return settings


if __name__ == "__main__":  # a job of the chart, when it is uninstalled and asked for it
    if sys.argv[1:] != ["delete-checkpoints"]:
        sys.exit("usage: python -m elastic_spawner.hub.chart delete-checkpoints")
    try:
        delete_checkpoints()
    except (ChartError, StoreError) as failure:
        sys.exit(f"FAILED: {failure}")

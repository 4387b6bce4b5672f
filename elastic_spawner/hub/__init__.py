"""The part in the hub: spawners that keep sessions, their control server, and the resize service.

In jupyterhub_config.py::

    from elastic_spawner.hub import configure
    configure(c)

sets everything up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .setup import configure

if TYPE_CHECKING:
    from .kube import ElasticKubeSpawner
    from .local import ElasticLocalSpawner
    from .mixin import ElasticSpawnerMixin

__all__ = ["ElasticKubeSpawner", "ElasticLocalSpawner", "ElasticSpawnerMixin", "configure"]


def __getattr__(name: str) -> Any:
    # The resize service and the command line import this package too, and need no spawner.
    if name == "ElasticKubeSpawner":
        from .kube import ElasticKubeSpawner

        return ElasticKubeSpawner
    if name == "ElasticLocalSpawner":
        from .local import ElasticLocalSpawner

        return ElasticLocalSpawner
    if name == "ElasticSpawnerMixin":
        from .mixin import ElasticSpawnerMixin

        return ElasticSpawnerMixin
    raise AttributeError(name)

"""The part that stands beside the kernels: a Jupyter Server extension.

It puts the kernel part into every Python kernel of one server, saves all kernels when it is asked to, and brings
them back under their old ids before the server answers its first request. It talks to the kernels by Jupyter
messages only, so that it needs nothing in their environments but an IPython kernel.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "elastic_spawner.agent"}]


def _load_jupyter_server_extension(serverapp: ServerApp) -> None:
    """Start the agent; called by the server before it listens. Never raises: a server without us beats no server."""
    from .settings import SettingsError, take_settings

    try:
        settings = take_settings(os.environ)
    except SettingsError as error:
        serverapp.log.error("elastic_spawner is off, sessions are not saved: %s", error)
        return
    if settings is None:
        serverapp.log.info("elastic_spawner is off: ELASTIC_SPAWNER_STORE_URL and ELASTIC_SPAWNER_SECRET are not set")
        return
    try:
        from .agent import ElasticAgent

        ElasticAgent(parent=serverapp, serverapp=serverapp, settings=settings).install()
    except Exception:
        serverapp.log.exception("elastic_spawner could not start, sessions are not saved")

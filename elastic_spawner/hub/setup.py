"""``configure``: all that a hub needs, in one call from jupyterhub_config.py."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .keys import SECRET_FILE, HubKeys, load_secret

SERVICE = "elastic"
RESIZE_SCOPE = "custom:elastic:resize"


def configure(
    c: Any,
    *,
    spawner: Any = "elastic-local",
    data_dir: str | Path = "elastic_spawner_data",
    store_url: str = "",
    secret: str = "",
    secret_file: str | Path = SECRET_FILE,
    resizers: Sequence[str] = (),
    resizer_groups: Sequence[str] = (),
    control_port: int | None = None,
    service: bool = True,
    service_port: int | None = None,
    service_environment: dict[str, str] | None = None,
) -> None:
    """Set up elastic servers and the resize service in a jupyterhub_config.py.

    ``c`` is the configuration object there. ``spawner`` is a spawner class or the name of one; None leaves the one that
    is set. ``resizers`` and ``resizer_groups`` are the users and groups who may resize all servers; admins named
    in ``c.Authenticator.admin_users`` may too. The ports are on this machine only; None picks free ones. All else is
    set by traits: ``c.ElasticLocalSpawner.max_mem = "16G"``; what the configuration sets after this call wins.

    Raises ValueError for a secret that is too short, and OSError when its file can be neither read nor made.
    """
    data_dir = Path(data_dir).absolute()
    data_dir.mkdir(parents=True, exist_ok=True)
    secret_file = Path(secret_file).absolute()
    if spawner is not None:
        c.JupyterHub.spawner_class = spawner
    for traits in (c.ElasticSpawnerMixin, c.ControlServer):
        traits.secret_file = str(secret_file)
        if secret:
            traits.secret = secret
    c.ElasticSpawnerMixin.data_dir = str(data_dir)
    if store_url:
        c.ElasticSpawnerMixin.store_url = store_url

    control_port = control_port or _remembered_port(data_dir / "control_port")
    c.ControlServer.port = control_port
    if service:
        keys = HubKeys(load_secret(secret, secret_file))
        _add_service(
            c,
            service_port or _free_port(),
            {
                "ELASTIC_SPAWNER_CONTROL_URL": f"http://127.0.0.1:{control_port}",
                "ELASTIC_SPAWNER_CONTROL_TOKEN": keys.control_token(),
                **(service_environment or {}),
            },
        )
        _add_roles(c, resizers, resizer_groups)
    _start_control_server()


def _add_service(c: Any, port: int, environment: dict[str, str]) -> None:
    c.JupyterHub.services.append(
        {
            "name": SERVICE,
            "url": f"http://127.0.0.1:{port}",
            "command": [sys.executable, "-m", "elastic_spawner.hub.service"],
            "environment": environment,
            "display": True,
            "oauth_no_confirm": True,
            "oauth_client_allowed_scopes": [RESIZE_SCOPE],
        }
    )


def _add_roles(c: Any, resizers: Sequence[str], groups: Sequence[str]) -> None:
    c.JupyterHub.custom_scopes.update({RESIZE_SCOPE: {"description": "See and resize everybody's servers"}})
    admins = c.Authenticator.admin_users if "admin_users" in c.Authenticator else ()
    users = sorted({*resizers, *(admins if isinstance(admins, set | list | tuple | frozenset) else ())})
    access = f"access:services!service={SERVICE}"
    c.JupyterHub.load_roles.extend(
        [
            {
                "name": "elastic-resizer",
                "description": "See and resize everybody's servers",
                "scopes": [RESIZE_SCOPE, access],
                "users": users,
                "groups": sorted(groups),
            },
            {"name": "user", "scopes": ["self", access]},
            {
                "name": "elastic-service",
                "description": "What the resize service may do by itself",
                "scopes": ["list:users", "read:users:name", "read:servers"],
                "services": [SERVICE],
            },
        ]
    )


def _start_control_server() -> None:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return  # no hub reads this, but one of jupyterhub's other commands
    from .control import start_with_hub

    task = loop.create_task(start_with_hub())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


_tasks: set[asyncio.Task[None]] = set()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _remembered_port(path: Path) -> int:
    """Return the port of the hub before this one, or a free one, which is remembered when that one is taken."""
    try:
        port = int(path.read_text())
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
        return port
    except (OSError, ValueError, OverflowError):
        port = _free_port()
        path.write_text(f"{port}\n")
        return port

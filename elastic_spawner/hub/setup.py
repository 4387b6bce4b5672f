"""``configure``: all that a hub needs, in one call from jupyterhub_config.py."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from traitlets.config import LazyConfigValue

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
    service_url: str = "",
    service_environment: dict[str, str] | None = None,
) -> None:
    """Set up elastic servers and the resize service in a jupyterhub_config.py.

    ``c`` is the configuration object there. ``spawner`` is a spawner class or the name of one; None leaves the one that
    is set. ``resizers`` and ``resizer_groups`` are the users and groups who may resize all servers; admins named
    in ``c.Authenticator.admin_users`` may too. The ports are on this machine only; None picks free ones. Where the
    proxy runs on another machine, or in another pod, ``service_url`` is how it reaches the service here; the service
    then listens on all addresses. All else is set by traits: ``c.ElasticLocalSpawner.max_mem = "16G"``; what the
    configuration sets after this call wins.

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
    if "init_spawners_timeout" not in c.JupyterHub:
        # A hub that was killed in the middle of a move goes on with it before it listens. Its servers may need it
        # meanwhile, to sign what they send to a store.
        c.JupyterHub.init_spawners_timeout = 1
    if store_url:
        c.ElasticSpawnerMixin.store_url = store_url

    control_port = control_port or _remembered_port(data_dir / "control_port")
    c.ControlServer.port = control_port
    if service:
        keys = HubKeys(load_secret(secret, secret_file))
        _add_service(
            c,
            service_url or f"http://127.0.0.1:{service_port or _free_port()}",
            {
                "ELASTIC_SPAWNER_CONTROL_URL": f"http://127.0.0.1:{control_port}",
                "ELASTIC_SPAWNER_CONTROL_TOKEN": keys.control_token(),
                **({"ELASTIC_SPAWNER_SERVICE_IP": ""} if service_url else {}),
                **(service_environment or {}),
            },
        )
        _add_roles(c, resizers, resizer_groups)
    _start_control_server()


def _add_service(c: Any, url: str, environment: dict[str, str]) -> None:
    service = {
        "name": SERVICE,
        "url": url,
        "command": [sys.executable, "-m", "elastic_spawner.hub.service"],
        "environment": environment,
        "display": True,
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": [RESIZE_SCOPE],
    }
    for given in _configured(c, "services"):
        if given.get("name") == SERVICE:  # what the admin says of it wins
            given.update({**service, **given, "environment": {**environment, **given.get("environment", {})}})
            return
    c.JupyterHub.services.append(service)


def _add_roles(c: Any, resizers: Sequence[str], groups: Sequence[str]) -> None:
    c.JupyterHub.custom_scopes.update({RESIZE_SCOPE: {"description": "See and resize everybody's servers"}})
    admins = c.Authenticator.admin_users if "admin_users" in c.Authenticator else ()
    users = sorted({*resizers, *(admins if isinstance(admins, set | list | tuple | frozenset) else ())})
    access = f"access:services!service={SERVICE}"
    _add_role(
        c,
        {
            "name": "elastic-resizer",
            "description": "See and resize everybody's servers",
            "scopes": [RESIZE_SCOPE, access],
            "users": users,
            "groups": sorted(groups),
        },
    )
    _add_role(c, {"name": "user", "scopes": ["self", access]})


def _add_role(c: Any, role: dict[str, Any]) -> None:
    """Add a role, or to the one of this name: JupyterHub does not start when one is defined twice."""
    for given in _configured(c, "load_roles"):
        if given.get("name") == role["name"]:
            for what in ("scopes", "users", "groups", "services"):
                if what in role:
                    given[what] = sorted({*given.get(what, ()), *role[what]})
            return
    c.JupyterHub.load_roles.append(role)


def _configured(c: Any, name: str) -> list[dict[str, Any]]:
    """The entries of a list of JupyterHub's that the configuration has by now, assigned or appended."""
    if name not in c.JupyterHub:
        return []
    value = c.JupyterHub[name]
    if isinstance(value, LazyConfigValue):
        added = value.to_dict()
        return [*added.get("prepend", ()), *added.get("extend", ())]
    return list(value)


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

"""What the service is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ...checkpoint.signing import derive
from ...errors import ElasticError, SizeError
from ..sizes import Bounds, parse_cpus, parse_memory

CONTROL_URL_ENV = "ELASTIC_SPAWNER_CONTROL_URL"
CONTROL_TOKEN_ENV = "ELASTIC_SPAWNER_CONTROL_TOKEN"
SELF_MAX_MEMORY_ENV = "ELASTIC_SPAWNER_SELF_MAX_MEMORY"
SELF_MAX_CPUS_ENV = "ELASTIC_SPAWNER_SELF_MAX_CPUS"
IP_ENV = "ELASTIC_SPAWNER_SERVICE_IP"
"""Where to listen, when that is not the host of the URL by which the proxy knows the service; empty: everywhere."""


class SettingsError(ElasticError):
    """The environment does not say what the service needs to know."""


@dataclass(frozen=True)
class Settings:
    """Where the service listens, and where the control server is."""

    prefix: str
    """Path below which everything is, with a slash at both ends: ``/services/elastic/``."""
    ip: str
    port: int
    control_url: str
    control_token: str
    hub_prefix: str = "/hub/"
    """Path of the hub itself, for links back to it."""
    self_bounds: Bounds = field(default_factory=Bounds)
    """How far those may go who are allowed to resize their own servers only; the spawner's bounds hold besides."""

    @property
    def cookie_secret(self) -> bytes:
        """Signs the cookies. It outlives a restart of the service, so that open pages stay logged in."""
        return derive(self.control_token.encode(), "service-cookies")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings. Raises SettingsError that names what is missing or wrong."""
        missing = [
            name
            for name in ("JUPYTERHUB_SERVICE_PREFIX", "JUPYTERHUB_SERVICE_URL", CONTROL_URL_ENV, CONTROL_TOKEN_ENV)
            if not environ.get(name)
        ]
        if missing:
            raise SettingsError(
                f"{' and '.join(missing)} missing in the environment: this is started by JupyterHub; "
                "call elastic_spawner.hub.configure(c) in jupyterhub_config.py"
            )
        if len(environ[CONTROL_TOKEN_ENV]) < 32:
            raise SettingsError(f"{CONTROL_TOKEN_ENV} is too short: hub.configure() gives one of 64 digits")
        parts = urlsplit(environ["JUPYTERHUB_SERVICE_URL"])
        return cls(
            prefix="/" + environ["JUPYTERHUB_SERVICE_PREFIX"].strip("/") + "/",
            ip=environ.get(IP_ENV, parts.hostname or "127.0.0.1"),
            port=parts.port or 80,
            control_url=environ[CONTROL_URL_ENV].rstrip("/"),
            control_token=environ[CONTROL_TOKEN_ENV],
            hub_prefix=environ.get("JUPYTERHUB_BASE_URL", "/").rstrip("/") + "/hub/",
            self_bounds=_self_bounds(environ),
        )


def _self_bounds(environ: Mapping[str, str]) -> Bounds:
    memory, cpus = environ.get(SELF_MAX_MEMORY_ENV), environ.get(SELF_MAX_CPUS_ENV)
    try:
        return Bounds(max_memory=parse_memory(memory) if memory else None, max_cpus=parse_cpus(cpus) if cpus else None)
    except SizeError as error:
        raise SettingsError(f"{SELF_MAX_MEMORY_ENV} or {SELF_MAX_CPUS_ENV}: {error}") from error

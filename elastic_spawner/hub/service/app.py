"""The tornado application and its process."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import sys
from typing import Any

from jupyterhub.services.auth import HubOAuth
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.log import access_log, enable_pretty_logging

from . import api, pages
from .control_client import ControlClient
from .handlers import CallbackHandler, StaticHandler
from .settings import Settings, SettingsError

LOGIN_CACHE_S = 60
"""Seconds after which a right that was taken away is gone here too."""


def make_app(settings: Settings) -> web.Application:
    """Build the application. The hub's address and our token for it come from the environment (HubOAuth)."""
    HubOAuth.instance(cache_max_age=LOGIN_CACHE_S)
    prefix = re.escape(settings.prefix)
    routes: list[Any] = [
        (prefix + "oauth_callback", CallbackHandler),
        *((prefix + pattern, handler) for pattern, handler in [*api.HANDLERS, *pages.HANDLERS]),
        (prefix.rstrip("/"), web.RedirectHandler, {"url": settings.prefix}),
    ]
    return web.Application(
        routes,
        service=settings,
        control=ControlClient(settings.control_url, settings.control_token),
        cookie_secret=settings.cookie_secret,
        static_path=str(pages.STATIC),
        static_url_prefix=settings.prefix + "static/",
        static_handler_class=StaticHandler,
        log_function=_log,
    )


def _log(handler: web.RequestHandler) -> None:
    level = logging.WARNING if handler.get_status() >= 500 else logging.DEBUG
    request = handler.request
    access_log.log(
        level, "%i %s %s %.0f ms", handler.get_status(), request.method, request.path, 1000 * request.request_time()
    )


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError when the port is taken."""
    server = HTTPServer(make_app(settings), xheaders=True, max_buffer_size=api.MAX_BODY_BYTES)
    server.listen(settings.port, address=settings.ip)
    logging.getLogger(__name__).info("resize service at %s:%i%s", settings.ip, settings.port, settings.prefix)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.stop()


def main() -> None:
    """Run the service as the environment says; exits with status 1 and a reason when it cannot."""
    logging.getLogger().setLevel(logging.INFO)
    enable_pretty_logging()
    try:
        asyncio.run(serve(Settings.from_environment()))
    except SettingsError as error:
        sys.exit(f"elastic_spawner service: {error}")
    except OSError as error:
        sys.exit(f"elastic_spawner service: cannot listen: {error}. Set another port: configure(c, service_port=...)")

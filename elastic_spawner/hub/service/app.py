"""The tornado application and its process."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import sys
import time
from typing import Any

from jupyterhub.services.auth import HubOAuth
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.log import access_log, enable_pretty_logging

from . import api, pages
from .control_client import ControlClient
from .handlers import CallbackHandler, StaticHandler
from .settings import Settings, SettingsError

PORT_PATIENCE_S = 10.0

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
    """Serve until SIGTERM or SIGINT, or until the hub that started this process is gone.

    Raises OSError when the port is taken.
    """
    server = HTTPServer(make_app(settings), xheaders=True, max_buffer_size=api.MAX_BODY_BYTES)
    await _listen(server, settings)
    logging.getLogger(__name__).info("resize service at %s:%i%s", settings.ip, settings.port, settings.prefix)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ends = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(_hub_gone())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for task in ends:
        task.cancel()
    server.stop()
    await server.close_all_connections()


async def _listen(server: HTTPServer, settings: Settings) -> None:
    """Take the port; when the service of a hub that was killed still has it, wait for its end."""
    deadline = time.monotonic() + PORT_PATIENCE_S
    while True:
        try:
            server.listen(settings.port, address=settings.ip)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.5)


async def _hub_gone() -> None:
    """Wait until the process that started this one has ended.

    A hub that was killed does not stop its services, and the next one starts its own, with another token.
    """
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(1)
    logging.getLogger(__name__).warning("the hub has ended, so this service ends too")


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

"""The control server: what the resize service may ask of the hub's spawners, inside the hub's own process.

It listens on this machine only, and lets in whoever knows its token. Who may do what to whose server is not decided
here but by the service, which knows JupyterHub's scopes.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import Any

from jupyterhub import orm
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from traitlets import Instance, Integer, Unicode
from traitlets.config import LoggingConfigurable

from ..errors import MigrationError, SizeError
from .agent_client import AgentError
from .describe import describe_active, describe_stopped
from .keys import SECRET_FILE, HubKeys, load_secret
from .mixin import ElasticSpawnerMixin
from .notices import notices
from .state import STATE

URL_ENV = "ELASTIC_SPAWNER_CONTROL_URL"
TOKEN_ENV = "ELASTIC_SPAWNER_CONTROL_TOKEN"


class ControlServer(LoggingConfigurable):
    """Listens on one port of this machine, once per hub process."""

    ip = Unicode("127.0.0.1", help="Address to listen on. Keep it local: the token travels in clear.").tag(config=True)
    port = Integer(0, help="Port to listen on; 0: no control server.").tag(config=True)
    secret = Unicode(help="The hub secret, as the spawners' trait of this name.").tag(config=True)
    secret_file = Unicode(SECRET_FILE, help="File with the hub secret, as the spawners' trait of this name.").tag(
        config=True
    )

    app = Instance("jupyterhub.app.JupyterHub")
    token = ""
    _server: HTTPServer | None = None

    def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self.token = HubKeys(load_secret(self.secret, self.secret_file)).control_token()
        arguments = {"control": self}
        name = r"/servers/([^/]+)/([^/]+)/"
        application = web.Application(
            [
                (r"/servers", ServersHandler, arguments),
                (r"/notices", NoticesHandler, arguments),
                (name + "plan", PlanHandler, arguments),
                (name + "status", StatusHandler, arguments),
                (name + "resize", ResizeHandler, arguments),
                (name + "progress", ProgressHandler, arguments),
                (r".*", NothingHandler, arguments),
            ],
            log_function=self._log,
        )
        self._server = HTTPServer(application)
        self._server.listen(self.port, address=self.ip)
        self.log.info("elastic_spawner: control server at http://%s:%i", self.ip, self.port)

    def _log(self, handler: web.RequestHandler) -> None:
        request = handler.request
        self.log.debug("control: %s %s %i", request.method, request.path, handler.get_status())

    def servers(self) -> list[dict[str, Any]]:
        """Describe all servers that run or are about to, and the stopped ones that have a checkpoint."""
        servers = []
        for orm_spawner in self.app.db.query(orm.Spawner):
            ours = (orm_spawner.state or {}).get(STATE) or {}
            if orm_spawner.user is None:
                continue
            user = self.app.users[orm_spawner.user]
            # Not user.spawners[name], which would make one for each server that was ever stopped.
            spawner = dict(user.spawners).get(orm_spawner.name)
            if isinstance(spawner, ElasticSpawnerMixin) and (spawner.active or spawner.moving):
                servers.append(describe_active(spawner))
            elif ours.get("checkpoint"):
                url = user.server_url(orm_spawner.name)
                servers.append(describe_stopped(user.name, orm_spawner.name, url, ours))
        return servers

    def spawner(self, user_name: str, server_name: str) -> ElasticSpawnerMixin:
        """Return one server's spawner. Raises 404."""
        name = "" if server_name == "-" else server_name
        if user_name not in self.app.users:
            raise web.HTTPError(404, f"there is no user {user_name!r}")
        user = self.app.users[user_name]
        if name not in user.orm_user.orm_spawners:
            raise web.HTTPError(404, f"user {user_name!r} has no server {name!r}")
        spawner = user.spawners[name]
        if not isinstance(spawner, ElasticSpawnerMixin):
            raise web.HTTPError(404, f"the server of {user_name!r} is not run by an elastic spawner")
        return spawner


_started: ControlServer | None = None


def ensure_started(app: Any) -> None:
    """Start the control server of this hub process, unless that was done or is not wanted."""
    global _started
    if _started is not None:
        return
    server = ControlServer(parent=app, app=app)
    if not server.port:
        return
    try:
        server.start()
    except OSError as error:
        app.log.error(
            "elastic_spawner: the control server cannot listen on %s:%i (%s); resizing is not possible. Set another "
            "port: configure(c, control_port=...)",
            server.ip,
            server.port,
            error,
        )
        return
    _started = server


async def start_with_hub(timeout_s: float = 300.0) -> None:
    """Wait until this process's hub knows its users, then start the control server."""
    from jupyterhub.app import JupyterHub

    for _ in range(int(timeout_s / 0.1)):
        if JupyterHub.initialized():
            app = JupyterHub.instance()
            if getattr(app, "tornado_application", None) is not None:
                ensure_started(app)
                return
        await asyncio.sleep(0.1)


class ControlHandler(web.RequestHandler):
    """Checks the token, and answers errors in JSON."""

    def initialize(self, control: ControlServer) -> None:
        self.control = control

    def prepare(self) -> None:
        kind, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self.control.token.encode()):
            raise web.HTTPError(403, "a bearer token is needed: the service gets it from hub.configure()")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        code, message = "failed", self._reason
        if isinstance(error, SizeError):
            status_code, code, message = 400, "bad_size", str(error)
        elif isinstance(error, MigrationError):
            status_code, code, message = 409, "conflict", str(error)
        elif isinstance(error, AgentError):
            status_code, code, message = (409 if error.code in ("busy", "loss") else 502), error.code, str(error)
        elif isinstance(error, web.HTTPError):
            message = error.log_message or error.reason or message
        self.set_status(status_code)
        self.finish({"error": {"code": code, "message": message}})

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if isinstance(value, SizeError | MigrationError | AgentError | web.HTTPError):
            self.control.log.info("control: %s %s: %s", self.request.method, self.request.path, value)
        else:
            self.control.log.error("control: %s failed", self.request.path, exc_info=(typ, value, tb))


class ServersHandler(ControlHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(self.control.servers()))


class NoticesHandler(ControlHandler):
    def get(self) -> None:
        self.finish({"notices": notices()})


class PlanHandler(ControlHandler):
    async def get(self, user: str, server: str) -> None:
        self.finish(await self.control.spawner(user, server).agent.plan())


class StatusHandler(ControlHandler):
    async def get(self, user: str, server: str) -> None:
        self.finish(await self.control.spawner(user, server).agent.status())


class ResizeHandler(ControlHandler):
    def post(self, user: str, server: str) -> None:
        spawner = self.control.spawner(user, server)
        try:
            body = json.loads(self.request.body or b"{}")
        except ValueError:
            raise web.HTTPError(400, "the body is not JSON") from None
        if not isinstance(body, dict):
            raise web.HTTPError(400, 'the body is to be a JSON object, such as {"memory": "2G", "cpus": 2}')
        unknown = set(body) - {"memory", "cpus", "on_busy", "on_loss", "deadline_s"}
        if unknown:
            raise web.HTTPError(400, f"unknown: {', '.join(sorted(map(str, unknown)))}")
        if body.get("memory") is None and body.get("cpus") is None:
            raise SizeError('give a size: {"memory": "2G", "cpus": 2}, or one of them')
        wanted = (body.get(name) for name in ("memory", "cpus", "on_busy", "deadline_s", "on_loss"))
        move = spawner.resize(*wanted)
        self.set_status(202)
        self.finish({"migration": move.id})


class ProgressHandler(ControlHandler):
    """Server-sent events of the move under way, or of the last one."""

    async def get(self, user: str, server: str) -> None:
        spawner = self.control.spawner(user, server)
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-cache")
        try:
            async for line in spawner.follow_move():
                self.write(f"data: {json.dumps(line.to_json())}\n\n")
                await self.flush()
        except StreamClosedError:
            return


class NothingHandler(ControlHandler):
    def get(self) -> None:
        raise web.HTTPError(404, "there is nothing here")

    post = get

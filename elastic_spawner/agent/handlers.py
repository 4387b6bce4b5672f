"""The HTTP API, which the hub calls under `{base_url}api/elastic/`.

Tornado's bare handlers, not the server's: those would show our bearer token to the hub to ask whose it is (and so
need the hub), and would count our calls as the user's activity.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import TYPE_CHECKING, Any

from tornado import web

from elastic_spawner import __version__

from .deadline import Deadline
from .report import kernel_plans, kernel_states, restore_reports
from .save import LOSS_POLICIES, POLICIES, SaveFailed, save_all, save_before_end

if TYPE_CHECKING:
    from .agent import ElasticAgent

try:
    from jupyter_server.auth.decorator import allow_unauthenticated
except ImportError:  # before jupyter_server 2.13 there was nothing to allow

    def allow_unauthenticated(method: Any) -> Any:  # type: ignore[misc]
        return method


LAST_S = 0.5
"""Seconds in which the hub, too, is to have heard of the save that ends the server."""
MAX_DEADLINE_S = 24 * 3600.0


class ElasticHandler(web.RequestHandler):
    """Lets nobody in who does not have the server's token."""

    agent: ElasticAgent

    def initialize(self, agent: ElasticAgent) -> None:
        self.agent = agent

    def prepare(self) -> None:
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            token.strip().encode(), self.agent.settings.token.encode()
        ):
            raise web.HTTPError(403, reason="Forbidden")

    def check_xsrf_cookie(self) -> None:
        """Nothing to check: no cookie lets anyone in here."""

    async def tell(self, report: dict[str, Any]) -> None:
        """Answer the hub with the report of a save."""
        await self.finish(report)
        self.agent.told = report["generation"]

    def set_default_headers(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")

    def compute_etag(self) -> None:
        """Answers are not to be taken from a cache."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        code, message, more = {403: "forbidden", 400: "bad_request"}.get(status_code, "failed"), self._reason, {}
        if isinstance(error, SaveFailed):
            self.set_status(error.status)
            code, message, more = error.code, str(error), {"kernels": error.kernels}
        elif isinstance(error, web.HTTPError):
            message = error.log_message or self._reason
        self.finish(json.dumps({"error": {"code": code, "message": message, **more}}))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if isinstance(value, SaveFailed):
            self.agent.log.warning("the kernels were not saved: %s", value)
        elif not isinstance(value, web.HTTPError):
            self.agent.log.error("elastic_spawner failed to answer", exc_info=(typ, value, tb))


class StatusHandler(ElasticHandler):
    @allow_unauthenticated
    async def get(self) -> None:
        agent = self.agent
        kernels = await kernel_states(agent)
        state = (
            "saving" if agent.saving else "restoring" if any(k.restoring for k in agent.kernels.values()) else "idle"
        )
        known = agent.roster.known
        self.finish(
            {
                "version": __version__,
                "instance": agent.instance,
                "state": state,
                "kernels": kernels,
                "store": agent.settings.public_url,
                "saved": known.saved if known is not None else None,
                "last_save": agent.last_save,
                "boot": agent.boot,
                "garbage": agent.garbage.report,
            }
        )


class PlanHandler(ElasticHandler):
    @allow_unauthenticated
    async def get(self) -> None:
        self.finish({"kernels": await kernel_plans(self.agent)})


class RestoreHandler(ElasticHandler):
    @allow_unauthenticated
    async def get(self) -> None:
        self.finish({"boot": self.agent.boot, "kernels": await restore_reports(self.agent)})


class CheckpointHandler(ElasticHandler):
    @allow_unauthenticated
    async def post(self) -> None:
        try:
            body = json.loads(self.request.body or b"{}")
        except ValueError:
            raise web.HTTPError(400, "the body is not JSON") from None
        if not isinstance(body, dict):
            raise web.HTTPError(400, "the body is to be a JSON object")
        deadline_s, on_busy = body.get("deadline_s", 60), body.get("on_busy", "refuse")
        if (
            isinstance(deadline_s, bool)
            or not isinstance(deadline_s, int | float)
            or not 0 < deadline_s <= MAX_DEADLINE_S
        ):
            raise web.HTTPError(400, f"deadline_s is to be a number of seconds above 0, at most {MAX_DEADLINE_S:g}")
        if on_busy not in POLICIES:
            raise web.HTTPError(400, f"on_busy is to be one of: {', '.join(POLICIES)}")
        on_loss = body.get("on_loss", "accept")
        if on_loss not in LOSS_POLICIES:
            raise web.HTTPError(400, f"on_loss is to be one of: {', '.join(LOSS_POLICIES)}")
        reason = str(body.get("reason", ""))
        last = reason == "stop"
        await self.tell(await save_all(self.agent, float(deadline_s), on_busy, reason, on_loss, last))


class EvictHandler(ElasticHandler):
    """Saves before the pod goes: for a pod's preStop hook, which can only GET. Answers when all is saved, or cannot be.

    A save that another one has just made is not made again, unless a cell was begun since. With `last` in the query the
    answer ends the server.
    """

    @allow_unauthenticated
    async def get(self) -> None:
        try:
            deadline_s = float(self.get_query_argument("deadline_s"))
        except ValueError:
            raise web.HTTPError(400, "deadline_s is to be a number of seconds") from None
        if not 0 < deadline_s <= MAX_DEADLINE_S:
            raise web.HTTPError(400, f"deadline_s is to be above 0, at most {MAX_DEADLINE_S:g}")
        report = await save_before_end(self.agent, deadline_s)
        if not self.get_query_argument("last", ""):
            await self.tell(report)
            return
        # The server ends with this answer: the hub, which waits for the same save, is to have its own before.
        deadline = Deadline.after(LAST_S)
        while self.agent.told != report["generation"] and not deadline.passed:
            await asyncio.sleep(0.02)
        self.finish(report)


def handlers(base_url: str, agent: ElasticAgent) -> list[Any]:
    """The routes to add to the server."""
    routes = {
        "status": StatusHandler,
        "plan": PlanHandler,
        "checkpoint": CheckpointHandler,
        "restore": RestoreHandler,
        "evict": EvictHandler,
    }
    root = base_url.rstrip("/")
    return [(f"{root}/api/elastic/{name}", handler, {"agent": agent}) for name, handler in routes.items()]

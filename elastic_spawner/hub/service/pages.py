"""The pages: rendered here, in one place that escapes everything; scripts only exchange the parts that change."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tornado import web

from . import reports, wording
from .handlers import ServiceHandler

TEMPLATES = Path(__file__).with_name("templates")
STATIC = Path(__file__).with_name("static")


class PageHandler(ServiceHandler):
    """Answers in HTML, errors too; sends a browser that is not logged in to the hub."""

    def not_allowed(self) -> None:
        navigates = self.request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
        if navigates and self.request.method == "GET" and not getattr(self, "_cached_hub_user", None):
            self.redirect(self.get_login_url())
        else:
            super().not_allowed()

    def get_template_path(self) -> str:
        return str(TEMPLATES)

    def get_template_namespace(self) -> dict[str, Any]:
        namespace: dict[str, Any] = super().get_template_namespace()
        user = getattr(self, "_hub_auth_user_cache", None)
        namespace.update(
            prefix=self.service.prefix,
            hub_prefix=self.service.hub_prefix,
            who=user["name"] if user else "",
            server_path=self.server_path,
            now=time.time(),
            words=wording,
        )
        return namespace

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        status, _, message = self.explain(status_code, **kwargs)
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.finish(self.render_string("error.html", status=status, message=message, script=""))


class ServersPage(PageHandler):
    """All servers that the one who asks may see."""

    async def get(self) -> None:
        await self.render(
            "servers.html",
            servers=await self.visible_servers(),
            notices=await self.visible_notices(),
            everybodys=self.rights.resize_all,
            xsrf=self.xsrf_token.decode(),
            script="servers.js",
        )


class ServerPage(PageHandler):
    """One server: what a move would do, the form that begins one, its steps, and what came of it."""

    async def get(self, user: str, server: str) -> None:
        name = self.visible(user, server)
        found = self.with_rights(await self.control.server(user, name))
        bounds = found.get("bounds")
        await self.render(
            "server.html",
            server=found,
            name=f"{user} / {name}" if name else user,
            size=found.get("size") or {},
            bounds=bounds if isinstance(bounds, dict) else {},
            xsrf=self.xsrf_token.decode(),
            script="server.js",
        )


class PartHandler(PageHandler):
    """A part of a page, fetched by its script."""

    def not_allowed(self) -> None:
        ServiceHandler.not_allowed(self)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        status, _, message = self.explain(status_code, **kwargs)
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.finish(self.render_string("part_error.html", message=message))


class ServersPart(PartHandler):
    async def get(self) -> None:
        await self.render(
            "part_servers.html",
            servers=await self.visible_servers(),
            notices=await self.visible_notices(),
            everybodys=self.rights.resize_all,
        )


class SummaryPart(PartHandler):
    async def get(self, user: str, server: str) -> None:
        found = await self.control.server(user, self.visible(user, server))
        await self.render("part_summary.html", server=self.with_rights(found))


class PlanPart(PartHandler):
    async def get(self, user: str, server: str) -> None:
        answer = await self.control.plan(user, self.visible(user, server))
        await self.render("part_plan.html", plans=reports.kernel_plans(answer))


class OutcomePart(PartHandler):
    async def get(self, user: str, server: str) -> None:
        answer = await self.control.status(user, self.visible(user, server))
        await self.render("part_outcome.html", outcomes=reports.kernel_outcomes(answer))


class NoPage(PageHandler):
    def get(self) -> None:
        raise web.HTTPError(404, "There is no such page.")


_SERVER = r"servers/([^/]+)/([^/]+)"

HANDLERS: list[tuple[str, type[PageHandler]]] = [
    (r"", ServersPage),
    (_SERVER, ServerPage),
    (r"parts/servers", ServersPart),
    (r"parts/" + _SERVER + "/summary", SummaryPart),
    (r"parts/" + _SERVER + "/plan", PlanPart),
    (r"parts/" + _SERVER + "/outcome", OutcomePart),
    (r".*", NoPage),
]

"""Answering for a server that is between two places: at once, and with what an open tab takes for a pause.

While a server is moved, its old address leads nowhere. In most clusters a proxy that asks there hears nothing until its
connection times out, which may be two minutes, and a tab waits with it, long after the server is back. So the proxy
sends its requests to the hub meanwhile, which says 503: JupyterLab asks again then, and a page loads itself again.
"""

from __future__ import annotations

from typing import Any

from jupyterhub.proxy import ConfigurableHTTPProxy
from jupyterhub.utils import url_path_join
from tornado import web

RETRY_S = 1
_PATH = "api/elastic/away"


class AwayHandler(web.RequestHandler):
    """Tornado's bare handler: whoever asks learns nothing but that there is nobody now."""

    def check_xsrf_cookie(self) -> None:
        """Nothing to check: nothing is done."""

    def prepare(self) -> None:
        self.set_status(503)
        for name, value in {"Retry-After": RETRY_S, "Refresh": RETRY_S, "Cache-Control": "no-store"}.items():
            self.set_header(name, str(value))
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("This server is being moved, and back in some seconds.\n")


_serving: set[str] = set()


def address(app: Any, proxy: Any) -> str | None:
    """Where the proxy is to send what is for a server that is away; None where it cannot send to a path."""
    if not isinstance(proxy, ConfigurableHTTPProxy):
        return None
    path = url_path_join(app.hub_prefix, _PATH)
    if path not in _serving:
        _serving.add(path)
        app.tornado_application.add_handlers(".*$", [(f"{path}.*", AwayHandler)])
    return url_path_join(app.hub.host, path)

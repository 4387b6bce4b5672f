"""Signing requests to an S3 store for user servers, which hold no keys of the cloud.

A handler of the hub's own API, so that a server reaches it the way it reaches the hub, whatever the network's policies:
``POST {hub}/api/elastic/sign/USER/SERVER`` with the server's token. What is signed is good for that server's prefix of
the store and for some minutes.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

from jupyterhub.utils import url_path_join
from tornado import web

from .. import stores
from ..errors import StoreError, StoreURLError
from . import naming
from .keys import HubKeys
from .notices import notice, settle

EXPIRES_S = 900
MAX_SKEW_S = 300
"""S3 refuses at 15 minutes; requests that the hub signs are good for as long, less what its clock is off."""
CHECK_AGAIN_S = 60.0
"""Seconds after which a store that cannot be used is tried again."""
_SERVER = "server-"
"""In front of a server's name in the path: the name may be empty."""


class Signing:
    """Signs with the hub's own keys of the cloud, which boto3 finds in its usual places.

    ``known`` tells whether there is such a user with such a server: tokens follow from names, so that of a user who was
    deleted would open what another one of the same name has.
    """

    def __init__(
        self, store_url: str, keys: HubKeys, known: Callable[[str, str], bool] = lambda user, server: True
    ) -> None:
        self._store_url = store_url
        self._keys = keys
        self._known = known
        self._client: Any = None
        self._opening = asyncio.Lock()

    def allowed(self, user: str, server: str, token: str) -> bool:
        return self._keys.is_store_token(user, server, token) and self._known(user, server)

    async def check(self) -> None:
        """Use the store once. Raises StoreError, which names what is wrong: the bucket, the keys, the clock, the
        network."""
        url = naming.join_url(self._store_url, "_check")
        store = await asyncio.to_thread(stores.open_store, url)
        clock = await asyncio.to_thread(store.now)
        if abs(clock - time.time()) > MAX_SKEW_S:
            raise StoreError(
                f"the hub's clock is {time.time() - clock:+.0f} s off the store's, which refuses what it signs: "
                "set both by NTP"
            )

    async def sign(self, user: str, server: str, op: str, key: str, after: str) -> dict[str, Any]:
        """Return a signed request for a server's own prefix. Raises StoreError."""
        url = naming.join_url(self._store_url, naming.segment(user), naming.segment(server))
        async with self._opening:
            if self._client is None:  # reads files, and may ask for a role's keys: not in the hub's loop
                self._client = (await asyncio.to_thread(stores.open_store, url)).client  # type: ignore[attr-defined]
        store = stores.open_store(url, client=self._client)
        # Keys of a role are renewed over the network now and then, hence the thread.
        request = await asyncio.to_thread(store.sign, op, key, after, EXPIRES_S)  # type: ignore[attr-defined]
        return {"method": request.method, "url": request.url, "headers": dict(request.headers)}


class SignHandler(web.RequestHandler):
    """Tornado's bare handler: a server's own token is checked here, and is none of JupyterHub's."""

    def initialize(self, signing: Signing) -> None:
        self.signing = signing

    def check_xsrf_cookie(self) -> None:
        """Nothing to check: no cookie lets anyone in here."""

    async def post(self, user: str, server: str) -> None:
        server = server.removeprefix(_SERVER)
        kind, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not self.signing.allowed(user, server, token.strip()):
            raise web.HTTPError(403)
        try:
            body = json.loads(self.request.body)
            op, key, after = (body[name] for name in ("op", "key", "after"))
        except (ValueError, KeyError, TypeError):
            raise web.HTTPError(400) from None
        if not all(isinstance(value, str) for value in (op, key, after)):
            raise web.HTTPError(400)
        try:
            self.finish(await self.signing.sign(user, server, op, key, after))
        except StoreURLError as error:
            self.set_status(400)
            self.finish(str(error))
        except StoreError as error:
            self.application.settings["log"].error("elastic_spawner: requests to the store cannot be signed: %s", error)
            self.set_status(502)
            self.finish(str(error))


def signed_url(hub_api_url: str, user: str, server: str, token: str) -> str:
    """The URL of the store as a server is given it."""
    parts = urlsplit(hub_api_url)
    path = url_path_join(parts.path, "elastic", "sign", quote(user, safe=""), _SERVER + quote(server, safe=""))
    return f"signed+{parts.scheme}://{parts.netloc}{path}?token={token}"


_serving: set[str] = set()
_checking: set[asyncio.Future[None]] = set()


def ensure_served(app: Any, store_url: str, keys: HubKeys) -> None:
    """Add the handler to the hub of this process, unless that was done."""
    if app.hub_prefix in _serving:
        return
    _serving.add(app.hub_prefix)

    def known(user: str, server: str) -> bool:
        return user in app.users and server in app.users[user].orm_user.orm_spawners

    signing = Signing(store_url, keys, known)
    route = url_path_join(app.hub_prefix, "api", "elastic", "sign", "([^/]+)", f"({_SERVER}[^/]*)")
    app.tornado_application.add_handlers(".*$", [(route, SignHandler, {"signing": signing})])
    task = asyncio.ensure_future(_check(signing, app.tornado_application.settings["log"]))
    _checking.add(task)  # the loop itself holds tasks by weak references only
    task.add_done_callback(_checking.discard)


async def _check(signing: Signing, log: Any) -> None:
    """Say at once what is wrong with the store, until it is mended. Servers are started all the same."""
    while True:
        try:
            await signing.check()
        except StoreError as error:
            notice(log, "store", f"no checkpoint can be stored or read, servers start without: {error}")
            await asyncio.sleep(CHECK_AGAIN_S)
        else:
            settle(log, "store", "the store can be used again")
            return

"""A real hub with the real service, and people with different rights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from elastic_spawner.testing import HubProcess

CONFIG = """
c.ElasticLocalSpawner.min_mem = "64M"
c.ElasticLocalSpawner.max_mem = "8G"
c.ElasticLocalSpawner.mem_limit = "2G"
c.Spawner.http_timeout = 120  # the machine may be busy with other tests
c.Spawner.start_timeout = 120
c.ElasticLocalSpawner.max_cpus = 64
c.JupyterHub.load_roles.append(
    {"name": "self-resizer", "scopes": ["custom:elastic:resize!user"], "users": ["sam"]})
for service in c.JupyterHub.services:
    if service["name"] == "elastic":
        service["environment"]["ELASTIC_SPAWNER_SELF_MAX_MEMORY"] = "1G"
        service["environment"]["ELASTIC_SPAWNER_SELF_MAX_CPUS"] = "2"
import logging
from elastic_spawner.hub.notices import notice
notice(logging.getLogger("hub"), "a part", "<b>a part</b> is off, for the tests")
"""
NOTICE = "<b>a part</b> is off, for the tests"


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub with the service. ``admin`` may resize everybody's servers, ``sam`` his own, others none."""
    with HubProcess(tmp_path_factory.mktemp("hub"), CONFIG, service=True) as running:
        service_url = f"{running.url}/services/elastic/static/icon.svg"
        running.wait_for(lambda: requests.get(service_url, timeout=5).ok, 60, "the service does not answer")
        yield running


@dataclass
class Client:
    """Somebody who calls the service's API with a token."""

    url: str
    token: str | None

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers.update(options.pop("headers", {}))
        options.setdefault("timeout", 60)
        return requests.request(method, self.url + path, headers=headers, allow_redirects=False, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self("POST", path, json=body, **options)


def client_of(hub: HubProcess, user: str, scopes: list[str] | None = None) -> Client:
    """A client with a new token of this user, with all the user's rights or the scopes named."""
    if hub.api("GET", f"/users/{user}").status_code == 404:
        hub.api("POST", f"/users/{user}")
    answer = hub.api("POST", f"/users/{user}/tokens", {"scopes": scopes} if scopes is not None else {})
    answer.raise_for_status()
    return Client(f"{hub.url}/services/elastic/api/", answer.json()["token"])


def xsrf_of(page: str) -> str:
    """The XSRF token that a page gives to its scripts."""
    found = re.search(r'data-xsrf="([^"]+)"', page)
    assert found, page[:500]
    return found[1]


def message_of(answer: requests.Response) -> str:
    error = answer.json()["error"]
    assert set(error) == {"code", "message"}
    return str(error["message"])

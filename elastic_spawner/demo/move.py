"""Resize a server as an admin would, and watch it as an open tab would."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import requests

from .hub import DemoError, Tab


class Admin:
    """The resize service's REST interface."""

    def __init__(self, hub_url: str, token: str) -> None:
        self.url = f"{hub_url}/services/elastic/api/"
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"token {token}"

    def call(self, method: str, path: str, **body: Any) -> Any:
        """Raises DemoError with the service's own message when it refuses."""
        answer = self.http.request(method, self.url + path, json=body or None, timeout=120)
        if not answer.ok:
            raise DemoError(f"{method} {path} was answered by {answer.status_code}: {answer.text[:500]}")
        return answer.json()

    def resize(self, user: str, timeout_s: float = 300, **wanted: Any) -> list[dict[str, Any]]:
        """Resize a server and follow the move to its end. Returns each step with the seconds at which it began.

        Raises DemoError when the move was refused, undone, or does not end.
        """
        self.call("POST", f"servers/{user}/-/resize", **wanted)
        story: list[dict[str, Any]] = []
        end = time.monotonic() + timeout_s
        with self.http.get(f"{self.url}servers/{user}/-/progress", stream=True, timeout=timeout_s) as stream:
            stream.raise_for_status()
            for raw in stream.iter_lines(chunk_size=1):
                line = raw.decode()
                if time.monotonic() > end:
                    break
                if not line.startswith("data:"):
                    continue
                event = json.loads(line.removeprefix("data:"))
                if not story or story[-1]["step"] != event["step"]:
                    story.append(event)
                if event["failed"]:
                    raise DemoError(f"the resize did not go through: {event['message']}")
                if event["done"]:
                    return story
        raise DemoError(f"the move has not ended after {timeout_s:.0f} s; its last step was {story and story[-1]}")


class Watch(threading.Thread):
    """Asks for the kernel ten times a second, as a tab does that has lost its connection (only more often)."""

    def __init__(self, tab: Tab, kernel_id: str) -> None:
        super().__init__(daemon=True)
        self.url = f"{tab.url}{tab.server_path()}api/kernels/{kernel_id}"
        self.cookies = tab.http.cookies.copy()
        self.seen: list[tuple[float, int]] = []
        """(seconds since the start, HTTP status; 0: no connection)"""
        self._end = threading.Event()

    def run(self) -> None:
        began = time.monotonic()
        while not self._end.wait(0.1):
            try:
                status = requests.get(self.url, cookies=self.cookies, timeout=10, allow_redirects=False).status_code
            except requests.RequestException:
                status = 0
            self.seen.append((time.monotonic() - began, status))

    def finish(self) -> None:
        self._end.set()
        self.join()

    @property
    def outage_s(self) -> float:
        """Seconds from the first failed request to the first good one after the last failed."""
        failed = [t for t, status in self.seen if status != 200]
        if not failed:
            return 0.0
        return min((t for t, status in self.seen if t > failed[-1] and status == 200), default=failed[-1]) - failed[0]

    @property
    def fatal(self) -> set[int]:
        """Answers after which a tab would have called the kernel dead."""
        return {status for _, status in self.seen} - {0, 200, 424, 502, 503, 504}

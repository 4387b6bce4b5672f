"""A real hub and a real Chromium. Each test leaves its screenshots in tests/browser/screenshots/."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from elastic_spawner.demo.hub import DemoHub

SCREENSHOTS = Path(__file__).with_name("screenshots")
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def hub() -> Iterator[DemoHub]:
    """A hub with the users `alice` and `admin`, and servers of 2 GiB and 1 CPU."""
    with DemoHub() as hub:
        hub.start()
        yield hub
        print("\n".join(hub.log.splitlines()[-100:]))  # shown when the test fails


@pytest.fixture
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    assert path, "no Chromium: install your distribution's `chromium`, or name one by CHROMIUM=path"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def log_in(browser: Browser, hub: DemoHub) -> Callable[[str, str], Page]:
    """(user, path) -> a page of a browser in which only this user is logged in."""

    def log_in(user: str, path: str) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 860})
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.goto(f"{hub.url}/hub/login?next=/{path}")
        page.fill("#username_input", user)
        page.fill("#password_input", hub.password)
        page.click("#login_submit")
        return page

    return log_in


@pytest.fixture
def screenshot(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Keep what a page shows, under the test's name."""

    def screenshot(page: Page, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{request.node.name}-{name}.png")

    return screenshot

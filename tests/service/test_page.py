"""The pages in a real Chromium, with everything behind them real."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from elastic_spawner.testing import HubProcess

pytestmark = [pytest.mark.hub, pytest.mark.browser]

SCREENSHOTS = Path(__file__).parent.parent / "browser" / "screenshots"
HOSTILE = "<img src=x onerror=window.broken=1>"
WIDE, NARROW = (1200, 850), (400, 850)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    assert path, "no Chromium: install your distribution's `chromium`, or name one by CHROMIUM=path"
    arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def servers(hub: HubProcess) -> HubProcess:
    """``mallory`` writes what should be harmful into her notebook; ``olga`` has something that cannot be kept."""
    for user, path, cells in (
        ("mallory", f"{HOSTILE}.ipynb", [f"globals()[{HOSTILE!r}] = [1]", f"g = (i for i in {HOSTILE!r}); next(g)"]),
        ("olga", "work.ipynb", ["x = list(range(100))", "import socket; s = socket.create_server(('127.0.0.1', 0))"]),
    ):
        hub.start_server(user)
        browser = hub.login(user)
        browser.open_server()
        notebook = browser.open_notebook(path)
        for cell in cells:
            assert notebook.run(cell).status == "ok"
    return hub


@pytest.fixture
def visit(chromium: Browser, servers: HubProcess) -> Iterator[Callable[..., Page]]:
    """(user, path) -> a page of the service, in a browser in which this user is logged in.

    At the end no page may have complained: of a blocked script, say.
    """
    complaints: list[str] = []
    contexts = []

    def open_page(user: str, path: str = "", size: tuple[int, int] = WIDE, scheme: str = "light") -> Page:
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if "Content Security Policy" in m.text else None)
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.goto(f"{servers.url}/hub/login?next=/services/elastic/{path}")
        page.fill("#username_input", user)
        page.fill("#password_input", "x")
        page.click("#login_submit")
        page.wait_for_url(f"**/services/elastic/{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def plan_of(page: Page) -> None:
    expect(page.locator("#plan")).to_have_attribute("aria-busy", "false", timeout=60_000)


def keep(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"service-{name}.png", full_page=True)


def test_an_admin_finds_a_server_among_all(visit: Callable[..., Page]) -> None:
    page = visit("admin")
    keep(page, "list")
    expect(page.locator("tbody tr:visible").filter(has_text="mallory")).to_have_count(1)
    page.get_by_label("Find").fill("OLG")
    expect(page.locator("tbody tr:visible")).to_have_count(1)
    expect(page.locator("#found")).to_contain_text("1 of")
    page.get_by_role("link", name="olga").click()
    expect(page.locator("h1")).to_have_text("olga")


def test_a_user_looks_at_their_own_and_is_offered_no_form(visit: Callable[..., Page]) -> None:
    page = visit("olga")
    expect(page.locator("h1")).to_have_text("My servers")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="olga").click()
    plan_of(page)
    expect(page.locator("#plan")).to_contain_text("work.ipynb")
    expect(page.locator("#resize")).to_have_count(0)
    expect(page.locator("main")).to_contain_text("ask an admin")


def test_what_users_name_their_things_is_text_and_nothing_else(visit: Callable[..., Page]) -> None:
    page = visit("admin", "servers/mallory/-")
    plan_of(page)
    for summary in page.locator("#plan summary").all():
        summary.click()
    expect(page.locator("#plan h3")).to_have_text(f"{HOSTILE}.ipynb")
    expect(page.locator("#plan code", has_text=HOSTILE).first).to_be_visible()
    keep(page, "hostile-names")
    assert page.locator("main img").count() == 0
    assert page.evaluate("window.broken") is None


def test_a_bad_size_is_explained_beside_the_field(visit: Callable[..., Page]) -> None:
    page = visit("admin", "servers/mallory/-")
    plan_of(page)
    page.get_by_label("Memory").fill("12X")
    page.get_by_role("button", name="Resize").click()
    expect(page.get_by_role("alert").filter(has_text="is no size of memory")).to_be_visible()
    expect(page.get_by_label("Memory")).to_be_focused()
    expect(page.get_by_label("Memory")).to_have_attribute("aria-invalid", "true")
    keep(page, "bad-size")
    page.get_by_label("Memory").fill("99G")
    page.get_by_role("button", name="Resize").click()
    expect(page.get_by_role("alert").filter(has_text="choose from 64M to 8G")).to_be_visible()


def test_what_would_be_lost_has_to_be_accepted(visit: Callable[..., Page]) -> None:
    page = visit("admin", "servers/olga/-")
    plan_of(page)
    expect(page.locator(".losses")).to_contain_text("s: ")
    keep(page, "would-be-lost")
    page.get_by_label("Memory").fill("3G")
    page.get_by_role("button", name="Resize").click()
    expect(page.get_by_role("alert").filter(has_text="Tick the box")).to_be_visible()
    expect(page.locator("#move")).to_be_hidden()
    assert page.locator(".state").first.text_content() == "running"
    expect(page.get_by_role("checkbox")).to_have_accessible_name("Move although these variables will be lost: s")


def test_a_loss_that_the_page_did_not_know_of_refuses_the_move(visit: Callable[..., Page], servers: HubProcess) -> None:
    servers.start_server("pia")
    browser = servers.login("pia")
    browser.open_server()
    notebook = browser.open_notebook("late.ipynb")
    assert notebook.run("x = 1").status == "ok"
    page = visit("admin", "servers/pia/-")
    plan_of(page)
    expect(page.get_by_role("checkbox")).to_have_count(0)
    assert notebook.run("open('log.txt', 'a').write('x'); g = (i for i in range(3)); next(g)").status == "ok"
    page.get_by_label("Memory").fill("3G")
    page.get_by_role("button", name="Resize").click()
    expect(page.locator("#end")).to_contain_text("Refused: the server runs as before", timeout=60_000)
    expect(page.locator("#end")).to_contain_text("late.ipynb would lose g (generator) of In [2]")
    expect(page.locator("#end")).to_contain_text("run In [2] again")
    keep(page, "refused-for-loss")
    # Now it knows, and asks.
    expect(page.get_by_role("checkbox")).to_have_accessible_name("Move although these variables will be lost: g")
    expect(page.get_by_role("checkbox")).not_to_be_checked()
    assert notebook.run("x, next(g)").text == "(1, 1)"


def test_a_move_is_followed_to_its_end(visit: Callable[..., Page]) -> None:
    page = visit("admin", "servers/olga/-", scheme="dark")
    onlooker = visit("olga", "servers/olga/-")
    late = visit("olga", "servers/olga/-")
    late.route("**/summary", lambda route: route.abort())  # it hears nothing until the move is over
    plan_of(page)
    page.get_by_label("Memory").fill("3G")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Resize").click()
    expect(page.locator("#move-title")).to_be_focused()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.locator("#steps li.current")).to_have_count(1)
    expect(page.locator("#now")).not_to_be_empty()  # what screen readers are told
    expect(page.locator("#summary .state")).to_contain_text("resizing")
    keep(page, "moving")
    expect(page.locator("#end")).to_contain_text("Done: the server runs with its new size", timeout=120_000)
    expect(page.locator("#end")).to_contain_text("1 variable did not come back")
    expect(page.locator("#outcome tr", has_text="lost").locator("th")).to_have_text("s")
    expect(page.locator("#outcome tr", has_text="loaded").filter(has=page.locator("th", has_text="x"))).to_have_count(1)
    expect(page.locator("#summary")).to_contain_text("3G of memory")
    expect(page.get_by_role("button", name="Resize")).to_be_enabled()
    keep(page, "done")
    # Somebody who had the page open sees the move of the other without doing anything, even if only its end.
    late.unroute("**/summary")
    for other in (onlooker, late):
        expect(other.locator("#end")).to_contain_text("Done", timeout=20_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["", "servers/mallory/-"])
def test_the_pages_fit_a_narrow_screen(visit: Callable[..., Page], path: str, scheme: str) -> None:
    page = visit("admin", path, NARROW, scheme)
    if path:
        plan_of(page)
        for summary in page.locator("#plan summary").all():
            summary.click()
    keep(page, f"narrow-{'server' if path else 'list'}-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]


def test_everything_is_reached_by_keyboard(visit: Callable[..., Page]) -> None:
    page = visit("admin", "servers/mallory/-")
    plan_of(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        if reached[-1] == "Resize":
            break
    assert [name for name in reached if name in ("All servers", "again", "memory", "cpus", "deadline", "Resize")] == [
        "All servers", "again", "memory", "cpus", "deadline", "Resize",
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["", "servers/mallory/-"])
def test_every_field_and_landmark_has_a_name(visit: Callable[..., Page], path: str) -> None:
    page = visit("admin", path)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("input, button, section, nav, progress, img")]
            .filter((e) => !(e.labels?.length || e.ariaLabel || e.textContent.trim() || e.hasAttribute("alt")
                || document.getElementById(e.getAttribute("aria-labelledby"))))
            .map((e) => e.outerHTML)"""
    )
    assert unnamed == []
    assert page.locator("h1").count() == 1
    assert page.locator("html").get_attribute("lang") == "en"

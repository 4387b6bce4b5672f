"""Logging in with a real hub: who gets in, by which way, and what protects from other sites."""

from __future__ import annotations

import pytest
import requests
from bs4 import BeautifulSoup

from elastic_spawner.testing import Browser, HubProcess

from .conftest import Client, client_of, message_of, xsrf_of

pytestmark = pytest.mark.hub

SERVER_PATHS = [f"servers/ann/-{what}" for what in ("", "/plan", "/status", "/progress")]


def open_pages(hub: HubProcess, user: str) -> tuple[Browser, requests.Response]:
    browser = hub.login(user)
    return browser, browser.http.get(f"{hub.url}/services/elastic/", timeout=30)


# -- strangers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["servers", *SERVER_PATHS, "openapi.json"])
@pytest.mark.parametrize("token", [None, "0123456789abcdef"])
def test_without_a_token_that_the_hub_knows_the_api_answers_403(hub: HubProcess, path: str, token: str | None) -> None:
    answer = Client(f"{hub.url}/services/elastic/api/", token).get(path)
    assert answer.status_code == 403
    assert "log in, or send a JupyterHub API token" in message_of(answer)


def test_without_a_token_nothing_is_resized(hub: HubProcess) -> None:
    answer = Client(f"{hub.url}/services/elastic/api/", None).post("servers/ann/-/resize", {"memory": "1G"})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["", "servers/ann/-", "nothing"])
def test_a_browser_that_is_not_logged_in_is_sent_to_the_hub(hub: HubProcess, path: str) -> None:
    answer = requests.get(f"{hub.url}/services/elastic/{path}", timeout=30, allow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/hub/api/oauth2/authorize")


@pytest.mark.parametrize("part", ["servers", "servers/ann/-/plan", "servers/ann/-/summary", "servers/ann/-/outcome"])
def test_parts_of_pages_are_for_those_who_are_logged_in(hub: HubProcess, part: str) -> None:
    answer = requests.get(f"{hub.url}/services/elastic/parts/{part}", timeout=30, allow_redirects=False)
    assert answer.status_code == 403


# -- rights ------------------------------------------------------------------------------------------------------------


def test_a_user_sees_only_their_own(hub: HubProcess) -> None:
    ann = client_of(hub, "ann")
    assert ann.get("servers").json() == []
    for path in SERVER_PATHS:
        theirs = ann.get(path.replace("ann", "bob"))
        assert theirs.status_code == 403, path
        assert message_of(theirs) == "'ann' may not see the servers of 'bob'"


def test_whether_a_user_exists_is_not_told_to_others(hub: HubProcess) -> None:
    ann = client_of(hub, "ann")
    client_of(hub, "bob")
    answers = [ann.get(f"servers/{name}/-") for name in ("bob", "nobody")]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert message_of(answers[0]).replace("bob", "nobody") == message_of(answers[1])


def test_a_user_without_the_scope_may_not_resize_even_their_own(hub: HubProcess) -> None:
    answer = client_of(hub, "ann").post("servers/ann/-/resize", {"memory": "1G"})
    assert answer.status_code == 403
    assert "ask an admin" in message_of(answer)


def test_a_token_with_less_than_its_owner_s_rights_has_less(hub: HubProcess) -> None:
    little = client_of(hub, "admin", ["access:services!service=elastic"])
    assert little.get("servers").status_code == 200
    assert little.get("servers/ann/-").status_code == 403
    assert little.post("servers/ann/-/resize", {"memory": "1G"}).status_code == 403


def test_a_token_without_access_to_the_service_gets_nothing(hub: HubProcess) -> None:
    answer = client_of(hub, "admin", ["custom:elastic:resize"]).get("servers")
    assert answer.status_code == 403
    assert "access:services" in message_of(answer)


def test_an_admin_is_told_that_a_user_does_not_exist(hub: HubProcess) -> None:
    admin = client_of(hub, "admin")
    for answer in (admin.get("servers/nobody/-"), admin.post("servers/nobody/-/resize", {"memory": "1G"})):
        assert answer.status_code == 404
        assert "nobody" in message_of(answer)


def test_who_may_resize_their_own_only_is_held_to_the_bounds_for_that(hub: HubProcess) -> None:
    sam = client_of(hub, "sam")
    too_much = sam.post("servers/sam/-/resize", {"memory": "2G"})
    assert (too_much.status_code, message_of(too_much)) == (400, "2G of memory is out of bounds: choose from 1B to 1G")
    assert sam.post("servers/sam/-/resize", {"cpus": 3}).status_code == 400
    assert sam.post("servers/sam/-/resize", {"memory": "lots"}).status_code == 400
    assert sam.post("servers/ann/-/resize", {"memory": "1G"}).status_code == 403
    # Within the bounds it goes on to the hub, which knows no server of his.
    assert sam.post("servers/sam/-/resize", {"memory": "512M"}).status_code in (404, 409)


# -- other sites -------------------------------------------------------------------------------------------------------


def test_a_login_cookie_alone_resizes_nothing(hub: HubProcess) -> None:
    browser, page = open_pages(hub, "admin")
    url = f"{hub.url}/services/elastic/api/servers/nobody/-/resize"
    body = {"memory": "1G"}
    from_elsewhere = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "cross-site"}
    forged = [
        browser.http.post(url, json=body, timeout=30),
        browser.http.post(url, json=body, headers={"X-XSRFToken": "guessed"}, timeout=30),
        browser.http.post(url, data="memory=1G", timeout=30),
        browser.http.post(url, json=body, headers=from_elsewhere, timeout=30),
    ]
    assert [answer.status_code for answer in forged] == [403] * 4
    assert "reload the page" in message_of(forged[0])
    ours = browser.http.post(url, json=body, headers={"X-XSRFToken": xsrf_of(page.text)}, timeout=30)
    assert ours.status_code == 404  # let in; only there is nobody of this name


def test_one_user_s_xsrf_token_is_no_good_for_another(hub: HubProcess) -> None:
    _, page_of_ann = open_pages(hub, "ann")
    admin, _ = open_pages(hub, "admin")
    answer = admin.http.post(
        f"{hub.url}/services/elastic/api/servers/nobody/-/resize",
        json={"memory": "1G"},
        headers={"X-XSRFToken": xsrf_of(page_of_ann.text)},
        timeout=30,
    )
    assert answer.status_code == 403


def test_a_script_reads_by_cookie_only_with_the_xsrf_token(hub: HubProcess) -> None:
    browser, page = open_pages(hub, "admin")
    url, fetched = (
        f"{hub.url}/services/elastic/api/servers",
        {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"},
    )
    assert browser.http.get(url, headers=fetched, timeout=30).status_code == 403
    token = {"X-XSRFToken": xsrf_of(page.text)}
    assert browser.http.get(url, headers={**fetched, **token}, timeout=30).status_code == 200


def test_a_token_in_the_url_lets_nobody_in(hub: HubProcess) -> None:
    token = client_of(hub, "admin").token
    answer = requests.get(f"{hub.url}/services/elastic/api/servers?token={token}", timeout=30, allow_redirects=False)
    assert answer.status_code == 403


# -- pages -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("user", "title"), [("admin", "All servers"), ("ann", "My servers")])
def test_the_first_page_is_for_everybody(hub: HubProcess, user: str, title: str) -> None:
    _, page = open_pages(hub, user)
    assert page.status_code == 200
    document = BeautifulSoup(page.text, "html.parser")
    assert document.h1.text == title
    assert document.select_one(".who").text.endswith(user)


@pytest.mark.parametrize(
    ("user", "path", "status", "title"),
    [
        ("admin", "servers/nobody/-", 404, "Not found"),
        ("ann", "servers/bob/-", 403, "Not allowed"),
        ("admin", "nothing", 404, "Not found"),
    ],
)
def test_errors_are_pages_too(hub: HubProcess, user: str, path: str, status: int, title: str) -> None:
    browser, _ = open_pages(hub, user)
    page = browser.http.get(f"{hub.url}/services/elastic/{path}", timeout=30)
    assert page.status_code == status
    assert BeautifulSoup(page.text, "html.parser").h1.text == title


def test_pages_run_no_script_but_the_service_s_own(hub: HubProcess) -> None:
    browser, page = open_pages(hub, "admin")
    answers = [page, browser.http.get(f"{hub.url}/services/elastic/servers/nobody/-", timeout=30)]
    answers.append(browser.http.get(f"{hub.url}/services/elastic/api/servers", timeout=30))
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        document = BeautifulSoup(answer.text, "html.parser")
        assert all(script.get("src") and not script.text for script in document.find_all("script"))
        assert not document.find_all("style")
        assert not [a for tag in document.find_all() for a in tag.attrs if a == "style" or a.startswith("on")]


def test_the_path_without_a_slash_leads_to_the_page(hub: HubProcess) -> None:
    answer = requests.get(f"{hub.url}/services/elastic", timeout=30, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (301, "/services/elastic/")

"""An open tab through a move: nothing to reload, nothing to run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Page, expect

from elastic_spawner.demo.hub import DemoHub
from tests.browser.lab import LabNotebook

pytestmark = [pytest.mark.hub, pytest.mark.browser]

CELLS = [
    "import threading\nvalues = list(range(1000))\nalias = values",
    "total = sum(values)\ntotal",
    "numbers = (n * n for n in values)\nnext(numbers), next(numbers), next(numbers)",
]


def notebook(*sources: str) -> Any:
    book = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    book.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return book


def test_tab_survives_a_resize(
    hub: DemoHub, log_in: Callable[[str, str], Page], screenshot: Callable[[Page, str], None]
) -> None:
    """The kernel reconnects by itself, the next cell sees the values, and In[n] goes on counting."""
    hub.start_users_server()
    user = hub.log_in(hub.user)
    user.open_server()
    user.put("api/contents/work.ipynb", {"type": "notebook", "format": "json", "content": notebook(*CELLS, "")})
    tab = log_in(hub.user, f"user/{hub.user}/lab/tree/work.ipynb")
    lab = LabNotebook(tab)
    lab.wait_for_kernel()
    for number in range(len(CELLS)):
        lab.run(number)
        lab.expect_number(number, number + 1)
    lab.expect_output(1, "499500")
    lab.expect_output(2, "(0, 1, 4)")
    kernel = user.get("api/kernels").json()[0]["id"]
    tab.evaluate("window.loadedOnce = true")
    screenshot(tab, "1-before")

    admin = log_in(hub.admin, "services/elastic/")
    admin.get_by_role("link", name=hub.user).click()
    expect(admin.locator("#plan .tiles")).to_be_visible()
    admin.fill("[name=memory]", "3G")
    screenshot(admin, "2-plan")
    admin.locator("#resize button[type=submit]").click()
    expect(admin.locator("#steps li").first).to_be_visible()
    screenshot(admin, "3-moving")
    screenshot(tab, "4-tab-during-the-move")
    expect(admin.locator("#end")).to_contain_text("Done", timeout=120_000)
    expect(admin.locator("#outcome-section")).to_be_visible()
    screenshot(admin, "5-done")

    tab.bring_to_front()
    screenshot(tab, "6-back")
    lab.dismiss_connection_dialog()
    lab.type(3, "alias.append(total)\nlen(values), next(numbers)")
    lab.run(3)
    lab.expect_number(3, 4)
    lab.expect_output(3, "(1001, 9)")
    screenshot(tab, "7-after")
    assert tab.evaluate("window.loadedOnce"), "the page was loaded again"
    assert [k["id"] for k in user.get("api/kernels").json()] == [kernel]

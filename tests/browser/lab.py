"""What a person does in JupyterLab's notebook."""

from __future__ import annotations

from playwright.sync_api import Page, expect


class LabNotebook:
    """An open notebook, in the tab that is in front."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.panel = page.locator(".jp-NotebookPanel:visible")
        self.cells = self.panel.locator(".jp-Notebook .jp-CodeCell")

    def wait_for_kernel(self) -> None:
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=60_000)

    def dismiss_connection_dialog(self) -> bool:
        """Close JupyterLab's note that the server is away, if it was shown; return whether it was."""
        dialog = self.page.locator(".jp-Dialog")
        if not dialog.count():
            return False
        dialog.get_by_role("button", name="Dismiss").click()
        expect(dialog).to_have_count(0)
        return True

    def run(self, number: int) -> None:
        """Run one of the cells, which are counted from 0, as Shift+Enter does."""
        self.cells.nth(number).locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")

    def type(self, number: int, code: str) -> None:
        self.cells.nth(number).locator(".cm-content").click()
        self.page.keyboard.type(code)

    def expect_number(self, number: int, count: int) -> None:
        """The cell has run, as In [count]."""
        prompt = self.cells.nth(number).locator(".jp-InputPrompt")
        expect(prompt).to_have_text(f"[{count}]:", timeout=60_000)

    def expect_output(self, number: int, text: str) -> None:
        expect(self.cells.nth(number).locator(".jp-OutputArea-output")).to_contain_text(text, timeout=60_000)

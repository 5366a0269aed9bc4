"""A real browser, Chromium, driven by Playwright."""

import contextlib
import re
import shutil
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs: pip install playwright")

_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_TIMEOUT_MS = 30_000


@contextlib.contextmanager
def chromium():
    """A browser; skips the test where there is none."""
    with sync_api.sync_playwright() as playwright:
        bundled = Path(playwright.chromium.executable_path)
        installed = next(filter(None, map(shutil.which, _CHROMIUMS)), None)
        if installed is None and not bundled.exists():
            pytest.skip("needs Chromium: apt install chromium, or playwright install chromium")
        browser = playwright.chromium.launch(executable_path=installed or bundled)
        yield browser
        browser.close()


def watch(page: sync_api.Page, expected: str = r"(?!)") -> list[str]:
    """Collects what goes wrong in a page from now on: all that its console shows.

    Args:
      page: of a browser.
      expected: regular expression of what the console may show.
    """
    errors: list[str] = []

    def on_console(message: sync_api.ConsoleMessage) -> None:
        if not re.match(expected, message.text):
            errors.append(f"{message.type}: {message.text}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: errors.append(f"not loaded: {request.url}"))
    return errors


def wait_for(page: sync_api.Page, condition: str, errors: list[str]) -> None:
    with contextlib.suppress(sync_api.TimeoutError):
        page.wait_for_function(condition, timeout=_TIMEOUT_MS)
        return
    pytest.fail("\n".join([f"the page does not come to {condition}", *errors]))

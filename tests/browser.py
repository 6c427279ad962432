"""A real browser for tests of pages: Debian's Chromium without any windows, led by playwright.

    def test_a_page_has_a_title(page: "Page") -> None:
        page.goto(service.url + "/docs")

A run without it says so, and CI's run fails. Each test gets a page of its own, which ends in a failure where
the page asks another host than the loopback, breaks its own Content-Security-Policy, or throws.
"""

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.with_packages import lack

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

#: The first is the one whose frames never wait for a window to be shown. On a busy machine another drew no
#: frame for a minute, and what is to be clicked has to stand still for two of them.
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

#: Schemes of what a page has within itself.
INNER = ("data", "blob", "about")

LOOPBACK = ("127.0.0.1", "localhost")

PATIENCE_SECONDS = 60.0

#: Chromium's own sandbox does not work for root, whom tests in containers run as. Its process for a GPU takes
#: long to find out that there is none; nothing is drawn until then, and only what is drawn can be clicked.
ARGUMENTS = ["--no-sandbox", "--disable-gpu"]


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium; of a module, not of the session: playwright keeps an event loop on the main thread."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        lack("no chromium here: apt-get install chromium-headless-shell")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lack("playwright is not installed: pip install playwright")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    """A page without a past."""
    context = browser.new_context()
    faults = _listen(context)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    yield page
    context.close()
    assert not faults, "\n".join(faults)


def _listen(context: "BrowserContext") -> list[str]:
    """Return the list to which is added whatever no page should do."""
    faults: list[str] = []

    def on_console(message: "ConsoleMessage") -> None:
        if "Content Security Policy" in message.text:
            faults.append(message.text)

    context.on("console", on_console)
    context.on("weberror", lambda error: faults.append(str(error.error)))
    context.on("request", lambda asked: None if is_local(asked.url) else faults.append(f"asked {asked.url}"))
    return faults


def is_local(url: str) -> bool:
    """Tell whether a URL leads to no other machine."""
    parts = urlsplit(url)
    return parts.scheme in INNER or parts.hostname in LOOPBACK

"""A page in the system's Chromium, without a window, that must do nothing wrong and reach nobody."""

import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

NAMES = "chromium", "chromium-browser", "google-chrome"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic"]


def stays_here(url: str) -> bool:
    """Whether what is asked for lies in a file, in the page itself or behind 127.0.0.1."""
    parts = urlsplit(url)
    return parts.scheme in ("file", "data", "blob", "about") or parts.hostname == "127.0.0.1"


@pytest.fixture(scope="module")
def browser():
    """Chromium for the tests of a file; they skip where there is none.

    Not for the session: while Playwright is open, this thread can run no other event loop.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, headless=True, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def faults() -> list[str]:
    """What went wrong in `page`, a line each; a test that wants a fault takes it out."""
    return []


@pytest.fixture
def page(browser, faults) -> Iterator:
    """A page of its own context. The test fails with any error in its console, any exception in its
    scripts, any request that leaves the machine (which is refused), and any that got no answer.
    """
    context = browser.new_context()

    def judge(route) -> None:
        if stays_here(route.request.url):
            route.continue_()
            return
        faults.append(f"request to elsewhere: {route.request.url}")
        route.abort()

    def heard(message) -> None:
        if message.type == "error":
            faults.append(f"console: {message.text}")

    def failed(request) -> None:
        if stays_here(request.url):
            faults.append(f"no answer: {request.url}")

    def opened(socket) -> None:
        if not stays_here(socket.url):
            faults.append(f"socket to elsewhere: {socket.url}")

    context.route("**/*", judge)
    page = context.new_page()
    page.on("console", heard)
    page.on("pageerror", lambda error: faults.append(f"exception: {error}"))
    page.on("requestfailed", failed)
    page.on("websocket", opened)
    yield page
    context.close()
    assert not faults

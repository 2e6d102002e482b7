"""A real server in a process of its own, a real store file, a real browser."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser import stories
from tests.browser.recording import Said, new_store_url, record

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
]
# Streamlit finds out where it is mounted by asking below the page's own address first.
_PROBES = ("/_stcore/health", "/_stcore/host-config")

expect.set_options(timeout=15_000)


def find_chromium() -> str | None:
    """Return the path of an installed Chromium."""
    found = (shutil.which(name) for name in CHROMIUM_NAMES)
    return next((path for path in found if path), None)


@contextmanager
def launched(chromium: str) -> Iterator[Browser]:
    """Run a browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Server:
    """A dashboard that serves one store; `address` is where."""

    def __init__(self, store_url: str) -> None:
        self.store_url = store_url
        self.contexts: list[BrowserContext] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "longpole.dashboard.web", "--store", store_url, "--no-browser"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.announcement = self._process.stdout.readline()
        self.address = self.announcement.split()[-1] if self.announcement else ""

    def close_pages(self) -> None:
        """Close what was opened of it."""
        while self.contexts:
            self.contexts.pop().close()

    def stop(self, stop_signal: signal.Signals = signal.SIGTERM) -> int:
        """Stop the server and return its exit code."""
        self._process.send_signal(stop_signal)
        code = self._process.wait(timeout=20)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code


@contextmanager
def serving(store_url: str) -> Iterator[Server]:
    """Serve a store."""
    server = Server(store_url)
    try:
        yield server
    finally:
        # Pages first: one that loses its server says so, which would be an offence.
        server.close_pages()
        server.stop()


PANEL = stories.panel(1)
FAILING = stories.failing(2, start_ns=stories.START_NS + 60_000 * stories.MS)
HOSTILE = stories.hostile(3, start_ns=stories.START_NS + 120_000 * stories.MS)
WIDE = stories.wide(4, branches=330, start_ns=stories.START_NS + 180_000 * stories.MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests; without one they are skipped, on CI they fail."""
    chromium = find_chromium()
    if chromium is None:
        message = f"no Chromium found (looked for {', '.join(CHROMIUM_NAMES)})"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with launched(chromium) as running:
        yield running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve the stories above and a history of sixty panels, never changed by a test."""
    store_url = new_store_url(tmp_path_factory.mktemp("store"))
    record(store_url, *stories.history(60), PANEL, FAILING, WIDE)
    record(store_url, HOSTILE, said=Said(stories.CANARY, '{"answer": "<i>42</i>"}'))
    with serving(store_url) as running:
        yield running


class Watched:
    """A page and everything it should not have done."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.offences: list[str] = []
        page.on("pageerror", lambda error: self.offences.append(f"error: {error}"))
        page.on("request", lambda request: self._check_request(request.url))
        page.on("console", lambda message: self._check_console(message.type, message.text))
        page.on("response", lambda answer: self._check_answer(answer.status, answer.url))

    def _check_request(self, url: str) -> None:
        own = (self.address, self.address.replace("http", "ws", 1), "data:", "blob:")
        if not url.startswith(own):
            self.offences.append(f"request to {url}")

    def _check_console(self, kind: str, text: str) -> None:
        # A failed request is an offence by its address, which this text does not tell.
        if kind == "error" and not text.startswith("Failed to load resource"):
            self.offences.append(f"console: {text}")

    def _check_answer(self, status: int, url: str) -> None:
        if status >= 400 and not url.endswith(_PROBES):
            self.offences.append(f"{status} for {url}")


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open pages; in the end none may have erred or asked another server for anything."""
    servers: list[Server] = []
    watched: list[Watched] = []

    def open_(
        server: Server,
        path: str = "/runs",
        *,
        theme: str = "light",
        width: int = 1440,
        height: int = 900,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
        )
        server.contexts.append(context)
        servers.append(server)
        page = context.new_page()
        watched.append(Watched(page, server.address))
        page.goto(server.address + path)
        return page

    yield open_
    for server in servers:
        server.close_pages()
    offences = [offence for one in watched for offence in one.offences]

    assert offences == []


def wait_until(holds: Callable[[], bool], *, within_s: float = 15) -> None:
    """Wait for something that no locator can express, such as the state of a canvas."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)

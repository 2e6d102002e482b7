"""The server as a process."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, expect

from tests.browser.conftest import OpenPage, Server, serving
from tests.browser.recording import new_store_url


def test_it_says_what_it_serves_and_where_and_ends_cleanly(tmp_path: Path) -> None:
    store_url = new_store_url(tmp_path)
    server = Server(store_url)
    first, *_ = server.announcement.split()

    assert first == "Longpole"
    assert store_url in server.announcement
    assert server.address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(server.address, timeout=10) as answer:
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"
    assert server.stop(signal.SIGINT) == 0
    assert not Path(tmp_path / "longpole.db").exists()


@pytest.mark.parametrize("taken", ["gzip", "identity"])
def test_the_first_paint_is_ours_and_dark_for_a_dark_system(tmp_path: Path, taken: str) -> None:
    with serving(new_store_url(tmp_path)) as server:
        asked = urllib.request.Request(f"{server.address}/runs", headers={"Accept-Encoding": taken})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            page = answer.read()

        assert b"<title>Longpole</title>" in page
        assert b'<meta name="color-scheme" content="light dark" />' in page
        assert page.rstrip().endswith(b"</html>")
        assert int(answer.headers["content-length"]) == len(page)


_ASKED_FOR_CHARTS = """() => performance.getEntriesByType("resource")
    .some(one => one.name.includes("PlotlyChart"))"""


@pytest.mark.browser
def test_what_draws_charts_is_loaded_while_a_page_without_any_is_looked_at(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server, "/runs")

    page.wait_for_function(_ASKED_FOR_CHARTS)
    expect(page.locator(".lt tbody tr").first).to_be_visible()


@pytest.mark.browser
def test_that_it_cannot_be_loaded_ahead_is_no_trouble(server: Server, browser: Browser) -> None:
    with contextlib.closing(browser.new_context()) as context:
        page, errors = context.new_page(), list[Error]()
        page.on("pageerror", lambda error: errors.append(error))
        page.route("**/PlotlyChart*", lambda route: route.abort())
        with page.expect_event("requestfailed"):
            page.goto(f"{server.address}/runs")
        expect(page.locator(".lt tbody tr").first).to_be_visible()

        assert errors == []


def _status_of_a_socket(address: str, host: str) -> int:
    """Ask for the app's socket as a page of this host would; return the answer's status."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    try:
        connection.putrequest("GET", "/_stcore/stream", skip_host=True)
        for name, value in (
            ("Host", host),
            ("Origin", f"http://{host}"),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ):
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def test_only_pages_of_its_own_address_get_its_socket(tmp_path: Path) -> None:
    with serving(new_store_url(tmp_path)) as server:
        own_host = server.address.removeprefix("http://")

        assert _status_of_a_socket(server.address, own_host) == 101
        assert _status_of_a_socket(server.address, "evil.example") == 403


def test_a_taken_port_that_was_asked_for_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        finished = subprocess.run(
            [
                *(sys.executable, "-m", "longpole.dashboard.web", "--no-browser"),
                *("--store", new_store_url(tmp_path), "--port", str(port)),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert finished.returncode == 1
    assert f"error: port {port} is taken" in finished.stderr
    assert "Traceback" not in finished.stderr

"""`python -m tests.browser.pictures` makes the README's pictures anew, from the built-in demo."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from longpole.model import Role, Run
from longpole.storage import RunQuery, open_store
from tests.browser.conftest import find_chromium, launched, serving
from tests.browser.drawing import Drawing
from tests.browser.recording import new_store_url

_THEMES = ("light", "dark")
_SCENE, _CHAIN, _REPETITIONS = "panel", "incident-panel", 8
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"


def main() -> int:
    """Record the demo, open the pages, take the pictures; return the exit code."""
    chromium = find_chromium()
    if chromium is None:
        print("error: no Chromium found, pictures need one", file=sys.stderr)
        return 1
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        store_url = new_store_url(Path(folder))
        subprocess.run(
            [sys.executable, "-m", "longpole.tracer.demo", "--store", store_url], check=True
        )
        run, span_id = _most_telling_run(store_url)
        with serving(store_url) as server, launched(chromium) as browser:
            for theme in _THEMES:
                _picture_overview(browser, server.address, theme)
                _picture_runs(browser, f"{server.address}/runs", theme)
                address = f"{server.address}/run?run={run.run_id}&span={span_id}"
                _picture_run(browser, address, theme, span_id)
        history_url = f"sqlite:///{Path(folder) / 'history.db'}"
        _record_history(history_url)
        with serving(history_url) as server, launched(chromium) as browser:
            for theme in _THEMES:
                _picture_chain(browser, server.address, theme)
    return 0


def _record_history(store_url: str) -> None:
    """Play one scene again and again, twice as fast as it is, for a chain with many runs."""
    play = [sys.executable, "-m", "longpole.tracer.demo", "--store", store_url]
    for _ in range(_REPETITIONS):
        subprocess.run([*play, "--only", _SCENE, "--speed", "2"], check=True)


def _most_telling_run(store_url: str) -> tuple[Run, str]:
    """Return the run with most kinds of spans, retries and fallbacks above all, and one of them."""
    store = open_store(store_url, mode="read")
    try:
        ids = [row.run_id for row in store.list_runs(RunQuery(limit=100)).rows]
        run = max((store.load_run(run_id) for run_id in ids), key=_telling)
    finally:
        store.close()
    span = max(run.spans, key=lambda span: (span.role is Role.FALLBACK, span.model is not None))
    return run, span.span_id


def _telling(run: Run) -> int:
    return len({span.role for span in run.spans}) * 1_000 - len(run.spans)


def _open(browser: Browser, url: str, theme: str) -> Page:
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(url)
    return page


def _picture_overview(browser: Browser, address: str, theme: str) -> None:
    page = _open(browser, address, theme)
    expect(page.locator(".ti-tile")).to_have_count(8)
    expect(page.locator("[class*='st-key-finding_']").first).to_be_visible()
    expect(page.locator(".lt tbody tr").first).to_be_visible()
    _take(page, f"overview-{theme}")


def _picture_runs(browser: Browser, address: str, theme: str) -> None:
    page = _open(browser, address, theme)
    rows = page.locator(".lt tbody tr")
    expect(rows.first).to_be_visible()
    # Every run has been looked at: none lacks its speed-up any more.
    expect(rows.filter(has_text="×")).to_have_count(rows.count())
    _take(page, f"runs-{theme}")


def _picture_run(browser: Browser, address: str, theme: str, span_id: str) -> None:
    page = _open(browser, address, theme)
    Drawing(page)
    expect(page.locator('tr[data-id="Span id"]')).to_contain_text(span_id)
    expect(page.get_by_test_id("stCode").first).to_be_visible()
    _take(page, f"run-{theme}")


def _picture_chain(browser: Browser, address: str, theme: str) -> None:
    page = _open(browser, f"{address}/chains?chain={_CHAIN}", theme)
    expect(page.get_by_text("share of executions it ended last in (%)").first).to_be_visible()
    expect(page.locator(".lt tbody tr").first).to_be_visible()
    _take(page, f"chain-{theme}")


def _take(page: Page, name: str) -> None:
    expect(page.locator('[data-stale="true"]')).to_have_count(0)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=PICTURES / f"{name}.png")
    print(PICTURES / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())

"""The first page in a real browser: the answer at first sight."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import stories
from tests.browser.conftest import HOSTILE, PANEL, OpenPage, Server, serving
from tests.browser.recording import new_store_url, record

pytestmark = pytest.mark.browser


def _tile(page: Page, label: str) -> Locator:
    return page.locator(f'.ti-tile[data-label="{label}"]')


def _cards(page: Page) -> Locator:
    return page.locator("[class*='st-key-finding_']")


def test_the_first_page_tells_numbers_findings_and_what_bounds_the_wall(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server, "/")

    expect(_tile(page, "Runs")).to_contain_text("64")
    expect(_tile(page, "p50 wall")).to_contain_text("2.30 s")
    expect(_tile(page, "Failed").locator("polyline")).to_have_count(1)
    bounds = page.locator(".lt").first
    expect(bounds.locator("tbody tr").first).to_contain_text("claude")
    card = _cards(page).filter(has_text="claude holds up 100 % of panel's runs")
    expect(card).to_contain_text("−700 ms at p50")
    expect(card).to_contain_text("longpole what-if")


def test_its_name_in_the_address_leads_to_it(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/overview?q=status%3Aerror")

    expect(_tile(page, "Runs")).to_contain_text("1")
    expect(page.get_by_label("Filter", exact=True)).to_have_value("status:error")
    expect(page.get_by_text("Page not found")).to_have_count(0)


def test_a_finding_leads_to_its_chain_and_its_runs(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/?q=panel")
    card = _cards(page).filter(has_text="claude holds up")

    card.get_by_role("link", name="panel").click()
    expect(page).to_have_url(re.compile(r"/chains\?.*chain=panel"))
    expect(page.get_by_role("heading", name="panel")).to_be_visible()
    expect(page.get_by_label("Filter", exact=True)).to_have_value("panel")
    page.go_back()
    card.get_by_role("link", name=PANEL.run_id[:8]).click()

    expect(page).to_have_url(re.compile(f"/run\\?run={PANEL.run_id}"))
    expect(page.get_by_role("heading", name="panel")).to_be_visible()


def test_a_row_leads_to_its_chain_about_the_same_runs(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/?q=status%3Aerror")

    page.locator(".lt").first.get_by_role("link", name="tone").click()
    expect(page).to_have_url(re.compile(r"/chains\?q=status%3Aerror&chain=triage"))
    expect(page.get_by_role("heading", name="triage")).to_be_visible()


def test_a_tile_leads_on_about_the_same_runs(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/?q=status%3Aerror")
    expect(_tile(page, "Failed")).to_contain_text("100 %")

    _tile(page, "Runs").click()
    expect(page).to_have_url(re.compile(r"/runs\?q=status"))
    expect(page.locator(".lt tbody tr")).to_have_count(1)


def test_the_first_run_of_a_store_appears_by_itself(tmp_path: Path, open_page: OpenPage) -> None:
    store_url = new_store_url(tmp_path)
    with serving(store_url) as server:
        page = open_page(server, "/")
        expect(page.get_by_text("No runs yet")).to_be_visible()

        record(store_url, stories.panel(1))
        expect(_tile(page, "Runs")).to_contain_text("1")
        expect(_cards(page).first).to_be_visible()

        record(store_url, stories.panel(2), stories.panel(3))
        expect(_tile(page, "Runs")).to_contain_text("3")


def test_names_from_traces_are_shown_as_they_are(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, f"/?q=id%3A{HOSTILE.run_id}")

    expect(_cards(page).first).to_contain_text("![x](http://127.0.0.1:1/x) <b>bold</b> $x^2$")
    for text in (_cards(page), page.locator(".lt")):
        expect(text.locator("img, b b, .katex")).to_have_count(0)
        expect(text.locator("a[href*='127.0.0.1:1/']")).to_have_count(0)


@pytest.mark.parametrize(("theme", "width"), [("dark", 400), ("light", 900), ("dark", 1440)])
def test_the_page_fits_every_width_and_theme(
    server: Server, open_page: OpenPage, theme: str, width: int
) -> None:
    page = open_page(server, "/", theme=theme, width=width)
    expect(_tile(page, "Retries")).to_be_visible()
    expect(_cards(page).first).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0

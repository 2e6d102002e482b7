"""The list of runs in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import stories
from tests.browser.conftest import (
    FAILING,
    HOSTILE,
    PANEL,
    WIDE,
    OpenPage,
    Server,
    serving,
)
from tests.browser.recording import new_store_url, record

pytestmark = pytest.mark.browser


def test_the_newest_run_stands_on_top_with_its_numbers(server: Server, open_page: OpenPage) -> None:
    page = open_page(server)

    rows = page.locator(".lt tbody tr")
    expect(rows).to_have_count(50)
    expect(rows.nth(0)).to_contain_text("summarise_documents")
    expect(rows.nth(2)).to_contain_text("triage")
    expect(rows.nth(2)).to_contain_text("error")
    panel = page.locator(f'.lt tr[data-id="{PANEL.run_id}"]')
    expect(panel).to_contain_text("2.30 s")
    expect(panel).to_contain_text("claude")


def test_the_list_draws_how_many_spans_were_at_work(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/runs?q=name%3Apanel")

    drawn = page.locator(".lt tbody tr").first.locator("td.lt-course")
    expect(drawn).to_have_text("3")
    expect(drawn).to_have_attribute("title", "at most 3 at once, 1.6 in the mean")
    expect(drawn.locator("svg path")).to_have_count(1)


def test_a_tick_moves_no_row(server: Server, open_page: OpenPage) -> None:
    page = open_page(server)
    box = page.locator(".lt tbody input").nth(1)
    before = box.bounding_box()

    box.check()
    expect(page.get_by_text("1 chosen")).to_be_visible()
    assert box.bounding_box() == before


def test_a_click_opens_the_run_that_was_clicked(server: Server, open_page: OpenPage) -> None:
    page = open_page(server)

    page.locator(f'.lt tr[data-id="{FAILING.run_id}"] a').click()

    expect(page).to_have_url(re.compile(f"/run\\?.*run={FAILING.run_id}"))
    expect(page.get_by_role("heading", name="triage")).to_be_visible()


def test_a_run_that_arrives_does_not_move_the_click(tmp_path: Path, open_page: OpenPage) -> None:
    store_url = new_store_url(tmp_path)
    record(store_url, FAILING)
    with serving(store_url) as server:
        page = open_page(server)
        expect(page.locator(".lt tbody tr")).to_have_count(1)

        record(store_url, WIDE)
        expect(page.locator(".lt tbody tr")).to_have_count(2)
        expect(page.locator(".lt tbody tr").first).to_contain_text("summarise_documents")
        page.locator(f'.lt tr[data-id="{FAILING.run_id}"] a').click()

        expect(page.get_by_role("heading", name="triage")).to_be_visible()


def test_filters_stay_in_the_address(server: Server, open_page: OpenPage) -> None:
    page = open_page(server)
    expect(page.locator(".lt tbody tr")).to_have_count(50)

    page.get_by_label("Filter", exact=True).fill("triage")
    expect(page.locator(".lt tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("q=triage"))
    page.reload()

    expect(page.locator(".lt tbody tr")).to_have_count(1)
    expect(page.get_by_label("Filter", exact=True)).to_have_value("triage")


def test_the_box_takes_the_filter_language(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/runs?q=status%3Aerror")
    rows = page.locator(".lt tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("triage")

    page.get_by_label("Filter", exact=True).fill("wall>1h OR stauts:error")
    expect(page.get_by_text("unknown field 'stauts', did you mean 'status'")).to_be_visible()
    expect(rows).to_have_count(50)


def test_the_status_filter_shows_failures_only(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/runs?status=error")

    rows = page.locator(".lt tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("triage")


def test_a_filter_that_fits_nothing_says_so(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/runs?q=nothing-of-that-name")

    expect(page.get_by_text("No run matches these filters.")).to_be_visible()

    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator(".lt tbody tr").first).to_be_visible()
    assert "q=" not in page.url


def test_a_header_sorts_all_runs_not_only_those_of_the_page(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server)
    expect(page.locator(".lt tbody tr")).to_have_count(50)

    page.get_by_role("button", name="Wall").click()
    expect(page.locator(".lt tbody tr").first).to_contain_text("summarise_documents")
    expect(page).to_have_url(re.compile("sort=wall-down"))
    page.get_by_role("button", name="Wall ↓").click()

    expect(page.locator(".lt tbody tr").first).to_contain_text("1.00 s")


def test_the_second_page_holds_the_rest(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/runs?page=2")

    expect(page.locator(".lt tbody tr")).to_have_count(14)


def test_an_empty_store_shows_how_to_begin_and_then_the_first_run(
    tmp_path: Path, open_page: OpenPage
) -> None:
    store_url = new_store_url(tmp_path)
    with serving(store_url) as server:
        page = open_page(server)
        expect(page.get_by_text("No runs yet")).to_be_visible()
        expect(page.get_by_text(str(tmp_path))).to_be_visible()
        expect(page.get_by_text("LongpoleHandler(")).to_be_visible()

        record(store_url, PANEL)

        expect(page.locator(".lt tbody tr")).to_have_count(1)


def test_a_file_that_is_no_store_is_named_and_left_alone(
    tmp_path: Path, open_page: OpenPage
) -> None:
    file = tmp_path / "longpole.db"
    file.write_text("these are my notes\n" * 400)
    with serving(f"sqlite:///{file}") as server:
        page = open_page(server)

        expect(page.get_by_text("The store cannot be read.")).to_be_visible()
        expect(page.get_by_text(str(file)).first).to_be_visible()
        expect(page.get_by_text("Traceback")).to_have_count(0)
    assert file.read_text().startswith("these are my notes")


@pytest.mark.parametrize("width", [480, 1600])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_list_fits_every_width(
    server: Server, open_page: OpenPage, theme: str, width: int
) -> None:
    page = open_page(server, theme=theme, width=width)
    expect(page.locator(".lt tbody tr").first).to_be_visible()

    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0


def test_ticked_runs_are_exported_as_a_file(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/runs?q=panel")
    for place in (0, 1):
        page.locator(".lt tbody input").nth(place).check()
    chosen = {row.get_attribute("data-id") for row in page.locator(".lt tbody tr").all()[:2]}

    page.get_by_role("button", name="Export", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Make the file").click()
    expect(page.get_by_text(re.compile("2 runs, 24 spans"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()

    lines = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert download.value.suggested_filename == "longpole-2-runs.jsonl"
    assert {line["run_id"] for line in lines if line["type"] == "run"} == chosen


def test_the_box_in_the_header_ticks_the_page(server: Server, open_page: OpenPage) -> None:
    page = open_page(server)
    expect(page.locator(".lt tbody tr")).to_have_count(50)

    page.get_by_label("Choose all rows of this page").check()
    expect(page.get_by_text("50 chosen")).to_be_visible()
    page.locator(".lt tbody input").first.uncheck()
    expect(page.get_by_text("49 chosen")).to_be_visible()

    page.get_by_role("link", name="Chains of these").click()
    expect(page.get_by_text("49 runs · times are UTC")).to_be_visible()


def test_names_from_traces_are_shown_as_they_are(server: Server, open_page: OpenPage) -> None:
    page = open_page(server)

    row = page.locator(f'.lt tr[data-id="{HOSTILE.run_id}"]')
    expect(row.locator("a")).to_have_text(stories.CANARY)
    expect(page.locator(".lt img")).to_have_count(0)

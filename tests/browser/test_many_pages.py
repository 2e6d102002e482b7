"""The pages about many runs in a real browser: chains, comparisons, costs, failures."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from longpole.dashboard import words
from tests.browser import stories
from tests.browser.conftest import (
    FAILING,
    HOSTILE,
    PANEL,
    WIDE,
    OpenPage,
    Server,
    serving,
    wait_until,
)
from tests.browser.recording import new_store_url, record
from tests.large_store import make_large_store

pytestmark = pytest.mark.browser

LARGE_RUNS = 10_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve ten thousand runs."""
    path = tmp_path_factory.mktemp("large") / "longpole.db"
    make_large_store(path, runs=LARGE_RUNS, now_ns=time.time_ns())
    with serving(f"sqlite:///{path}") as running:
        yield running


def _row(text: str) -> str:
    return f'.lt tr:has-text("{text}")'


def _press(page: Page, name: str) -> None:
    page.get_by_test_id("stButtonGroup").get_by_text(name, exact=True).click()


def _is_quiet(page: Page) -> bool:
    return (
        page.locator('[data-test-script-state="notRunning"]').count() == 1
        and page.locator('[data-stale="true"]').count() == 0
    )


def test_a_chain_is_opened_from_the_list_and_left_again(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server, "/chains")

    row = page.locator(_row("panel")).first
    expect(row).to_contain_text("61")
    expect(row).to_contain_text("2.30 s")
    expect(row).to_contain_text("claude · 69 %")
    row.locator("a").click()
    expect(page.get_by_role("heading", name="panel")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/chains\?.*chain=panel"))
    expect(page.get_by_text("61 runs · times are UTC")).to_be_visible()
    page.get_by_role("button", name="All chains").click()

    expect(page.locator(_row("triage"))).to_be_visible()


def test_every_part_of_a_chain_tells_what_it_should(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/chains?chain=panel")
    chart = page.locator(".js-plotly-plot")

    expect(chart.get_by_text("share of executions it ended last in (%)")).to_be_visible()
    expect(chart.get_by_text("claude", exact=True)).to_be_visible()
    page.get_by_role("tab", name="Flame graph").click()
    expect(chart.get_by_text("experts", exact=True)).to_be_visible()
    _press(page, "difference")
    expect(page.get_by_text("As wide as in the slowest 5 %")).to_be_visible()
    page.get_by_role("tab", name="Over time").click()
    expect(chart.get_by_text("start of the runs, by 5 minutes (UTC)").first).to_be_visible()
    expect(page.get_by_text("No lasting change of the walls is beyond chance.")).to_be_visible()
    page.get_by_role("tab", name="Errors").click()
    expect(page.get_by_text("Nothing failed in these runs.")).to_be_visible()
    page.get_by_role("tab", name="Structures").click()
    expect(page.get_by_text("All runs are made of the same positions.")).to_be_visible()
    expect(page).to_have_url(re.compile("part=Structures"))


def test_a_column_of_the_heat_map_leads_to_its_run(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/chains?chain=panel&part=Runs")
    bars = page.locator(".js-plotly-plot .barlayer .point path")
    expect(bars).to_have_count(61)
    expect(page.get_by_text("Slowest runs")).to_be_visible()
    expect(page.locator(".lt tbody tr")).to_have_count(10)

    box = bars.nth(30).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".hoverlayer")).to_contain_text("click to see it below")
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_text("Chosen runs")).to_be_visible()
    rows = page.locator(".lt tbody tr")
    expect(rows).to_have_count(1)
    run_id = rows.first.get_attribute("data-id")
    rows.first.locator("a").click()

    expect(page).to_have_url(re.compile(f"/run\\?run={run_id}"))
    expect(page.get_by_role("heading", name="panel")).to_be_visible()


def test_two_ticked_runs_are_compared(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/runs?q=panel")
    first, second = (page.locator(".lt tbody tr").nth(at) for at in (1, 0))
    ids = [one.get_attribute("data-id") for one in (first, second)]

    first.locator("input").check()
    second.locator("input").check()
    expect(page.get_by_text("2 chosen")).to_be_visible()
    third = page.locator(".lt tbody tr").nth(2)
    third.locator("input").check()
    several = page.get_by_role("link", name="Chains of these")
    expect(several).to_have_attribute("href", re.compile(f"chains\\?q=id%3A{ids[0]}%2C{ids[1]}%2C"))
    third.locator("input").uncheck()
    page.get_by_role("link", name="Compare").last.click()

    expect(page).to_have_url(re.compile(f"/compare\\?a={ids[0]}&b={ids[1]}"))
    expect(page.get_by_text("as long as before, 2.30 s")).to_be_visible()
    expect(page.get_by_text("No span differs on the critical path.")).to_be_visible()


def test_two_runs_stand_below_each_other_and_rows_lead_into_them(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server, f"/compare?a={FAILING.run_id}&b={PANEL.run_id}")

    expect(page.get_by_text("1.05 s slower (+84 %): 1.25 s → 2.30 s")).to_be_visible()
    chart = page.locator(".js-plotly-plot")
    expect(chart.get_by_text("time since the start of each run (s)")).to_be_visible()
    expect(chart.get_by_text(PANEL.run_id[:8])).to_be_visible()
    page.get_by_role("button", name="Swap").click()
    expect(page.get_by_text("1.05 s faster (−46 %): 2.30 s → 1.25 s")).to_be_visible()
    page.locator(_row("tone")).first.locator("a").click()

    expect(page).to_have_url(re.compile(f"/run\\?run={FAILING.run_id}&span="))


def test_two_sets_are_told_apart_only_beyond_chance(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/compare?before=name:panel&after=name:triage")

    expect(page.get_by_text("not enough runs: at least 5 a side are needed")).to_be_visible()
    box = page.get_by_role("textbox", name="After")
    box.fill("name:panel wall>1s")
    box.press("Enter")
    expect(page.get_by_text("as long as before: p50 2.30 s → 2.30 s")).to_be_visible()
    expect(page).to_have_url(re.compile("after=name%3Apanel"))
    _press(page, "two runs")
    expect(page.get_by_text("Name two runs, or tick two of them")).to_be_visible()
    _press(page, "two sets of runs")
    expect(page.get_by_role("textbox", name="After")).to_be_visible()


def test_costs_are_told_apart_by_what_the_reader_chooses(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server, "/cost?q=panel")

    expect(page.locator(_row("claude-sonnet"))).to_contain_text("61")
    expect(page.locator(".js-plotly-plot").get_by_text("cost (USD)")).to_be_visible()
    _press(page, "session")
    expect(page.locator(_row("session-7"))).to_be_visible()
    expect(page).to_have_url(re.compile("cost_by=session"))
    page.get_by_role("tab", name="What would be cheaper").click()
    row = page.locator('.lt tr[data-id="a batch API for all calls"]')
    expect(row).to_contain_text("50 %")
    expect(page.get_by_text("longpole what-if last --change '*:batch-price'")).to_be_visible()


def test_a_group_of_errors_opens_its_newest_run(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/failures?chain=triage")

    row = page.locator(_row("RateLimitError")).first
    expect(row).to_contain_text("rate limit")
    expect(row).to_contain_text("tone")
    expect(row).to_contain_text("gpt-4o-mini-2024-07-18")
    page.get_by_role("tab", name="Retries and fallbacks").click()
    tries = page.locator('.lt tr[data-id$="ChatOpenAI"]')
    expect(tries).to_contain_text("tone › ChatOpenAI")
    expect(tries).to_contain_text("100 %")
    page.get_by_role("tab", name="Errors").click()
    row.locator("a").click()

    expect(page).to_have_url(re.compile(f"/run\\?run={FAILING.run_id}"))


def test_a_filter_goes_along_from_page_to_page(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/chains")
    expect(page.locator(_row("triage"))).to_be_visible()

    page.get_by_label("Filter", exact=True).fill("status:error")
    expect(page.locator(_row("panel"))).to_have_count(0)
    expect(page).to_have_url(re.compile("q=status%3Aerror"))
    page.get_by_role("link", name="Failures").click()

    expect(page).to_have_url(re.compile("/failures"))
    expect(page.get_by_text("1 run · times are UTC")).to_be_visible()
    expect(page.get_by_label("Filter", exact=True)).to_have_value("status:error")


def test_text_from_traces_becomes_no_markup_on_any_page(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server, "/chains")
    expect(page.locator(".lt a").filter(has_text=stories.CANARY)).to_be_visible()
    page.locator(".lt a").filter(has_text=stories.CANARY).click()
    heading = page.get_by_role("heading", name="bold")
    expect(heading).to_be_visible()
    assert heading.inner_text().replace(words.WORD_JOINER, "") == stories.CANARY
    _expect_no_markup(page)
    for part in ("Flame graph", "Runs", "Errors"):
        page.get_by_role("tab", name=part).click()
        expect(page.get_by_role("tab", name=part)).to_have_attribute("aria-selected", "true")
        wait_until(lambda: _is_quiet(page))
        _expect_no_markup(page)
    page.goto(f"{server.address}/failures?q=id:{HOSTILE.run_id}")
    expect(page.locator(".lt td").filter(has_text=stories.CANARY).first).to_be_visible()
    _expect_no_markup(page)
    page.goto(f"{server.address}/compare?a={HOSTILE.run_id}&b={PANEL.run_id}")
    expect(page.locator(".lt a").filter(has_text="127.0.0.1:1/a").first).to_be_visible()
    _expect_no_markup(page)
    page.goto(f"{server.address}/cost?q=id:{HOSTILE.run_id}&cost_part=Without+a+price")
    expect(page.locator(".lt tbody tr").filter(has_text=stories.CANARY).first).to_be_visible()
    _expect_no_markup(page)


def _expect_no_markup(page: Page) -> None:
    # The page watches for requests too: an image or a prefetched link would be an offence.
    expect(page.locator("img[src*='127.0.0.1:1/']")).to_have_count(0)
    expect(page.locator("a[href*='127.0.0.1:1/']")).to_have_count(0)
    expect(page.locator(".katex")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_fit_every_width(server: Server, open_page: OpenPage, theme: str) -> None:
    charts = {
        "light": ("/chains?chain=panel", f"/compare?a={PANEL.run_id}&b={WIDE.run_id}"),
        "dark": ("/cost", "/failures"),
    }
    page = open_page(server, "/chains", theme=theme)
    shown = [("/chains", ".lt tbody tr"), *((path, ".js-plotly-plot") for path in charts[theme])]
    for path, waited_for in shown:
        page.goto(server.address + path)
        expect(page.locator(waited_for).first).to_be_visible()
        for width in (400, 900, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert overflow <= 0, (path, width)


def test_an_empty_store_shows_how_to_begin_and_then_the_first_chain(
    tmp_path: Path, open_page: OpenPage
) -> None:
    store_url = new_store_url(tmp_path)
    with serving(store_url) as empty:
        page = open_page(empty, "/chains")
        expect(page.get_by_text("No runs yet")).to_be_visible()

        record(store_url, PANEL)

        expect(page.locator(_row("panel"))).to_be_visible()


def test_of_many_runs_the_newest_are_looked_at_and_it_says_so(
    large: Server, open_page: OpenPage
) -> None:
    page = open_page(large, "/failures")

    expect(page.get_by_text(f"newest 1,000 of {LARGE_RUNS:,} runs")).to_be_visible()
    expect(page.locator(_row("RateLimitError")).first).to_be_visible()
    page.goto(f"{large.address}/chains?chain=panel&part=Runs&newest=200+runs")
    expect(page.get_by_text(re.compile("newest 200 of 1,"))).to_be_visible()
    expect(page.locator(".js-plotly-plot .barlayer .point")).to_have_count(200)

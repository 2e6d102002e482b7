"""What-if, cost, graph and raw document of a run, and Settings, in a real browser."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import FAILING, PANEL, WIDE, OpenPage, Server
from tests.browser.drawing import Drawing

pytestmark = pytest.mark.browser


def _path(run_id: str, tab: str, *changes: str) -> str:
    more = "".join(f"&change={change}" for change in changes)
    return f"/run?run={run_id}&tab={tab}{more}"


def test_a_slider_answers_and_a_reload_shows_the_same(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(PANEL.run_id, "What-if"))

    slider = page.get_by_role("slider", name=re.compile("claude"))
    slider.focus()
    slider.press("ArrowRight")
    expect(page.get_by_text("if claude were 1.2× as fast")).to_be_visible()
    expect(page).to_have_url(re.compile("change=claude"))
    page.reload()

    expect(page.get_by_text("if claude were 1.2× as fast")).to_be_visible()
    command = page.get_by_test_id("stCode").filter(has_text="longpole what-if")
    expect(command).to_contain_text("--change claude:faster=1.25")
    expect(page.locator(".js-plotly-plot")).to_have_count(2)


def test_a_change_can_be_typed_and_taken_out(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(WIDE.run_id, "What-if", "map:limit=none"))
    expect(page.get_by_text("if map ran all at once")).to_be_visible()

    page.get_by_label("Changes").last.fill("summarise:faster=2")
    page.get_by_label("Changes").last.press("Enter")
    expect(page.get_by_text("summarise were 2.0× as fast")).to_be_visible()
    page.get_by_label("Clear all").click()

    expect(page.get_by_text("Move a slider")).to_be_visible()
    expect(page).not_to_have_url(re.compile("change="))


def test_a_box_of_the_graph_leads_into_the_waterfall(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(FAILING.run_id, "Graph"))
    boxes = page.locator(".lg-box")
    expect(boxes).to_have_count(3)
    expect(page.locator(".lg-box.lg-on")).to_have_count(2)

    retry = boxes.filter(has_text="(retry)")
    span_id = retry.get_attribute("data-id")
    retry.click()

    assert Drawing(page).state()["selected"] == span_id


def test_the_cost_tab_draws_branches_and_lists_models(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(PANEL.run_id, "Cost"))

    expect(page.locator(".js-plotly-plot").get_by_text("claude", exact=True)).to_be_visible()
    expect(page.locator(".lt tbody tr").filter(has_text="gpt-4o-mini")).to_contain_text("3")


def test_the_document_can_be_taken_along(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(PANEL.run_id, "Raw"))

    with page.expect_download() as taken:
        page.get_by_role("button", name="Download JSON").click()
    document = json.loads(taken.value.path().read_text(encoding="utf-8"))

    assert document["run"]["run_id"] == PANEL.run_id
    assert taken.value.suggested_filename == f"{PANEL.run_id}.json"


def test_no_page_is_wider_than_a_narrow_window(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/settings", theme="dark", width=400)
    for path, shown in (
        ("/settings", '.lt tr:has-text("soundness")'),
        (_path(PANEL.run_id, "What-if", "claude:faster=2"), ".js-plotly-plot"),
        (_path(PANEL.run_id, "Cost"), ".js-plotly-plot"),
        (_path(WIDE.run_id, "Graph"), ".lg-box"),
    ):
        page.goto(server.address + path)
        expect(page.locator(shown).first).to_be_visible()
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, path


def test_a_run_is_exported_from_its_raw_tab(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(PANEL.run_id, "Raw"))

    page.get_by_role("button", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Perfetto trace", exact=True).click()
    dialog.get_by_role("button", name="Make the file").click()

    expect(dialog.get_by_text(f"longpole-{PANEL.run_id[:8]}.perfetto.json")).to_be_visible()

"""The page of a run in a real browser."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from longpole.dashboard import words
from longpole.dashboard.palette import ERROR_COLOURS, FAMILY_COLOURS, Family
from longpole.dashboard.settle import settle
from longpole.dashboard.web.views.run import TABS
from longpole.model import Kind
from longpole.model.pricing import PriceBook
from longpole.storage import open_store
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
from tests.browser.drawing import Drawing
from tests.browser.recording import new_store_url, record, record_live

pytestmark = pytest.mark.browser

_CLAUDE = next(span for span in PANEL.spans if span.branch == "claude")
_CLAUDE_CALL = next(span for span in PANEL.children(_CLAUDE.span_id) if span.model is not None)


_SHOWN = {
    "Waterfall": ".wf",
    "Concurrency": ".js-plotly-plot",
    "What-if": ".js-plotly-plot",
    "Graph": ".lg-box",
    "Raw": ".jt-row",
}


def _path(run_id: str, **more: str) -> str:
    return "/run?" + "&".join([f"run={run_id}", *(f"{key}={value}" for key, value in more.items())])


def test_a_deep_link_opens_a_run_on_a_fresh_server(tmp_path: Path, open_page: OpenPage) -> None:
    store_url = new_store_url(tmp_path)
    record(store_url, PANEL)
    with serving(store_url) as server:
        page = open_page(server, _path(PANEL.run_id, span=_CLAUDE_CALL.span_id))

        expect(page.get_by_role("heading", name="panel")).to_be_visible()
        assert Drawing(page).state()["selected"] == _CLAUDE_CALL.span_id
        expect(page.locator('tr[data-id="Model"]')).to_contain_text("claude-sonnet-4-5-20250929")


def test_one_sentence_tells_what_the_run_waited_for(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(PANEL.run_id))

    sentence = page.get_by_test_id("stMarkdown").filter(has_text="% in claude")
    expect(sentence).to_contain_text("2.30 s")
    expect(sentence).to_contain_text("of a possible")


def test_the_waterfall_is_painted_in_the_colours_of_its_spans(
    server: Server, open_page: OpenPage
) -> None:
    drawing = Drawing(open_page(server, _path(FAILING.run_id)))

    state = drawing.state()
    assert state["rows"] == state["shown"] == len(FAILING.spans)
    assert state["names"][0] == "triage"
    assert "tone · RunnableRetry" in state["names"]
    light = FAMILY_COLOURS["light"]
    expected = {light[Family.MODEL], light[Family.TOOL], light[Family.RETRY]}
    assert expected | {ERROR_COLOURS["light"]} <= drawing.colours()


def test_the_critical_path_leads_through_the_long_pole(server: Server, open_page: OpenPage) -> None:
    state = Drawing(open_page(server, _path(PANEL.run_id))).state()

    assert _CLAUDE_CALL.span_id in state["path"]
    others = {span.span_id for span in PANEL.spans if span.branch in {"gpt", "mini"}}
    assert not others & set(state["path"])


def test_a_click_selects_and_shows_details(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(PANEL.run_id))
    drawing = Drawing(page)

    drawing.click_row(drawing.state()["names"].index("claude · RunnableSequence"))

    expect(page.locator('tr[data-id="Span id"]')).to_contain_text(_CLAUDE.span_id)
    expect(page.locator('tr[data-id="On critical path"]')).to_contain_text("%")
    expect(page).to_have_url(re.compile(f"span={_CLAUDE.span_id}"))
    assert drawing.state()["selected"] == _CLAUDE.span_id


def test_every_key_does_what_the_list_of_keys_says(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(PANEL.run_id))
    drawing = Drawing(page)
    ids = [span.span_id for span in PANEL.spans]
    whole = drawing.state()

    drawing.press("ArrowDown", "ArrowDown")
    assert drawing.state()["selected"] in ids
    assert drawing.state()["names"][1] == "experts"
    drawing.press("ArrowLeft")
    assert drawing.state()["shown"] < whole["shown"]
    drawing.press("ArrowRight")
    assert drawing.state()["shown"] == whole["shown"]
    drawing.press("End")
    drawing.press("z")
    assert drawing.state()["from"] > 0
    drawing.press("0")
    assert drawing.state()["from"] == whole["from"]
    drawing.press("+")
    assert drawing.state()["to"] < whole["to"]
    drawing.press("-")
    assert drawing.state()["to"] == whole["to"]
    drawing.press("f")
    assert drawing.state()["shown"] < whole["shown"]
    drawing.press("f")
    assert drawing.state()["shown"] == whole["shown"]
    drawing.press("c")
    assert drawing.state()["dims"]
    drawing.press("?")
    expect(page.locator(".wf-keys")).to_be_visible()
    drawing.press("Escape")
    expect(page.locator(".wf-keys")).to_be_hidden()


def test_keys_walk_along_the_path_and_from_error_to_error(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server, _path(FAILING.run_id))
    drawing = Drawing(page)
    path = drawing.state()["path"]

    drawing.press("p")
    assert drawing.state()["selected"] == path[0]
    drawing.press("e")

    calls = {span.span_id for span in FAILING.spans if span.kind is Kind.LLM}
    assert drawing.state()["selected"] in calls
    expect(page.get_by_text("RateLimitError: 429: slow down").first).to_be_visible()


def test_spans_are_found_by_what_they_are(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(PANEL.run_id))
    drawing = Drawing(page)

    drawing.press("/")
    # J and K are keys of the page, but not while somebody types.
    page.keyboard.type("chatopenai")
    expect(page.locator(".wf-found")).to_have_text("3")
    page.keyboard.press("Enter")
    first = drawing.state()["selected"]
    expect(page.locator(".wf-found")).to_have_text("1 of 3")
    page.keyboard.press("Enter")
    assert drawing.state()["selected"] != first
    page.keyboard.press("Shift+Enter")
    assert drawing.state()["selected"] == first
    assert PANEL.span_by_id[first].name == "ChatOpenAI"

    page.keyboard.press("Escape")
    expect(page.locator(".wf-found")).to_have_text("")
    expect(drawing.host).to_be_focused()


def test_a_link_leads_to_the_part_that_was_looked_at(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(PANEL.run_id))
    drawing = Drawing(page)
    drawing.press("+", "+")
    page.wait_for_url(re.compile(r"zoom="))
    seen = drawing.state()

    other = Drawing(open_page(server, page.url.removeprefix(server.address))).state()
    assert other["from"] == pytest.approx(seen["from"], abs=1_000)
    assert other["to"] == pytest.approx(seen["to"], abs=1_000)

    drawing.press("0")
    page.wait_for_url(lambda url: "zoom=" not in url)


def test_what_is_selected_is_said_aloud(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(PANEL.run_id))

    Drawing(page).press("ArrowDown")

    expect(page.locator(".wf-live")).to_have_text("panel, chain, 2.30 s, ok, on the critical path")


def test_the_wheel_zooms_at_the_mouse_and_a_drag_moves(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(PANEL.run_id))
    drawing = Drawing(page)
    box = page.locator(".wf-main").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * 0.6, box["y"] + 120

    page.mouse.move(x, y)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    wait_until(lambda: drawing.state()["from"] > 0)
    zoomed = drawing.state()
    page.mouse.down()
    page.mouse.move(x - 150, y, steps=4)
    page.mouse.up()

    assert drawing.state()["from"] > zoomed["from"]
    assert drawing.state()["to"] - drawing.state()["from"] == pytest.approx(
        zoomed["to"] - zoomed["from"]
    )


def test_content_is_shown_as_text(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(HOSTILE.run_id, span=HOSTILE.spans[1].span_id))

    expect(page.locator("code").filter(has_text=stories.CANARY).first).to_be_visible()
    expect(page.locator(".jt-row").filter(has_text="<i>42</i>")).to_be_visible()
    expect(page.locator(".jt-row i, .jt-row b, code i, code b")).to_have_count(0)
    page.get_by_test_id("stButtonGroup").get_by_text("text", exact=True).click()
    expect(page.locator("code").filter(has_text="<i>42</i>").first).to_be_visible()
    expect(page.locator("code i, code b")).to_have_count(0)


@pytest.mark.parametrize("tab", TABS)
def test_text_from_traces_never_becomes_markup(
    server: Server, open_page: OpenPage, tab: str
) -> None:
    page = open_page(server, _path(HOSTILE.run_id, tab=tab.replace(" ", "+")))

    heading = page.get_by_role("heading", name="bold")
    expect(heading).to_be_visible()
    assert heading.inner_text().replace(words.WORD_JOINER, "") == stories.CANARY
    expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
    shown = _SHOWN.get(tab, ".lt tbody tr")
    expect(page.locator(shown).first).to_be_visible()
    # The page watches for requests: an image or a prefetched link would be an offence.
    expect(page.locator("img[src*='127.0.0.1:1/']")).to_have_count(0)
    expect(page.locator("a[href*='127.0.0.1:1/']")).to_have_count(0)
    expect(page.locator(".katex")).to_have_count(0)


def test_a_row_of_the_critical_path_leads_into_the_waterfall(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server, _path(PANEL.run_id, tab="Critical+path"))

    page.locator(f'.lt tr[data-id="{_CLAUDE_CALL.span_id}"] a').click()

    drawing = Drawing(page)
    assert drawing.state()["selected"] == _CLAUDE_CALL.span_id
    expect(page.locator('tr[data-id="Span id"]')).to_contain_text(_CLAUDE_CALL.span_id)


def test_the_branches_stand_beside_their_join(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(PANEL.run_id, tab="Branches"))

    rows = page.locator(".lt tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("claude")
    expect(rows.first).to_contain_text("long pole")
    expect(page.locator(".js-plotly-plot").get_by_text("join", exact=True)).to_be_visible()


def test_the_concurrency_chart_shows_the_limit(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(WIDE.run_id, tab="Concurrency"))

    expect(page.locator(".js-plotly-plot").get_by_text("limit 4 of map")).to_be_visible()


def test_the_spans_table_says_what_the_waterfall_draws(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(PANEL.run_id, tab="Spans"))

    rows = page.locator(".lt tbody tr")
    expect(rows).to_have_count(len(PANEL.spans))
    expect(rows.nth(2)).to_contain_text("claude · RunnableSequence")


def test_a_thousand_spans_are_drawn_alike_ones_as_one_and_can_be_folded(
    server: Server, open_page: OpenPage
) -> None:
    drawing = Drawing(open_page(server, _path(WIDE.run_id)))

    assert drawing.state()["rows"] == len(WIDE.spans)
    assert drawing.state()["shown"] < 30
    drawing.press("ArrowDown", "ArrowDown", "ArrowDown", "Enter")
    assert drawing.state()["shown"] == len(WIDE.spans)
    drawing.press("g")
    assert drawing.state()["shown"] < 30
    drawing.press("g", "f")
    assert drawing.state()["shown"] == 332


def test_a_jump_to_a_span_opens_the_group_it_is_in(server: Server, open_page: OpenPage) -> None:
    inside = next(span for span in WIDE.spans if span.branch == "200")
    drawing = Drawing(open_page(server, _path(WIDE.run_id, span=inside.span_id)))

    state = drawing.state()
    assert state["selected"] == inside.span_id
    assert state["shown"] == len(WIDE.spans)


def test_an_unknown_run_is_explained_with_a_way_back(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/run?run=feedbeef")

    expect(page.get_by_text("This address does not name a run of this store.")).to_be_visible()
    expect(page.get_by_text("no run matches 'feedbeef'")).to_be_visible()
    page.get_by_text("All runs").click()
    expect(page.locator(".lt tbody tr").first).to_be_visible()


def test_newer_and_older_lead_to_the_neighbours(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, _path(PANEL.run_id))

    page.get_by_role("button", name="Newer").click()
    expect(page.get_by_role("heading", name="triage")).to_be_visible()
    page.get_by_role("button", name="Older").click()
    expect(page.get_by_role("heading", name="panel")).to_be_visible()


def test_a_running_run_grows_and_keeps_what_is_looked_at(
    tmp_path: Path, open_page: OpenPage
) -> None:
    store_url = new_store_url(tmp_path)
    run = stories.running(9, start_ns=time.time_ns() - 2_000_000_000)
    writer = record_live(store_url, run)
    with serving(store_url) as server:
        page = open_page(server, _path(run.run_id))
        drawing = Drawing(page)
        expect(page.get_by_text("so far")).to_be_visible()
        drawing.press("ArrowDown", "ArrowDown", "Enter")
        before = drawing.state()

        wait_until(lambda: drawing.state()["last"] > before["last"])
        assert drawing.state()["selected"] == before["selected"]
        grown = drawing.state()
        assert grown["to"] == grown["last"]
        record_live(store_url, stories.ended(run, end_ns=time.time_ns()))

        expect(page.get_by_text("so far")).to_have_count(0)
        writer.close()
        assert drawing.state()["selected"] == before["selected"]


def test_a_large_run_stands_as_it_was_when_the_rest_is_known(
    tmp_path: Path, open_page: OpenPage
) -> None:
    store_url = new_store_url(tmp_path)
    run = stories.wide(1, branches=6_700)
    record(store_url, run)
    store = open_store(store_url, mode="write")
    settle(store, book=PriceBook(), now_ns=time.time_ns(), limit=1)
    store.close()
    with serving(store_url) as server:
        page = open_page(server, _path(run.run_id))
        drawing = Drawing(page)
        drawing.press("ArrowDown", "ArrowDown", "ArrowLeft", "+")
        first = drawing.state()

        wait_until(lambda: drawing.state()["isWhole"])
        assert {**drawing.state(), "paints": 0, "isWhole": False} == {
            **first,
            "paints": 0,
            "isWhole": False,
        }
        drawing.press("Enter")
        drawing.click_row(0)
        expect(page.locator('tr[data-id="Slack"]')).to_be_visible()


def test_tools_that_wrap_on_a_phone_take_no_room_from_the_rows(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(server, _path(PANEL.run_id), width=400)
    expect(page.locator(".wf")).to_be_visible()

    assert page.locator(".wf-scroll").evaluate("it => it.scrollHeight <= it.clientHeight")


@pytest.mark.parametrize("width", [480, 1600])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_fits_every_width_and_theme(
    server: Server, open_page: OpenPage, theme: str, width: int
) -> None:
    page = open_page(server, _path(PANEL.run_id), theme=theme, width=width)
    state = Drawing(page).state()

    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0
    assert state["theme"] == theme

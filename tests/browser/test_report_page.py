"""The HTML report, opened as the file that it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from longpole.analysis import analyse
from longpole.dashboard.documents import show_document
from longpole.dashboard.palette import FAMILY_COLOURS, Family
from longpole.dashboard.report import html_report, theme
from longpole.model import Run
from longpole.storage.exchange.parcel import Parcel
from tests.browser import stories
from tests.browser.conftest import Watched

pytestmark = pytest.mark.browser

NOW_NS = stories.START_NS + 3_600_000 * stories.MS
OpenReport = Callable[..., Page]

_FILLS = """host => Array.from(host.querySelectorAll(".barlayer .point path"),
  bar => getComputedStyle(bar).fill)"""
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def _parcel(run: Run) -> Parcel:
    document = show_document(analyse(run, now_ns=NOW_NS))
    return Parcel(run=run, document=document, contents={}, now_ns=NOW_NS)


def _rgb(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"


@pytest.fixture
def open_report(browser: Browser, tmp_path: Path) -> Iterator[OpenReport]:
    """Open reports on runs; in the end none may have erred or asked for anything but itself."""
    watched: list[Watched] = []

    def open_(*runs: Run, is_comparison: bool = False, **context: Any) -> Page:
        path = tmp_path / "report.html"
        parcels = [_parcel(run) for run in runs]
        path.write_text(
            html_report(
                parcels,
                with_content=False,
                version="1.0",
                made_ns=NOW_NS,
                is_comparison=is_comparison,
            ),
            encoding="utf-8",
        )
        context.setdefault("viewport", {"width": 1440, "height": 900})
        page = browser.new_context(**context).new_page()
        watched.append(Watched(page, path.as_uri()))
        page.goto(path.as_uri())
        return page

    yield open_
    for one in watched:
        one.page.context.close()
    assert [offence for one in watched for offence in one.offences] == []


def _bars(page: Page) -> Any:
    host = page.locator(".waterfall").first
    expect(host.locator(".barlayer .point path").first).to_be_visible()
    return host.evaluate(_FILLS)


def test_the_waterfall_has_a_bar_for_every_span_under_the_strict_policy(
    open_report: OpenReport,
) -> None:
    run = stories.panel(1)
    page = open_report(run)

    assert len(_bars(page)) == len(run.spans)
    expect(page.locator(".waterfall")).to_contain_text("claude · RunnableSequence")
    expect(page.get_by_role("heading", name="panel")).to_be_visible()


@pytest.mark.parametrize("name", ["light", "dark"])
def test_page_and_drawings_follow_the_theme(open_report: OpenReport, name: Any) -> None:
    page = open_report(stories.panel(1), color_scheme=name)

    assert _rgb(FAMILY_COLOURS[name][Family.MODEL]) in _bars(page)
    expect(page.locator("body")).to_have_css("background-color", _rgb(theme.COLOURS[name]["page"]))
    label = page.locator(".waterfall .textpoint text").first
    expect(label).to_have_css("fill", _rgb(theme.COLOURS[name]["text"]))


def test_a_change_of_theme_is_followed_at_once(open_report: OpenReport) -> None:
    page = open_report(stories.panel(1), color_scheme="light")
    _bars(page)
    page.emulate_media(color_scheme="dark")

    label = page.locator(".waterfall .textpoint text").first
    expect(label).to_have_css("fill", _rgb(theme.COLOURS["dark"]["text"]))


@pytest.mark.parametrize("width", [400, 900, 1440])
def test_no_width_makes_the_page_scroll_sideways(open_report: OpenReport, width: int) -> None:
    runs = [stories.failing(2), stories.hostile(3), stories.wide(4, branches=30)]
    page = open_report(*runs, viewport={"width": width, "height": 900})
    for host in page.locator(".plot").all():
        host.scroll_into_view_if_needed()
        expect(host.locator(".main-svg").first).to_be_visible()

    assert page.evaluate(_OVERFLOW) == 0


@pytest.mark.parametrize("width", [400, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_comparison_fits_every_width_and_theme(
    open_report: OpenReport, width: int, scheme: str
) -> None:
    page = open_report(
        stories.failing(1),
        stories.panel(2),
        is_comparison=True,
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
    )

    expect(page.get_by_role("heading", name="Compared")).to_be_visible()
    expect(page.locator(".sentence").first).to_contain_text("slower")
    assert page.evaluate(_OVERFLOW) == 0


def test_the_drawing_fits_again_when_the_window_changes(open_report: OpenReport) -> None:
    page = open_report(stories.panel(1))
    _bars(page)
    page.set_viewport_size({"width": 400, "height": 900})

    expect(page.locator(".waterfall .textpoint text").nth(2)).to_contain_text("…")
    page.wait_for_function(f"{_OVERFLOW} === 0")


def test_pointing_at_a_bar_tells_its_times_and_cost(open_report: OpenReport) -> None:
    page = open_report(stories.panel(1))
    _bars(page)
    calls = page.locator(".waterfall .trace.bars").filter(has=page.locator("path"))
    box = calls.last.locator(".point path").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    hover = page.locator(".hoverlayer .hovertext")
    for text in ("ChatAnthropic", "on the critical path", "slack", "drag", "tokens in", "$0.012"):
        expect(hover).to_contain_text(text)


def test_names_that_are_markup_stay_text(open_report: OpenReport) -> None:
    page = open_report(stories.hostile(1))

    assert len(_bars(page)) == 3
    expect(page.get_by_role("heading", level=2)).to_contain_text("<b>bold</b>")
    expect(page.locator("main img")).to_have_count(0)


def test_the_table_of_contents_leads_to_a_run_and_its_drawing(open_report: OpenReport) -> None:
    page = open_report(
        stories.panel(1), stories.failing(2), stories.wide(4, branches=100), reduced_motion="reduce"
    )
    page.get_by_role("link", name="summarise_documents").click()

    section = page.locator("section").nth(2)
    expect(section.get_by_role("heading", level=2)).to_be_in_viewport()
    expect(section.locator(".waterfall .barlayer .point path").first).to_be_visible()


def test_on_paper_everything_is_drawn_light_and_narrow(open_report: OpenReport) -> None:
    page = open_report(stories.panel(1), stories.failing(2), color_scheme="dark")
    _bars(page)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")

    drawn = page.locator(".plot > .plot-container")
    expect(drawn).to_have_count(page.locator(".plot").count())
    label = page.locator(".waterfall .textpoint text").first
    expect(label).to_have_css("fill", _rgb(theme.COLOURS["light"]["text"]))
    assert page.pdf(format="A4")

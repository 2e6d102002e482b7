"""Every page by keyboard alone: what is there is reached, in order, and it is seen where one is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import FAILING, PANEL, WIDE, OpenPage, Server, serving, wait_until
from tests.browser.recording import new_store_url, record

pytestmark = pytest.mark.browser

_STOPS_MOST: Final = 90
_RUN: Final = f"/run?run={PANEL.run_id}"

# What has the focus, inside of components too, and how it looks with what is around it.
_LOOKS: Final = """window.looksOf = element => {
  const seen = [], first = element.cells?.[0];
  for (let at = element, up = 0; at && up < 4; up += 1) {
    const style = getComputedStyle(at);
    seen.push([style.outline, style.boxShadow, style.borderColor, style.backgroundColor,
      style.opacity, style.color, style.textDecoration]);
    at = at.parentElement ?? at.getRootNode().host;
  }
  return JSON.stringify([seen, first ? getComputedStyle(first).boxShadow : ""]);
}; window.stops = [];"""
_STOP: Final = """() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  const label = element.getAttribute("aria-label") || element.textContent || "";
  const box = element.getBoundingClientRect(), tag = element.tagName.toLowerCase();
  window.stops.push([element, window.looksOf(element)]);
  return { label: tag === "body" ? "" : label.trim().slice(0, 60), tag,
    classes: element.className.toString(), role: element.getAttribute("role"),
    type: element.type ?? "", isPage: Boolean(element.closest("header")),
    isOnScreen: tag === "body" || (box.width > 0 && box.bottom > 0 && box.top < innerHeight) };
}"""
_WERE_SEEN: Final = """() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  element.blur();
  return window.stops.map(([stop, looks]) => window.looksOf(stop) !== looks);
}"""


def _kind(stop: dict[str, Any]) -> str:
    """Return what somebody would call it."""
    if stop["tag"] == "tr":
        return "row"
    for mark, name in (
        ("ti-tile", "tile"),
        ("wf", "waterfall"),
        ("lg-box", "box"),
        ("jt-", "tree"),
    ):
        if mark in stop["classes"].split() or stop["classes"].startswith(mark + "row"):
            return name
    if stop.get("role") in ("tab", "slider", "combobox", "radio", "switch", "option"):
        return str(stop["role"])
    if stop["tag"] == "body":
        return "nothing"
    if stop["tag"] == "a":
        return "page" if stop["isPage"] else "link"
    named = {"checkbox": "box to tick", "range": "slider", "radio": "radio"}
    return named.get(stop["type"], str(stop["tag"]))


def _walk(page: Page) -> list[dict[str, Any]]:
    """Press Tab until the first stop comes again; return the stops."""
    page.evaluate(_LOOKS)
    found: list[dict[str, Any]] = []
    for _ in range(_STOPS_MOST):
        page.keyboard.press("Tab")
        stop = page.evaluate(_STOP)
        if found and stop["label"] == found[0]["label"]:
            seen = page.evaluate(_WERE_SEEN)
            return [{**stop, "isSeen": is_seen} for stop, is_seen in zip(found, seen, strict=False)]
        found.append(stop)
    raise AssertionError(f"the page does not end: {found[-1]}")


# Each with what has to be there first, and what is to be reached.
_PAGES: Final = (
    ("/", "[class*='st-key-finding_']", {"page", "input", "combobox", "tile", "row", "link"}),
    ("/runs", ".lt tr", {"page", "input", "combobox", "button", "box to tick", "row"}),
    (f"{_RUN}&span={PANEL.spans[1].span_id}", ".wf", {"page", "button", "tab", "waterfall"}),
    (f"{_RUN}&tab=What-if", "[data-testid=stSlider]", {"tab", "combobox", "slider"}),
    (f"{_RUN}&tab=Graph", ".lg-box", {"tab", "box"}),
    (f"{_RUN}&tab=Raw", ".jt-row", {"tab", "button", "tree"}),
    ("/chains?chain=panel", ".lt tr", {"page", "input", "combobox", "tab", "button"}),
    (f"/compare?a={PANEL.run_id}&b={FAILING.run_id}", ".lt tr", {"input", "link", "row"}),
    ("/failures", ".lt tr", {"page", "input", "tab", "row"}),
    ("/settings", ".lt tr", {"page", "button"}),
)


@pytest.mark.parametrize(("theme", "pages"), [("light", _PAGES), ("dark", _PAGES[1:3])])
def test_every_kind_of_control_is_reached_and_seen(
    server: Server, open_page: OpenPage, theme: str, pages: Sequence[tuple[str, str, set[str]]]
) -> None:
    page = open_page(server, "/settings", theme=theme)
    for path, comes, expected in pages:
        page.goto(server.address + path)
        expect(page.locator(comes).first).to_be_visible()
        wait_until(lambda: _is_quiet(page))
        # Looks that change slowly would not have changed yet.
        page.add_style_tag(content="*, *::before, *::after { transition: none !important; }")

        stops = _walk(page)
        kinds = [_kind(stop) for stop in stops]
        assert expected <= set(kinds), f"{path}: {' '.join(kinds)}"
        assert kinds.count("nothing") <= 1, f"{path}: {' '.join(kinds)}"
        seen = [stop for stop in stops if stop["tag"] != "body"]
        assert [stop["label"] for stop in seen if not stop["isSeen"]] == [], path
        assert all(stop["isOnScreen"] for stop in seen), path


def _is_quiet(page: Page) -> bool:
    quiet: bool = page.evaluate(
        """() => document.querySelectorAll('[data-test-script-state="notRunning"]').length === 1
        && !document.querySelector('[data-stale="true"], [data-testid^="stSkeleton"]')"""
    )
    return quiet


def test_runs_are_ticked_opened_and_exported_by_keys(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/runs?q=panel")
    rows = page.locator(".lt tbody tr")
    expect(rows.nth(2)).to_be_visible()

    rows.first.focus()
    for key in ("ArrowDown", "Space", "ArrowDown", "Shift+Space"):
        page.keyboard.press(key)
    expect(page.get_by_text("2 chosen")).to_be_visible()
    expect(rows.nth(2).locator("input")).to_be_checked()
    page.keyboard.press("Escape")
    expect(page.get_by_text("2 chosen")).to_be_hidden()
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    page.get_by_role("button", name="Export", exact=True).focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Export 1 run")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    first = rows.first.get_attribute("data-id")
    rows.first.focus()
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile(f"/run\\?.*run={first}"))


def test_the_row_one_stands_on_stays_when_a_run_arrives(
    tmp_path: Path, open_page: OpenPage
) -> None:
    store_url = new_store_url(tmp_path)
    record(store_url, FAILING)
    with serving(store_url) as server:
        page = open_page(server, "/runs")
        row = page.locator(f'.lt tr[data-id="{FAILING.run_id}"]')
        expect(row).to_be_visible()
        row.focus()

        record(store_url, WIDE)
        expect(page.locator(".lt tbody tr")).to_have_count(2)
        expect(row).to_be_focused()


def test_a_tree_is_folded_and_walked_by_keys(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, f"{_RUN}&tab=Raw")
    rows = page.locator(".jt-row")
    expect(rows.first).to_be_visible()
    folded = rows.count()

    rows.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(rows.nth(2)).to_have_attribute("aria-expanded", "true")
    assert rows.count() > folded
    page.keyboard.press("ArrowRight")
    expect(rows.nth(3)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")

    expect(rows).to_have_count(folded)

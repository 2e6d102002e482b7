"""Asks the waterfall what it shows; a canvas tells nothing by itself."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, expect

_STATE = """host => {
  const it = host.waterfall, trace = it.trace;
  return { rows: trace.rows, shown: it.layout.count, paints: it.paints,
    selected: it.selected < 0 ? null : trace.id(it.selected),
    names: Array.from(it.layout.shown.slice(0, it.layout.count)).map(row => trace.label(row)),
    path: Array.from(trace.pathRow).map(row => trace.id(row)),
    from: it.from, to: it.to, last: trace.last, isWhole: trace.isWhole,
    dims: it.dims, theme: it.theme.name(), focus: trace.focus };
}"""

_IS_PAINTED = "host => Boolean(host.waterfall && host.waterfall.paints > 0)"

_COLOURS = """host => {
  const canvas = host.querySelector(".wf-main");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  const hex = part => part.toString(16).padStart(2, "0").toUpperCase();
  for (let at = 0; at < pixels.length; at += 4) {
    seen.add("#" + hex(pixels[at]) + hex(pixels[at + 1]) + hex(pixels[at + 2]));
  }
  return Array.from(seen);
}"""


class Drawing:
    """The waterfall of a page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.host: Locator = page.locator(".wf")
        expect(self.host).to_be_visible()
        handle = self.host.element_handle()
        page.wait_for_function(_IS_PAINTED, arg=handle)

    def state(self) -> dict[str, Any]:
        """Return what is shown."""
        state: dict[str, Any] = self.host.evaluate(_STATE)
        return state

    def colours(self) -> set[str]:
        """Return every colour on the canvas, as `#RRGGBB`."""
        return set(self.host.evaluate(_COLOURS))

    def press(self, *keys: str) -> None:
        """Press keys on the drawing."""
        for key in keys:
            self.host.press(key)

    def click_row(self, place: int) -> None:
        """Click the name of the row at this place, counted from 0."""
        self._page.locator(".wf-main").click(position={"x": 120, "y": place * 22 + 11})

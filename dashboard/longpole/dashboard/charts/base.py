"""What all figures have in common: layout, colours, units of axes, and text made literal.

Plotly takes a little markup in every text, so whatever a trace named goes through `literal`.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from longpole.dashboard import words
from longpole.dashboard.palette import FAMILY_COLOURS, Theme

LABEL_CHARACTERS: Final = 44
"""A longer label is cut, or it would leave no room for what it labels."""
ROW_PX: Final = 26
"""Height of a row of horizontal bars."""

GRID: Final[Mapping[Theme, str]] = {"light": "#E6EBF0", "dark": "#253040"}
TEXT: Final[Mapping[Theme, str]] = {"light": "#0D1420", "dark": "#E6EBF2"}
SOFT: Final[Mapping[Theme, str]] = {"light": "#5F6878", "dark": "#A9B4C2"}
"""Of numbers on axes and beside bars: at least 5:1 on the page."""
FAINT: Final[Mapping[Theme, str]] = {"light": "#C9D1DA", "dark": "#3A4656"}
PAGE: Final[Mapping[Theme, str]] = {"light": "#FFFFFF", "dark": "#0F141A"}

CONFIG: Final[dict[str, Any]] = {
    "displayModeBar": False,
    "displaylogo": False,
    "showSendToCloud": False,
}
"""Plotly's own buttons stay away, above all the one that uploads."""


@dataclass(frozen=True, slots=True)
class TimeUnit:
    """The unit of an axis of lengths, so that its ticks are short numbers."""

    ns: float
    name: str


def unit_of(length_ns: float) -> TimeUnit:
    """Return the unit for lengths up to this one.

    >>> unit_of(2_300_000_000).name, unit_of(40_000_000).name, unit_of(900).name
    ('s', 'ms', 'µs')
    """
    if length_ns >= 1_000_000_000:
        return TimeUnit(1e9, "s")
    return TimeUnit(1e6, "ms") if length_ns >= 1_000_000 else TimeUnit(1e3, "µs")


def literal(text: str, most: int = LABEL_CHARACTERS) -> str:
    """Return text that Plotly shows as it is, on one line of at most so many characters.

    >>> literal("<b>fast</b>"), literal("a" * 60, 5)
    ('&lt;b&gt;fast&lt;/b&gt;', 'aaa…a')
    """
    return html.escape(words.plain(words.without_middle(text, most)), quote=False)


def moment(at_ns: int) -> datetime:
    """Return a point in time for an axis of dates; Plotly shows it as it is, which is UTC."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).replace(tzinfo=None)


def series_colours(theme: Theme, count: int) -> list[str]:
    """Return colours for series that are told apart by colour; what is left over is the last.

    The greyest one comes last, for what is put together as "others".
    """
    grey, *bright = FAMILY_COLOURS[theme]
    return [*bright[: max(0, count - 1)], grey][:count] if count > len(bright) else bright[:count]


def layout(
    theme: Theme, *, height_px: int, shows_legend: bool = False, left_px: int = 8
) -> dict[str, Any]:
    """Return the layout that all figures share."""
    axis = {
        "gridcolor": GRID[theme],
        "zerolinecolor": GRID[theme],
        "tickfont": {"size": 11, "color": SOFT[theme]},
        "title_font": {"size": 12, "color": SOFT[theme]},
    }
    return {
        "height": height_px,
        "margin": {"l": left_px, "r": 16, "t": 34, "b": 40},
        "showlegend": shows_legend,
        "legend": {
            "orientation": "h",
            "y": 1.0,
            "yanchor": "bottom",
            "x": 0,
            "font": {"size": 11},
        },
        "bargap": 0.3,
        "hoverlabel": {"font": {"size": 12}, "align": "left"},
        "font": {"size": 12, "color": SOFT[theme]},
        "xaxis": axis,
        "yaxis": axis,
        "dragmode": False,
    }


def lay_out(
    figure: Any,
    theme: Theme,
    *,
    height_px: int,
    shows_legend: bool = False,
    x: Mapping[str, object] | None = None,
    y: Mapping[str, object] | None = None,
    **more: object,
) -> None:
    """Give a figure its layout: what all share, what is said of its axes, and more.

    All at once and before shapes are added to it: changing a layout that is there takes Plotly
    longer than all the rest of a figure.
    """
    shared = layout(theme, height_px=height_px, shows_legend=shows_legend)
    axes = {"xaxis": {**shared["xaxis"], **(x or {})}, "yaxis": {**shared["yaxis"], **(y or {})}}
    figure.layout = {**shared, **axes, **more}


def rows_axis(places: list[int], labels: list[str]) -> dict[str, Any]:
    """Return the vertical axis of horizontal bars, the first one on top."""
    return {
        "tickmode": "array",
        "tickvals": places,
        "ticktext": labels,
        "showgrid": False,
        "zeroline": False,
        "automargin": True,
        "range": [-len(places) + 0.4, 0.6],
    }

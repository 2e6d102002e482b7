"""Two sets of runs → what a run waits for more or less, with intervals, and their walls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import plotly.graph_objects as go

from longpole.analysis import PlaceDelta, RunSample
from longpole.dashboard.charts.base import ROW_PX, lay_out, literal, rows_axis, unit_of
from longpole.dashboard.difference import signed_duration
from longpole.dashboard.palette import ERROR_COLOURS, FAMILY_COLOURS, Family, Theme
from longpole.dashboard.places import below_label, below_labels
from longpole.dashboard.set_difference import excludes_zero, interval_words

ROWS_MOST: Final = 14
_POINTS_MOST: Final = 400
_HEIGHT_PX: Final = 300


def place_deltas(places: Sequence[PlaceDelta], theme: Theme) -> go.Figure:
    """Draw the greatest differences; grey where they can be chance, or no interval is known."""
    shown = places[:ROWS_MOST]
    rows = [-place for place in range(len(shown))]
    ends = [
        end
        for place in shown
        for end in (
            float(place.delta_ns),
            *(() if place.between_ns is None else (place.between_ns.low, place.between_ns.high)),
        )
    ]
    unit = unit_of(max((abs(end) for end in ends), default=0))
    deltas = [float(place.delta_ns) / unit.ns for place in shown]
    highs = [_end(place, is_high=True) / unit.ns for place in shown]
    lows = [_end(place, is_high=False) / unit.ns for place in shown]
    colours = [_colour(place, theme) for place in shown]
    figure = go.Figure()
    for row, low, high, colour in zip(rows, lows, highs, colours, strict=True):
        figure.add_scatter(
            x=[low, high], y=[row, row], mode="lines", line={"width": 3, "color": colour},
            opacity=0.45, hoverinfo="skip", showlegend=False,
        )  # fmt: skip
    figure.add_scatter(
        x=deltas,
        y=rows,
        mode="markers",
        marker={"size": 9, "color": colours},
        customdata=[
            (
                literal(below_label(place.position)),
                signed_duration(round(place.delta_ns)),
                interval_words(place.between_ns) or "not known",
            )
            for place in shown
        ],
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]} a run<br>"
        "95 % between: %{customdata[2]}<extra></extra>",
        showlegend=False,
    )
    lay_out(figure, theme, height_px=len(shown) * ROW_PX + 70, margin_t=10)
    figure.add_vline(x=0, line={"width": 1, "color": FAMILY_COLOURS[theme][Family.STRUCTURE]})
    reach = max((abs(end) for end in ends), default=1.0) / unit.ns * 1.06 or 1.0
    figure.update_xaxes(
        title_text=f"a run waits for it longer afterwards ({unit.name})", range=[-reach, reach]
    )
    figure.update_yaxes(
        **rows_axis(
            rows, [literal(label) for label in below_labels([one.position for one in shown])]
        )
    )
    return figure


def _end(place: PlaceDelta, *, is_high: bool) -> float:
    if place.between_ns is None:
        return float(place.delta_ns)
    return place.between_ns.high if is_high else place.between_ns.low


def _colour(place: PlaceDelta, theme: Theme) -> str:
    if not excludes_zero(place.between_ns):
        return FAMILY_COLOURS[theme][Family.STRUCTURE]
    return ERROR_COLOURS[theme] if place.delta_ns > 0 else FAMILY_COLOURS[theme][Family.TOOL]


def wall_shares(before: Sequence[RunSample], after: Sequence[RunSample], theme: Theme) -> go.Figure:
    """Draw which share of the runs of each side took at most how long."""
    unit = unit_of(max(sample.wall_ns for sample in (*before, *after)))
    figure = go.Figure()
    for name, side, colour, dash in (
        ("before", before, FAMILY_COLOURS[theme][Family.STRUCTURE], "dash"),
        ("after", after, FAMILY_COLOURS[theme][Family.MODEL], "solid"),
    ):
        walls = _thinned(sorted(sample.wall_ns for sample in side))
        figure.add_scatter(
            x=[wall_ns / unit.ns for wall_ns, _ in walls],
            y=[share * 100 for _, share in walls],
            mode="lines",
            line={"shape": "hv", "width": 2, "color": colour, "dash": dash},
            name=name,
            hovertemplate=f"{name}: %{{y:.0f}} % took at most %{{x:.3~g}} {unit.name}"
            "<extra></extra>",
        )
    longest = max(sample.wall_ns for sample in (*before, *after)) / unit.ns
    lay_out(
        figure,
        theme,
        height_px=_HEIGHT_PX,
        shows_legend=True,
        x={"title_text": f"wall ({unit.name})", "range": [0, longest * 1.03 or 1]},
        y={"title_text": "runs that took at most so long (%)", "range": [0, 102]},
    )
    return figure


def _thinned(walls_ns: Sequence[int]) -> list[tuple[int, float]]:
    """Return walls with the share of runs up to each, the first and the last always among them."""
    count = len(walls_ns)
    step = max(1, count // _POINTS_MOST)
    places = sorted({*range(0, count, step), count - 1})
    return [(walls_ns[0], 0.0), *((walls_ns[at], (at + 1) / count) for at in places)]

"""Two runs compared → their waterfalls below each other, with the same rows on one axis of time.

Rows are the positions that both runs are matched by, so what is missing in one of them is a gap
there. Of many rows those are drawn that made the difference, with all that they are part of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import plotly.graph_objects as go

from longpole.analysis import Pair, RunAnalysis, RunComparison, Side
from longpole.dashboard import words
from longpole.dashboard.charts.base import (
    SOFT,
    TEXT,
    TimeUnit,
    layout,
    literal,
    rows_axis,
    unit_of,
)
from longpole.dashboard.difference import place_of, signed_duration
from longpole.dashboard.palette import ERROR_COLOURS, FAMILY_COLOURS, Family, Theme
from longpole.model.run import Status

ROWS_MOST: Final = 30
"""Rows of each waterfall."""
_ROW_PX: Final = 20
_LABEL_CHARACTERS: Final = 30
_GAP: Final = 0.06

Which = Literal["before", "after"]


def waterfalls(comparison: RunComparison, theme: Theme) -> go.Figure:
    """Draw both runs; what is on the critical path is blue, what failed red."""
    shown = shown_pairs(comparison)
    wall_ns = max(comparison.before.facts.wall_ns, comparison.after.facts.wall_ns)
    unit = unit_of(wall_ns)
    places = [-place for place in range(len(shown))]
    labels = [literal(place_of(comparison, pair), _LABEL_CHARACTERS) for pair in shown]
    figure = go.Figure()
    _add(figure, comparison, shown, places, unit, theme, which="before")
    _add(figure, comparison, shown, places, unit, theme, which="after")
    half = (1 - _GAP) / 2
    height_px = 2 * len(shown) * _ROW_PX + 130
    figure.update_layout(**layout(theme, height_px=height_px))
    figure.update_layout(
        barmode="overlay",
        margin={"l": 8, "r": 56, "t": 24, "b": 40},
        hovermode="closest",
        yaxis={**rows_axis(places, labels), "domain": [1 - half, 1], "fixedrange": True},
        yaxis2={
            **rows_axis(places, labels),
            "domain": [0, half],
            "anchor": "x",
            "fixedrange": True,
            "tickfont": {"size": 11, "color": SOFT[theme]},
        },
        xaxis={
            "title": {"text": f"time since the start of each run ({unit.name})"},
            "range": [0, wall_ns / unit.ns * 1.02 or 1],
            "anchor": "y2",
        },
    )
    return figure


def shown_pairs(comparison: RunComparison, most: int = ROWS_MOST) -> Sequence[Pair]:
    """Return the pairs that are drawn, parents before children."""
    pairs = comparison.pairs
    if len(pairs) <= most:
        return pairs
    ranked = sorted(
        range(len(pairs)),
        key=lambda at: (-abs(pairs[at].path_delta_ns), not pairs[at].is_worse, pairs[at].depth),
    )
    kept: set[int] = set()
    for at in ranked:
        family = _with_ancestors(pairs, at) - kept
        if len(kept) + len(family) <= most:
            kept |= family
    return [pairs[at] for at in sorted(kept)]


def _with_ancestors(pairs: Sequence[Pair], at: int) -> set[int]:
    found = {at}
    above = pairs[at].above
    while above is not None:
        found.add(above)
        above = pairs[above].above
    return found


def _add(
    figure: go.Figure,
    comparison: RunComparison,
    shown: Sequence[Pair],
    places: Sequence[int],
    unit: TimeUnit,
    theme: Theme,
    *,
    which: Which,
) -> None:
    analysis = comparison.before if which == "before" else comparison.after
    axis = "y" if which == "before" else "y2"
    there = [
        (place, pair, side)
        for place, pair in zip(places, shown, strict=True)
        if (side := pair.before if which == "before" else pair.after) is not None
    ]
    starts = [_start_ns(analysis, side) / unit.ns for _, _, side in there]
    figure.add_bar(
        orientation="h",
        y=[place for place, _, _ in there],
        base=starts,
        x=[side.wall_ns / unit.ns for _, _, side in there],
        width=0.62,
        marker={"color": [_colour(side, theme) for _, _, side in there]},
        yaxis=axis,
        customdata=[_told(comparison, pair, side, analysis) for _, pair, side in there],
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]}<extra></extra>",
        name=which,
    )
    figure.add_scatter(
        x=[
            start + side.wall_ns / unit.ns
            for start, (_, _, side) in zip(starts, there, strict=True)
        ],
        y=[place for place, _, _ in there],
        yaxis=axis,
        mode="text",
        text=[f" {words.duration(side.wall_ns)}" for _, _, side in there],
        textposition="middle right",
        textfont={"size": 10},
        cliponaxis=False,
        hoverinfo="skip",
    )
    wall = words.duration(analysis.facts.wall_ns)
    figure.add_annotation(
        text=f"<b>{which}</b>  {analysis.run.run_id[:8]} · {wall}",
        x=0, xref="paper", xanchor="left", y=1 if which == "before" else (1 - _GAP) / 2,
        yref="paper", yanchor="bottom", showarrow=False, font={"size": 12, "color": TEXT[theme]},
    )  # fmt: skip


def _start_ns(analysis: RunAnalysis, side: Side) -> int:
    return analysis.run.span_by_id[side.span_id].start_ns - analysis.run.root.start_ns


def _colour(side: Side, theme: Theme) -> str:
    if side.status is Status.ERROR:
        return ERROR_COLOURS[theme]
    return FAMILY_COLOURS[theme][Family.MODEL if side.own_path_ns else Family.STRUCTURE]


def _told(
    comparison: RunComparison, pair: Pair, side: Side, analysis: RunAnalysis
) -> tuple[str, str]:
    start_ns = _start_ns(analysis, side)
    lines = [f"{words.duration(side.wall_ns)} from +{words.duration(max(0, start_ns))}"]
    if side.own_path_ns:
        lines.append(f"itself on the critical path {words.duration(side.own_path_ns)}")
    if pair.path_delta_ns:
        lines.append(f"afterwards {signed_duration(pair.path_delta_ns)} on the path")
    return literal(place_of(comparison, pair)), "<br>".join(lines)

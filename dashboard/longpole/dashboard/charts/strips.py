"""A run as it was and as it would be → two small waterfalls below each other on one axis of time.

Rows are branches, and steps outside of any branch; of many those that count most for one of the
two runs. The dark line is the critical path: along the foot of a bar, then over to the next owner;
it is broken where the owner has no row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import plotly.graph_objects as go

from longpole.analysis.result import RunAnalysis
from longpole.dashboard import words
from longpole.dashboard.charts.base import (
    FAINT,
    SOFT,
    TEXT,
    TimeUnit,
    layout,
    literal,
    rows_axis,
    unit_of,
)
from longpole.dashboard.labels import placed_label
from longpole.dashboard.palette import ERROR_COLOURS, FAMILY_COLOURS, Family, Theme
from longpole.model.run import Role, Run, Status

ROWS_MOST: Final = 10
_ROW_PX: Final = 19
_LABEL_CHARACTERS: Final = 26
_FOOT: Final = 0.4
_BRANCHES: Final = frozenset({Role.BRANCH, Role.ITEM})


def rows_of(run: Run) -> list[str]:
    """Return the ids of topmost branches, and of spans outside of them that hold no others."""
    found: list[str] = []
    work = [run.root_span_id]
    while work:
        span_id = work.pop()
        below = run.children(span_id)
        if not below or run.span_by_id[span_id].role in _BRANCHES:
            found.append(span_id)
        else:
            work.extend(child.span_id for child in reversed(below))
    return found


def shown_rows(before: RunAnalysis, after: RunAnalysis, most: int = ROWS_MOST) -> list[str]:
    """Return the rows that are drawn, in the order of the waterfall."""
    rows = rows_of(before.run)
    if len(rows) <= most:
        return rows
    ranked = sorted(rows, key=lambda row: (-_weight(before, row) - _weight(after, row), row))
    kept = set(ranked[:most])
    return [row for row in rows if row in kept]


def _weight(analysis: RunAnalysis, span_id: str) -> float:
    facts = analysis.spans.get(span_id)
    return 0.0 if facts is None else facts.on_path_ns / max(1, analysis.facts.wall_ns)


def strips(
    before: RunAnalysis, after: RunAnalysis, theme: Theme, *, after_name: str = "after"
) -> go.Figure:
    """Draw both runs with the same rows; `after_name` is what the second one is called."""
    shown = shown_rows(before, after)
    unit = unit_of(max(before.facts.wall_ns, after.facts.wall_ns))
    figure = go.Figure()
    for analysis, axis, name in ((before, "y", "before"), (after, "y2", after_name)):
        _add(figure, analysis, shown, unit, theme, axis=axis, name=name)
    places = [-place for place in range(len(shown))]
    labels = [
        literal(placed_label(before.run, before.run.span_by_id[row]), _LABEL_CHARACTERS)
        for row in shown
    ]
    rows = {
        **rows_axis(places, labels),
        "fixedrange": True,
        "tickfont": {"size": 11, "color": SOFT[theme]},
    }
    figure.update_layout(**layout(theme, height_px=2 * len(shown) * _ROW_PX + 118))
    figure.update_layout(
        barmode="overlay",
        margin={"l": 8, "r": 60, "t": 26, "b": 38},
        hovermode="closest",
        yaxis={**rows, "domain": [0.545, 1]},
        yaxis2={**rows, "domain": [0, 0.455], "anchor": "x"},
        xaxis={
            "title": {"text": f"time since the start ({unit.name})"},
            "range": [0, max(before.facts.wall_ns, after.facts.wall_ns, 1) / unit.ns * 1.02],
            "anchor": "y2",
            "fixedrange": True,
        },
    )
    return figure


def _add(
    figure: go.Figure,
    analysis: RunAnalysis,
    shown: Sequence[str],
    unit: TimeUnit,
    theme: Theme,
    *,
    axis: str,
    name: str,
) -> None:
    run = analysis.run
    there = [(-at, row) for at, row in enumerate(shown) if row in run.span_by_id]
    spans = [run.span_by_id[row] for _, row in there]
    ends = [analysis.ended_ns(span) for span in spans]
    lengths = [end - span.start_ns for span, end in zip(spans, ends, strict=True)]
    starts = [(span.start_ns - run.root.start_ns) / unit.ns for span in spans]
    figure.add_bar(
        orientation="h",
        y=[place for place, _ in there],
        base=starts,
        x=[length / unit.ns for length in lengths],
        width=0.56,
        yaxis=axis,
        marker={"color": [_colour(analysis, row, theme) for _, row in there]},
        customdata=[
            (literal(placed_label(run, span)), words.duration(length))
            for span, length in zip(spans, lengths, strict=True)
        ],
        hovertemplate=f"<b>%{{customdata[0]}}</b><br>%{{customdata[1]}} {name}<extra></extra>",
    )
    figure.add_scatter(
        x=[start + length / unit.ns for start, length in zip(starts, lengths, strict=True)],
        y=[place for place, _ in there],
        yaxis=axis,
        mode="text",
        text=[f" {words.duration(length)}" for length in lengths],
        textposition="middle right",
        textfont={"size": 10},
        cliponaxis=False,
        hoverinfo="skip",
    )
    _add_path(figure, analysis, {row: place for place, row in there}, unit, theme, axis)
    _add_end(figure, analysis, unit, theme, axis=axis, name=name)


def _add_path(
    figure: go.Figure,
    analysis: RunAnalysis,
    places: Mapping[str, int],
    unit: TimeUnit,
    theme: Theme,
    axis: str,
) -> None:
    x: list[float | None] = []
    y: list[float | None] = []
    place_of = _row_places(analysis.run, places)
    start_ns = analysis.run.root.start_ns
    for segment in analysis.critical_path:
        place = place_of[segment.span_id]
        if place is None:
            x.append(None)
            y.append(None)
            continue
        x += [(segment.start_ns - start_ns) / unit.ns, (segment.end_ns - start_ns) / unit.ns]
        y += [place - _FOOT, place - _FOOT]
    figure.add_scatter(
        x=x, y=y, yaxis=axis, mode="lines", hoverinfo="skip",
        line={"color": TEXT[theme], "width": 2},
    )  # fmt: skip


def _row_places(run: Run, places: Mapping[str, int]) -> Mapping[str, int | None]:
    """Return the row that each span is drawn in: its own, or that of what it is a part of."""
    found: dict[str, int | None] = {}
    work = [(run.root_span_id, places.get(run.root_span_id))]
    while work:
        span_id, place = work.pop()
        found[span_id] = place
        work.extend(
            (child.span_id, places.get(child.span_id, place)) for child in run.children(span_id)
        )
    return found


def _add_end(
    figure: go.Figure,
    analysis: RunAnalysis,
    unit: TimeUnit,
    theme: Theme,
    *,
    axis: str,
    name: str,
) -> None:
    wall_ns = analysis.facts.wall_ns
    figure.add_shape(
        type="line", x0=wall_ns / unit.ns, x1=wall_ns / unit.ns, y0=0, y1=1,
        yref=f"{axis} domain", xref="x", line={"color": FAINT[theme], "width": 1.5},
    )  # fmt: skip
    figure.add_annotation(
        text=f"<b>{name}</b>  {words.duration(wall_ns)}",
        x=0, xref="paper", xanchor="left", y=1, yref=f"{axis} domain", yanchor="bottom",
        showarrow=False, font={"size": 12, "color": TEXT[theme]},
    )  # fmt: skip


def _colour(analysis: RunAnalysis, span_id: str, theme: Theme) -> str:
    if analysis.run.span_by_id[span_id].status is Status.ERROR:
        return ERROR_COLOURS[theme]
    is_on_path = analysis.spans[span_id].on_path_ns > 0
    return FAMILY_COLOURS[theme][Family.MODEL if is_on_path else Family.STRUCTURE]

"""How runs changed from hour to hour or day to day: walls, costs, failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import plotly.graph_objects as go

from longpole.analysis import Bucket, ChangePoint
from longpole.analysis.trends import DAY_NS, HOUR_NS
from longpole.dashboard import words
from longpole.dashboard.charts.base import lay_out, literal, moment, series_colours, unit_of
from longpole.dashboard.palette import ERROR_COLOURS, FAMILY_COLOURS, Family, Theme

HEIGHT_PX: Final = 300
_SMALL_PX: Final = 220
_CHANGES_NAMED: Final = 6
_TICKS_MOST: Final = 7
_MINUTE_NS: Final = 60 * 10**9
_TICKS_NS: Final = (
    *(seconds * 10**9 for seconds in (5, 10, 15, 30)),
    *(minutes * _MINUTE_NS for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * HOUR_NS for hours in (1, 2, 3, 6, 12)),
    *(days * DAY_NS for days in (1, 2, 7, 14)),
)


def walls(trend: Sequence[Bucket], changes: Sequence[ChangePoint], theme: Theme) -> go.Figure:
    """Draw the median and the 95th percentile of the walls; lines stand where they changed."""
    unit = unit_of(max((bucket.p95_wall_ns for bucket in trend), default=0))
    at = [moment(bucket.start_ns) for bucket in trend]
    figure = go.Figure()
    for name, lengths, colour, dash in (
        ("p95", [b.p95_wall_ns for b in trend], FAMILY_COLOURS[theme][Family.CACHE], "dot"),
        ("p50", [b.p50_wall_ns for b in trend], FAMILY_COLOURS[theme][Family.MODEL], "solid"),
    ):
        figure.add_scatter(
            x=at,
            y=[length_ns / unit.ns for length_ns in lengths],
            mode="lines+markers",
            line={"width": 1.8, "color": colour, "dash": dash},
            marker={"size": 5},
            name=name,
            customdata=[
                (words.duration(length_ns), f"{bucket.runs:,}")
                for length_ns, bucket in zip(lengths, trend, strict=True)
            ],
            hovertemplate=f"{name} %{{customdata[0]}} of %{{customdata[1]}} runs<br>"
            "from %{x|%Y-%m-%d %H:%M:%S} UTC<extra></extra>",
        )
    lay_out(
        figure,
        theme,
        height_px=HEIGHT_PX,
        shows_legend=True,
        x=_dates(trend),
        y={"title_text": f"wall ({unit.name})", "rangemode": "tozero"},
    )
    for number, change in enumerate(changes):
        _add_change(figure, change, theme, is_named=number < _CHANGES_NAMED)
    return figure


def _add_change(figure: go.Figure, change: ChangePoint, theme: Theme, *, is_named: bool) -> None:
    is_slower = change.ratio > 1
    colour = ERROR_COLOURS[theme] if is_slower else FAMILY_COLOURS[theme][Family.TOOL]
    told = words.signed_share(change.ratio - 1)
    # An annotated line of a date axis needs a number; shapes and annotations take dates apart.
    at = moment(change.at_ns)
    figure.add_shape(
        type="line", x0=at, x1=at, y0=0, y1=1, yref="paper",
        line={"width": 1.5, "dash": "dash", "color": colour},
    )  # fmt: skip
    if is_named:
        figure.add_annotation(
            x=at, y=1, yref="paper", text=told, showarrow=False, xanchor="left", yanchor="top",
            font={"size": 11, "color": colour}, xshift=3,
        )  # fmt: skip


def failed(trend: Sequence[Bucket], theme: Theme) -> go.Figure:
    """Draw which share of the runs failed."""
    figure = go.Figure(
        go.Bar(
            x=_middles(trend),
            y=[float(bucket.error_rate) * 100 for bucket in trend],
            width=[bucket.length_ns / 1e6 * 0.85 for bucket in trend],
            marker={"color": ERROR_COLOURS[theme]},
            customdata=[
                (f"{bucket.errors:,}", f"{bucket.runs:,}", _start(bucket)) for bucket in trend
            ],
            hovertemplate="%{customdata[0]} of %{customdata[1]} runs failed<br>"
            "from %{customdata[2]} UTC<extra></extra>",
        )
    )
    lay_out(
        figure,
        theme,
        height_px=_SMALL_PX,
        margin_t=12,
        x=_dates(trend),
        y={"title_text": "runs that failed (%)", "rangemode": "tozero", "minallowed": 0},
    )
    return figure


def costs(trend: Sequence[Bucket], theme: Theme) -> go.Figure:
    """Draw what a run cost in the mean."""
    known = [
        (bucket, bucket.cost_usd / bucket.runs) for bucket in trend if bucket.cost_usd is not None
    ]
    figure = go.Figure(
        go.Scatter(
            x=[moment(bucket.start_ns) for bucket, _ in known],
            y=[float(cost_usd) for _, cost_usd in known],
            mode="lines+markers",
            line={"width": 1.8, "color": FAMILY_COLOURS[theme][Family.TOOL]},
            marker={"size": 5},
            customdata=[
                (words.cost(cost_usd, bucket.unpriced_calls), f"{bucket.runs:,}")
                for bucket, cost_usd in known
            ],
            hovertemplate="%{customdata[0]} a run, %{customdata[1]} runs<br>"
            "from %{x|%Y-%m-%d %H:%M:%S} UTC<extra></extra>",
        )
    )
    lay_out(
        figure,
        theme,
        height_px=_SMALL_PX,
        margin_t=12,
        x=_dates(trend),
        y={"title_text": "cost a run (USD)", "rangemode": "tozero", "tickprefix": "$"},
    )
    return figure


def stacked(
    trend: Sequence[Bucket],
    series: Mapping[str, Sequence[float]],
    theme: Theme,
    *,
    title: str,
    prefix: str = "",
    told: Mapping[str, Sequence[str]],
) -> go.Figure:
    """Draw one bar a bucket, made of parts.

    Args:
        trend: the buckets.
        series: by name, one value a bucket each; the first one lies at the bottom.
        theme: colours.
        title: of the vertical axis, with its unit.
        prefix: before its numbers.
        told: the same values as they are read.
    """
    figure = go.Figure()
    for colour, (name, values) in zip(
        series_colours(theme, len(series)), series.items(), strict=True
    ):
        figure.add_bar(
            x=_middles(trend),
            y=list(values),
            width=[bucket.length_ns / 1e6 * 0.85 for bucket in trend],
            name=literal(name, 30),
            marker={"color": colour},
            customdata=[
                (text, _start(bucket)) for text, bucket in zip(told[name], trend, strict=True)
            ],
            hovertemplate=f"<b>{literal(name)}</b><br>%{{customdata[0]}}<br>"
            "from %{customdata[1]} UTC<extra></extra>",
        )
    lay_out(
        figure,
        theme,
        height_px=HEIGHT_PX,
        shows_legend=True,
        x=_dates(trend),
        y={"title_text": title, "rangemode": "tozero", "tickprefix": prefix},
        barmode="stack",
        legend_traceorder="normal",
    )
    return figure


def _middles(trend: Sequence[Bucket]) -> list[object]:
    return [moment(bucket.start_ns + bucket.length_ns // 2) for bucket in trend]


def _start(bucket: Bucket) -> str:
    return moment(bucket.start_ns).strftime("%Y-%m-%d %H:%M:%S")


def _step(length_ns: int) -> str:
    """Return what one bucket is: an hour, a day, 15 minutes."""
    for unit_ns, name in (
        (DAY_NS, "day"), (HOUR_NS, "hour"), (60 * 10**9, "minute"), (10**9, "second"),
    ):  # fmt: skip
        if length_ns >= unit_ns:
            count = length_ns // unit_ns
            return name if count == 1 else f"{count} {name}s"
    return "moment"


def _dates(trend: Sequence[Bucket]) -> dict[str, object]:
    """Return an axis of dates that says what a point or bar stands for, and in which zone."""
    if not trend:
        return {"title_text": "start of the runs (UTC)"}
    step = _step(trend[0].length_ns)
    first, last = trend[0], trend[-1]
    room_ns = first.length_ns // 2
    return {
        "title_text": f"start of the runs, by {step} (UTC)",
        "type": "date",
        "range": [
            moment(first.start_ns - room_ns),
            moment(last.start_ns + last.length_ns + room_ns),
        ],
        "tickangle": 0,
        **_ticks(first.start_ns, last.start_ns + last.length_ns - first.start_ns),
    }


def _ticks(start_ns: int, length_ns: int) -> dict[str, object]:
    """Return where ticks stand: on full minutes, hours or days, not between them as bars do."""
    step_ns = next((one for one in _TICKS_NS if length_ns <= one * _TICKS_MOST), None)
    if step_ns is None:
        return {"nticks": _TICKS_MOST}
    return {"tick0": moment(start_ns // step_ns * step_ns), "dtick": step_ns / 1e6}

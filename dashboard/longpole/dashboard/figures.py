"""Analysis in, Plotly figures out. Knows nothing of Streamlit; reads no clock.

Plotly takes a little markup in every text, so whatever a trace named goes through `literal`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import plotly.graph_objects as go

from longpole.analysis.result import Branch, FanOut, RunAnalysis
from longpole.dashboard import words
from longpole.dashboard.charts.base import CONFIG, FAINT, TEXT, TimeUnit, layout, literal, unit_of
from longpole.dashboard.labels import branch_label, placed_label
from longpole.dashboard.palette import ERROR_COLOURS, FAMILY_COLOURS, Family, Theme
from longpole.model import Status

MAX_BARS = 40
"""Branches in one picture; beyond it only the last to end are drawn, the table has them all."""
_MAX_STEPS = 2_000
_ROW_PX = 22
_TOLD_PX = 96
"""Room for a length and its share behind the longest bar."""

__all__ = ["CONFIG", "MAX_BARS", "branches", "concurrency", "path_owners", "path_shares"]


def concurrency(analysis: RunAnalysis, theme: Theme) -> go.Figure:
    """Draw how many spans were at work over time, with each concurrency limit as a line."""
    unit = unit_of(analysis.facts.wall_ns)
    start_ns = analysis.run.root.start_ns
    steps = _thinned([(step.at_ns - start_ns, step.running) for step in analysis.concurrency])
    figure = go.Figure(
        go.Scatter(
            x=[at_ns / unit.ns for at_ns, _ in steps],
            y=[running for _, running in steps],
            mode="lines",
            line={"shape": "hv", "width": 1.5, "color": FAMILY_COLOURS[theme][Family.MODEL]},
            fill="tozeroy",
            name="running at once",
            hovertemplate=f"%{{y}} running at %{{x:.3~f}} {unit.name}<extra></extra>",
        )
    )
    for limit, names in _limits(analysis).items():
        figure.add_hline(
            y=limit,
            line={"dash": "dash", "width": 1.5, "color": FAMILY_COLOURS[theme][Family.FALLBACK]},
            annotation={"text": f"limit {limit} of {names}", "font": {"size": 11}},
            annotation_position="top right",
        )
    figure.update_layout(**layout(theme, height_px=340))
    figure.update_xaxes(title_text=f"time since start ({unit.name})", rangemode="tozero")
    figure.update_yaxes(title_text="spans at work", rangemode="tozero", dtick=_count_tick(analysis))
    return figure


def _count_tick(analysis: RunAnalysis) -> int | None:
    return 1 if analysis.facts.peak_concurrency <= 8 else None


def _limits(analysis: RunAnalysis) -> dict[int, str]:
    names: dict[int, list[str]] = {}
    for fan_out in analysis.fan_outs:
        if fan_out.limit is not None:
            name = literal(words.short_name(analysis.run.span_by_id[fan_out.span_id].name))
            known = names.setdefault(fan_out.limit, [])
            if name not in known:
                known.append(name)
    return {
        limit: ", ".join(known[:3]) + (", …" if len(known) > 3 else "")
        for limit, known in names.items()
    }


def _thinned(steps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Keep the peak of each of many equal stretches of time, so that no peak is lost."""
    if len(steps) <= _MAX_STEPS:
        return list(steps)
    first, last = steps[0][0], steps[-1][0]
    width = max(1, (last - first) // (_MAX_STEPS // 2))
    kept: dict[int, tuple[int, int]] = {}
    for at_ns, running in steps:
        stretch = (at_ns - first) // width
        if stretch not in kept or running > kept[stretch][1]:
            kept[stretch] = (first + stretch * width, running)
    return [*kept.values(), steps[-1]]


def shown_branches(fan_out: FanOut) -> tuple[Branch, ...]:
    """Return the branches that a picture shows, by start; of too many, the last to end."""
    if len(fan_out.branches) <= MAX_BARS:
        return fan_out.branches
    latest = sorted(fan_out.branches, key=lambda branch: branch.end_ns)[-MAX_BARS:]
    return tuple(sorted(latest, key=lambda branch: branch.start_ns))


def branches(analysis: RunAnalysis, fan_out: FanOut, theme: Theme) -> go.Figure:
    """Draw the branches of a fan-out against the moment of its join, with wait and slack."""
    shown = shown_branches(fan_out)
    start_ns = analysis.run.root.start_ns
    unit = unit_of(fan_out.joined_ns - start_ns)
    places = [-place for place in range(len(shown))]
    figure = go.Figure()
    figure.add_bar(
        **_bars(places, unit, [(_ready_ns(b) - start_ns, b.queue_wait_ns or 0) for b in shown]),
        name="queue wait",
        marker={"color": "rgba(0,0,0,0)", "line": {"color": TEXT[theme], "width": 1}},
        width=0.3,
        opacity=0.55,
        hovertemplate="waited %{customdata[0]}<extra></extra>",
    )
    figure.add_bar(
        **_bars(places, unit, [(b.start_ns - start_ns, b.end_ns - b.start_ns) for b in shown]),
        name="branch",
        showlegend=False,
        marker={"color": [_branch_colour(branch, fan_out, theme) for branch in shown]},
        width=0.62,
        hovertemplate="<b>%{customdata[1]}</b><br>ran %{customdata[0]}<extra></extra>",
    )
    figure.add_bar(
        **_bars(
            places,
            unit,
            [(b.end_ns - start_ns, max(0, fan_out.joined_ns - b.end_ns)) for b in shown],
        ),
        name="idle until the join",
        marker={"color": FAINT[theme], "cornerradius": 0},
        width=0.12,
        hovertemplate="idle for %{customdata[0]} before the join<extra></extra>",
    )
    labels = [literal(branch_label(analysis.run.span_by_id[branch.span_id])) for branch in shown]
    for trace in figure.data:
        trace.customdata = [
            (length, label) for length, label in zip(trace.customdata, labels, strict=True)
        ]
    joined = (fan_out.joined_ns - start_ns) / unit.ns
    figure.add_scatter(
        x=[joined] * len(shown),
        y=places,
        mode="text",
        text=[f"  {_branch_text(branch)}" for branch in shown],
        textposition="middle right",
        textfont={"size": 11},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_vline(
        x=joined,
        line={"width": 1.5, "color": TEXT[theme]},
        annotation={"text": "join", "font": {"size": 11}},
        annotation_position="top",
    )
    figure.update_layout(
        **layout(theme, height_px=len(shown) * _ROW_PX + 96, shows_legend=True),
        barmode="overlay",
        margin_r=72,
    )
    figure.update_xaxes(
        title_text=f"time since the run's start ({unit.name})",
        range=[min(map(_ready_ns, shown), default=start_ns) / unit.ns - start_ns / unit.ns, joined],
    )
    figure.update_yaxes(
        tickmode="array", tickvals=places, ticktext=labels, showgrid=False, zeroline=False,
        range=[-len(shown) + 0.4, 0.6], automargin=True,
    )  # fmt: skip
    return figure


def _ready_ns(branch: Branch) -> int:
    return branch.start_ns - (branch.queue_wait_ns or 0)


def _bars(
    places: Sequence[int], unit: TimeUnit, stretches: Iterable[tuple[int, int]]
) -> dict[str, object]:
    listed = list(stretches)
    return {
        "orientation": "h",
        "y": list(places),
        "base": [start_ns / unit.ns for start_ns, _ in listed],
        "x": [length_ns / unit.ns for _, length_ns in listed],
        "customdata": [words.duration(length_ns) for _, length_ns in listed],
    }


def _branch_colour(branch: Branch, fan_out: FanOut, theme: Theme) -> str:
    if branch.status is Status.ERROR:
        return ERROR_COLOURS[theme]
    if branch.span_id == fan_out.long_pole:
        return FAMILY_COLOURS[theme][Family.MODEL]
    return FAMILY_COLOURS[theme][Family.STRUCTURE]


def _branch_text(branch: Branch) -> str:
    mark = "✕ " if branch.status is Status.ERROR else ""
    return mark + words.duration(branch.end_ns - branch.start_ns)


def path_shares(analysis: RunAnalysis, theme: Theme, *, limit: int = 12) -> go.Figure:
    """Draw the time on the critical path and the drag of the spans that own most of it."""
    owners = path_owners(analysis)[:limit]
    unit = unit_of(max([own_ns for _, own_ns in owners], default=0))
    places = [-place for place in range(len(owners))]
    # The drag of a span with others below it is mostly theirs; it would be counted twice.
    drags = [
        0 if analysis.run.children(span_id) else analysis.spans[span_id].drag_ns
        for span_id, _ in owners
    ]
    wall_ns = max(1, analysis.facts.wall_ns)
    figure = go.Figure()
    figure.add_bar(
        orientation="h",
        y=places,
        x=[own_ns / unit.ns for _, own_ns in owners],
        name="on the critical path",
        marker={"color": FAMILY_COLOURS[theme][Family.CACHE]},
        width=0.66,
        text=[f"{words.duration(own)} · {words.share(own / wall_ns)}" for _, own in owners],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    figure.add_bar(
        orientation="h",
        y=places,
        x=[drag_ns / unit.ns for drag_ns in drags],
        name="drag: what the run would gain",
        marker={"color": FAMILY_COLOURS[theme][Family.MODEL]},
        width=0.34,
        customdata=[words.duration(drag_ns) for drag_ns in drags],
        hovertemplate="instant, it would save %{customdata}<extra></extra>",
    )
    figure.update_layout(
        **layout(theme, height_px=len(owners) * 28 + 96, shows_legend=True), barmode="overlay"
    )
    figure.update_layout(margin_r=_TOLD_PX)
    most = max([own_ns for _, own_ns in owners], default=1) / unit.ns
    figure.update_xaxes(title_text=f"time ({unit.name})", range=[0, most])
    figure.update_yaxes(
        tickmode="array",
        tickvals=places,
        ticktext=[
            literal(placed_label(analysis.run, analysis.run.span_by_id[i])) for i, _ in owners
        ],
        showgrid=False,
        zeroline=False,
        automargin=True,
        range=[-len(owners) + 0.4, 0.6],
    )
    return figure


def path_owners(analysis: RunAnalysis) -> list[tuple[str, int]]:
    """Return (span id, time of its own segments), the largest first."""
    owned: dict[str, int] = {}
    for segment in analysis.critical_path:
        owned[segment.span_id] = owned.get(segment.span_id, 0) + segment.length_ns
    return sorted(owned.items(), key=lambda owner: -owner[1])

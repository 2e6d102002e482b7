"""An analysis → Plotly figures of a report, in light colours, as plain JSON values.

The waterfall is go.Bar rows over a second x axis that carries the names, so that names line up at
the left, keep their indentation and are cut where the bars begin. Whatever else a trace named is
made literal here: Plotly takes a little markup in every text.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import plotly.graph_objects as go

from longpole.analysis.result import RunAnalysis, SegmentKind
from longpole.dashboard import figures, words
from longpole.dashboard.palette import (
    ERROR_COLOURS,
    FAMILY_COLOURS,
    FAMILY_NAMES,
    Family,
    family,
)
from longpole.dashboard.report.rows import Row, row_of_each
from longpole.dashboard.report.theme import COLOURS
from longpole.model import Kind, Span, Status

ROW_PX: Final = 20
_INDENT_PX: Final = 11
_AXIS_PX: Final = 26
_NAME_CHARACTERS: Final = 60
_PATH_STEPS: Final = 400
_THIN: Final = frozenset({Kind.CHAIN, Kind.NODE, Kind.PROMPT, Kind.PARSER, Kind.OTHER})
_LIGHT: Final = COLOURS["light"]
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_MESSAGE_CHARACTERS: Final = 120

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Unit:
    ns: float
    name: str


def _unit(length_ns: int) -> _Unit:
    if length_ns >= 1_000_000_000:
        return _Unit(1e9, "s")
    return _Unit(1e6, "ms") if length_ns >= 1_000_000 else _Unit(1e3, "µs")


def _literal(text: str) -> str:
    return html.escape(words.plain(text), quote=False)


def concurrency(analysis: RunAnalysis) -> Json:
    """Return the profile of work over time, as the dashboard draws it."""
    figure = figures.concurrency(analysis, "light")
    figure.update_layout(height=260, **_base())
    figure.update_xaxes(**_axis(), fixedrange=True)
    figure.update_yaxes(**_axis(), fixedrange=True)
    return _json(figure)


def waterfall(analysis: RunAnalysis, rows: Sequence[Row]) -> Json:
    """Return the bars of these rows with names, waits, marks and the critical path."""
    scale = _Scale(analysis)
    figure = go.Figure()
    _add_names(figure, rows)
    _add_waits(figure, analysis, rows, scale)
    for kind in Family:
        for is_thin in (True, False):
            _add_bars(figure, analysis, rows, scale, kind, is_thin=is_thin)
    _add_path(figure, analysis, rows, scale)
    _add_marks(figure, rows, scale)
    figure.update_layout(**_waterfall_layout(rows, scale))
    # How much of a name has room only the page knows.
    return {**_json(figure), "names": [_name(row.span) for row in rows]}


def _waterfall_layout(rows: Sequence[Row], scale: _Scale) -> Json:
    return {
        **_base(),
        "height": len(rows) * ROW_PX + _AXIS_PX + 4,
        "margin": {"l": 0, "r": 12, "t": _AXIS_PX, "b": 4, "pad": 0},
        "barmode": "overlay",
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": "zoom",
        "xaxis": {
            **_axis(),
            "side": "top",
            "ticksuffix": f" {scale.unit.name}",
            "zeroline": False,
            "nticks": 8,
            "range": scale.range_of(rows),
            "tickangle": 0,
        },
        "xaxis2": {"visible": False, "fixedrange": True, "range": [0, 300]},
        "yaxis": {"visible": False, "fixedrange": True, "range": [len(rows) - 0.5, -0.5]},
    }


class _Scale:
    """Moments and lengths of a run in the unit of the time axis."""

    def __init__(self, analysis: RunAnalysis) -> None:
        self.unit = _unit(analysis.facts.wall_ns)
        self._start_ns = analysis.run.root.start_ns
        self._end_ns = analysis.facts.end_ns

    def at(self, moment_ns: int) -> float:
        return (moment_ns - self._start_ns) / self.unit.ns

    def length(self, length_ns: int) -> float:
        return length_ns / self.unit.ns

    def range_of(self, rows: Sequence[Row]) -> tuple[float, float]:
        """Return the ends of the axis: all bars, and room for a mark after the last one."""
        first = min([0.0, *(self.at(row.span.start_ns) for row in rows)])
        last = max(self.at(self.end_ns(row.span)) for row in rows)
        room = max(last - first, self.length(1_000)) * 0.04
        return first, last + room

    def end_ns(self, span: Span) -> int:
        return max(span.start_ns, self._end_ns) if span.end_ns is None else span.end_ns


def _add_names(figure: go.Figure, rows: Sequence[Row]) -> None:
    figure.add_scatter(
        x=[_indent_px(row.depth) for row in rows],
        y=list(range(len(rows))),
        xaxis="x2",
        mode="text",
        textposition="middle right",
        textfont={"size": 12, "color": _LIGHT["text"]},
        hoverinfo="skip",
        name="names",
    )


def _indent_px(depth: int) -> int:
    # Beyond a few levels the indentation would push the names out of sight.
    return _INDENT_PX * min(depth, 8)


def _name(span: Span) -> str:
    label = words.short_name(words.span_label(span))
    return words.plain(words.without_middle(label, _NAME_CHARACTERS))


def _add_waits(
    figure: go.Figure, analysis: RunAnalysis, rows: Sequence[Row], scale: _Scale
) -> None:
    waits = [
        (place, row.span, analysis.spans[row.span.span_id].queue_wait_ns or 0)
        for place, row in enumerate(rows)
    ]
    waits = [wait for wait in waits if wait[2] > 0]
    figure.add_bar(
        orientation="h",
        y=[place for place, _, _ in waits],
        base=[scale.at(span.start_ns - wait_ns) for _, span, wait_ns in waits],
        x=[scale.length(wait_ns) for _, _, wait_ns in waits],
        width=0.26,
        marker={"color": "rgba(0,0,0,0)", "line": {"color": _LIGHT["wait"], "width": 1}},
        customdata=[words.duration(wait_ns) for _, _, wait_ns in waits],
        hovertemplate="waited %{customdata}<extra></extra>",
        name="queue wait",
    )


def _add_bars(
    figure: go.Figure,
    analysis: RunAnalysis,
    rows: Sequence[Row],
    scale: _Scale,
    kind: Family,
    *,
    is_thin: bool,
) -> None:
    chosen = [
        (place, row.span)
        for place, row in enumerate(rows)
        if family(row.span) is kind and (row.span.kind in _THIN) is is_thin
    ]
    if not chosen:
        return
    figure.add_bar(
        orientation="h",
        y=[place for place, _ in chosen],
        base=[scale.at(span.start_ns) for _, span in chosen],
        x=[scale.length(scale.end_ns(span) - span.start_ns) for _, span in chosen],
        width=0.34 if is_thin else 0.64,
        marker={
            "color": FAMILY_COLOURS["light"][kind],
            "line": {"width": 0},
            "pattern": {"shape": ["" if span.end_ns is not None else "/" for _, span in chosen]},
        },
        customdata=[_hover(analysis, span, scale) for _, span in chosen],
        hovertemplate="%{customdata}<extra></extra>",
        name=FAMILY_NAMES[kind],
    )


def _hover(analysis: RunAnalysis, span: Span, scale: _Scale) -> str:
    facts = analysis.spans[span.span_id]
    start_ns = span.start_ns - analysis.run.root.start_ns
    length_ns = scale.end_ns(span) - span.start_ns
    lines = [
        f"<b>{_literal(_name(span))}</b>",
        f"{words.duration(length_ns)} from +{words.duration(start_ns)}"
        + ("" if span.end_ns is not None else ", end not recorded"),
    ]
    slack = "any" if facts.slack_ns is None else words.duration(facts.slack_ns)
    if facts.on_path_ns:
        share = words.share(facts.on_path_ns / max(1, analysis.facts.wall_ns))
        lines.append(f"on the critical path {words.duration(facts.on_path_ns)} · {share}")
    lines.append(f"slack {slack} · drag {words.duration(facts.drag_ns)}")
    if facts.queue_wait_ns:
        how = ", inferred" if facts.queue_wait_inferred else ""
        lines.append(f"waited {words.duration(facts.queue_wait_ns)}{how}")
    lines += _hover_of_call(span)
    if facts.wasted is not None:
        lines.append(f"not used: {facts.wasted.value}")
    return "<br>".join(lines)


def _hover_of_call(span: Span) -> list[str]:
    lines = []
    if span.attempt > 1:
        lines.append(f"attempt {span.attempt}")
    if span.model is not None:
        lines.append(_literal(words.shortened(span.model, _NAME_CHARACTERS)))
    if span.usage is not None:
        read, written = span.usage.input_tokens, span.usage.output_tokens
        lines.append(f"{words.tokens(read)} tokens in, {words.tokens(written)} out")
    if span.cost_usd is not None:
        lines.append(words.usd(span.cost_usd))
    if span.error is not None:
        message = f"{span.error.type}: {span.error.message}"
        lines.append(_literal(words.shortened(message, _MESSAGE_CHARACTERS)))
    return lines


def _add_path(figure: go.Figure, analysis: RunAnalysis, rows: Sequence[Row], scale: _Scale) -> None:
    """Draw the path along the bottom of the bars that own it; dotted where it was a back-off."""
    owned, waited, links = _path_lines(analysis, rows, scale)
    waiting = {"color": _LIGHT["text"], "width": 2, "dash": "1.5px,2.5px"}
    for line, name, style in (
        (links, "links of the critical path", {"color": _LIGHT["faint"], "width": 1}),
        (owned, "critical path", {"color": _LIGHT["text"], "width": 2.5}),
        (waited, "critical path, backing off", waiting),
    ):
        figure.add_scatter(
            x=line.x, y=line.y, mode="lines", line=style, hoverinfo="skip", name=name
        )


def _path_lines(
    analysis: RunAnalysis, rows: Sequence[Row], scale: _Scale
) -> tuple[_Line, _Line, _Line]:
    """Return where spans own the path, where it is a back-off, and the links between.

    Segments too short to be seen are left out, or the links to and fro would hide all else.
    """
    row_of = row_of_each(analysis, tuple(rows))
    least_ns = analysis.facts.wall_ns / _PATH_STEPS
    owned, waited, links = _Line(), _Line(), _Line()
    for segment in analysis.critical_path:
        if segment.length_ns < least_ns:
            continue
        y = row_of[segment.span_id] + 0.4
        start, end = scale.at(segment.start_ns), scale.at(segment.end_ns)
        line = waited if segment.kind is SegmentKind.BACKOFF else owned
        line.add(start, y)
        line.add(end, y)
        line.lift()
        links.add(start, y)
        links.lift()
        links.add(end, y)
    return owned, waited, links


class _Line:
    """The points of a line that may have gaps."""

    def __init__(self) -> None:
        self.x: list[float | None] = []
        self.y: list[float | None] = []

    def add(self, x: float | None, y: float | None) -> None:
        self.x.append(x)
        self.y.append(y)

    def lift(self) -> None:
        self.add(None, None)


_MARKS: Final[Mapping[Status, str]] = {Status.ERROR: "✕", Status.LOST: "lost"}


def _add_marks(figure: go.Figure, rows: Sequence[Row], scale: _Scale) -> None:
    """Mark what failed right after its end."""
    marked = [(place, row.span) for place, row in enumerate(rows) if row.span.status in _MARKS]
    if marked:
        figure.add_scatter(
            x=[scale.at(scale.end_ns(span)) for _, span in marked],
            y=[place for place, _ in marked],
            mode="text",
            text=[f"<b>{_MARKS[span.status]}</b>" for _, span in marked],
            textposition="middle right",
            textfont={"size": 12, "color": ERROR_COLOURS["light"]},
            cliponaxis=False,
            hoverinfo="skip",
            name="failed",
        )


def _base() -> Json:
    return {
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": _FONT, "size": 12, "color": _LIGHT["text"]},
        "hoverlabel": {
            "align": "left",
            "bgcolor": _LIGHT["card"],
            "bordercolor": _LIGHT["line"],
            "font": {"family": _FONT, "size": 12, "color": _LIGHT["text"]},
        },
        "margin": {"l": 8, "r": 12, "t": 24, "b": 40},
    }


def _axis() -> Json:
    return {
        "gridcolor": _LIGHT["grid"],
        "zerolinecolor": _LIGHT["grid"],
        "linecolor": _LIGHT["line"],
        "tickfont": {"size": 11, "color": _LIGHT["faint"]},
        "title_font": {"size": 12, "color": _LIGHT["faint"]},
        "automargin": True,
        "showgrid": True,
    }


def _json(figure: go.Figure) -> Json:
    shown: Json = json.loads(figure.to_json())
    return {"data": shown["data"], "layout": shown["layout"]}

"""The tab with the waterfall as a table, for reading aloud, copying and sorting."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from longpole.analysis.result import RunAnalysis
from longpole.dashboard import words
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, table
from longpole.dashboard.web.waterfall import rows_in_order
from longpole.model import Span

_PAGE_ROWS = 250

_COLUMNS = (
    Column(key="span", label="Span", kind=ColumnKind.LINK, width_px=230, grows=True),
    Column(key="kind", label="Kind", width_px=80),
    Column(key="status", label="Status", kind=ColumnKind.STATUS, width_px=100),
    Column(key="start", label="Start", kind=ColumnKind.NUMBER, width_px=76),
    Column(key="length", label="Duration", kind=ColumnKind.BAR, width_px=84),
    Column(key="own", label="Own", kind=ColumnKind.NUMBER, width_px=72),
    Column(key="path", label="On path", kind=ColumnKind.NUMBER, width_px=78),
    Column(key="slack", label="Slack", kind=ColumnKind.NUMBER, width_px=72),
    Column(key="drag", label="Drag", kind=ColumnKind.NUMBER, width_px=72),
    Column(key="wait", label="Queued", kind=ColumnKind.NUMBER, width_px=74),
    Column(key="attempt", label="Try", kind=ColumnKind.NUMBER, width_px=56),
    Column(key="model", label="Model", width_px=124),
    Column(key="tokens", label="Tokens", kind=ColumnKind.NUMBER, width_px=68),
    Column(key="cost", label="Cost", kind=ColumnKind.NUMBER, width_px=74),
)


def tab(found: RunAnalysis, *, on_open: Callable[[str], None]) -> None:
    """Draw the tab; `on_open` shows a span in the waterfall."""
    rows = rows_in_order(found.run)
    pages = -(-len(rows) // _PAGE_ROWS)
    place = st.container()
    number = st.pagination(pages, key="spans_page") if pages > 1 else 1
    first = (number - 1) * _PAGE_ROWS
    with place:
        table(
            Table(
                caption="Spans in the order of the waterfall",
                columns=_COLUMNS,
                rows=tuple(
                    _row(found, span, depth) for span, depth in rows[first : first + _PAGE_ROWS]
                ),
                max_height_px=660,
            ),
            key="spans",
            on_open=on_open,
        )


def _row(found: RunAnalysis, span: Span, depth: int) -> Row:
    facts = found.spans[span.span_id]
    end_ns = found.now_ns if span.end_ns is None else span.end_ns
    length_ns = max(0, end_ns - span.start_ns)
    label = words.span_label(span)
    start_ns = span.start_ns - found.run.root.start_ns
    tokens = span.usage.total_tokens if span.usage else 0
    return Row(
        id=span.span_id,
        indent=depth,
        is_strong=facts.on_path_ns > 0,
        cells=(
            Cell(label, label),
            Cell(span.kind.value, span.kind.value),
            Cell(span.status.value, span.status.value),
            Cell(words.duration(start_ns) if start_ns else "0", start_ns),
            Cell(words.duration(length_ns), length_ns, length_ns / max(1, found.facts.wall_ns)),
            _duration_cell(facts.self_ns),
            _duration_cell(facts.on_path_ns),
            Cell("any") if facts.slack_ns is None else _duration_cell(facts.slack_ns),
            _duration_cell(facts.drag_ns),
            _duration_cell(facts.queue_wait_ns),
            Cell(str(span.attempt) if span.attempt > 1 else "", span.attempt),
            Cell(span.model or "", span.model, note=span.model or ""),
            Cell(words.tokens(tokens) if tokens else "", tokens),
            Cell("")
            if span.cost_usd is None
            else Cell(words.usd(span.cost_usd), float(span.cost_usd)),
        ),
    )


def _duration_cell(duration_ns: int | None) -> Cell:
    return Cell("" if not duration_ns else words.duration(duration_ns), duration_ns)

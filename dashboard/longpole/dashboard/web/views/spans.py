"""The tab with the waterfall as a table, for reading aloud, copying, sorting and looking up.

Rows are in the order of the waterfall until a header is clicked. Sorting and the filter are about
all spans, of which a page is sent at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from longpole.analysis.result import RunAnalysis
from longpole.dashboard import words
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Sort, Table, table
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


_SORT = "spans_sort"


def tab(found: RunAnalysis, *, on_open: Callable[[str], None]) -> None:
    """Draw the tab; `on_open` shows a span in the waterfall."""
    text = st.text_input(
        "Filter",
        key="spans_filter",
        placeholder="name, branch, model, kind, status or error",
        icon=":material/search:",
        live=True,
        label_visibility="collapsed",
        width=340,
    )
    sort: Sort | None = st.session_state.get(_SORT)
    rows = _sorted(found, _found(rows_in_order(found.run), text or ""), sort)
    if not rows:
        st.caption("No span of this run matches.")
        return
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
                sort=sort,
                sorts_here=False,
                max_height_px=660,
            ),
            key="spans",
            on_open=on_open,
            on_sort=_sort_by,
        )


def _sort_by(sort: Sort) -> None:
    st.session_state[_SORT] = sort


def _found(rows: Sequence[tuple[Span, int]], text: str) -> Sequence[tuple[Span, int]]:
    """Return the rows that all words of a text are in; out of their tree they are not indented."""
    wanted = text.casefold().split()
    if not wanted:
        return rows
    return [(span, 0) for span, _ in rows if all(word in _said(span) for word in wanted)]


def _said(span: Span) -> str:
    error = "" if span.error is None else f"{span.error.type} {span.error.message}"
    parts = (words.span_label(span), span.model or "", span.kind.value, span.status.value, error)
    return " ".join(parts).casefold()


def _sorted(
    found: RunAnalysis, rows: Sequence[tuple[Span, int]], sort: Sort | None
) -> Sequence[tuple[Span, int]]:
    """Return rows by a column; what has no value comes last either way."""
    value_of = None if sort is None else _VALUES.get(sort.key)
    if sort is None or value_of is None:
        return rows
    keyed = [(value_of(found, span), span) for span, _ in rows]
    known = [(value, span) for value, span in keyed if value is not None]
    known.sort(key=lambda pair: pair[0], reverse=sort.descending)
    unknown = [span for value, span in keyed if value is None]
    return [(span, 0) for span in (*(span for _, span in known), *unknown)]


def _length_ns(found: RunAnalysis, span: Span) -> int:
    end_ns = found.ended_ns(span)
    return max(0, end_ns - span.start_ns)


# Texts among themselves and numbers among themselves, so what one column holds can be compared.
_VALUES: Mapping[str, Callable[[RunAnalysis, Span], Any]] = {
    "span": lambda _, span: words.span_label(span).casefold(),
    "kind": lambda _, span: span.kind.value,
    "status": lambda _, span: span.status.value,
    "start": lambda _, span: span.start_ns,
    "length": _length_ns,
    "own": lambda found, span: found.spans[span.span_id].self_ns,
    "path": lambda found, span: found.spans[span.span_id].on_path_ns,
    "slack": lambda found, span: found.spans[span.span_id].slack_ns,
    "drag": lambda found, span: found.spans[span.span_id].drag_ns,
    "wait": lambda found, span: found.spans[span.span_id].queue_wait_ns,
    "attempt": lambda _, span: span.attempt,
    "model": lambda _, span: span.model,
    "tokens": lambda _, span: span.usage.total_tokens if span.usage else None,
    "cost": lambda _, span: span.cost_usd,
}


def _row(found: RunAnalysis, span: Span, depth: int) -> Row:
    facts = found.spans[span.span_id]
    length_ns = _length_ns(found, span)
    label = words.short_name(words.span_label(span))
    start_ns = span.start_ns - found.run.root.start_ns
    tokens = span.usage.total_tokens if span.usage else 0
    return Row(
        id=span.span_id,
        indent=depth,
        is_strong=facts.on_path_ns > 0,
        cells=(
            Cell(label, label, note=words.span_label(span)),
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

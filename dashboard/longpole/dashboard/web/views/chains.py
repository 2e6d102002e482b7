"""The page about chains: all of them in a table, or the one that the address names in full."""

from __future__ import annotations

from typing import Final

import streamlit as st

from longpole.dashboard import meanings, words
from longpole.dashboard.places import place_label
from longpole.dashboard.sampled import Sampled
from longpole.dashboard.web import samples
from longpole.dashboard.web.samples import ChainRow, Question
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Sort, Table, cells, table
from longpole.dashboard.web.views import chain, many, nothing

_NUMBER: Final = ColumnKind.NUMBER
_COLUMNS: Final = (
    Column(key="name", label="Chain", kind=ColumnKind.LINK, width_px=190, grows=True),
    Column(key="runs", label="Runs", kind=_NUMBER, width_px=70),
    Column(key="last", label="Last run", kind=ColumnKind.SINCE, width_px=96),
    Column(key="p50", label="p50", kind=_NUMBER, width_px=80, help=meanings.P50),
    Column(key="p95", label="p95", kind=ColumnKind.BAR, width_px=96, help=meanings.P95),
    Column(key="speedup", label="Speed-up", kind=_NUMBER, width_px=90, help=meanings.SPEEDUP),
    Column(key="bound", label="Waits for", width_px=190, grows=True, help=meanings.BOUND),
    Column(key="failed", label="Failed", kind=_NUMBER, width_px=76, help=meanings.FAILED),
    Column(key="cost", label="Cost a run", kind=_NUMBER, width_px=96, help=meanings.COST),
    Column(key="wasted", label="Wasted", kind=_NUMBER, width_px=80, help=meanings.WASTED),
    Column(key="changed", label="Changed", width_px=150, help=meanings.CHANGED),
)


def page() -> None:
    """Draw the page."""
    many.page(_drawn)


def _drawn(question: Question, found: Sampled) -> None:
    name = question.query.name
    if name is not None:
        chain.whole(name, question, found)
        return
    if not found.samples:
        nothing.no_match(question.query, question.token)
        return
    rows = samples.chain_rows(question)
    st.caption(f"{words.count(len(rows), 'chain')} in the {many.counted(found)}")
    table(
        Table(
            caption="Chains",
            columns=_COLUMNS,
            rows=tuple(_row(row, max(one.whole.wall.p95_ns for one in rows)) for row in rows),
            sort=Sort(key="runs", descending=True),
            max_height_px=2_000,
        ),
        key="chains",
    )


def _row(row: ChainRow, longest_ns: int) -> Row:
    whole = row.whole
    return Row(
        id=row.name,
        href=many.chain_address(row.name),
        cells=(
            Cell(words.plain(words.short_name(row.name)), row.name, note=row.name),
            cells.count(whole.runs),
            cells.since(whole.last_start_ns),
            cells.length(whole.wall.p50_ns),
            cells.length(whole.wall.p95_ns, of_ns=longest_ns),
            _speedup(row),
            _bound(row),
            cells.share(whole.error_rate),
            cells.cost(whole.mean_cost_usd, whole.unpriced_calls),
            cells.share(whole.wasted_ns / max(1, whole.work_ns)),
            _changed(row),
        ),
    )


def _speedup(row: ChainRow) -> Cell:
    ratio = row.whole.speedup_ratio
    return Cell(words.times(ratio) if row.whole.peak_concurrency > 1 else cells.NOTHING, ratio)


def _bound(row: ChainRow) -> Cell:
    if row.bound is None:
        return Cell("")
    label = place_label(row.bound.position)
    share = float(row.bound.share)
    return Cell(f"{label} · {words.share(share)}", share, note=" › ".join(row.bound.position))


def _changed(row: ChainRow) -> Cell:
    if not row.changes:
        return Cell("")
    last = row.changes[-1]
    how = "slower" if last.ratio > 1 else "faster"
    return Cell(
        f"{words.share(abs(last.ratio - 1))} {how}",
        last.ratio,
        note=f"since {words.moment(last.at_ns)}",
    )

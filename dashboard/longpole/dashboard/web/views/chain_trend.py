"""The tab with what changed over time: walls, cost, failures, and when a lasting change came."""

from __future__ import annotations

from typing import Final

import streamlit as st

from longpole.analysis import ChangePoint, trend_of
from longpole.analysis.chain import ChainAnalysis
from longpole.analysis.trends import bucket_fitting
from longpole.dashboard import meanings, words
from longpole.dashboard.charts import trend
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, cells, table
from longpole.dashboard.web.views import many
from longpole.dashboard.web.views.colours import theme

_NUMBER: Final = ColumnKind.NUMBER
_COLUMNS: Final = (
    Column(key="run", label="First run", kind=ColumnKind.LINK, width_px=110,
           help="The first run after the change"),
    Column(key="at", label="When", width_px=190, grows=True),
    Column(key="change", label="Change", width_px=130),
    Column(key="before", label="p50 before", kind=_NUMBER, width_px=100),
    Column(key="after", label="p50 after", kind=_NUMBER, width_px=100),
    Column(key="runs_before", label="Runs before", kind=_NUMBER, width_px=104),
    Column(key="runs_after", label="Runs after", kind=_NUMBER, width_px=100),
    Column(key="chance", label="By chance", kind=_NUMBER, width_px=96,
           help="How probable so large a deviation is without any change"),
)  # fmt: skip


def tab(analysis: ChainAnalysis) -> None:
    """Draw the tab."""
    samples = analysis.samples
    buckets = trend_of(samples, bucket_ns=bucket_fitting(samples))
    many.heading("Walls", meanings.CHANGED)
    many.chart(
        trend.walls(buckets, analysis.changes, theme()),
        key="trend_walls",
        alt="Median and 95th percentile of the walls over time, with lasting changes",
    )
    _changes(analysis)
    left, right = st.columns(2, gap="medium")
    with left:
        many.heading("Failures", meanings.FAILED)
        if analysis.whole.errors:
            many.chart(trend.failed(buckets, theme()), key="trend_failed", alt="Failed runs")
        else:
            st.caption("None of these runs failed.")
    with right:
        many.heading("Cost", meanings.COST)
        if any(bucket.cost_usd is not None for bucket in buckets):
            many.chart(trend.costs(buckets, theme()), key="trend_cost", alt="Cost a run")
        else:
            st.caption("No call of these runs has a known price.")


def _changes(analysis: ChainAnalysis) -> None:
    if not analysis.changes:
        st.caption("No lasting change of the walls is beyond chance.")
        return
    table(
        Table(
            caption="Lasting changes of the wall",
            columns=_COLUMNS,
            rows=tuple(_change(change) for change in reversed(analysis.changes)),
        ),
        key="changes",
    )


def _change(change: ChangePoint) -> Row:
    how = "slower" if change.ratio > 1 else "faster"
    told = f"{words.share(abs(change.ratio - 1))} {how}"
    return Row(
        id=change.run_id,
        href=f"run?run={change.run_id}",
        cells=(
            Cell(change.run_id[:8], change.run_id, note=change.run_id),
            Cell(words.moment(change.at_ns), change.at_ns),
            Cell(told, change.ratio),
            cells.length(change.p50_before_ns),
            cells.length(change.p50_after_ns),
            cells.count(change.runs_before),
            cells.count(change.runs_after),
            Cell(words.share(change.chance), change.chance),
        ),
    )

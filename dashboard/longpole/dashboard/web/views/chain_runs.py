"""The tab that sets the runs of a chain beside each other: a heat map, and the runs it leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from longpole.analysis import RunSample
from longpole.analysis.chain import ChainAnalysis
from longpole.dashboard import words
from longpole.dashboard.charts import heat_map
from longpole.dashboard.charts.base import CONFIG
from longpole.dashboard.places import place_label
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, cells, table
from longpole.dashboard.web.views import many
from longpole.dashboard.web.views.colours import theme

_SLOWEST: Final = 10
_NUMBER: Final = ColumnKind.NUMBER
_COLUMNS: Final = (
    Column(key="status", label="Status", kind=ColumnKind.STATUS, width_px=108),
    Column(key="id", label="Run", kind=ColumnKind.LINK, width_px=110),
    Column(key="start", label="Started", kind=ColumnKind.SINCE, width_px=100),
    Column(key="wall", label="Wall", kind=ColumnKind.BAR, width_px=100),
    Column(key="place", label="Mostly", width_px=240, grows=True,
           help="The position that owns most of its critical path"),
    Column(key="retries", label="Retries", kind=_NUMBER, width_px=80),
    Column(key="cost", label="Cost", kind=_NUMBER, width_px=90),
)  # fmt: skip


def tab(analysis: ChainAnalysis) -> None:
    """Draw the tab."""
    drawn = heat_map.spread(analysis.samples)
    told = (
        f"{len(drawn)} of {len(analysis.samples):,} runs, evenly spread by wall. "
        if len(drawn) < len(analysis.samples)
        else ""
    )
    st.caption(
        f"{told}One column a run: how much of its wall each position owns on the critical path. "
        "Click a bar on top to see its run below."
    )
    chosen = st.plotly_chart(
        heat_map.runs_by_position(drawn, theme()),
        key="heat_map",
        config=CONFIG,
        on_select="rerun",
        selection_mode="points",
        alt="How much of each run's wall each position owns",
    )
    picked = _picked(chosen, drawn)
    many.heading("Chosen runs" if picked else "Slowest runs")
    shown = picked or list(reversed(drawn[-_SLOWEST:]))
    longest_ns = max(run.wall_ns for run in analysis.samples)
    table(
        Table(
            caption="Runs of the chain",
            columns=_COLUMNS,
            rows=tuple(_row(run, longest_ns) for run in shown),
        ),
        key="chain_runs",
    )


def _picked(chosen: Any, drawn: Sequence[RunSample]) -> list[RunSample]:
    """Return the runs whose bars were chosen; what is drawn may have changed since."""
    places = {
        int(point["customdata"][0])
        for point in chosen["selection"]["points"]
        if point.get("customdata")
    }
    return [drawn[place] for place in sorted(places, reverse=True) if place < len(drawn)]


def _row(run: RunSample, longest_ns: int) -> Row:
    most = max(run.places, key=lambda position: run.places[position].own_path_ns)
    share = run.places[most].own_path_ns / max(1, run.wall_ns)
    return Row(
        id=run.run_id,
        href=f"run?run={run.run_id}",
        cells=(
            Cell(run.status.value, run.status.value),
            Cell(run.run_id[:8], run.run_id, note=run.run_id),
            cells.since(run.start_ns),
            cells.length(run.wall_ns, of_ns=longest_ns),
            Cell(f"{place_label(most)} · {words.share(share)}", share, note=" › ".join(most)),
            cells.count(run.retries),
            cells.cost(run.cost_usd, run.unpriced_calls),
        ),
    )

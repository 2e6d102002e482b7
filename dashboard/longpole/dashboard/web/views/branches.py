"""The tab that sets the branches of a fan-out side by side."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from longpole.analysis.result import Branch, FanOut, RunAnalysis
from longpole.dashboard import figures, words
from longpole.dashboard.labels import branch_label
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, table
from longpole.dashboard.web.views.colours import theme

_MAX_ROWS = 500

_COLUMNS = (
    Column(key="key", label="Branch", kind=ColumnKind.LINK, width_px=170, grows=True),
    Column(key="status", label="Status", kind=ColumnKind.STATUS, width_px=112),
    Column(key="length", label="Duration", kind=ColumnKind.BAR, width_px=104),
    Column(key="wait", label="Queued", kind=ColumnKind.NUMBER, width_px=86, help="Queue wait"),
    Column(
        key="slack",
        label="Slack",
        kind=ColumnKind.NUMBER,
        width_px=86,
        help="How much later it could end without moving the run's end",
    ),
    Column(
        key="drag",
        label="Drag",
        kind=ColumnKind.NUMBER,
        width_px=86,
        help="Were it instant, the run would end so much sooner",
    ),
    Column(key="path", label="On path", kind=ColumnKind.NUMBER, width_px=86),
    Column(key="cost", label="Cost", kind=ColumnKind.NUMBER, width_px=84),
    Column(key="attempts", label="Attempts", kind=ColumnKind.NUMBER, width_px=88),
    Column(key="remark", label="Remark", width_px=130),
)


def tab(found: RunAnalysis, *, on_open: Callable[[str], None]) -> None:
    """Draw the tab; `on_open` shows a span in the waterfall."""
    if not found.fan_outs:
        st.caption("Nothing ran side by side in this run.")
        return
    number = 0
    if len(found.fan_outs) > 1:
        number = st.selectbox(
            "Fan-out",
            range(len(found.fan_outs)),
            index=_slowest(found),
            format_func=lambda place: _title(found, found.fan_outs[place]),
            key=f"fan_out:{found.run.run_id}",
            width=460,
        )
    fan_out = found.fan_outs[number]
    st.caption(words.markdown(_summary(found, fan_out)))
    st.plotly_chart(
        figures.branches(found, fan_out, theme()),
        key="branches",
        config=figures.CONFIG,
        alt="Branches against the moment of their join; the table below has the same",
    )
    if len(fan_out.branches) > figures.MAX_BARS:
        st.caption(f"The {figures.MAX_BARS} branches that ended last.")
    table(_table(found, fan_out), key="branch_table", on_open=on_open)
    if len(fan_out.branches) > _MAX_ROWS:
        st.caption(f"The {_MAX_ROWS:,} branches that ended last.")


def _slowest(found: RunAnalysis) -> int:
    on_path = [max(branch.on_path_ns for branch in fan_out.branches) for fan_out in found.fan_outs]
    return on_path.index(max(on_path))


def _title(found: RunAnalysis, fan_out: FanOut) -> str:
    name = words.short_name(found.run.span_by_id[fan_out.span_id].name)
    return f"{name}, {fan_out.kind.value} of {len(fan_out.branches):,}"


def _summary(found: RunAnalysis, fan_out: FanOut) -> str:
    limit = "no limit known" if fan_out.limit is None else f"limit {fan_out.limit:,}"
    pole = next(b for b in fan_out.branches if b.span_id == fan_out.long_pole)
    return (
        f"{_title(found, fan_out)} · {limit}, peak {fan_out.peak:,} · the join waited for "
        f"{_label(found, pole)} · the longest branch is "
        f"{words.times(fan_out.imbalance_ratio)} the mean"
    )


def _label(found: RunAnalysis, branch: Branch) -> str:
    return branch_label(found.run.span_by_id[branch.span_id])


def _table(found: RunAnalysis, fan_out: FanOut) -> Table:
    latest = sorted(fan_out.branches, key=lambda branch: -branch.end_ns)[:_MAX_ROWS]
    longest_ns = max(1, *(branch.end_ns - branch.start_ns for branch in latest))
    return Table(
        caption="Branches, the last to end first",
        columns=_COLUMNS,
        rows=tuple(_row(found, branch, fan_out, longest_ns) for branch in latest),
        max_height_px=520,
    )


def _row(found: RunAnalysis, branch: Branch, fan_out: FanOut, longest_ns: int) -> Row:
    length_ns = branch.end_ns - branch.start_ns
    cost = branch.cost_usd
    is_pole = branch.span_id == fan_out.long_pole
    remarks = [*(["long pole"] if is_pole else []), *(["straggler"] if branch.straggler else [])]
    return Row(
        id=branch.span_id,
        is_strong=is_pole,
        cells=(
            Cell(_label(found, branch), branch.key, note=branch.key),
            Cell(branch.status.value, branch.status.value),
            Cell(words.duration(length_ns), length_ns, length_ns / longest_ns),
            _duration_cell(branch.queue_wait_ns, otherwise="–"),
            _duration_cell(branch.slack_ns, otherwise="any"),
            _duration_cell(branch.drag_ns, otherwise=""),
            _duration_cell(branch.on_path_ns, otherwise=""),
            Cell("–") if cost is None else Cell(words.usd(cost), float(cost)),
            Cell(str(branch.attempts) if branch.attempts > 1 else "", branch.attempts),
            Cell(", ".join(remarks), ", ".join(remarks)),
        ),
    )


def _duration_cell(duration_ns: int | None, *, otherwise: str) -> Cell:
    if duration_ns is None:
        return Cell(otherwise)
    return Cell(words.duration(duration_ns) if duration_ns else "0", duration_ns)

"""Two runs compared: what made the second one slower, dearer or less reliable."""

from __future__ import annotations

from typing import Final

import streamlit as st

from longpole.analysis import Pair, RunComparison
from longpole.dashboard import meanings, words
from longpole.dashboard.charts import waterfalls
from longpole.dashboard.charts.base import CONFIG
from longpole.dashboard.difference import (
    place_of,
    side_by_side,
    signed_duration,
    signed_usd,
    verdict,
    what_counts,
)
from longpole.dashboard.web import queries, samples
from longpole.dashboard.web.links import Link, links
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, cells, table
from longpole.dashboard.web.views import many
from longpole.dashboard.web.views.colours import theme
from longpole.model import Run
from longpole.model.errors import RunReferenceError
from longpole.storage import RunQuery

BEFORE: Final = "a"
AFTER: Final = "b"
_ROWS_MOST: Final = 100
_OFFERED: Final = 200
_CHANGE_PX: Final = 204
"""As wide as two amounts with an arrow between."""
_NUMBER: Final = ColumnKind.NUMBER
_COLUMNS: Final = (
    Column(key="span", label="Span", kind=ColumnKind.LINK, width_px=240, grows=True,
           help="Opens it in the run after; in that before, where it is gone"),
    Column(key="before", label="Before", kind=_NUMBER, width_px=96),
    Column(key="after", label="After", kind=_NUMBER, width_px=96),
    Column(key="path", label="On the path", kind=_NUMBER, width_px=110,
           help="How much longer the run is for this span: what it owns of the critical path. The "
           "differences add up to that of the walls"),
    Column(key="cost", label="Cost", kind=_NUMBER, width_px=96),
    Column(key="remark", label="Remark", width_px=130),
)  # fmt: skip


def draw(token: int) -> None:
    """Draw the two runs, or what to do to choose them."""
    before, after = _boxes()
    if not before or not after:
        _offer(token)
        return
    try:
        comparison = samples.compared_runs(
            queries.resolve(before.strip()), queries.resolve(after.strip()), token
        )
    except RunReferenceError as error:
        st.code(str(error), language=None, wrap_lines=True)
        return
    _compared(comparison)


def _boxes() -> tuple[str, str]:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        before = st.text_input("Before", key=BEFORE, bind="query-params", width=300,
                               placeholder="run id, its beginning, or last")  # fmt: skip
        after = st.text_input("After", key=AFTER, bind="query-params", width=300,
                              placeholder="run id, its beginning, or last")  # fmt: skip
        st.button("Swap", icon=":material/swap_horiz:", on_click=_swap,
                  disabled=not (before and after))  # fmt: skip
    return before or "", after or ""


def _swap() -> None:
    before, after = st.session_state[BEFORE], st.session_state[AFTER]
    st.session_state[BEFORE], st.session_state[AFTER] = after, before


def _offer(token: int) -> None:
    """Say how to choose, and offer the newest two runs of a chain."""
    st.caption("Name two runs, or tick two of them on the Runs page and press Compare there.")
    newest = _newest_two(token)
    if newest is None:
        return
    name, before, after = newest
    st.button(
        f"Compare the newest two runs of {words.markdown(words.short_name(name))}",
        icon=":material/compare_arrows:",
        on_click=_choose,
        args=(before, after),
    )


def _choose(before: str, after: str) -> None:
    st.session_state[BEFORE], st.session_state[AFTER] = before, after


def _newest_two(token: int) -> tuple[str, str, str] | None:
    """Return name and ids of the newest two ended runs of one chain."""
    seen: dict[str, str] = {}
    for row in queries.runs(RunQuery(limit=_OFFERED), token).rows:
        if row.end_ns is None:
            continue
        if row.name in seen:
            return row.name, row.run_id, seen[row.name]
        seen[row.name] = row.run_id
    return None


def _who(comparison: RunComparison) -> None:
    """Name both runs, with the way to each."""
    runs = {"before": comparison.before.run, "after": comparison.after.run}
    links(
        [
            Link(what=what, label=f"{words.plain(run.name)} {run.run_id[:8]}", href=_href(run))
            for what, run in runs.items()
        ],
        key="compared_runs",
    )
    if len({run.name for run in runs.values()}) > 1:
        st.caption("They are runs of different chains; few of their spans will match.")


def _href(run: Run) -> str:
    return f"run?run={run.run_id}"


def _compared(comparison: RunComparison) -> None:
    first, *others = verdict(comparison)
    st.markdown(
        " · ".join([f"**{words.markdown(words.begun(first))}**", *map(words.markdown, others)])
    )
    _who(comparison)
    many.metrics(_numbers(comparison), width_px=_CHANGE_PX)
    many.heading(
        "Waterfalls",
        "The same rows in both, on one axis: blue what is on the critical path, red what failed",
    )
    count = len(comparison.pairs)
    if count > waterfalls.ROWS_MOST:
        st.caption(
            f"The {waterfalls.ROWS_MOST} of {count:,} spans that make the difference, with what "
            "they are part of."
        )
    st.plotly_chart(
        waterfalls.waterfalls(comparison, theme()),
        key="waterfalls",
        config=CONFIG,
        alt="Both runs as waterfalls on one axis; the table below says what differs",
    )
    _table(comparison)


def _numbers(comparison: RunComparison) -> list[tuple[str, str, str | None]]:
    before, after = comparison.before.facts, comparison.after.facts
    cost = words.cost(after.cost_usd, after.unpriced_calls)
    was = words.cost(before.cost_usd, before.unpriced_calls)
    return [
        (
            "Wall",
            _arrow(words.duration(before.wall_ns), words.duration(after.wall_ns)),
            meanings.WALL,
        ),
        (
            "Speed-up",
            _arrow(words.times(before.speedup_ratio), words.times(after.speedup_ratio)),
            meanings.SPEEDUP,
        ),
        ("Cost", _arrow(was, cost), meanings.COST),
        (
            "Tokens",
            _arrow(words.tokens(before.usage.total_tokens), words.tokens(after.usage.total_tokens)),
            meanings.TOKENS,
        ),
        ("Retries", _arrow(f"{before.retries:,}", f"{after.retries:,}"), meanings.RETRIES),
        (
            "Queued",
            _arrow(words.duration(before.queue_wait_ns), words.duration(after.queue_wait_ns)),
            "What limits of concurrency cost",
        ),
    ]


def _arrow(before: str, after: str) -> str:
    return after if before == after else f"{before} → {after}"


def _table(comparison: RunComparison) -> None:
    told = what_counts(comparison)
    many.heading("What differs")
    if not told:
        st.caption("No span differs on the critical path.")
        return
    table(
        Table(
            caption="Spans that make the difference",
            columns=_COLUMNS,
            rows=tuple(_row(comparison, pair) for pair in told[:_ROWS_MOST]),
            max_height_px=560,
        ),
        key="pairs",
    )
    left = told[_ROWS_MOST:]
    if left:
        left_ns = sum(pair.path_delta_ns for pair in left)
        st.caption(f"{words.count(len(left), 'span')} left out, {signed_duration(left_ns)} in all.")


def _row(comparison: RunComparison, pair: Pair) -> Row:
    before, after, remark = side_by_side(pair)
    label = place_of(comparison, pair)
    side, run = (pair.after, comparison.after.run) if pair.after else (
        pair.before, comparison.before.run)  # fmt: skip
    span_id = "" if side is None else side.span_id
    cost = pair.cost_delta_usd
    return Row(
        id=f"{run.run_id}:{span_id}",
        href=f"run?run={run.run_id}&span={span_id}",
        is_strong=pair.is_worse,
        cells=(
            Cell(words.plain(label), label, note=label),
            Cell(before, None if pair.before is None else pair.before.wall_ns),
            Cell(after, None if pair.after is None else pair.after.wall_ns),
            cells.delta(pair.path_delta_ns),
            Cell(signed_usd(cost), None if cost is None else float(cost)),
            cells.text(remark),
        ),
    )

"""The tab that says what the runs of a chain wait for, and who its fan-outs wait for."""

from __future__ import annotations

from typing import Final

import streamlit as st

from longpole.analysis import FanOutCriticality, PlaceFacts
from longpole.analysis.chain import ChainAnalysis
from longpole.analysis.tail import RUNS_NEEDED, Tail, TailPlace
from longpole.dashboard import meanings, words
from longpole.dashboard.charts import criticality
from longpole.dashboard.places import fan_out_label
from longpole.dashboard.set_difference import interval_words
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Sort, Table, cells, table
from longpole.dashboard.web.views import many
from longpole.dashboard.web.views.colours import theme

_ROWS_MOST: Final = 200
_SLOW_MOST: Final = 15
_FAN_OUTS_MOST: Final = 6
_NUMBER: Final = ColumnKind.NUMBER

_COLUMNS: Final = (
    Column(key="place", label="Position", width_px=210, grows=True,
           help="Spans of all runs that stand at the same place; [*] stands for all numbers"),
    Column(key="share", label="Contributes", kind=ColumnKind.BAR, width_px=104,
           help=meanings.CONTRIBUTION),
    Column(key="of", label="Of wall", kind=_NUMBER, width_px=78, help=meanings.CONTRIBUTION),
    Column(key="drag", label="Drag", kind=_NUMBER, width_px=80, help=meanings.DRAG),
    Column(key="on_path", label="On path", kind=_NUMBER, width_px=82, help=meanings.ON_PATH),
    Column(key="p50", label="p50", kind=_NUMBER, width_px=76, help=meanings.LENGTH),
    Column(key="p95", label="p95", kind=_NUMBER, width_px=76, help=meanings.LENGTH),
    Column(key="queued", label="Queued p95", kind=_NUMBER, width_px=98, help=meanings.QUEUE_WAIT),
    Column(key="failed", label="Failed", kind=_NUMBER, width_px=74, help="Per execution"),
    Column(key="retried", label="Retries", kind=_NUMBER, width_px=80, help=meanings.EACH),
    Column(key="fell", label="Fallbacks", kind=_NUMBER, width_px=88, help=meanings.EACH),
    Column(key="cost", label="Cost a run", kind=_NUMBER, width_px=92, help=meanings.COST),
)  # fmt: skip
_TAIL_COLUMNS: Final = (
    Column(key="place", label="Position", width_px=180, grows=True),
    Column(key="share", label="Share", kind=_NUMBER, width_px=76, help=meanings.EXCESS),
    Column(key="excess", label="Excess", kind=_NUMBER, width_px=90, help=meanings.EXCESS),
    Column(key="between", label="95 % between", kind=_NUMBER, width_px=170,
           help=meanings.BETWEEN, is_sortable=False),
    Column(key="slow", label="Slow", kind=_NUMBER, width_px=84, help="Contribution to a slow run"),
    Column(key="usual", label="Usual", kind=_NUMBER, width_px=84,
           help="Contribution to a usual run"),
)  # fmt: skip


def tab(analysis: ChainAnalysis) -> None:
    """Draw the tab."""
    shown = [one for one in analysis.fan_outs if len(one.branches) > 1]
    if shown:
        many.heading("Who its fan-outs wait for", meanings.ENDED_LAST)
        _fan_outs(shown)
    many.heading("What the runs wait for", meanings.CONTRIBUTION)
    _contributions(analysis)
    _tail(analysis)


def _fan_outs(shown: list[FanOutCriticality]) -> None:
    columns = st.columns(2 if len(shown) > 1 else 1, gap="medium")
    for number, fan_out in enumerate(shown[:_FAN_OUTS_MOST]):
        with columns[number % len(columns)]:
            label = words.markdown(fan_out_label(fan_out.above))
            st.caption(
                f"{label} · {fan_out.kind.value} · "
                f"{words.count(fan_out.executions, 'execution')} · "
                f"longest branch {words.times(fan_out.imbalance_ratio)} the mean"
            )
            many.chart(
                criticality.criticality(fan_out, theme()),
                key=f"criticality:{number}",
                alt="How often each branch ended last, with 95 % intervals",
            )
    if len(shown) > _FAN_OUTS_MOST:
        st.caption(f"The {_FAN_OUTS_MOST} of {len(shown)} fan-outs with most executions.")


def _contributions(analysis: ChainAnalysis) -> None:
    places = analysis.whole.places
    most_ns = max((place.own_path_ns for place in places), default=1) or 1
    table(
        Table(
            caption="Positions by contribution",
            columns=_COLUMNS,
            rows=tuple(_place(place, analysis, most_ns) for place in places[:_ROWS_MOST]),
            sort=Sort(key="share", descending=True),
            max_height_px=520,
        ),
        key="places",
    )
    if len(places) > _ROWS_MOST:
        st.caption(f"The {_ROWS_MOST} of {len(places):,} positions that contribute most.")


def _place(place: PlaceFacts, analysis: ChainAnalysis, most_ns: int) -> Row:
    whole = analysis.whole
    spent = None if place.cost_usd is None else place.cost_usd / whole.runs
    waits = place.queue_waits
    return Row(
        id="\x1f".join(place.position),
        cells=(
            cells.place(place.position),
            cells.length(place.mean_contribution_ns, of_ns=most_ns / whole.runs),
            cells.share(place.own_path_ns / max(1, whole.wall_ns)),
            cells.length(place.mean_drag_ns),
            cells.share(place.on_path_rate),
            cells.length(place.durations.p50_ns),
            cells.length(place.durations.p95_ns),
            cells.length(waits.p95_ns if waits else 0),
            cells.share(place.error_rate),
            cells.each(place.retry_rate),
            cells.each(place.fallback_rate),
            cells.cost(spent, place.unpriced_calls) if place.calls else Cell(cells.NOTHING),
        ),
    )


def _tail(analysis: ChainAnalysis) -> None:
    many.heading("What makes slow runs slow", meanings.EXCESS)
    tail = analysis.tail
    if tail is None:
        count = words.count(analysis.whole.runs, "run")
        st.caption(f"It takes {RUNS_NEEDED} runs to tell; there are {count}.")
        return
    st.caption(_tail_summary(tail))
    told = sorted(
        (place for place in tail.places if place.excess_ns), key=lambda one: -abs(one.excess_ns)
    )
    if not told:
        st.caption("The slowest runs wait for every position as long as the others do.")
        return
    table(
        Table(
            caption="Positions by excess",
            columns=_TAIL_COLUMNS,
            rows=tuple(_tail_row(place) for place in told[:_SLOW_MOST]),
            max_height_px=480,
        ),
        key="tail",
    )


def _tail_summary(tail: Tail) -> str:
    few = ", more than 5 % as there are few" if tail.is_widened else ""
    return (
        f"The {len(tail.slow)} slowest runs{few}: {words.duration(float(tail.slow_wall_ns))} in "
        f"the mean, against {words.duration(float(tail.usual_wall_ns))} of the middle half; "
        f"95 % between {interval_words(tail.between_ns)}"
    )


def _tail_row(place: TailPlace) -> Row:
    return Row(
        id="\x1f".join(place.position),
        cells=(
            cells.place(place.position),
            Cell(cells.NOTHING) if place.share is None else cells.share(place.share),
            cells.delta(place.excess_ns),
            Cell(interval_words(place.between_ns)),
            cells.length(place.slow_ns),
            cells.length(place.usual_ns),
        ),
    )

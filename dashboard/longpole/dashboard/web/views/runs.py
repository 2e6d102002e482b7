"""The list of runs: filter, sort, page, open."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal

import streamlit as st

from longpole.dashboard import words
from longpole.dashboard.web import queries
from longpole.dashboard.web.table import Action, Cell, Column, ColumnKind, Row, Sort, Table, table
from longpole.dashboard.web.views import exporting, filters, nothing, trouble
from longpole.model import Status
from longpole.model.errors import StoreError
from longpole.storage import RunOrder, RunPage, RunQuery, RunRow, StoreState

PAGE_ROWS = 50
_REFRESH_S = 2.0
_SORT = "sort"
_COLUMNS = (
    Column(key="status", label="Status", kind=ColumnKind.STATUS, width_px=98),
    Column(key="name", label="Chain", kind=ColumnKind.LINK, width_px=150, grows=True),
    Column(key="start", label="Started", kind=ColumnKind.SINCE, width_px=104),
    Column(
        key="wall",
        label="Wall",
        kind=ColumnKind.BAR,
        width_px=96,
        help="Time from start to end; the bar compares the runs of this page",
    ),
    Column(
        key="speedup",
        label="Speed-up",
        kind=ColumnKind.NUMBER,
        width_px=92,
        help="Work over wall: how many times faster than one after the other",
    ),
    Column(
        key="course",
        label="At work",
        kind=ColumnKind.COURSE,
        width_px=104,
        is_sortable=False,
        help="Spans at work at once, from start to end, and how many at most",
    ),
    Column(
        key="long_pole",
        label="Long pole",
        width_px=150,
        grows=True,
        is_sortable=False,
        help="The branch the run waited for longest, and its share of the wall time",
    ),
    Column(
        key="retries",
        label="Retries",
        kind=ColumnKind.NUMBER,
        width_px=80,
        help="Attempts after the first",
    ),
    Column(key="tokens", label="Tokens", kind=ColumnKind.NUMBER, width_px=84),
    Column(
        key="cost",
        label="Cost",
        kind=ColumnKind.NUMBER,
        width_px=92,
        help="≥ when some calls have no known price",
    ),
    Column(
        key="id",
        label="Run",
        kind=ColumnKind.CODE,
        width_px=92,
        is_sortable=False,
        help="Beginning of the run id; enough for: longpole show RUN",
    ),
)

_NOT_YET = "Not known yet, or the run has no end"
_EXPORT = "export"
_TO_EXPORT = "runs_to_export"
_ACTIONS = (
    Action(label="Compare", href="compare?a={1}&b={2}", least=2, most=2),
    Action(label="Overview of these", href="./?q=id%3A{all}", least=2, most=PAGE_ROWS),
    Action(label="Chains of these", href="chains?q=id%3A{all}", least=2, most=PAGE_ROWS),
    Action(label="Export", key=_EXPORT, least=1, most=exporting.RUNS_MOST),
)


def page() -> None:
    """Draw the page."""
    try:
        state = queries.state()
    except StoreError as error:
        trouble.store(error, queries.shown_store_url())
        return
    if not state.runs:
        nothing.empty_store()
        return
    asked = filters.bar(state.token, asks_status=True, asks_newest=False)
    # Asked before the list, which begins the page anew while there is something to export.
    to_export = st.session_state.pop(_TO_EXPORT, None)
    _list(replace(asked.query, limit=PAGE_ROWS))
    if to_export:
        exporting.dialog(to_export)


def _acted(action: str, run_ids: tuple[str, ...]) -> None:
    if action == _EXPORT and run_ids:
        st.session_state[_TO_EXPORT] = run_ids[: exporting.RUNS_MOST]


def _sort() -> Sort:
    key, _, direction = st.query_params.get(_SORT, "").partition("-")
    if key not in set(RunOrder):
        return Sort(key=RunOrder.START.value, descending=True)
    return Sort(key=key, descending=direction != "up")


def _sort_by(sort: Sort) -> None:
    if sort.key in set(RunOrder):
        st.query_params[_SORT] = f"{sort.key}-{'down' if sort.descending else 'up'}"


def _list(query: RunQuery) -> None:
    @st.fragment(run_every=_REFRESH_S)
    def rows() -> None:
        if _TO_EXPORT in st.session_state:
            # A dialog is opened by the page: this part of it is drawn anew all the time.
            st.rerun()
        try:
            queries.settle_new_runs()
            state = queries.state()
            _rows(query, state)
        except StoreError as error:
            trouble.store(error, queries.shown_store_url())

    rows()


def _rows(query: RunQuery, state: StoreState) -> None:
    # Read here and not with the filters: a click on a header reruns this part only.
    sort = _sort()
    query = replace(query, order=RunOrder(sort.key), descending=sort.descending)
    total = queries.runs(query, state.token).total
    pages = max(1, -(-total // PAGE_ROWS))
    place = st.container()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(_counted(total, state), width="stretch")
        number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    found = queries.runs(replace(query, offset=(number - 1) * PAGE_ROWS), state.token)
    with place:
        if not found.rows:
            nothing.no_run(query, state.token)
            return
        table(_table(found, query), key="runs", on_sort=_sort_by, on_action=_acted)


def _counted(total: int, state: StoreState) -> str:
    runs = words.count(state.runs, "run")
    text = (f"{total:,} of {runs}" if total != state.runs else runs) + " · times are UTC"
    dropped = sum(state.dropped.values())
    if dropped:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in state.dropped.items())
        text += words.markdown(f" · {dropped:,} spans lost ({reasons})")
    return text


def _table(found: RunPage, query: RunQuery) -> Table:
    longest_ns = max((_wall_ns(row) or 0 for row in found.rows), default=0)
    glimpses = queries.glimpses(row for row in found.rows if row.end_ns is not None)
    return Table(
        caption="Runs",
        columns=_COLUMNS,
        rows=tuple(_row(row, longest_ns, glimpses.get(row.run_id)) for row in found.rows),
        sort=Sort(key=query.order.value, descending=query.descending),
        sorts_here=False,
        max_height_px=2_000,
        actions=_ACTIONS,
    )


def _number(row: RunRow, key: str) -> int | float | None:
    value = (row.summary or {}).get(key)
    return value if isinstance(value, int | float) else None


def _row(row: RunRow, longest_ns: float, glimpse: queries.Glimpse | None) -> Row:
    return Row(
        id=row.run_id,
        href=f"run?run={row.run_id}",
        cells=(
            Cell(row.status.value),
            Cell(row.name),
            Cell("", row.start_ns // 1_000_000, note=words.moment(row.start_ns)),
            _wall(row, longest_ns),
            _speedup(row),
            _course(glimpse),
            _long_pole(None if glimpse is None else glimpse.pole),
            _retries(row),
            _tokens(row),
            _cost(row),
            Cell(row.run_id[:8], note=row.run_id),
        ),
    )


def _wall_ns(row: RunRow) -> float | None:
    if row.status is Status.RUNNING:
        second_ns = 1_000_000_000
        return max(second_ns, (time.time_ns() - row.start_ns) // second_ns * second_ns)
    known_ns = _number(row, "wall_ns")
    if known_ns is None and row.end_ns is not None:
        return row.end_ns - row.start_ns
    return known_ns


def _wall(row: RunRow, longest_ns: float) -> Cell:
    wall_ns = _wall_ns(row)
    if wall_ns is None:
        return Cell("–")
    return Cell(words.duration(wall_ns), wall_ns, wall_ns / longest_ns if longest_ns else 0.0)


def _speedup(row: RunRow) -> Cell:
    ratio = _number(row, "speedup_ratio")
    return Cell("–" if ratio is None else words.times(ratio))


def _course(glimpse: queries.Glimpse | None) -> Cell:
    if glimpse is None or not glimpse.course:
        return Cell("–", note=_NOT_YET)
    if glimpse.peak <= 1:
        return Cell(f"{glimpse.peak}", note="nothing ran side by side")
    mean = sum(glimpse.course) / len(glimpse.course)
    return Cell(
        f"{glimpse.peak:,}",
        note=f"at most {glimpse.peak:,} at once, {mean:.1f} in the mean",
        points=tuple(round(running / max(glimpse.peak, 1), 2) for running in glimpse.course),
    )


def _long_pole(pole: queries.LongPole | None) -> Cell:
    if pole is None:
        return Cell("")
    return Cell(f"{pole.name} · {words.share(pole.share_ratio)}", note=pole.name)


def _retries(row: RunRow) -> Cell:
    count = _number(row, "retries")
    return Cell("–" if count is None else f"{count:,}" if count else "")


def _tokens(row: RunRow) -> Cell:
    usage = (row.summary or {}).get("usage")
    if not isinstance(usage, dict):
        return Cell("–")
    total = int(usage.get("input_tokens", 0)) + int(usage.get("output_tokens", 0))
    return Cell(words.tokens(total) if total else "")


def _cost(row: RunRow) -> Cell:
    if row.summary is None:
        return Cell("–")
    given = row.summary.get("cost_usd")
    cost = None if given is None else Decimal(str(given))
    unpriced = int(_number(row, "unpriced_calls") or 0)
    if cost is None:
        return Cell("unpriced" if unpriced else "", note=f"{unpriced:,} calls without a price")
    prefix = "≥ " if unpriced else ""
    note = f"{unpriced:,} calls without a price" if unpriced else ""
    return Cell(prefix + words.usd(cost), note=note)

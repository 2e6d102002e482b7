"""The page about failures: what failed where and since when, retries, fallbacks, lost runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from longpole.analysis import PlaceFacts
from longpole.dashboard import meanings, words
from longpole.dashboard.charts import trend
from longpole.dashboard.sampled import Sampled
from longpole.dashboard.web import samples
from longpole.dashboard.web.samples import ChainRow, Failures, Question
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, cells, table
from longpole.dashboard.web.views import many, nothing
from longpole.dashboard.web.views.colours import theme
from longpole.dashboard.web.views.error_table import error_table
from longpole.storage import RunPage

_ROWS_MOST: Final = 200
_NUMBER: Final = ColumnKind.NUMBER
ERRORS, TRIES, CHAINS, LOST = _PARTS = ("Errors", "Retries and fallbacks", "By chain", "Lost runs")

_TRY_COLUMNS: Final = (
    Column(key="place", label="Where", width_px=230, grows=True),
    Column(key="chain", label="Chain", width_px=140),
    Column(key="executions", label="Executions", kind=_NUMBER, width_px=98),
    Column(key="failed", label="Failed", kind=_NUMBER, width_px=84, help="Per execution"),
    Column(key="retries", label="Retries", kind=_NUMBER, width_px=84, help=meanings.RETRIES),
    Column(key="retry_rate", label="Retries each", kind=_NUMBER, width_px=96, help=meanings.EACH),
    Column(key="fallbacks", label="Fallbacks", kind=_NUMBER, width_px=90,
           help=meanings.FALLBACKS),
    Column(key="fallback_rate", label="Fallbacks each", kind=_NUMBER, width_px=110,
           help=meanings.EACH),
)  # fmt: skip
_CHAIN_COLUMNS: Final = (
    Column(key="chain", label="Chain", kind=ColumnKind.LINK, width_px=200, grows=True),
    Column(key="runs", label="Runs", kind=_NUMBER, width_px=80),
    Column(key="failed", label="Failed", kind=_NUMBER, width_px=84, help=meanings.FAILED),
    Column(key="limited", label="Rate-limited", kind=_NUMBER, width_px=104,
           help="Share of the runs that met a rate limit"),
    Column(key="retried", label="Retried", kind=_NUMBER, width_px=84, help=meanings.RETRIED),
    Column(key="retries", label="Retries", kind=_NUMBER, width_px=80, help=meanings.RETRIES),
    Column(key="backoff", label="Back-off a run", kind=_NUMBER, width_px=118,
           help=meanings.BACKOFF),
    Column(key="fallbacks", label="Fallbacks", kind=_NUMBER, width_px=90, help=meanings.FALLBACKS),
)  # fmt: skip
_LOST_COLUMNS: Final = (
    Column(key="id", label="Run", kind=ColumnKind.LINK, width_px=110),
    Column(key="chain", label="Chain", width_px=200, grows=True),
    Column(key="status", label="Status", kind=ColumnKind.STATUS, width_px=108),
    Column(key="start", label="Started", kind=ColumnKind.SINCE, width_px=104),
    Column(key="spans", label="Spans seen", kind=_NUMBER, width_px=100),
)


def page() -> None:
    """Draw the page."""
    many.page(_drawn)


def _drawn(question: Question, found: Sampled) -> None:
    lost = samples.lost(question)
    if not found.samples and not lost.total:
        nothing.no_match(question.query, question.token)
        return
    st.caption(many.counted(found))
    failures = samples.failures(question) if found.samples else None
    many.metrics(_numbers(failures, lost))
    if failures is not None and failures.kinds:
        many.heading("Failures over time", meanings.ERRORS)
        many.chart(_over_time(failures), key="failures_over_time", alt="Errors over time by type")
    drawn: dict[str, Callable[[], None]] = {
        ERRORS: lambda: _errors(failures),
        TRIES: lambda: _tries(failures),
        CHAINS: lambda: _chains(samples.chain_rows(question) if found.samples else ()),
        LOST: lambda: _lost(lost),
    }
    tabs = st.tabs(_PARTS, key="failure_part", on_change="rerun", bind="query-params")
    for tab, name in zip(tabs, _PARTS, strict=True):
        if tab.open:
            with tab:
                drawn[name]()


def _numbers(failures: Failures | None, lost: RunPage) -> list[tuple[str, str, str | None]]:
    lost_runs = ("Lost runs", f"{lost.total:,}", meanings.LOST)
    if failures is None:
        return [lost_runs]
    whole = failures.whole
    runs = whole.runs
    return [
        ("Failed runs", _of_runs(whole.errors, runs), meanings.FAILED),
        ("Errors", f"{sum(group.count for group in failures.groups):,}", meanings.ERRORS),
        ("Rate-limited", _of_runs(failures.rate_limited, runs), "Runs that met a rate limit"),
        ("Retried", _of_runs(whole.retried, runs), meanings.RETRIED),
        ("Retries", f"{whole.retries:,}", meanings.RETRIES),
        ("Back-off a run", words.duration(whole.backoff_ns / runs), meanings.BACKOFF),
        ("Fell back", _of_runs(whole.fell_back, runs), "Runs in which a fallback was tried"),
        lost_runs,
    ]


def _of_runs(count: int, runs: int) -> str:
    return f"{count:,} · {words.share(count / runs)}"


def _over_time(failures: Failures) -> object:
    return trend.stacked(
        failures.trend,
        {name: list(counts) for name, counts in failures.kinds.items()},
        theme(),
        title="errors",
        told={
            name: [words.count(count, "error") for count in counts]
            for name, counts in failures.kinds.items()
        },
    )


def _errors(failures: Failures | None) -> None:
    if failures is None or not failures.groups:
        st.caption("Nothing failed in these runs.")
        return
    error_table(failures.groups, key="errors", names_chain=True)


def _tries(failures: Failures | None) -> None:
    places = () if failures is None else failures.whole.places
    told = [place for place in places if place.retries or place.fallbacks]
    if not told:
        st.caption("Nothing was tried again, and no fallback was tried.")
        return
    told.sort(key=lambda place: -(place.retries + place.fallbacks))
    table(
        Table(
            caption="Retries and fallbacks by place",
            columns=_TRY_COLUMNS,
            rows=tuple(_try(place) for place in told[:_ROWS_MOST]),
            max_height_px=560,
        ),
        key="tries",
    )


def _try(place: PlaceFacts) -> Row:
    return Row(
        id="\x1f".join(place.position),
        cells=(
            cells.place(place.position),
            cells.text(words.short_name(place.position[0])),
            cells.count(place.executions),
            cells.share(place.error_rate),
            cells.count(place.retries),
            cells.each(place.retry_rate),
            cells.count(place.fallbacks),
            cells.each(place.fallback_rate),
        ),
    )


def _chains(rows: tuple[ChainRow, ...]) -> None:
    ranked = sorted(rows, key=lambda row: -row.whole.error_rate)
    table(
        Table(
            caption="Failures by chain",
            columns=_CHAIN_COLUMNS,
            rows=tuple(_chain(row) for row in ranked),
            max_height_px=560,
        ),
        key="failing_chains",
    )


def _chain(row: ChainRow) -> Row:
    whole = row.whole
    return Row(
        id=row.name,
        href=many.chain_address(row.name),
        cells=(
            Cell(words.plain(words.short_name(row.name)), row.name, note=row.name),
            cells.count(whole.runs),
            cells.share(whole.error_rate),
            cells.share(row.rate_limited / whole.runs),
            cells.share(whole.retried / whole.runs),
            cells.count(whole.retries),
            cells.length(whole.backoff_ns / whole.runs),
            cells.count(whole.fallbacks),
        ),
    )


def _lost(lost: RunPage) -> None:
    if not lost.total:
        st.caption("No process took a run along when it died.")
        return
    table(
        Table(
            caption="Lost runs, the newest first",
            columns=_LOST_COLUMNS,
            rows=tuple(
                Row(
                    id=row.run_id,
                    href=f"run?run={row.run_id}",
                    cells=(
                        Cell(row.run_id[:8], row.run_id, note=row.run_id),
                        cells.text(words.short_name(row.name), note=row.name),
                        Cell(row.status.value, row.status.value),
                        cells.since(row.start_ns),
                        cells.count(row.spans),
                    ),
                )
                for row in lost.rows
            ),
        ),
        key="lost",
    )
    if lost.total > len(lost.rows):
        st.caption(f"The newest {len(lost.rows)} of {lost.total:,}.")

"""The page about Longpole itself: is the store sound and how large, what is recorded, and prices.

What was sent where stands at its foot, with the way to send more.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from decimal import Decimal

import streamlit as st

from longpole.dashboard import words
from longpole.dashboard.destinations import place_of
from longpole.dashboard.health import Finding, Verdict, examine
from longpole.dashboard.in_force import in_force
from longpole.dashboard.price_entries import price_entries
from longpole.dashboard.prices import own_rules, prices_path
from longpole.dashboard.web import queries
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, table
from longpole.dashboard.web.views import many, settings_export, trouble
from longpole.model.errors import LongpoleError, StoreError
from longpole.model.price_file import PriceRule
from longpole.model.pricing import price_run
from longpole.model.settings import read_settings
from longpole.storage import DestinationState, RunQuery, open_store
from longpole.storage.filter_text import parse
from longpole.storage.urls import spool_path

_HEALTH_KEPT_S = 60
_DAY_S = 86_400
_RUNS_LOOKED_AT = 20
_MARKS = {Verdict.OK: "ok", Verdict.NOTE: "note", Verdict.PROBLEM: "error"}
_MILLION = 1_000_000
_UNREADABLE = "Nothing can be told while the store cannot be read."


def page() -> None:
    """Draw the page."""
    health, size = st.columns([1.45, 1], gap="medium")
    with health:
        _health()
        _housekeeping()
    with size:
        _size()
        _recording()
    _prices()
    _exports()


# --- store ------------------------------------------------------------------------------------


def _health() -> None:
    st.subheader("Health", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        place = st.container(width="stretch")
        if st.button("Check again", icon=":material/refresh:", type="tertiary"):
            _findings.clear()
    url = queries.store_url()
    found = _findings(url)
    problems = sum(one.verdict is Verdict.PROBLEM for one in found)
    notes = sum(one.verdict is Verdict.NOTE for one in found)
    told = [words.count(problems, "problem")] if problems else []
    told += [words.count(notes, "note")] if notes else []
    place.caption(f"{', '.join(told) or 'Nothing wrong'} · the same as `longpole doctor`")
    table(_health_table(found), key="health")


@st.cache_resource(show_spinner="Looking …", ttl=_HEALTH_KEPT_S, max_entries=4)
def _findings(url: str) -> tuple[Finding, ...]:
    return tuple(
        examine(
            lambda: open_store(url, mode="read"),
            path=spool_path(url),
            environ=sorted(os.environ.items()),
            now_ns=time.time_ns(),
            is_thorough=False,
        )
    )


def _health_table(found: Sequence[Finding]) -> Table:
    worst = {Verdict.PROBLEM: 0, Verdict.NOTE: 1, Verdict.OK: 2}
    return Table(
        caption="What was looked at, and what was found",
        columns=(
            Column(key="verdict", label="", kind=ColumnKind.MARK, width_px=34, is_sortable=False),
            Column(key="subject", label="Subject", width_px=104, is_sortable=False),
            Column(key="told", label="Found", width_px=180, grows=True, is_sortable=False),
        ),
        rows=tuple(
            Row(
                id=f"{at}",
                is_strong=one.verdict is Verdict.PROBLEM,
                cells=(
                    Cell(_MARKS[one.verdict], note=one.verdict.value),
                    Cell(one.subject),
                    Cell(one.told + (f" — {one.advice}" if one.advice else ""), note=one.told),
                ),
            )
            for at, one in enumerate(sorted(found, key=lambda one: worst[one.verdict]))
        ),
        wraps=True,
        max_height_px=2_000,
    )


def _size() -> None:
    st.subheader("Store", anchor=False)
    st.text(queries.shown_store_url())
    try:
        state, size = queries.state(), queries.store().size()
    except StoreError as error:
        trouble.store(error, queries.shown_store_url())
        return
    shown = [
        ("Runs", f"{state.runs:,}", "All that are stored, also those that have not ended"),
        ("Spans", f"{state.spans:,}", "All that are stored, of all runs"),
        ("On disk", words.size(size.total_bytes), "The database with its log and its spool"),
        ("Unused", words.size(size.free_bytes), "Space that deleted runs left in the file"),
    ]
    many.metrics(shown, width_px=96)


def _housekeeping() -> None:
    """Show the commands that delete and copy."""
    st.subheader("Deleting and copying", anchor=False)
    st.caption("Done on the command line; leave `--dry-run` away to delete.")
    st.code(
        "\n".join(
            _command(*arguments)
            for arguments in (
                ("prune", "--older-than", "30d", "--dry-run"),
                ("prune", "--older-than", "7d", "--content-only", "--dry-run"),
                ("prune", "--max-size", "2GB", "--dry-run"),
                ("backup", "longpole-copy.db"),
            )
        ),
        language=None,
    )


def _command(*arguments: str) -> str:
    """Return a command about the store that is looked at."""
    return shlex.join(("longpole", *arguments, *queries.store_arguments()))


def _recording() -> None:
    st.subheader("Recording", anchor=False)
    try:
        settings = read_settings()
    except LongpoleError as error:
        st.code(str(error), language=None, wrap_lines=True)
        return
    rows = in_force(settings).items()
    table(
        Table(
            caption="Settings in force here",
            columns=(
                Column(key="name", label="Variable", kind=ColumnKind.CODE, width_px=194),
                Column(key="value", label="In force", width_px=96, grows=True),
            ),
            rows=tuple(
                Row(
                    id=name,
                    is_strong=bool(os.environ.get(name)),
                    cells=(Cell(name), Cell(value, note=value)),
                )
                for name, value in rows
            ),
            shows_header=False,
            wraps=True,
            max_height_px=2_000,
        ),
        key="settings",
    )
    st.caption(
        "As this dashboard sees them, bold where the environment says so; a traced app goes by "
        "its own environment."
    )


# --- prices -----------------------------------------------------------------------------------


def _prices() -> None:
    st.subheader("Prices", anchor=False)
    try:
        rules = own_rules()
    except LongpoleError as error:
        st.error("The price file cannot be used.", icon=":material/error:")
        st.code(str(error), language=None, wrap_lines=True)
        return
    if rules:
        st.text(f"{prices_path()}: the first entry that fits a call decides.")
        table(_rules_table(rules), key="price_rules")
    else:
        st.text(f"Public prices only; yours would be in {prices_path()}")
    try:
        # What was not looked at yet has no price either, and nobody would know.
        queries.settle_new_runs()
        models = _unpriced(queries.store_url(), queries.state().token)
    except StoreError:
        st.caption(_UNREADABLE)
        return
    except LongpoleError as error:
        st.code(str(error), language=None, wrap_lines=True)
        return
    if models:
        st.caption(
            f"Models without a price in the newest {_RUNS_LOOKED_AT} runs that have any. Put "
            "what fits into the file, then `longpole reprice`; docs/prices.md explains entries."
        )
        st.code(price_entries(models), language="toml")


@st.cache_resource(show_spinner=False, max_entries=4)
def _unpriced(url: str, token: int) -> tuple[tuple[str | None, str | None], ...]:
    """Return (provider, model) of calls without a price."""
    store, book = queries.store(), queries.prices()
    where = parse("has:unpriced", now_ns=time.time_ns())
    found: dict[tuple[str | None, str | None], None] = {}
    for row in store.list_runs(RunQuery(where=where, limit=_RUNS_LOOKED_AT)).rows:
        for span in price_run(store.load_run(row.run_id), book).spans:
            if span.unpriced is not None and span.model is not None:
                found[(span.provider, span.model)] = None
    return tuple(found)


def _rules_table(rules: Sequence[PriceRule]) -> Table:
    columns = ("Entry", "Provider", "Model", "From", "Until", "Input", "Output", "Cached", "Other")
    return Table(
        caption="Prices of your own, USD for a million tokens",
        columns=tuple(
            Column(
                key=name.lower(),
                label=name,
                kind=ColumnKind.NUMBER
                if name in ("Input", "Output", "Cached")
                else ColumnKind.TEXT,
                width_px=90,
                grows=name == "Model",
                is_sortable=False,
            )
            for name in columns
        ),
        rows=tuple(Row(id=str(rule.number), cells=_rule_cells(rule)) for rule in rules),
    )


def _rule_cells(rule: PriceRule) -> tuple[Cell, ...]:
    tokens = rule.tokens
    amounts = (
        ("", "", "")
        if tokens is None
        else tuple(
            words.usd(amount * _MILLION)
            for amount in (tokens.input_usd, tokens.output_usd, tokens.cache_read_usd)
        )
    )
    other = [] if rule.usd_per_second is None else [f"{words.usd(rule.usd_per_second)} a second"]
    other += [] if rule.factor == Decimal(1) else [f"× {rule.factor:f}"]
    return (
        Cell(str(rule.number)),
        Cell(rule.provider),
        Cell(rule.model),
        Cell(_day(rule.from_day)),
        Cell(_day(rule.until_day)),
        *(Cell(amount) for amount in amounts),
        Cell(", ".join(other)),
    )


def _day(day: int | None) -> str:
    return "" if day is None else words.moment(day * _DAY_S * 1_000_000_000)[:10]


# --- exports ----------------------------------------------------------------------------------


def _exports() -> None:
    st.subheader("Exports", anchor=False)
    try:
        destinations = queries.store().destinations()
    except StoreError:
        st.caption(_UNREADABLE)
        return
    if destinations:
        table(_ledger(destinations), key="ledger")
        _going_on(destinations)
    else:
        st.caption("Nothing was sent anywhere yet.")
    settings_export.panel()


def _ledger(destinations: Sequence[DestinationState]) -> Table:
    return Table(
        caption="What was sent where",
        columns=(
            Column(key="to", label="Destination", width_px=240, grows=True),
            Column(key="done", label="Runs there", kind=ColumnKind.NUMBER, width_px=90),
            Column(
                key="changed",
                label="Changed",
                kind=ColumnKind.NUMBER,
                width_px=80,
                help="Sent, and changed since",
            ),
            Column(key="waiting", label="Waiting", kind=ColumnKind.NUMBER, width_px=80),
            Column(
                key="refused",
                label="Refused",
                kind=ColumnKind.NUMBER,
                width_px=80,
                help="Spans that the destination will not take",
            ),
            Column(key="why", label="Why", width_px=180, grows=True, is_sortable=False),
            Column(key="at", label="Last", kind=ColumnKind.SINCE, width_px=100),
        ),
        rows=tuple(
            Row(
                id=str(at),
                cells=(
                    Cell(place_of(one.destination).title, one.destination),
                    *(
                        Cell(f"{count:,}" if count else "", count)
                        for count in (one.done, one.changed, one.waiting, one.refused_spans)
                    ),
                    Cell(one.reason or "", note=one.reason or ""),
                    Cell("", one.at_ns // 1_000_000, note=words.moment(one.at_ns)),
                ),
            )
            for at, one in enumerate(destinations)
        ),
    )


def _going_on(destinations: Sequence[DestinationState]) -> None:
    """Show the commands that send what is left."""
    commands = [
        _command("export", *place.arguments, *(("--retry-failed",) * bool(one.refused_spans)))
        for one in destinations
        if (place := place_of(one.destination)).arguments
    ]
    if commands:
        st.caption("Each sends what is new, changed or waiting there, and nothing twice:")
        st.code("\n".join(commands), language=None)

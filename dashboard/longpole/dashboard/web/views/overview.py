"""The first page: the answer at first sight, for the runs that the filters on top choose.

Numbers and chains come at once; findings take longer, are made aside and appear when they are
there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

import streamlit as st

from longpole.analysis.branch_shares import BranchShare, BranchShares
from longpole.dashboard import meanings, words
from longpole.dashboard.overview import ChainFacts, Overview
from longpole.dashboard.places import place_label
from longpole.dashboard.web import glance, queries, samples
from longpole.dashboard.web.samples import Question
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, cells, table
from longpole.dashboard.web.tiles import tiles
from longpole.dashboard.web.views import filters, finding_cards, many, nothing, trouble
from longpole.model.errors import StoreError

_REFRESH_S: Final = 2.0
_FILTER_KEYS: Final = (filters.CHAIN, *many.FILTER_KEYS)
_CHAINS_SHOWN: Final = 5
_BRANCHES_SHOWN: Final = 8
_NUMBER: Final = ColumnKind.NUMBER
_CHAIN: Final = Column(key="name", label="Chain", kind=ColumnKind.LINK, width_px=84, grows=True)

_SLOWEST: Final = (
    _CHAIN,
    Column(key="p95", label="p95", kind=ColumnKind.BAR, width_px=76, help=meanings.P95),
    Column(key="p50", label="p50", kind=_NUMBER, width_px=66, help=meanings.P50),
    Column(key="bound", label="Waits for", width_px=76, grows=True, help=meanings.BOUND),
)
_DEAREST: Final = (
    _CHAIN,
    Column(key="cost", label="Cost", kind=ColumnKind.BAR, width_px=76, help=meanings.COST),
    Column(key="a_run", label="A run", kind=_NUMBER, width_px=76, help=meanings.COST),
    Column(key="wasted", label="Wasted", kind=_NUMBER, width_px=66, help="Of the cost"),
)
_BOUNDS: Final = (
    Column(
        key="branch",
        label="Branch or step",
        kind=ColumnKind.LINK,
        width_px=104,
        grows=True,
        help="A branch of a fan-out, or a step outside of all branches",
    ),
    Column(
        key="share",
        label="Of wall",
        kind=ColumnKind.BAR,
        width_px=76,
        help="Share of the walls of all runs together that was spent waiting for it",
    ),
    Column(key="chain", label="Chain", width_px=84, grows=True),
)


def page() -> None:
    """Draw the page."""
    try:
        state = queries.state()
        if not state.runs:
            nothing.empty_store()
            return
        question = filters.question(state.token)
    except StoreError as error:
        trouble.store(error, queries.shown_store_url())
        return

    @st.fragment(run_every=_REFRESH_S)
    def body() -> None:
        try:
            queries.settle_new_runs()
            now = replace(question, token=queries.state().token)
            _body(now)
        except StoreError as error:
            trouble.store(error, queries.shown_store_url())

    body()


def _body(question: Question) -> None:
    _banner(question)
    found = samples.sampled(question)
    if not found.samples:
        nothing.no_match(question.query, question.token)
        return
    seen = glance.numbers(question)
    tiles(seen.tiles, hrefs=_addresses(), key="tiles")
    st.caption(f"{many.counted(found)} · curves by {_slice(seen.slice_s)}")
    left, right = st.columns([1.45, 1], gap="medium")
    with right:
        _bounds(seen.shares)
        _slowest(seen)
        _dearest(seen)
    with left:
        finding_cards.cards(glance.findings(question, _subject()))


def _subject() -> tuple[str | None, ...]:
    """Return what the boxes say; unlike the question it does not change as time goes on."""
    return tuple(st.query_params.get(key) for key in _FILTER_KEYS)


def _banner(question: Question) -> None:
    lost = glance.losses(question.token)
    if not lost:
        return
    told = [f"**{words.markdown(one.told)}** ({words.markdown(one.advice)})" for one in lost]
    st.warning("  \n".join(told), icon=":material/running_with_errors:")


def _addresses() -> Mapping[str, str]:
    """Return where the pages are that tell more, about the same runs."""
    kept = {key: st.query_params[key] for key in _FILTER_KEYS if key in st.query_params}
    after = f"?{urlencode(kept)}" if kept else ""
    return {path: path + after for path in ("runs", "chains", "cost", "failures")}


def _slice(length_s: int) -> str:
    """Return how long a slice is: a day, 15 minutes."""
    units = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
    unit_s, name = next(unit for unit in units if length_s >= unit[0])
    return name if length_s == unit_s else words.count(length_s // unit_s, name)


# --- tables ---------------------------------------------------------------------------------------


def _bounds(shares: BranchShares) -> None:
    many.heading("What bounds the wall", meanings.BRANCH_SHARE)
    rows = shares.rows[:_BRANCHES_SHOWN]
    table(
        Table(
            caption="Branches and steps by share of the wall",
            columns=_BOUNDS,
            rows=tuple(_bound_row(row, rows[0]) for row in rows),
            max_height_px=400,
        ),
        key="bounds",
    )
    left = shares.rows[_BRANCHES_SHOWN:]
    if left:
        share = words.share(float(sum(row.share for row in left)))
        st.caption(f"{share} in {words.count(len(left), 'other place')}")


def _bound_row(row: BranchShare, longest: BranchShare) -> Row:
    return Row(
        id="\x1f".join((row.chain, *row.branch)),
        href=many.chain_address(row.chain),
        cells=(
            Cell(place_label(row.branch), note=" › ".join(row.branch)),
            Cell(
                words.share(float(row.share)),
                float(row.share),
                row.own_path_ns / max(1, longest.own_path_ns),
            ),
            Cell(words.short_name(row.chain), row.chain, note=row.chain),
        ),
    )


def _slowest(seen: Overview) -> None:
    many.heading("Slowest chains", "By the p95 of their walls")
    shown = seen.slowest(_CHAINS_SHOWN)
    table(
        Table(
            caption="Slowest chains",
            columns=_SLOWEST,
            rows=tuple(_slow_row(one, shown[0]) for one in shown),
        ),
        key="slowest",
    )
    _rest(len(seen.chains) - len(shown), "chain")


def _slow_row(one: ChainFacts, slowest: ChainFacts) -> Row:
    bound = one.bound
    waits_for = "" if bound is None else place_label(bound.position)
    return _row(
        one,
        cells.length(one.whole.wall.p95_ns, of_ns=slowest.whole.wall.p95_ns),
        cells.length(one.whole.wall.p50_ns),
        cells.text(waits_for, "" if bound is None else " › ".join(bound.position)),
    )


def _dearest(seen: Overview) -> None:
    shown = seen.dearest(_CHAINS_SHOWN)
    if not shown:
        return
    many.heading("Dearest chains", "By the cost of all their runs that are looked at")
    table(
        Table(
            caption="Dearest chains",
            columns=_DEAREST,
            rows=tuple(_dear_row(one, shown[0]) for one in shown),
        ),
        key="dearest",
    )


def _dear_row(one: ChainFacts, dearest: ChainFacts) -> Row:
    whole = one.whole
    cost_usd, most_usd = whole.cost_usd or 0, dearest.whole.cost_usd or 1
    spent = cells.cost(whole.cost_usd, whole.unpriced_calls)
    return _row(
        one,
        replace(spent, ratio=float(cost_usd / most_usd)),
        cells.cost(whole.mean_cost_usd, whole.unpriced_calls),
        cells.share(float(whole.wasted_cost_usd / cost_usd) if cost_usd else 0),
    )


def _row(one: ChainFacts, *beside: Cell) -> Row:
    name = Cell(words.short_name(one.name), one.name, note=one.name)
    return Row(id=one.name, href=many.chain_address(one.name), cells=(name, *beside))


def _rest(count: int, what: str) -> None:
    if count:
        st.caption(f"{words.count(count, what)} more on the page Chains")

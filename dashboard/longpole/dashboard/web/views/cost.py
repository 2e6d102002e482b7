"""The page about money: what was spent on what and when, wasted, saved, and not priced."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import streamlit as st

from longpole.analysis import CostBy, CostShare
from longpole.dashboard import meanings, words
from longpole.dashboard.cached_tokens import saved_by_caches, saved_by_provider
from longpole.dashboard.charts import trend
from longpole.dashboard.places import branch_label
from longpole.dashboard.sampled import Sampled
from longpole.dashboard.web import queries, samples
from longpole.dashboard.web.samples import OTHERS, Costs, Question, Spending
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Sort, Table, cells, table
from longpole.dashboard.web.views import cheaper, many, nothing, unpriced
from longpole.dashboard.web.views.colours import theme

_ROWS_MOST: Final = 200
_AMOUNT_PX: Final = 192
"""As wide as an amount with its share."""
_NUMBER: Final = ColumnKind.NUMBER
SPENT, WASTED, CACHES, UNPRICED, CHEAPER = _PARTS = (
    "Spent",
    "Wasted",
    "Caches",
    "Without a price",
    "What would be cheaper",
)
_BY: Final = tuple(by for by in CostBy if by is not CostBy.DAY)
_SPENT_COLUMNS: Final = (
    Column(key="cost", label="Cost", kind=ColumnKind.BAR, width_px=110, help=meanings.COST),
    Column(key="share", label="Share", kind=_NUMBER, width_px=76),
    Column(key="call", label="A call", kind=_NUMBER, width_px=90,
           help="In the mean over the calls that have a price"),
    Column(key="calls", label="Calls", kind=_NUMBER, width_px=80),
    Column(key="runs", label="Runs", kind=_NUMBER, width_px=76),
    Column(key="unpriced", label="Unpriced", kind=_NUMBER, width_px=90, help=meanings.UNPRICED),
)  # fmt: skip
_WASTE_COLUMNS: Final = (
    Column(key="reason", label="Reason", width_px=130),
    Column(key="place", label="Where", kind=ColumnKind.LINK, width_px=240, grows=True,
           help="The topmost span whose result nobody used; opens the newest run with one"),
    Column(key="chain", label="Chain", width_px=130),
    Column(key="cost", label="Cost", kind=ColumnKind.BAR, width_px=110),
    Column(key="work", label="Work", kind=_NUMBER, width_px=96),
    Column(key="times", label="Times", kind=_NUMBER, width_px=80),
    Column(key="runs", label="Runs", kind=_NUMBER, width_px=76),
)  # fmt: skip
_CACHE_COLUMNS: Final = (
    Column(key="model", label="Model", width_px=200, grows=True),
    Column(key="provider", label="Provider", width_px=110),
    Column(key="calls", label="Calls", kind=_NUMBER, width_px=80),
    Column(key="hits", label="Cache hits", kind=_NUMBER, width_px=94,
           help="Answers out of LangChain's cache"),
    Column(key="hit_rate", label="Of calls", kind=_NUMBER, width_px=84),
    Column(key="saved", label="Saved", kind=_NUMBER, width_px=90,
           help="The hits at the mean cost of the same calls that were paid for"),
    Column(key="tokens", label="Cached tokens", kind=_NUMBER, width_px=116,
           help="Input tokens that the provider had cached"),
    Column(key="tokens_saved", label="Saved by them", kind=_NUMBER, width_px=116,
           help="The difference of the two prices, at today's"),
)  # fmt: skip


def page() -> None:
    """Draw the page."""
    many.page(_drawn)


def _drawn(question: Question, found: Sampled) -> None:
    if not found.samples:
        nothing.no_match(question.query, question.token)
        return
    st.caption(many.counted(found))
    spending = samples.spending(question)
    saved_usd = saved_by_caches(spending.caches, queries.prices(), at_ns=_newest_ns(spending))
    many.metrics(_numbers(spending, saved_usd), width_px=_AMOUNT_PX)
    drawn: dict[str, Callable[[], None]] = {
        SPENT: lambda: _spent(question),
        WASTED: lambda: _wasted(spending),
        CACHES: lambda: _caches(spending),
        UNPRICED: lambda: unpriced.tab(found),
        CHEAPER: lambda: cheaper.tab(question, found),
    }
    tabs = st.tabs(_PARTS, key="cost_part", on_change="rerun", bind="query-params")
    for tab, name in zip(tabs, _PARTS, strict=True):
        if tab.open:
            with tab:
                drawn[name]()


def _newest_ns(spending: Spending) -> int:
    return spending.whole.last_start_ns


def _numbers(spending: Spending, saved_usd: Decimal) -> list[tuple[str, str, str | None]]:
    whole = spending.whole
    wasted_usd = whole.wasted_cost_usd
    share = float(wasted_usd / whole.cost_usd) if whole.cost_usd else 0.0
    return [
        ("Cost", words.cost(whole.cost_usd, whole.unpriced_calls), meanings.COST),
        ("Cost a run", words.cost(whole.mean_cost_usd, whole.unpriced_calls), meanings.COST),
        ("Model calls", f"{whole.llm_calls:,}", meanings.MODEL_CALLS),
        ("Without a price", f"{whole.unpriced_calls:,}", meanings.UNPRICED),
        ("Wasted", f"{words.usd(wasted_usd)} · {words.share(share)}", meanings.WASTED),
        ("Saved by caches", words.usd(saved_usd), meanings.CACHE),
    ]


# --- spent ------------------------------------------------------------------------------------


def _spent(question: Question) -> None:
    by = st.segmented_control(
        "By",
        [one.value for one in _BY],
        default=CostBy.MODEL.value,
        required=True,
        key="cost_by",
        bind="query-params",
    )
    kind = CostBy(by)
    found = samples.costs(question, kind)
    if not found.shares.rows:
        st.caption("These runs called no model.")
        return
    if found.series:
        named = {_named(kind, key): values for key, values in found.series.items()}
        many.chart(
            trend.stacked(
                found.trend,
                {name: [float(value) for value in values] for name, values in named.items()},
                theme(),
                title="cost (USD)",
                prefix="$",
                told={name: [words.usd(one) for one in values] for name, values in named.items()},
            ),
            key="cost_over_time",
            alt=f"Cost over time by {kind.value}",
        )
    _spent_table(found, kind)


def _named(by: CostBy, key: tuple[str, ...] | None) -> str:
    if key is None:
        return OTHERS
    match by:
        case CostBy.BRANCH:
            chain = words.short_name(key[0]) if key else ""
            return f"{chain} › {branch_label(key)}" if key else branch_label(key)
        case CostBy.DAY:
            return datetime.fromtimestamp(int(key[0]) * 86_400, UTC).strftime("%Y-%m-%d")
        case CostBy.CHAIN:
            return words.short_name(key[0])
        case _:
            return ", ".join(key) or "(none)"


def _spent_table(found: Costs, by: CostBy) -> None:
    total = found.shares.cost_usd or Decimal(0)
    most = max((row.cost_usd or Decimal(0) for row in found.shares.rows), default=Decimal(0))
    key = Column(key="key", label=by.value.capitalize(), width_px=220, grows=True)
    table(
        Table(
            caption=f"Cost by {by.value}",
            columns=(key, *_SPENT_COLUMNS),
            rows=tuple(_spent_row(row, by, total, most) for row in found.shares.rows[:_ROWS_MOST]),
            sort=Sort(key="cost", descending=True),
            max_height_px=520,
        ),
        key="cost_table",
    )
    left = len(found.shares.rows) - _ROWS_MOST
    if left > 0:
        st.caption(f"The {_ROWS_MOST} dearest; {left:,} more cost less.")


def _spent_row(row: CostShare, by: CostBy, total: Decimal, most: Decimal) -> Row:
    cost = row.cost_usd
    priced = row.calls - row.unpriced_calls
    cell = cells.cost(cost, row.unpriced_calls)
    ratio = float(cost / most) if cost and most else 0.0
    label = _named(by, row.key)
    return Row(
        id="\x1f".join(row.key),
        cells=(
            Cell(words.plain(label), label, note=" › ".join(row.key)),
            Cell(cell.text, cell.value, ratio, cell.note),
            cells.share(float(cost / total) if cost and total else 0.0),
            cells.cost(cost / priced if cost is not None and priced else None),
            cells.count(row.calls),
            cells.count(row.runs),
            cells.count(row.unpriced_calls),
        ),
    )


# --- wasted, saved ----------------------------------------------------------------------------


def _wasted(spending: Spending) -> None:
    groups = spending.wastes.groups
    if not groups:
        st.caption("Every result of these runs was used.")
        return
    most = max(group.cost_usd for group in groups)
    st.caption(
        f"{words.usd(spending.wastes.cost_usd)} and {words.duration(spending.wastes.wasted_ns)} of "
        "work whose result nobody used."
    )
    table(
        Table(
            caption="Waste by reason and place",
            columns=_WASTE_COLUMNS,
            rows=tuple(
                Row(
                    id=str(number),
                    href=f"run?run={group.run_id}",
                    cells=(
                        cells.text(group.reason.value),
                        cells.place(group.position),
                        cells.text(words.short_name(group.position[0])),
                        _bar(group.cost_usd, most, group.unpriced_calls),
                        cells.length(group.wasted_ns),
                        cells.count(group.count),
                        cells.count(group.runs),
                    ),
                )
                for number, group in enumerate(groups[:_ROWS_MOST])
            ),
            max_height_px=560,
        ),
        key="waste",
    )


def _bar(cost_usd: Decimal, most_usd: Decimal, unpriced_calls: int) -> Cell:
    known_usd = None if unpriced_calls and not cost_usd else cost_usd
    cell = cells.cost(known_usd, unpriced_calls)
    return Cell(cell.text, cell.value, float(cost_usd / most_usd) if most_usd else 0.0, cell.note)


def _caches(spending: Spending) -> None:
    if not spending.caches:
        st.caption(
            "No answer of these runs came from a cache, and no provider had cached any tokens."
        )
        return
    rows = []
    for use in spending.caches:
        tokens_usd = saved_by_provider(use, queries.prices(), at_ns=_newest_ns(spending))
        unknown = f"{words.count(use.unknown_hits, 'hit')} beside no paid call"
        rows.append(
            Row(
                id=f"{use.provider}\x1f{use.model}",
                cells=(
                    cells.text(use.model or "(not told)"),
                    cells.text(use.provider or ""),
                    cells.count(use.calls),
                    cells.count(use.hits),
                    cells.share(use.hits / max(1, use.calls)),
                    Cell(
                        ("≥ " if use.unknown_hits else "") + words.usd(use.saved_usd),
                        float(use.saved_usd),
                        note=unknown if use.unknown_hits else "",
                    ),
                    Cell(words.tokens(use.read_tokens), use.read_tokens),
                    Cell("unpriced")
                    if tokens_usd is None
                    else Cell(words.usd(tokens_usd), float(tokens_usd)),
                ),
            )
        )
    table(
        Table(caption="What caches saved, by model", columns=_CACHE_COLUMNS, rows=tuple(rows)),
        key="caches",
    )

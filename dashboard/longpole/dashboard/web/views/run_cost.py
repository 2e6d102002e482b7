"""The tab that tells where the money of a run went, and what has no price."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import streamlit as st

from longpole.analysis.result import RunAnalysis, WasteReason
from longpole.dashboard import figures, words
from longpole.dashboard.charts.icicle import icicle
from longpole.dashboard.labels import placed_label
from longpole.dashboard.price_entries import price_entries
from longpole.dashboard.spent import Spending, cost_usd, spending_of
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, table
from longpole.dashboard.web.views import many
from longpole.dashboard.web.views.colours import theme

_WASTED_SHOWN = 100
_MODELS_SHOWN = 50


def tab(found: RunAnalysis, *, on_open: Callable[[str], None]) -> None:
    """Draw the tab; `on_open` shows a span in the waterfall."""
    spending = spending_of(found)
    if not spending:
        st.caption("This run called no model.")
        return
    _numbers(found, spending)
    if any(one.cost_usd or one.usage.total_tokens for one in spending):
        st.plotly_chart(
            icicle(spending, found.run.name, theme()),
            key="run_cost",
            config=figures.CONFIG,
            alt="What branches and their models spent; the table below has the models",
        )
        st.caption("Blue: the run waited for it. Grey: beside the critical path. Red: wasted.")
    models, wasted = st.columns([1.5, 1], gap="medium")
    with models:
        st.markdown("**Models**")
        table(_models(spending), key="run_cost_models")
    with wasted:
        st.markdown("**For nothing**")
        _wasted(found, spending, on_open)
    _unpriced(found, spending)


def _numbers(found: RunAnalysis, spending: Sequence[Spending]) -> None:
    parts, facts = found.breakdown, found.facts
    usage = facts.usage
    per_s = parts.tokens_per_s
    shown: list[tuple[str, str, str | None]] = [
        (
            "On the path",
            "–" if facts.cost_usd is None else words.usd(parts.on_path_cost_usd),
            "Priced calls that the run waited for",
        ),
        (
            "Beside it",
            "–" if facts.cost_usd is None else words.usd(parts.off_path_cost_usd),
            "Priced calls beside the critical path",
        ),
        (
            "Wasted",
            words.cost(
                facts.wasted_cost_usd or (None if parts.wasted_unpriced_calls else Decimal(0)),
                parts.wasted_unpriced_calls,
            ),
            f"{words.duration(facts.wasted_ns)} of work, {words.duration(parts.wasted_wall_ns)} "
            "of it on the critical path",
        ),
        (
            "Avoidable",
            words.usd(parts.avoidable_cost_usd),
            f"Calls started after a branch had failed; {words.duration(parts.avoidable_ns)}",
        ),
        ("Input", words.tokens(usage.input_tokens), f"{usage.input_tokens:,} tokens"),
        (
            "Cached input",
            words.tokens(usage.cache_read_tokens),
            f"{usage.cache_read_tokens:,} of the input; {usage.cache_write_tokens:,} written",
        ),
        ("Output", words.tokens(usage.output_tokens), f"{usage.output_tokens:,} tokens"),
        (
            "Reasoning",
            words.tokens(usage.reasoning_tokens),
            f"{usage.reasoning_tokens:,} of the output",
        ),
        ("Tokens a second", "–" if per_s is None else f"{per_s:,.0f}", "While calls streamed"),
    ]
    many.metrics(shown)


def _models(spending: Sequence[Spending]) -> Table:
    groups: dict[tuple[str, str], list[Spending]] = {}
    for one in spending:
        key = (one.span.model or "(no model)", one.span.provider or "")
        groups.setdefault(key, []).append(one)
    rows = sorted(groups.items(), key=lambda item: (-cost_usd(item[1]), item[0]))
    most = max([cost_usd(calls) for _, calls in rows], default=Decimal(0)) or Decimal(1)
    return Table(
        caption="What each model cost",
        columns=(
            Column(key="model", label="Model", width_px=170, grows=True),
            Column(key="calls", label="Calls", kind=ColumnKind.NUMBER, width_px=64),
            Column(key="in", label="Input", kind=ColumnKind.NUMBER, width_px=72),
            Column(key="cached", label="Cached", kind=ColumnKind.NUMBER, width_px=72),
            Column(key="out", label="Output", kind=ColumnKind.NUMBER, width_px=72),
            Column(key="reason", label="Reasoning", kind=ColumnKind.NUMBER, width_px=86),
            Column(key="path", label="On path", kind=ColumnKind.NUMBER, width_px=84),
            Column(key="cost", label="Cost", kind=ColumnKind.BAR, width_px=100),
        ),
        rows=tuple(
            _model(number, model, provider, calls, most)
            for number, ((model, provider), calls) in enumerate(rows[:_MODELS_SHOWN])
        ),
        max_height_px=420,
    )


def _model(
    number: int, model: str, provider: str, calls: Sequence[Spending], most_usd: Decimal
) -> Row:
    paid = cost_usd(calls)
    unpriced = sum(one.cost_usd is None for one in calls)
    on_path = cost_usd(one for one in calls if one.is_on_path)
    priced = None if unpriced == len(calls) else paid
    return Row(
        id=str(number),
        cells=(
            Cell(model, model, note=provider),
            Cell(f"{len(calls):,}", len(calls)),
            _tokens(sum(one.usage.input_tokens for one in calls)),
            _tokens(sum(one.usage.cache_read_tokens for one in calls)),
            _tokens(sum(one.usage.output_tokens for one in calls)),
            _tokens(sum(one.usage.reasoning_tokens for one in calls)),
            Cell(words.usd(on_path) if on_path else "", float(on_path)),
            Cell(words.cost(priced, unpriced), float(paid), float(paid / most_usd)),
        ),
    )


def _tokens(count: int) -> Cell:
    return Cell(words.tokens(count) if count else "", count)


def _wasted(
    found: RunAnalysis, spending: Sequence[Spending], on_open: Callable[[str], None]
) -> None:
    wasted = [one for one in spending if one.wasted is not None]
    if not wasted:
        st.caption("Every answer was used.")
        return
    wasted.sort(key=lambda one: (-(one.cost_usd or 0), one.span.start_ns))
    table(
        Table(
            caption="Calls whose answer nobody used",
            columns=(
                Column(key="span", label="Call", kind=ColumnKind.LINK, width_px=150, grows=True),
                Column(key="why", label="Why", width_px=120),
                Column(key="cost", label="Cost", kind=ColumnKind.NUMBER, width_px=80),
            ),
            rows=tuple(_waste(found, one, one.wasted) for one in wasted[:_WASTED_SHOWN]),
            max_height_px=420,
        ),
        key="run_cost_wasted",
        on_open=on_open,
    )


def _waste(found: RunAnalysis, one: Spending, reason: WasteReason | None) -> Row:
    label = placed_label(found.run, one.span)
    why = "" if reason is None else reason.value
    value = None if one.cost_usd is None else float(one.cost_usd)
    return Row(
        id=one.span.span_id,
        cells=(
            Cell(label, label),
            Cell(why, why),
            Cell(words.cost(one.cost_usd, int(one.cost_usd is None)), value),
        ),
    )


def _unpriced(found: RunAnalysis, spending: Sequence[Spending]) -> None:
    """List models without a price, with the entry that gives them one."""
    groups: dict[tuple[str | None, str | None, str], int] = {}
    for one in spending:
        if one.cost_usd is None:
            key = (one.span.provider, one.span.model, one.span.unpriced or "not priced yet")
            groups[key] = groups.get(key, 0) + 1
    if not groups:
        return
    st.markdown("**Without a price**")
    for (provider, model, reason), count in groups.items():
        named = " · ".join(part for part in (model or "no model named", provider) if part)
        st.text(f"{words.count(count, 'call')} of {named}: {reason}")
    st.caption(
        "A price of your own: put this into your prices.toml, then `longpole reprice`. "
        "docs/prices.md explains the entries."
    )
    pairs = dict.fromkeys((provider, model) for provider, model, _ in groups)
    st.code(price_entries(pairs), language="toml")

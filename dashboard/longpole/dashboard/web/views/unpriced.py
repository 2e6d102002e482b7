"""The tab with model calls that have no price, and with what gives them one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import streamlit as st

from longpole.analysis import RunSample
from longpole.dashboard.sampled import Sampled
from longpole.dashboard.web.table import Column, ColumnKind, Row, Table, cells, table
from longpole.dashboard.web.views import many
from longpole.model.settings import default_prices_path, read_settings

Model = tuple[str | None, str | None]
"""Provider and model."""

_COLUMNS: Final = (
    Column(key="model", label="Model", width_px=220, grows=True),
    Column(key="provider", label="Provider", width_px=130),
    Column(key="calls", label="Without a price", kind=ColumnKind.NUMBER, width_px=120),
    Column(key="of", label="Of calls", kind=ColumnKind.NUMBER, width_px=90),
    Column(key="runs", label="Runs", kind=ColumnKind.NUMBER, width_px=80),
    Column(key="why", label="Why", width_px=260, grows=True),
)
_PRICES: Final = {
    "input_usd_per_million": "Input, USD a million tokens",
    "output_usd_per_million": "Output, USD a million tokens",
    "usd_per_second": "USD a second",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """The calls of one model, at least one of them without a price."""

    provider: str | None
    model: str | None
    calls: int
    unpriced: int
    runs: int

    @property
    def has_no_price(self) -> bool:
        """Whether no call of the model has a price, so that the model itself lacks one."""
        return self.calls == self.unpriced

    @property
    def name(self) -> str:
        """Model and provider."""
        named = self.model or "(model not told)"
        return f"{named}, {self.provider}" if self.provider else named


def tab(found: Sampled) -> None:
    """Draw the tab."""
    models = unpriced_models(found.samples)
    if not models:
        st.caption("Every model call of these runs has a price.")
        return
    table(
        Table(
            caption="Models without a price",
            columns=_COLUMNS,
            rows=tuple(_row(one) for one in models),
            max_height_px=360,
        ),
        key="unpriced",
    )
    missing = [one for one in models if one.has_no_price]
    if missing:
        _pricing(missing)


def _row(one: Unpriced) -> Row:
    why = "no price is known" if one.has_no_price else "failed, or told no usage"
    return Row(
        id=one.name,
        is_strong=one.has_no_price,
        cells=(
            cells.text(one.model or "(not told)"),
            cells.text(one.provider or "(not told)"),
            cells.count(one.unpriced),
            cells.share(one.unpriced / one.calls),
            cells.count(one.runs),
            cells.text(why),
        ),
    )


def _pricing(missing: Sequence[Unpriced]) -> None:
    """Write the entry of the price file that gives a model the prices that somebody names."""
    many.heading("Give a model a price", "docs/prices.md has everything that an entry can say")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        number = st.selectbox(
            "Model",
            range(len(missing)),
            format_func=lambda at: missing[at].name,
            key="priced_model",
            width=300,
        )
        prices = [
            (name, st.number_input(label, min_value=0.0, value=None, key=name, width=190))
            for name, label in _PRICES.items()
        ]
    given = [(name, value) for name, value in prices if value is not None]
    if not given:
        st.caption("Name its prices, and the entry is written here.")
        return
    st.markdown("Put this into the file")
    st.code(str(read_settings().prices or default_prices_path()), language=None)
    st.code(entry(missing[number or 0], given), language="toml")
    st.markdown("and have the recorded calls priced anew:")
    st.code("longpole reprice --dry-run\nlongpole reprice", language="bash")


def entry(one: Unpriced, prices: Sequence[tuple[str, float]]) -> str:
    """Return an entry of the price file."""
    lines = ["[[price]]"]
    # A basic string of TOML escapes as JSON does.
    lines += [f"provider = {json.dumps(one.provider)}"] if one.provider else []
    lines += [f"model = {json.dumps(one.model)}"] if one.model else []
    lines += [f"{name} = {Decimal(str(value)):f}" for name, value in prices]
    return "\n".join(lines)


def unpriced_models(samples: Sequence[RunSample]) -> list[Unpriced]:
    """Return the models with calls that have no price, most of them first."""
    counted: dict[Model, list[tuple[int, int]]] = {}
    for sample in samples:
        of_run: dict[Model, tuple[int, int]] = {}
        for one in sample.costs:
            calls, unpriced = of_run.get((one.provider, one.model), (0, 0))
            of_run[one.provider, one.model] = (calls + one.calls, unpriced + one.unpriced_calls)
        for key, counts in of_run.items():
            counted.setdefault(key, []).append(counts)
    found = [
        Unpriced(
            provider=provider,
            model=model,
            calls=sum(calls for calls, _ in runs),
            unpriced=sum(unpriced for _, unpriced in runs),
            runs=sum(unpriced > 0 for _, unpriced in runs),
        )
        for (provider, model), runs in counted.items()
    ]
    return sorted((one for one in found if one.unpriced), key=lambda one: -one.unpriced)

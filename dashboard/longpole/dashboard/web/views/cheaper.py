"""The tab that says what batches, a cache and a cheap model first would have saved."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

import streamlit as st

from longpole.analysis import RunSample
from longpole.dashboard import words
from longpole.dashboard.cheaper import Saving, WhatIsAsked
from longpole.dashboard.sampled import Sampled
from longpole.dashboard.web import samples
from longpole.dashboard.web.samples import Question
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, cells, table

_NUMBER: Final = ColumnKind.NUMBER
_COLUMNS: Final = (
    Column(key="way", label="With", width_px=190, grows=True, is_sortable=False),
    Column(key="before", label="A run cost", kind=_NUMBER, width_px=100, is_sortable=False),
    Column(key="after", label="Would cost", kind=_NUMBER, width_px=100, is_sortable=False),
    Column(key="saved", label="Saves", kind=_NUMBER, width_px=150, is_sortable=False),
    Column(key="wall", label="p50 wall", kind=_NUMBER, width_px=170, is_sortable=False,
           help="Now, and then"),
    Column(key="runs", label="Runs", kind=_NUMBER, width_px=70, is_sortable=False,
           help="That could be run again on paper so"),
    Column(key="note", label="To be known", width_px=240, grows=True, is_sortable=False),
)  # fmt: skip


def tab(question: Question, found: Sampled) -> None:
    """Draw the tab."""
    st.caption(
        "The newest 20 runs, run again on paper with the change; costs are expected costs at the "
        "recorded prices. The shares are yours to suppose."
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        hits = st.slider("A cache answers", 0, 100, 30, 5, format="%d %%", key="hits", width=240)
        accepted = st.slider(
            "The cheap model will do for", 0, 100, 70, 5, format="%d %%", key="accepted", width=240
        )
        models = _cheapest_first(found.samples)
        model = st.selectbox(
            "The cheap model",
            models,
            index=0 if models else None,
            key="cheap_model",
            accept_new_options=True,
            placeholder="its name",
            help="The models of these runs, the cheapest call first; or type another name",
            width=260,
        )
    asked = WhatIsAsked(
        hit_ratio=Fraction(hits, 100),
        cheap_model=(model or "").strip(),
        accepted_ratio=Fraction(accepted, 100),
    )
    savings = samples.cheaper(question, asked)
    table(
        Table(
            caption="What would have been cheaper",
            columns=_COLUMNS,
            rows=tuple(_row(saving) for saving in savings),
        ),
        key="cheaper",
    )
    st.markdown("Ask for more of any of them, about one branch or model too:")
    st.code(
        "\n".join(f"longpole what-if last --change '{saving.change}'" for saving in savings),
        language="bash",
    )


def _cheapest_first(runs: Sequence[RunSample]) -> list[str]:
    """Return the models that calls were paid for, by the mean cost of one."""
    spent: dict[str, tuple[Decimal, int]] = {}
    for run in runs:
        for calls in run.costs:
            paid = calls.calls - calls.unpriced_calls - calls.cache_hits
            if calls.model is not None and paid > 0:
                cost_usd, count = spent.get(calls.model, (Decimal(0), 0))
                spent[calls.model] = (cost_usd + calls.cost_usd, count + paid)
    return sorted(spent, key=lambda model: (spent[model][0] / spent[model][1], model))


def _row(saving: Saving) -> Row:
    answer = saving.answer
    if answer is None:
        nothing = [Cell(cells.NOTHING)] * 5
        return Row(
            id=saving.what,
            cells=(Cell(saving.what), *nothing, Cell(saving.refusal, note=saving.refusal)),
        )
    note = "; ".join(answer.notes)
    return Row(
        id=saving.what,
        cells=(
            Cell(saving.what),
            cells.cost(answer.cost_before_usd),
            cells.cost(answer.cost_usd),
            _saved(saving),
            Cell(f"{words.duration(answer.before.p50_ns)} → {words.duration(answer.after.p50_ns)}"),
            cells.count(answer.costed),
            Cell(note, note=note),
        ),
    )


def _saved(saving: Saving) -> Cell:
    saved_usd, answer = saving.saved_usd, saving.answer
    if saved_usd is None or answer is None or not answer.cost_before_usd:
        return Cell(cells.NOTHING)
    share = float(saved_usd / answer.cost_before_usd)
    if saved_usd < 0:
        return Cell(f"{words.usd(-saved_usd)} more", float(saved_usd))
    return Cell(f"{words.usd(saved_usd)} · {words.share(share)}", float(saved_usd))

"""What pages about many runs share: how they begin, and the line that says what is in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import streamlit as st

from longpole.dashboard import words
from longpole.dashboard.charts.base import CONFIG
from longpole.dashboard.sampled import Sampled
from longpole.dashboard.web import queries, samples
from longpole.dashboard.web.samples import Question
from longpole.dashboard.web.views import filters, nothing, trouble
from longpole.model.errors import StoreError

_METRIC_PX: Final = 132
FILTER_KEYS: Final = ("q", "period", "newest")
"""What an address says of the runs beside the chain."""


def page(draw: Callable[[Question, Sampled], None]) -> None:
    """Draw a page about the runs that the filters on top choose."""
    try:
        queries.settle_new_runs()
        state = queries.state()
        if not state.runs:
            nothing.empty_store()
            return
        question = filters.question(state.token)
        draw(question, samples.sampled(question))
    except StoreError as error:
        trouble.store(error, queries.shown_store_url())


def counted(found: Sampled) -> str:
    """Return which runs are looked at, and which are not.

    >>> counted(Sampled(samples=(), matching=23_569, unfinished=2, unreadable=0))
    'newest 0 of 23,569 runs · 2 running or lost left out · times are UTC'
    """
    count = len(found.samples)
    told = [
        f"newest {count:,} of {found.matching:,} runs"
        if found.is_cut
        else words.count(count, "run")
    ]
    if found.unfinished:
        told.append(f"{found.unfinished:,} running or lost left out")
    if found.unreadable:
        told.append(f"{words.count(found.unreadable, 'run')} could not be read")
    return " · ".join([*told, "times are UTC"])


def chain_address(name: str) -> str:
    """Return where one chain is shown, about the same runs."""
    kept = {key: st.query_params[key] for key in FILTER_KEYS if key in st.query_params}
    return "chains?" + urlencode({**kept, filters.CHAIN: name})


def metrics(shown: Sequence[tuple[str, str, str | None]], *, width_px: int = _METRIC_PX) -> None:
    """Draw numbers in columns at least so wide: label, value, and what it means."""
    with st.grid(len(shown), min_column_width=width_px, gap="xsmall"):
        for label, value, meaning in shown:
            st.metric(label, value, help=meaning, border=True)


def chart(figure: Any, *, key: str, alt: str) -> None:
    """Draw a figure that nothing can be chosen in."""
    st.plotly_chart(figure, key=key, config=CONFIG, alt=alt)


def heading(text: str, meaning: str | None = None) -> None:
    """Draw the heading of a part; `meaning` shows when the mouse rests on its mark."""
    st.markdown(f"**{text}**", help=meaning)

"""The page that compares: two runs, or two sets of runs, as the address or its boxes name them.

`?a=…&b=…` are runs, `?before=…&after=…` filters; with both, `by` says
which.
"""

from __future__ import annotations

from typing import Final

import streamlit as st

from longpole.dashboard.web import queries
from longpole.dashboard.web.views import compare_runs, compare_sets, nothing, trouble
from longpole.model.errors import StoreError

_BY: Final = "by"
RUNS, SETS = _WAYS = ("two runs", "two sets of runs")


def page() -> None:
    """Draw the page."""
    try:
        queries.settle_new_runs()
        state = queries.state()
        if not state.runs:
            nothing.empty_store()
            return
        way = st.segmented_control(
            "Compare",
            _WAYS,
            default=_meant(),
            required=True,
            key=_BY,
            bind="query-params",
            label_visibility="collapsed",
        )
        if way == RUNS:
            compare_runs.draw(state.token)
        else:
            compare_sets.draw(state.token)
    except StoreError as error:
        trouble.store(error, queries.shown_store_url())


def _meant() -> str:
    """Return what an address means that does not say it."""
    asked = st.query_params
    is_sets = ("before" in asked or "after" in asked) and not ("a" in asked or "b" in asked)
    return SETS if is_sets else RUNS

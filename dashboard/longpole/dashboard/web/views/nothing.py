"""What a page shows when there is nothing to show: why, and what to do about it."""

from __future__ import annotations

import shlex

import streamlit as st

from longpole.dashboard.web import queries
from longpole.dashboard.web.views import filters
from longpole.storage import RunQuery

_REFRESH_S = 2.0
_CODE_PX = 760


def empty_store() -> None:
    """Say how to record the first run; the page goes on by itself when it has come."""

    @st.fragment(run_every=_REFRESH_S)
    def wait_for_a_run() -> None:
        if queries.state().runs:
            st.rerun()
        st.subheader("No runs yet")
        st.text(f"Looking in {queries.shown_store_url()}")
        st.markdown("Record a chain of yours; it appears here by itself:")
        st.code(
            "from longpole.tracer import LongpoleHandler\n\n"
            f'chain.invoke(question, config={{"callbacks": [{_handler()}]}})',
            language="python",
            width=_CODE_PX,
        )
        st.markdown("Or record the built-in demo, which needs no key and no network:")
        demo = ("longpole", "demo", "--record-only", *queries.store_arguments())
        st.code(shlex.join(demo), language=None, width=_CODE_PX)
        st.markdown("Or take in runs that another tool recorded:")
        taken_in = ("longpole", "import", "traces.jsonl", *queries.store_arguments())
        st.code(shlex.join(taken_in), language=None, width=_CODE_PX)

    wait_for_a_run()


def _handler() -> str:
    """Return how a handler is made that records where this dashboard looks."""
    named = queries.store_arguments()
    return f"LongpoleHandler({named[-1]!r})" if named else "LongpoleHandler()"


def no_match(query: RunQuery, token: int) -> None:
    """Say that the filters leave no run that has ended, and what they may have meant."""
    _left_nothing("No run that has ended matches these filters.")
    filters.offer_wider(query, token)


def no_run(query: RunQuery, token: int) -> None:
    """Say that the filters leave no run at all, and what they may have meant."""
    _left_nothing("No run matches these filters.")
    filters.offer_wider(query, token)


def _left_nothing(told: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":material/filter_alt_off: {told}", width="content")
        if st.button("Clear filters", icon=":material/close:", on_click=filters.clear):
            # The boxes may stand outside of the part of the page that this is in.
            st.rerun()

"""What a page shows when there is nothing to show: why, and what to do about it."""

from __future__ import annotations

import streamlit as st

from longpole.dashboard.web import queries
from longpole.dashboard.web.views import filters

_REFRESH_S = 2.0


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
            'chain.invoke(question, config={"callbacks": [LongpoleHandler()]})',
            language="python",
        )
        st.markdown("Or record the built-in demo, which needs no key and no network:")
        st.code("longpole demo --record-only", language="bash")

    wait_for_a_run()


def no_match() -> None:
    """Say that the filters leave no run that has ended."""
    _left_nothing("No run that has ended matches these filters.")


def no_run() -> None:
    """Say that the filters leave no run at all."""
    _left_nothing("No run matches these filters.")


def _left_nothing(told: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":material/filter_alt_off: {told}", width="content")
        if st.button("Clear filters", icon=":material/close:", on_click=filters.clear):
            # The boxes may stand outside of the part of the page that this is in.
            st.rerun()

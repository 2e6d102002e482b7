"""What a page shows when there is nothing to show: why, and what to do about it."""

from __future__ import annotations

import streamlit as st

from longpole.dashboard.web import queries

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
    """Say that the filters leave nothing."""
    st.info("No run that has ended matches these filters.", icon=":material/filter_alt_off:")

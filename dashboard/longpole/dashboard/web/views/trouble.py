"""What a page shows when it cannot show what was asked for: the reason and a way on."""

from __future__ import annotations

import streamlit as st

from longpole.model.errors import RunReferenceError, StoreError


def store(error: StoreError, url: str) -> None:
    """Say why the store cannot be read; messages and paths are shown as they are, as text."""
    st.error("The store cannot be read.", icon=":material/database_off:")
    st.code(str(error), language=None, wrap_lines=True)
    st.text(f"Store: {url}")
    st.caption("Nothing was changed in it.")
    st.button("Try again", icon=":material/refresh:", shortcut="G")


def reference(error: RunReferenceError, runs_page: st.Page) -> None:
    """Say that the address names no run, or several."""
    st.error("This address does not name a run of this store.", icon=":material/search_off:")
    st.code(str(error), language=None, wrap_lines=True)
    st.page_link(runs_page, label="All runs", icon=":material/arrow_back:")

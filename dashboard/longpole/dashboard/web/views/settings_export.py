"""Sending runs to LangSmith from the page: what, a button, how far it is, and a button to stop.

There is one export at a time for a store, whoever looks; it goes on when the page is left.
"""

from __future__ import annotations

import time

import streamlit as st

from longpole.dashboard import sending, words
from longpole.dashboard.sending import Order, Sending, Sent
from longpole.dashboard.web import queries
from longpole.model.errors import FilterError, StoreError
from longpole.storage.filter_text import parse
from longpole.storage.filters import Filter

_REFRESH_S = 0.5


def panel() -> None:
    """Draw the panel."""
    with st.container(border=True):
        st.markdown("**Send to LangSmith**")
        if not sending.has_key():
            st.caption(
                "Set LANGSMITH_API_KEY (and LANGSMITH_ENDPOINT for a server of your own) in the "
                "environment of `longpole dashboard` to send from here."
            )
            return
        problem = _writable(queries.store_url())
        if problem is not None:
            st.caption("The store can only be read, so what was sent could not be noted.")
            st.code(problem, language=None, wrap_lines=True)
            return
        running = _current(queries.store_url())
        if running and running[0].sent.is_running:
            _progress(running[0])
        else:
            _form(running)


@st.cache_resource(show_spinner=False)
def _current(url: str) -> list[Sending]:
    """Return the list that holds the newest export of a store, if there was one."""
    return []


def _writable(url: str) -> str | None:
    """Return why the store cannot be written; `None` when it can."""
    try:
        queries.opened_for_writing(url)
    except StoreError as error:
        return str(error)
    return None


def _form(running: list[Sending]) -> None:
    if running:
        _outcome(running[0].sent)
    with (
        st.form("export", border=False),
        st.container(horizontal=True, vertical_alignment="bottom", gap="small"),
    ):
        project = st.text_input("Project", placeholder="name in LangSmith", width=240)
        text = st.text_input("Only runs that match", placeholder="status:error since:7d", width=280)
        with_content = st.toggle("Inputs and outputs", value=True)
        shifts = st.toggle(
            "Shift old times",
            help="LangSmith's cloud refuses runs older than a day; moved by whole days, it "
            "takes them",
        )
        is_sent = st.form_submit_button("Send", icon=":material/upload:", type="primary")
    if not is_sent:
        return
    if not project.strip():
        st.caption("Name a project first.")
        return
    try:
        where = _where(text)
    except FilterError as error:
        st.code(f"{error}\n{error.pointed()}", language=None)
        return
    order = Order(
        project=project.strip(), where=where, with_content=with_content, shifts_time=shifts
    )
    # In place: the list is the one that all sessions see.
    running[:] = [sending.start(queries.store_url(), order)]
    st.rerun()


def _where(text: str) -> Filter | None:
    return parse(text, now_ns=time.time_ns()) if text.strip() else None


def _progress(job: Sending) -> None:
    @st.fragment(run_every=_REFRESH_S)
    def follow() -> None:
        sent = job.sent
        if not sent.is_running:
            st.rerun()
        if sent.due is None:
            st.progress(0.0, "Looking what there is to send …")
        else:
            share = sent.done / sent.due if sent.due else 1.0
            st.progress(min(1.0, share), f"{sent.done:,} of {words.count(sent.due, 'run')}")
        if st.button("Stop", icon=":material/stop:"):
            job.stop()

    st.text(f"To project {job.order.project}")
    follow()


def _outcome(sent: Sent) -> None:
    """Say what became of the last export."""
    if sent.failure is not None:
        st.error("Nothing more could be sent.", icon=":material/error:")
        st.code(sent.failure, language=None, wrap_lines=True)
    report = sent.report
    if report is None:
        return
    parts = [f"{words.count(report.runs, 'run')}, {words.count(report.sent, 'span')} sent"]
    if report.done_before:
        parts.append(f"{words.count(report.done_before, 'run')} there before")
    if report.refused:
        parts.append(f"{words.count(len(report.refused), 'span')} refused")
    if report.waiting:
        parts.append(f"{words.count(len(report.waiting), 'run')} waiting")
    if sent.was_stopped:
        parts.append("stopped; send again to go on")
    st.text(" · ".join(parts))
    reasons = [why for *_, why in report.refused[:1]] + list(report.waiting.values())[:1]
    for why in (*reasons, *([report.stopped] if report.stopped else [])):
        st.code(why, language=None, wrap_lines=True)

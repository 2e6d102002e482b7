"""What the Overview asks, cached: numbers at once, findings when they have been made."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import replace

import streamlit as st

from longpole.dashboard import health
from longpole.dashboard.found import Found, found_in
from longpole.dashboard.found_apart import found_apart
from longpole.dashboard.overview import Overview, overview
from longpole.dashboard.web import queries, samples
from longpole.dashboard.web.samples import Question
from longpole.dashboard.web.workshop import Finished, Workshop
from longpole.storage.urls import is_of_one_process

_LOOK_AGAIN_S = 5.0


def numbers(question: Question) -> Overview:
    """Return tiles and chains of runs, of which there must be some.

    Raises:
        StoreError: the store cannot be read.
    """
    return _numbers(queries.store_url(), question)


@st.cache_resource(show_spinner=False, max_entries=16)
def _numbers(url: str, question: Question) -> Overview:
    return overview(samples.sampled(question).samples)


def losses(token: int) -> tuple[health.Finding, ...]:
    """Return what was lost, as of a change token.

    Raises:
        StoreError: the store cannot be read.
    """
    return _losses(queries.store_url(), token, int(time.monotonic() / _LOOK_AGAIN_S))


@st.cache_resource(show_spinner=False, max_entries=4)
def _losses(url: str, token: int, moment: int) -> tuple[health.Finding, ...]:
    return health.losses(queries.store(), now_ns=time.time_ns())


def findings(question: Question, subject: Hashable) -> Finished[Found] | None:
    """Return the findings as far as they have been made; `None` when none were so far.

    They are made anew when other runs are looked at or their costs have changed, not whenever
    something is recorded.

    Args:
        question: the runs.
        subject: what the reader asked for, which stays the same while time goes on.
    """
    version = tuple(
        (one.run_id, one.wall_ns, one.cost_usd) for one in samples.sampled(question).samples
    )
    # Fetched here: the thread that makes the answer belongs to no page.
    url, store, book = queries.store_url(), queries.store(), queries.prices()
    query, limit = replace(question.query, limit=question.newest), question.newest

    def make() -> Found:
        now_ns = time.time_ns()
        if is_of_one_process(url):
            return found_in(store, query, limit=limit, book=book, now_ns=now_ns)
        return found_apart(url, query, limit=limit, now_ns=now_ns)

    return workshop(url).ask(subject, hash(version), make)


@st.cache_resource(show_spinner=False)
def workshop(url: str) -> Workshop[Found]:
    """Return where the findings of a store are made."""
    return Workshop()

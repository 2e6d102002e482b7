"""What stands on top of every page about runs: which ones, said once and kept in the address.

In: what the reader typed or chose. Out: a `RunQuery`. The boxes have the same keys on all pages, so
a filter goes along from one to the next.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from longpole.dashboard import words
from longpole.dashboard.web import queries
from longpole.dashboard.web.samples import NEWEST, Question
from longpole.dashboard.wider_filter import widened
from longpole.model import Status
from longpole.model.errors import FilterError
from longpole.storage import RunQuery
from longpole.storage.filter_text import describe, parse
from longpole.storage.filters import Filter

CHAIN: Final = "chain"
"""Key of the box that chooses a chain, and its name in the address."""
TEXT: Final = "q"
PERIOD: Final = "period"
STATUS: Final = "status"
_HOUR_NS: Final = 3_600_000_000_000
_PERIODS: Final = {
    "last hour": _HOUR_NS,
    "last 24 hours": 24 * _HOUR_NS,
    "last 7 days": 168 * _HOUR_NS,
    "last 30 days": 720 * _HOUR_NS,
}
_NEWEST: Final = (200, NEWEST, 5_000)
FILTER_HELP: Final = """Words are searched in names and errors. Also:

`status:error` `wall>2s` `cost>0.01` `tokens>1000` `retries>0` `speedup<1.5`
`model:gpt-4o*` `branch:search` `kind:tool` `error:RateLimit*` `has:retry` `has:fallback`
`tag:prod` `session:…` `user:…` `since:2h`

A value is the whole of a name: `model:gpt-4.1` is no `gpt-4.1-mini`, `model:gpt-4.1*` is any that
begins so, `model:*mini*` any that has it.

`OR`, `-` or `NOT`, and parentheses put them together.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the boxes say.

    Attributes:
        newest: how many runs to look at, the newest first.
    """

    query: RunQuery
    newest: int


def bar(token: int, *, asks_status: bool = False, asks_newest: bool = True) -> Asked:
    """Draw the boxes and return what they say."""
    with _of_all_pages():
        return _bar(token, asks_status=asks_status, asks_newest=asks_newest)


@contextmanager
def _of_all_pages() -> Iterator[None]:
    """Have boxes belong to the app, not to one page: what they hold goes along to the next.

    Streamlit takes what is in the address for boxes of the page that is left away from it; so a
    link to another page could not say which runs it is about.
    """
    context = get_script_run_ctx()
    if context is None:
        yield
        return
    with context.run_with_active_hash(context.pages_manager.main_script_hash):
        yield


def _bar(token: int, *, asks_status: bool, asks_newest: bool) -> Asked:
    with st.container(horizontal=True, vertical_alignment="top", gap="small"):
        text = _text()
        name = _chain(token)
        period = _period()
        status = _status() if asks_status else []
        newest = _newest() if asks_newest else NEWEST
    query = RunQuery(
        name=name,
        status=tuple(Status(value) for value in status),
        since_ns=None if period is None else _since_ns(_PERIODS[period]),
        where=where(text),
    )
    return Asked(query=query, newest=newest)


def question(token: int) -> Question:
    """Draw the boxes and return which runs a page is about."""
    asked = bar(token)
    return Question(query=asked.query, newest=asked.newest, token=token)


def _text() -> str:
    text = st.text_input(
        "Filter",
        key=TEXT,
        bind="query-params",
        placeholder="name, error, status:error wall>2s …",
        help=FILTER_HELP,
        icon=":material/search:",
        live=True,
        width=256,
    )
    return text or ""


def _chain(token: int) -> str | None:
    return st.selectbox(
        "Chain",
        queries.chain_names(token),
        index=None,
        key=CHAIN,
        bind="query-params",
        placeholder="all",
        accept_new_options=True,
        width=176,
    )


def _period() -> str | None:
    return st.selectbox(
        "Started",
        tuple(_PERIODS),
        index=None,
        key=PERIOD,
        bind="query-params",
        placeholder="any time",
        width=146,
    )


def _status() -> list[str]:
    return st.segmented_control(
        "Status",
        [status.value for status in Status],
        selection_mode="multi",
        key=STATUS,
        bind="query-params",
    )


def _newest() -> int:
    return st.selectbox(
        "Newest",
        _NEWEST,
        index=_NEWEST.index(NEWEST),
        format_func=lambda count: f"{count:,} runs",
        key="newest",
        bind="query-params",
        help="How many of the runs that match are looked at, the newest first",
        width=120,
    )


def offer_wider(query: RunQuery, token: int) -> None:
    """Offer what the text would find with stars behind its values, if it would find anything."""
    wider = None if query.where is None else widened(query.where)
    if wider is None:
        return
    count = queries.runs(replace(query, where=wider, limit=1, offset=0), token).total
    if not count:
        return
    text = describe(wider)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.text(f"A value is the whole of a name; a star stands for the rest: {text}")
        label = f"Show {words.count(count, 'run')}"
        if st.button(label, icon=":material/search:", on_click=_say, args=(text,)):
            # The box may stand outside of the part of the page that this is in.
            st.rerun()


def _say(text: str) -> None:
    st.session_state[TEXT] = text


def clear() -> None:
    """Empty the boxes, before they are drawn anew."""
    for key, nothing in ((TEXT, ""), (CHAIN, None), (PERIOD, None), (STATUS, [])):
        if key in st.session_state:
            st.session_state[key] = nothing


def where(text: str) -> Filter | None:
    """Return what a text asks for; while it cannot be understood, say why and show all."""
    if not text.strip():
        return None
    try:
        return parse(text, now_ns=_since_ns(0))
    except FilterError as error:
        st.code(f"{error}\n{error.pointed()}", language=None)
        return None


def _since_ns(period_ns: int) -> int:
    """Return the start of the period, by whole minutes so that the answer can be cached."""
    minute_ns = 60_000_000_000
    return (time.time_ns() - period_ns) // minute_ns * minute_ns

"""What the pages ask of the store, cached; only `samples`, for many runs, caches beside it.

Everything cached is a frozen value, so sessions share it without copies. What may change is cached
under the store's change token, which is cheap to read and moves whenever any run does.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread

import streamlit as st

from longpole.analysis import (
    Draft,
    Lengths,
    RunAnalysis,
    RunOutline,
    analyse,
    analysis_from,
    draft_of,
    outline_from,
)
from longpole.analysis.collector import no_cycle_collection
from longpole.dashboard.course import course_of
from longpole.dashboard.prices import price_book
from longpole.dashboard.sentence import long_pole
from longpole.dashboard.settle import BATCH, has_backlog, is_all_settled, settle
from longpole.dashboard.web.backlog_worker import BacklogWorker
from longpole.dashboard.web.waterfall import encode
from longpole.dashboard.web.workshop import Workshop
from longpole.model import Run
from longpole.model.errors import StoreError
from longpole.model.pricing import PriceBook, price_run
from longpole.model.settings import default_store_url, read_settings
from longpole.storage import (
    Content,
    RunPage,
    RunQuery,
    RunRow,
    RunSummary,
    Store,
    StoreState,
    open_store,
)
from longpole.storage.urls import is_embedded, shown_url

_SETTLING_BUDGET_S = 0.4
_SETTLED_AT_ONCE = 8
_KEPT_AT_ONCE = 100
_NAMES_FROM_RUNS = 500
_LOOK_AGAIN_S = 5.0
_POLES_BUDGET_S = 0.15
_POLES_MAX_SPANS = 5_000
_POLES_KEPT = 50_000
_OUTLINED_FROM = 20_000
"""Spans; smaller runs are analysed in whole in less time than one would notice."""


def store_url() -> str:
    """Return the URL of the store that is looked at."""
    return read_settings().store


def shown_store_url() -> str:
    """Return it as a page may show it, without a password."""
    return shown_url(store_url())


def store_arguments() -> tuple[str, ...]:
    """Return what a command about this store has to say, to be copied; no password is in it."""
    return () if store_url() == default_store_url() else ("--store", shown_store_url())


def store() -> Store:
    """Return the store, opened for reading once a process.

    Raises:
        StoreError: it cannot be opened; the next call tries again.
    """
    return _opened(store_url())


def _close(opened: Store) -> None:
    opened.close()


@st.cache_resource(show_spinner=False, on_release=_close)
def _opened(url: str) -> Store:
    return open_store(url, mode="read")


@st.cache_resource(show_spinner=False)
def prices() -> PriceBook:
    """Return the prices in force, read once a process."""
    return price_book()


def state() -> StoreState:
    """Return counts and the change token, read anew."""
    return store().state()


def settle_new_runs() -> None:
    """Compute summaries that are missing, a few at a time so that the page does not wait long.

    What is too much for that, a process beside this one takes over. A store that cannot be written
    is shown as it is.
    """
    url = store_url()
    if is_all_settled(store()):
        return
    deadline = time.monotonic() + _SETTLING_BUDGET_S
    at_once = _SETTLED_AT_ONCE
    try:
        writable = opened_for_writing(url)
        while (began := time.monotonic()) < deadline:
            done = settle(writable, book=prices(), now_ns=time.time_ns(), limit=at_once)
            if done < at_once and not writable.has_unindexed_runs():
                return
            # Runs are of any size: only where a few took no time, more are taken together.
            if time.monotonic() - began < _SETTLING_BUDGET_S / 8:
                at_once = min(2 * at_once, BATCH)
        if has_backlog(writable) and not is_embedded(url):
            _backlog_worker(url).start()
    except StoreError:
        return


def keep(summaries: Sequence[RunSummary]) -> None:
    """Have summaries kept that somebody had to make, beside the page.

    A store that cannot be written stays as it is.
    """
    if not summaries:
        return
    try:
        writable = opened_for_writing(store_url())
    except StoreError:
        return
    Thread(target=_keep, args=(writable, summaries), daemon=True).start()


def _keep(writable: Store, summaries: Sequence[RunSummary]) -> None:
    with suppress(StoreError):
        for first in range(0, len(summaries), _KEPT_AT_ONCE):
            writable.save_summaries(summaries[first : first + _KEPT_AT_ONCE])


@st.cache_resource(show_spinner=False)
def _backlog_worker(url: str) -> BacklogWorker:
    return BacklogWorker()


@st.cache_resource(show_spinner=False, on_release=_close)
def opened_for_writing(url: str) -> Store:
    """Return the store, opened for writing once a process.

    Raises:
        StoreError: it cannot be written.
    """
    return open_store(url, mode="write")


def runs(query: RunQuery, token: int) -> RunPage:
    """Return one page of runs, as of a change token.

    That the process of a running run has died changes no token, so it is looked up now and then.
    """
    return _runs(store_url(), query, token, _now_and_then())


def _now_and_then() -> int:
    return int(time.monotonic() / _LOOK_AGAIN_S)


@st.cache_resource(show_spinner=False, max_entries=64)
def _runs(url: str, query: RunQuery, token: int, moment: int) -> RunPage:
    return _opened(url).list_runs(query)


def chain_names(token: int) -> tuple[str, ...]:
    """Return the names of the chains that ran lately, in alphabetical order."""
    return _chain_names(store_url(), token)


@st.cache_resource(show_spinner=False, max_entries=4)
def _chain_names(url: str, token: int) -> tuple[str, ...]:
    page = _opened(url).list_runs(RunQuery(limit=_NAMES_FROM_RUNS))
    return tuple(sorted({row.name for row in page.rows}))


def resolve(reference: str) -> str:
    """Return the id of the run that an address names: an id, the beginning of one, or `last`.

    Raises:
        RunReferenceError: it does not name exactly one run.
    """
    return store().resolve(reference)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The runs that started just after and just before a run."""

    newer: str | None
    older: str | None


def neighbours(start_ns: int, token: int) -> Neighbours:
    """Return the ids of the runs beside the one that started at `start_ns`."""
    newer = runs(RunQuery(since_ns=start_ns + 1, descending=False, limit=1), token).rows
    older = runs(RunQuery(until_ns=start_ns, limit=1), token).rows
    return Neighbours(
        newer=newer[0].run_id if newer else None, older=older[0].run_id if older else None
    )


def analysis(run_id: str, token: int) -> RunAnalysis:
    """Return the analysis of a run; one that still runs is looked at as of now.

    Raises:
        UnknownRunError: there is no such run.
    """
    url = store_url()
    run = _priced(url, run_id, token, 0)
    if not run.is_running:
        return _analysis(url, run_id, token)
    return analyse(_priced(url, run_id, token, _now_and_then()), now_ns=time.time_ns())


@st.cache_resource(show_spinner=False, max_entries=8)
def _priced(url: str, run_id: str, token: int, moment: int) -> Run:
    with no_cycle_collection():
        return price_run(_opened(url).load_run(run_id), prices())


@st.cache_resource(show_spinner=False, max_entries=8)
def _analysis(url: str, run_id: str, token: int) -> RunAnalysis:
    run = _priced(url, run_id, token, 0)
    if len(run.spans) < _OUTLINED_FROM:
        return analyse(run, now_ns=time.time_ns())
    found = analysis_from(_draft(url, run_id, token))
    _draft.clear(url, run_id, token)
    return found


def first_look(run_id: str, token: int, *, wants_rest: bool) -> RunAnalysis | RunOutline:
    """Return the analysis of a run, or for now the outline of a large one.

    The rest is worked out beside the page from when it is wanted, so that it does not keep what the
    page shows already from being sent. Ask again for it.

    Raises:
        UnknownRunError: there is no such run.
    """
    url = store_url()
    run = _priced(url, run_id, token, 0)
    if len(run.spans) < _OUTLINED_FROM or run.is_running:
        return analysis(run_id, token)
    rest, which = _rest(url), (run_id, token)
    finished = rest.known(which, None)
    outline = None if finished else _outline(url, run_id, token)
    if outline is None:
        return analysis(run_id, token)
    if wants_rest:
        rest.ask(which, None, lambda: _is_analysed(url, run_id, token))
    return outline


@st.cache_resource(show_spinner=False)
def _rest(url: str) -> Workshop[bool]:
    return Workshop()


def _is_analysed(url: str, run_id: str, token: int) -> bool:
    _analysis(url, run_id, token)
    _outline.clear(url, run_id, token)
    return True


@st.cache_resource(show_spinner=False, max_entries=1)
def _draft(url: str, run_id: str, token: int) -> Draft:
    return draft_of(_priced(url, run_id, token, 0), now_ns=time.time_ns())


@st.cache_resource(show_spinner=False, max_entries=2)
def _outline(url: str, run_id: str, token: int) -> RunOutline | None:
    """Return the outline of a run that is over; `None` where it takes all of the analysis."""
    run = _priced(url, run_id, token, 0)
    lengths = _kept_lengths(_opened(url), run)
    return None if lengths is None else outline_from(_draft(url, run_id, token), lengths)


def _kept_lengths(opened: Store, run: Run) -> Lengths | None:
    """Return what was kept of a run when it was settled, if that still fits it."""
    if any(span.end_ns is None for span in run.spans):
        return None
    start_ns = run.root.start_ns
    page = opened.list_runs(RunQuery(since_ns=start_ns, until_ns=start_ns + 1))
    row = next((row for row in page.rows if row.run_id == run.run_id), None)
    if row is None or not row.is_settled or row.summary is None or row.spans != len(run.spans):
        return None
    span_length_ns, queue_wait_ns = map(row.summary.get, ("span_length_ns", "queue_wait_ns"))
    if span_length_ns is None or queue_wait_ns is None:
        return None
    return Lengths(span_length_ns=span_length_ns, queue_wait_ns=queue_wait_ns)


@dataclass(frozen=True, slots=True)
class LongPole:
    """The branch that a run waited for longest, and its part of the wall time."""

    name: str
    share_ratio: float


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a list shows of a run that only its analysis tells.

    Attributes:
        pole: `None` where nothing ran side by side.
        course: how many spans were at work, slice by slice.
    """

    pole: LongPole | None
    course: tuple[float, ...]
    peak: int


def glimpses(rows: Iterable[RunRow]) -> Mapping[str, Glimpse]:
    """Return glimpses of ended runs, by run id.

    The analysis of a run is kept in no list, so they are found out once and remembered. What does
    not fit into the time is missing this once and comes with the next look.
    """
    known = _known_glimpses(store_url())
    deadline = time.monotonic() + _POLES_BUDGET_S
    found: dict[str, Glimpse] = {}
    for row in rows:
        version = (row.run_id, row.end_ns, row.spans)
        if version not in known:
            if row.spans > _POLES_MAX_SPANS or time.monotonic() > deadline:
                continue
            if len(known) >= _POLES_KEPT:
                known.clear()
            known[version] = _glimpse(row.run_id)
        found[row.run_id] = known[version]
    return found


@st.cache_resource(show_spinner=False)
def _known_glimpses(url: str) -> dict[tuple[str, int | None, int], Glimpse]:
    return {}


def _glimpse(run_id: str) -> Glimpse:
    found = analyse(store().load_run(run_id), now_ns=time.time_ns())
    pole, wall_ns = long_pole(found), found.facts.wall_ns
    told = None if pole is None or wall_ns <= 0 else LongPole(pole.label, pole.on_path_ns / wall_ns)
    return Glimpse(told, course_of(found), found.facts.peak_concurrency)


def waterfall_payload(
    found: RunAnalysis | RunOutline,
    focus: str | None,
    zoom: tuple[float, float] | None,
    token: int,
) -> bytes:
    """Return the bytes that draw a run with this span in focus and this part in view."""
    if found.run.is_running:
        return encode(found, focus=focus, zoom=zoom)
    is_whole = isinstance(found, RunAnalysis)
    return _payload(store_url(), found.run.run_id, focus, zoom, token, is_whole, found)


@st.cache_resource(show_spinner=False, max_entries=8)
def _payload(
    url: str,
    run_id: str,
    focus: str | None,
    zoom: tuple[float, float] | None,
    token: int,
    is_whole: bool,
    _found: RunAnalysis | RunOutline,
) -> bytes:
    with no_cycle_collection():
        return encode(_found, focus=focus, zoom=zoom)


def content(run_id: str, span_id: str) -> Content | None:
    """Return input and output of one span, read anew."""
    return store().load_content(run_id, span_id)

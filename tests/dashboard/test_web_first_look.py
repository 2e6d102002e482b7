"""The page of a large run: first what happened, and then the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from longpole.analysis import RunAnalysis, RunOutline, analyse
from longpole.dashboard.settle import settle
from longpole.dashboard.web import queries
from longpole.model import Run
from longpole.model.pricing import PriceBook
from longpole.model.settings import LONGPOLE_STORE
from longpole.storage import RunQuery, open_store
from tests.browser import stories
from tests.browser.recording import new_store_url, record
from tests.dashboard.test_web_pages import _run_page

_PANEL = stories.panel(1)


@pytest.fixture
def store_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    url = new_store_url(tmp_path)
    monkeypatch.setenv(LONGPOLE_STORE, url)
    monkeypatch.setattr(queries, "_OUTLINED_FROM", 3)
    st.cache_resource.clear()
    yield url
    st.cache_resource.clear()


def _settled(url: str, *runs: Run) -> int:
    """Store runs, settle them, and return the change token."""
    record(url, *runs)
    store = open_store(url, mode="write")
    settle(store, book=PriceBook(), now_ns=time.time_ns(), limit=len(runs))
    token = store.state().token
    store.close()
    return token


def test_a_large_run_is_outlined_until_the_rest_was_wanted_and_is_there(store_url: str) -> None:
    token = _settled(store_url, _PANEL)
    run_id = _PANEL.run_id

    first = queries.first_look(run_id, token, wants_rest=False)
    assert isinstance(first, RunOutline)
    assert queries.first_look(run_id, token, wants_rest=False) is first
    queries.first_look(run_id, token, wants_rest=True)
    assert queries._rest(store_url).wait(30)
    whole = queries.first_look(run_id, token, wants_rest=False)
    assert isinstance(whole, RunAnalysis)
    assert whole == analyse(whole.run, now_ns=whole.now_ns)
    assert (whole.facts, whole.critical_path) == (first.facts, first.critical_path)


def test_a_run_that_was_not_settled_is_analysed_in_whole(store_url: str) -> None:
    record(store_url, _PANEL)
    token = queries.state().token

    found = queries.first_look(_PANEL.run_id, token, wants_rest=False)
    assert isinstance(found, RunAnalysis)


def test_a_run_that_has_changed_since_it_was_settled_is_analysed_in_whole(store_url: str) -> None:
    _settled(store_url, stories.panel(1))
    record(store_url, stories.panel(1))
    token = queries.state().token

    found = queries.first_look(_PANEL.run_id, token, wants_rest=False)
    is_settled = queries.store().list_runs(RunQuery()).rows[0].is_settled
    assert isinstance(found, RunOutline) == is_settled


def test_a_run_with_spans_that_never_ended_is_analysed_in_whole(store_url: str) -> None:
    run = stories.lost(1)
    token = _settled(store_url, run)

    assert isinstance(queries.first_look(run.run_id, token, wants_rest=False), RunAnalysis)


def test_a_small_run_is_analysed_in_whole(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "_OUTLINED_FROM", len(_PANEL.spans) + 1)
    token = _settled(store_url, _PANEL)

    assert isinstance(queries.first_look(_PANEL.run_id, token, wants_rest=False), RunAnalysis)


def test_the_page_of_an_outline_tells_no_number_that_is_not_known_yet(store_url: str) -> None:
    _settled(store_url, _PANEL)
    call = next(span for span in _PANEL.spans if span.model is not None)
    app = AppTest.from_function(_run_page, default_timeout=30)
    app.query_params["run"] = _PANEL.run_id
    app.query_params["span"] = call.span_id

    app.run()
    assert not app.exception
    told = " ".join(element.proto.json for element in app.get("bidi_component"))
    assert "On critical path" in told
    assert "Slack" not in told
    assert "Own time" not in told
    values = {metric.label: metric.value for metric in app.metric}
    assert values["Wall"] == "2.30 s"


def test_a_tab_that_needs_all_of_a_large_run_waits_for_it(store_url: str) -> None:
    _settled(store_url, _PANEL)
    app = AppTest.from_function(_run_page, default_timeout=30)
    app.query_params["run"] = _PANEL.run_id
    app.query_params["tab"] = "Branches"

    app.run()
    assert not app.exception
    told = " ".join(element.proto.json for element in app.get("bidi_component"))
    assert "long pole" in told

"""Sessions that ask the same at the same moment: it is answered once for all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import streamlit as st

from longpole.dashboard.web import glance, samples
from longpole.dashboard.web.samples import Question
from longpole.model.settings import LONGPOLE_STORE
from longpole.storage import RunQuery, open_store
from longpole.storage.sqlite import SqliteStore
from tests.browser import stories
from tests.browser.recording import new_store_url, record

SESSIONS = 8


@pytest.fixture
def question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Question]:
    """About the runs of a store that nobody has looked at."""
    url = new_store_url(tmp_path)
    record(url, *stories.history(24))
    monkeypatch.setenv(LONGPOLE_STORE, url)
    with contextlib.closing(open_store(url, mode="read")) as store:
        token = store.state().token
    yield Question(query=RunQuery(), newest=1_000, token=token)
    st.cache_resource.clear()


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often work was done that takes time."""
    counted: dict[str, int] = {}

    def count(owner: Any, name: str) -> None:
        done: Callable[..., Any] = getattr(owner, name)
        counted[name] = 0

        @wraps(done)
        def counting(*arguments: Any, **more: Any) -> Any:
            counted[name] += 1
            return done(*arguments, **more)

        monkeypatch.setattr(owner, name, counting)

    count(samples, "_failures")
    count(samples, "compare_sets")
    count(glance, "overview")
    return counted


def _ask_at_once(ask: Callable[[], object]) -> list[object]:
    ready = Barrier(SESSIONS)

    def session() -> object:
        ready.wait()
        return ask()

    with ThreadPoolExecutor(SESSIONS) as threads:
        return [one.result() for one in [threads.submit(session) for _ in range(SESSIONS)]]


@pytest.mark.parametrize(
    ("ask", "work"),
    [
        (samples.failures, "_failures"),
        (glance.numbers, "overview"),
        (lambda question: samples.compared_sets(question, question).comparison, "compare_sets"),
    ],
)
def test_what_several_sessions_ask_at_once_is_computed_once(
    question: Question, times: dict[str, int], ask: Callable[[Question], object], work: str
) -> None:
    first, *others = _ask_at_once(lambda: ask(question))

    assert all(answer is first for answer in others)
    assert times[work] == 1


def test_different_questions_at_once_read_the_sample_of_a_run_once(
    question: Question, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    kept = SqliteStore.samples

    def noting(store: SqliteStore, run_ids: Any) -> Any:
        read.extend(run_ids)
        return kept(store, run_ids)

    monkeypatch.setattr(SqliteStore, "samples", noting)
    newest = iter(range(100, 100 + SESSIONS))

    def ask() -> object:
        asked = Question(query=question.query, newest=next(newest), token=question.token)
        return len(samples.sampled(asked).samples)

    assert _ask_at_once(ask) == [24] * SESSIONS
    assert len(read) == len(set(read)) == 24

"""Exports from the page: the same delivery as the command's, in a thread that can be stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from longpole.dashboard import sending
from longpole.dashboard.destinations import place_of
from longpole.dashboard.sending import Order, Sending, Sent
from longpole.storage import open_store
from longpole.storage.filter_text import parse
from tests.langsmith.server import API_KEY, StandIn
from tests.storage.exchange.stores import fill

HOUR_NS = 3600 * 10**9
_WITHIN_S = 60


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with StandIn(retry_after_s=0) as running:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", running.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", API_KEY)
        yield running


def _ended(job: Sending) -> Sent:
    assert job.join(_WITHIN_S)
    return job.sent


def _send(store: Path, **order: Any) -> Sent:
    return _ended(sending.start(str(store), Order(project="p", **order)))


def test_runs_arrive_and_the_ledger_says_where(tmp_path: Path, stand_in: StandIn) -> None:
    fill(tmp_path / "runs.db", time.time_ns() - HOUR_NS, runs=5).close()

    sent = _send(tmp_path / "runs.db")
    assert (sent.due, sent.done, sent.failure, sent.is_running) == (5, 5, None, False)
    assert len(stand_in.runs) == 20
    store = open_store(str(tmp_path / "runs.db"))
    (found,) = store.destinations()
    store.close()
    assert (found.done, found.waiting, found.refused_spans) == (5, 0, 0)
    assert place_of(found.destination).arguments == ("langsmith", "--project", "p")
    again = _send(tmp_path / "runs.db")
    assert again.report is not None
    assert (again.due, again.report.done_before) == (0, 5)


def test_only_what_matches_leaves_and_contents_stay_when_asked(
    tmp_path: Path, stand_in: StandIn
) -> None:
    fill(tmp_path / "runs.db", time.time_ns() - HOUR_NS, runs=5).close()

    sent = _send(tmp_path / "runs.db", where=parse("name:nothing", now_ns=0), with_content=False)
    assert (sent.due, len(stand_in.runs)) == (0, 0)
    _send(tmp_path / "runs.db", with_content=False)
    assert {str(run["inputs"]) for run in stand_in.runs.values()} == {"{}"}


def test_stopped_it_ends_soon_and_goes_on_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "runs.db", time.time_ns() - HOUR_NS, runs=60).close()
    jobs: list[Sending] = []

    def stop(_run: Any) -> None:
        for job in jobs:
            job.stop()

    with StandIn(retry_after_s=0, refuse=stop) as stand_in:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", stand_in.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", API_KEY)
        job = Sending(str(tmp_path / "runs.db"), Order(project="p"))
        jobs.append(job)
        job.begin()
        sent = _ended(job)
        assert sent.was_stopped
        assert 0 < len(stand_in.runs) < 240
        jobs.clear()
        rest = _send(tmp_path / "runs.db")

        assert len(stand_in.runs) == 240
    assert rest.report is not None
    assert rest.report.is_complete
    assert rest.report.done_before > 0


def test_a_wrong_key_is_told_and_nothing_is_sent(tmp_path: Path, stand_in: StandIn) -> None:
    fill(tmp_path / "runs.db", time.time_ns() - HOUR_NS, runs=2).close()
    stand_in.api_key = "another"

    sent = _send(tmp_path / "runs.db")
    assert sent.failure is not None
    assert "LANGSMITH_API_KEY" in sent.failure
    assert not sent.is_running


def test_what_was_refused_is_in_the_ledger_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "runs.db", time.time_ns() - HOUR_NS, runs=3).close()
    with StandIn(refuse=lambda run: "no" if run["name"] == "expert-1" else None) as stand_in:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", stand_in.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", API_KEY)
        sent = _send(tmp_path / "runs.db")

    assert sent.report is not None
    assert len(sent.report.refused) == 3
    store = open_store(str(tmp_path / "runs.db"))
    (found,) = store.destinations()
    store.close()
    assert found.refused_spans == 3
    assert found.reason is not None
    assert "no" in found.reason


def test_without_key_and_endpoint_there_is_nothing_to_send_with() -> None:
    assert not sending.has_key({})
    assert sending.has_key({"LANGSMITH_API_KEY": "lsv2"})
    assert sending.has_key({"LANGSMITH_ENDPOINT": "http://127.0.0.1:1984"})


def test_a_destination_that_no_command_knows_keeps_its_name() -> None:
    assert place_of("carrier pigeon").arguments == ()
    assert place_of("carrier pigeon").title == "carrier pigeon"
    assert place_of("langsmith http://x p (new ids)").arguments[-1] == "--new-ids"

"""What leaves for LangSmith arrives once, whatever happens on the way; the ledger knows."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from longpole.dashboard.parcels import pack_all
from longpole.model.errors import ExchangeError, SettingsError
from longpole.model.pricing import PriceBook
from longpole.storage import RunQuery, Store
from longpole.storage.exchange.delivery import Delivery, Report
from longpole.storage.exchange.langsmith.client import (
    NotingSession,
    check_answering,
    ignored_variables,
    open_client,
    quiet_client,
)
from longpole.storage.exchange.langsmith.destination import LangSmith
from longpole.storage.exchange.langsmith.order import days_shift_ns
from longpole.storage.run_events import events_from_run
from tests.langsmith.faults import PASSING, Fault, Faults
from tests.langsmith.server import API_KEY, StandIn
from tests.storage.exchange.stores import RECORDER, fill, small_run

BOOK = PriceBook()
NOW_NS = time.time_ns()
HOUR_NS = 3600 * 10**9


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet_client():
        yield


class Exporting:
    """One store, one stand-in; each `send` is an export as the command makes it."""

    def __init__(self, store: Store, stand_in: StandIn, api_key: str = API_KEY) -> None:
        self.store = store
        self.stand_in = stand_in
        self.api_key = api_key
        self.waits_s: list[float] = []

    def destination(self, project: str = "p", salt: str | None = None) -> LangSmith:
        session = NotingSession()
        client = open_client(session, endpoint=self.stand_in.url, api_key=self.api_key)
        check_answering(client, session)
        return LangSmith(
            client,
            session,
            project=project,
            now_ns=lambda: NOW_NS,
            sleep=self.waits_s.append,
            random=lambda: 1.0,
            salt=salt,
        )

    def send(self, project: str = "p", *, shift: bool = False, **more: Any) -> Report:
        salt = more.pop("salt", None)
        delivery = Delivery(
            self.store,
            self.destination(project, salt),
            shift_ns=lambda parcel: days_shift_ns(parcel.run, NOW_NS) if shift else 0,
            clock_ns=lambda: NOW_NS,
            **more,
        )
        ids = self.store.run_ids(RunQuery(descending=False))
        parcels = pack_all(self.store, delivery.due(ids), book=BOOK, now_ns=NOW_NS)
        return delivery.deliver(parcels)


def store_name(store: Store, run_id: str, span_id: str) -> str:
    return store.load_run(run_id).span_by_id[span_id].name


def recent(tmp_path: Path, runs: int = 40) -> Store:
    return fill(tmp_path / "runs.db", NOW_NS - HOUR_NS, runs)


def test_every_span_arrives_with_its_input(tmp_path: Path) -> None:
    with StandIn() as stand_in:
        report = Exporting(recent(tmp_path), stand_in).send()

        assert report.is_complete
        assert (report.runs, report.sent) == (40, 160)
        assert len(stand_in.runs) == 160
        asked = {run["inputs"]["asked"] for run in stand_in.runs.values()}
        assert len(asked) == 160
        # A trace is not torn over two requests where it fits into one.
        assert [asked.runs for asked in stand_in.writes] == [100, 60]


def test_the_second_export_sends_nothing(tmp_path: Path) -> None:
    with StandIn() as stand_in:
        exporting = Exporting(recent(tmp_path), stand_in)
        exporting.send()
        before = len(stand_in.writes)
        report = exporting.send()

        assert len(stand_in.writes) == before
        assert report.done_before == 40
        assert report.is_complete


def test_another_project_is_another_destination(tmp_path: Path) -> None:
    with StandIn() as stand_in:
        exporting = Exporting(recent(tmp_path, 5), stand_in)
        exporting.send("one")
        taken = exporting.send("two")
        again = exporting.send("two", salt="two")

        # Ids are LangChain's or made from the span's: one tenant has each once, unless new.
        assert (taken.sent, taken.existed) == (0, 20)
        assert (again.sent, again.existed) == (20, 0)


def test_only_spans_that_came_later_are_sent_later(tmp_path: Path) -> None:
    store = recent(tmp_path, 1)
    with StandIn() as stand_in:
        exporting = Exporting(store, stand_in)
        exporting.send()
        late = small_run(1, NOW_NS - HOUR_NS + 10**9, branches=5)
        store.write(RECORDER, list(events_from_run(late)))
        report = exporting.send()

        assert report.sent == 2
        assert len(stand_in.runs) == 6


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_by_itself_is_waited_out(tmp_path: Path, fault: Fault) -> None:
    with StandIn(faults=Faults.sequence([fault] * 2)) as stand_in:
        exporting = Exporting(recent(tmp_path), stand_in)
        report = exporting.send()

        assert report.is_complete
        assert len(stand_in.runs) == 160
        assert report.sent + report.existed == 160


def test_a_server_is_given_the_time_it_asks_for(tmp_path: Path) -> None:
    plan = Faults.sequence([Fault.RATE_LIMIT_SECONDS, Fault.RATE_LIMIT])
    with StandIn(faults=plan, retry_after_s=7) as stand_in:
        exporting = Exporting(recent(tmp_path, 2), stand_in)
        exporting.send()

    assert exporting.waits_s == [7.0, 1.0]


def test_an_older_server_without_multipart_gets_batches(tmp_path: Path) -> None:
    with StandIn(faults=Faults.always(Fault.NO_MULTIPART)) as stand_in:
        report = Exporting(recent(tmp_path), stand_in).send()

        assert report.is_complete
        assert len(stand_in.runs) == 160


def test_a_server_in_trouble_stops_the_export_and_the_rest_goes_next_time(tmp_path: Path) -> None:
    store = recent(tmp_path, 400)
    with StandIn(faults=Faults.always(Fault.UNAVAILABLE)) as stand_in:
        broken = Exporting(store, stand_in).send()

        assert broken.stopped is not None
        assert (broken.runs, broken.sent) == (0, 0)
        assert "503" in broken.stopped
        assert len(stand_in.writes) < 50
        assert not broken.is_complete
        stand_in.faults = Faults.none()
        report = Exporting(store, stand_in).send()

        assert report.is_complete
        assert len(stand_in.runs) == 1600


def test_one_bad_span_is_found_and_named_and_the_rest_goes(tmp_path: Path) -> None:
    bad = {"expert-2"}
    with StandIn(refuse=lambda run: "no such word" if run["name"] in bad else None) as api:
        exporting = Exporting(recent(tmp_path, 10), api)
        report = exporting.send()

        assert report.sent == 30
        assert len(report.refused) == 10
        for run_id, span_id, why in report.refused:
            assert store_name(exporting.store, run_id, span_id) == "expert-2"
            assert why.startswith("422: Unprocessable entity: no such word")
        again = exporting.send()
        assert (again.sent, len(again.refused)) == (0, 10)
        bad.clear()
        assert exporting.send(retry_refused=True).sent == 10
        assert len(api.runs) == 40


def test_a_lost_ledger_doubles_nothing(tmp_path: Path) -> None:
    with StandIn() as stand_in:
        exporting = Exporting(recent(tmp_path), stand_in)
        exporting.send()
        report = exporting.send(force=True)

        assert (report.sent, report.existed) == (0, 160)
        assert report.is_complete


@pytest.mark.parametrize(("key", "word"), [("wrong", "401"), ("reader", "403")])
def test_a_key_that_may_not_write_ends_the_export_at_once(
    tmp_path: Path, key: str, word: str
) -> None:
    with StandIn(read_only_key="reader") as stand_in:
        exporting = Exporting(recent(tmp_path), stand_in, api_key=key)
        with pytest.raises(ExchangeError, match=word):
            exporting.send()
        assert len(stand_in.writes) == 1


def test_an_old_run_is_tried_once_and_the_others_are_not_sent(tmp_path: Path) -> None:
    store = fill(tmp_path / "runs.db", NOW_NS - 72 * HOUR_NS, 200)
    now = datetime.datetime.fromtimestamp(NOW_NS / 1e9, datetime.UTC)
    with StandIn(window=True, now=lambda: now) as stand_in:
        exporting = Exporting(store, stand_in)
        report = exporting.send()

        assert len(report.refused) == 800
        assert "24 hours" in report.refused[-1][2]
        assert len(stand_in.writes) == 1
        shifted = exporting.send(shift=True, retry_refused=True)
        assert shifted.is_complete
        assert len(stand_in.runs) == 800
        # A later try adds the same to the times: what is there already is known again.
        assert exporting.send(force=True, shift=True).existed == 800


def test_an_old_run_that_is_bad_by_itself_does_not_stand_for_the_others(tmp_path: Path) -> None:
    store = fill(tmp_path / "runs.db", NOW_NS - 72 * HOUR_NS, 3)
    with StandIn(refuse=lambda run: "timeout" if run["name"] == "panel" else None) as stand_in:
        report = Exporting(store, stand_in).send()

        assert (report.sent, len(report.refused)) == (9, 3)


def test_young_runs_are_not_held_up_by_old_ones(tmp_path: Path) -> None:
    store = fill(tmp_path / "runs.db", NOW_NS - 72 * HOUR_NS, 3)
    store.write(RECORDER, list(events_from_run(small_run(99, NOW_NS - HOUR_NS))))
    now = datetime.datetime.fromtimestamp(NOW_NS / 1e9, datetime.UTC)
    with StandIn(window=True, now=lambda: now) as stand_in:
        report = Exporting(store, stand_in).send()

        assert (report.sent, len(report.refused)) == (4, 12)


def test_a_request_that_is_too_large_is_cut(tmp_path: Path) -> None:
    with StandIn(size_limit_bytes=20_000) as stand_in:
        report = Exporting(recent(tmp_path), stand_in).send()

        assert report.is_complete
        assert max(asked.size_bytes for asked in stand_in.writes) < 40_000


def test_nobody_there_is_said(tmp_path: Path) -> None:
    with StandIn() as stand_in:
        gone = stand_in.url
    session = NotingSession()
    client = open_client(session, endpoint=gone, api_key="x")
    with pytest.raises(ExchangeError, match="cannot be reached"):
        check_answering(client, session)


def test_a_server_of_another_kind_is_said() -> None:
    with StandIn() as stand_in:
        session = NotingSession()
        client = open_client(session, endpoint=f"{stand_in.url}/elsewhere", api_key=API_KEY)
        with pytest.raises(ExchangeError, match="no LangSmith"):
            check_answering(client, session)


def test_the_cloud_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LANGSMITH_API_KEY", raising=False)
    monkeypatch.delenv("LANGCHAIN_API_KEY", raising=False)
    with pytest.raises(SettingsError, match="LANGSMITH_API_KEY"):
        open_client(NotingSession(), endpoint="https://api.smith.langchain.com")


def test_variables_that_would_empty_the_export_are_overridden_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "LANGSMITH_HIDE_INPUTS": "true",
        "LANGCHAIN_TRACING_SAMPLING_RATE": "0",
        "LANGSMITH_RUNS_ENDPOINTS": '{"http://127.0.0.1:9": "key"}',
        "LANGSMITH_HIDE_OUTPUTS": "false",
        "LANGSMITH_TRACING_SAMPLING_RATE": "1.0",
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert set(ignored_variables(told)) == set(list(told)[:3])
    with StandIn() as stand_in:
        report = Exporting(recent(tmp_path, 3), stand_in).send()

        assert report.sent == 12
        assert all(run["inputs"]["asked"] for run in stand_in.runs.values())

"""Summaries of new runs, also where a run or the store makes trouble."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from longpole.dashboard import settle as settling
from longpole.dashboard.settle import settle
from longpole.model import Kind, Run, Span, Status, Usage
from longpole.model.pricing import PriceBook
from longpole.storage import Recorder, RunQuery, Store, open_store
from longpole.storage.filter_text import parse
from longpole.storage.run_events import events_from_run, events_from_span
from tests.small_runs import bare_run


def filled(store: Store) -> Store:
    recorder = Recorder(recorder_id="0" * 16, pid=1, host="here")
    for number in range(1, 121):
        store.write(recorder, events_from_run(bare_run(number, number)))
    return store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = filled(open_store(str(tmp_path / "runs.db"), mode="write"))
    yield opened
    opened.close()


def test_no_more_runs_are_settled_than_asked_for_newest_first(store: Store) -> None:
    assert settle(store, book=PriceBook(), now_ns=0, limit=60) == 60

    rows = store.list_runs(RunQuery(limit=120)).rows
    assert [row.is_settled for row in rows] == [True] * 60 + [False] * 60
    assert settle(store, book=PriceBook(), now_ns=0, limit=1_000) == 60
    assert settle(store, book=PriceBook(), now_ns=0, limit=1_000) == 0


def test_samples_are_taken_at_settling_but_of_a_backlog_only_when_they_are_wanted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "LARGE_RUNS", 100)

    assert settle(store, book=PriceBook(), now_ns=0, limit=60) == 60
    assert store.samples(store.run_ids(RunQuery())) == {}
    assert settle(store, book=PriceBook(), now_ns=0, limit=60) == 60
    assert len(store.samples(store.run_ids(RunQuery()))) == 60


def test_a_summary_is_renewed_when_spans_arrive_late(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "late.db"), mode="write")
    recorder = Recorder(recorder_id="0" * 16, pid=1, host="here")
    run = bare_run(1, 1_000)
    store.write(recorder, events_from_run(run))
    assert settle(store, book=PriceBook(), now_ns=0, limit=9) == 1
    late = Span(
        span_id="f" * 16,
        parent_span_id=run.root_span_id,
        name="late",
        kind=Kind.LLM,
        start_ns=run.root.start_ns,
        end_ns=run.root.end_ns,
        status=Status.OK,
        usage=Usage(input_tokens=7, output_tokens=3),
    )
    store.write(recorder, events_from_span(run.run_id, late)[:1])
    assert [row.is_settled for row in store.list_runs(RunQuery()).rows] == [False]
    store.write(recorder, [event for event in events_from_span(run.run_id, late) if event])

    assert settle(store, book=PriceBook(), now_ns=0, limit=9) == 1
    (row,) = store.list_runs(RunQuery(where=parse("span:late tokens=10", now_ns=0))).rows
    assert row.is_settled
    assert row.summary is not None
    assert (row.summary["llm_calls"], row.spans) == (1, 2)
    assert settle(store, book=PriceBook(), now_ns=0, limit=9) == 0
    store.close()


def test_whole_runs_are_loaded_in_the_order_asked_for(store: Store) -> None:
    run_ids = store.run_ids(RunQuery())[::7]
    asked = [*run_ids, "no such run", *run_ids[:2]]

    loaded = [run.run_id for run in store.load_runs(asked)]
    assert loaded == [*run_ids, *run_ids[:2]]
    assert next(iter(store.load_runs(run_ids))) == store.load_run(run_ids[0])


def test_a_run_that_cannot_be_loaded_does_not_hold_up_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_runs = store.load_runs
    gone = {f"{number:032x}" for number in (120, 119, 60)}

    def load(run_ids: Sequence[str]) -> Iterator[Run]:
        return load_runs([run_id for run_id in run_ids if run_id not in gone])

    monkeypatch.setattr(store, "load_runs", load)

    assert settle(store, book=PriceBook(), now_ns=0, limit=1_000) == 117
    assert {run_id for run_id, _ in store.unsettled_runs(10)} == gone

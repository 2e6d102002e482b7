"""Samples that are kept beside the runs: the same as taken anew, and never of another state."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from longpole.analysis import RunSample, analyse, sample_of
from longpole.dashboard.kept_samples import SampleSource
from longpole.dashboard.sample_text import VERSION, SampleReader, sample_text
from longpole.dashboard.sampled import sampled
from longpole.dashboard.settle import settle
from longpole.model import Kind, Run, Span, Status, assemble
from longpole.model.pricing import PriceBook, price_run
from longpole.storage import Recorder, RunQuery, Store, open_store
from longpole.storage.run_events import events_from_run, events_from_span
from tests.large_store import drawn_runs
from tests.strategies import BEGIN_NS, any_runs, recorded_runs

RECORDER = Recorder(recorder_id="0" * 16, pid=1, host="here")
NOW_NS = BEGIN_NS + 10**15
RUNS = 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """Sixty runs of five chains, settled."""
    with closing(open_store(str(path), mode="write")) as opened:
        for run in drawn_runs(RUNS, seed=7, begin_ns=BEGIN_NS):
            opened.write(RECORDER, events_from_run(run))
        settle(opened, book=PriceBook(), now_ns=NOW_NS, limit=RUNS)
        yield opened


def taken_anew(store: Store) -> Sequence[RunSample]:
    rows = store.list_runs(RunQuery(limit=RUNS)).rows
    runs = store.load_runs([row.run_id for row in rows])
    return [sample_of(analyse(price_run(run, PriceBook()), now_ns=NOW_NS)) for run in runs]


def kept_only(store: Store) -> dict[str, str]:
    return dict(store.samples([row.run_id for row in store.list_runs(RunQuery(limit=RUNS)).rows]))


def read_back(sample: RunSample) -> RunSample | None:
    text = sample_text(sample)
    assert text is not None
    return SampleReader().sample(text, run_id=sample.run_id, start_ns=sample.start_ns)


@settings(max_examples=30)
@given(run=recorded_runs())
def test_what_is_read_back_is_what_was_written(run: Run) -> None:
    sample = sample_of(analyse(price_run(run, PriceBook()), now_ns=NOW_NS))
    back = read_back(sample)

    assert back == sample
    assert back is not None
    assert list(back.places) == list(sample.places)


@settings(max_examples=30)
@given(run=any_runs())
def test_runs_that_nobody_would_record_are_read_back_too(run: Run) -> None:
    sample = sample_of(analyse(price_run(run, PriceBook()), now_ns=NOW_NS))

    assert read_back(sample) == sample


def test_runs_of_one_structure_share_it() -> None:
    runs = [run for run in drawn_runs(60, seed=7, begin_ns=BEGIN_NS) if run.name == "panel"]
    texts = [sample_text(sample_of(analyse(run, now_ns=NOW_NS))) for run in runs[:2]]
    reader = SampleReader()
    one, other = (reader.sample(text or "", run_id="1", start_ns=0) for text in texts)

    assert one is not None
    assert other is not None
    assert one.shape is other.shape
    assert {id(at) for at in one.places} == {id(at) for at in other.places}


def test_what_settled_runs_are_sampled_as_is_what_analysis_says(store: Store) -> None:
    found = sampled(store, RunQuery(), limit=RUNS, book=PriceBook(), now_ns=NOW_NS)

    assert len(kept_only(store)) == RUNS
    assert list(found.samples) == taken_anew(store)
    for sample in found.samples:
        sample.check()


def test_a_run_that_has_changed_is_analysed_again(store: Store) -> None:
    row = store.list_runs(RunQuery(limit=1)).rows[0]
    late = Span(
        span_id="f" * 16,
        parent_span_id=store.load_run(row.run_id).root_span_id,
        name="late",
        kind=Kind.TOOL,
        start_ns=row.start_ns,
        end_ns=row.start_ns + 5,
        status=Status.OK,
    )
    store.write(RECORDER, [event for event in events_from_span(row.run_id, late) if event])
    assert row.run_id not in kept_only(store)
    found = sampled(store, RunQuery(), limit=1, book=PriceBook(), now_ns=NOW_NS)

    assert any(at[-1] == "late" for at in found.samples[0].places)


def test_what_is_not_kept_or_of_another_version_is_taken_and_told(store: Store, path: Path) -> None:
    rows = store.list_runs(RunQuery(limit=3)).rows
    with closing(sqlite3.connect(path)) as connection, connection:
        numbers = [number for (number,) in connection.execute("SELECT max(run) FROM runs")]
        connection.execute("UPDATE summaries SET sample = NULL WHERE run = ?", numbers)
        connection.execute(
            "UPDATE summaries SET sample = replace(sample, ?, ?) WHERE run = ? - 1",
            (f"[{VERSION},", f"[{VERSION + 1},", *numbers),
        )
    taken = SampleSource(PriceBook()).samples(store, rows, now_ns=NOW_NS)
    missing = [summary.run_id for summary in taken.missing]

    assert [taken.samples[row.run_id] for row in rows] == taken_anew(store)[:3]
    assert missing == [row.run_id for row in rows[:2]]
    store.save_summaries(taken.missing)
    again = SampleSource(PriceBook()).samples(store, rows, now_ns=NOW_NS)
    assert (again.samples, again.missing) == (taken.samples, ())


def test_a_run_with_an_open_span_is_not_kept(path: Path) -> None:
    (run,) = drawn_runs(1, seed=1, begin_ns=BEGIN_NS)
    spans = [*run.spans[:-1], replace(run.spans[-1], end_ns=None, status=Status.RUNNING)]
    with closing(open_store(str(path), mode="write")) as store:
        store.write(RECORDER, events_from_run(assemble(run.run_id, spans)))
        settle(store, book=PriceBook(), now_ns=NOW_NS, limit=1)
        found = sampled(store, RunQuery(), limit=1, book=PriceBook(), now_ns=NOW_NS)

        assert kept_only(store) == {}
        assert len(found.samples) == 1
        # It would be told again and again: there is nothing that could be kept.
        rows = store.list_runs(RunQuery()).rows
        assert SampleSource(PriceBook()).samples(store, rows, now_ns=NOW_NS).missing == ()


def test_a_sample_that_takes_much_room_is_not_kept() -> None:
    (run,) = drawn_runs(1, seed=1, begin_ns=BEGIN_NS)
    sample = sample_of(analyse(run, now_ns=NOW_NS))

    assert sample_text(replace(sample, tags=("x" * 250_000,))) is None

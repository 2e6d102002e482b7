"""Summaries of new runs, also where a run or the store makes trouble."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from longpole.dashboard.settle import settle
from longpole.model import Run
from longpole.model.pricing import PriceBook
from longpole.storage import Recorder, RunQuery, open_store
from longpole.storage.rows import events_from_run
from longpole.storage.sqlite import SqliteStore
from tests.small_runs import bare_run


def filled(store: SqliteStore) -> SqliteStore:
    recorder = Recorder(recorder_id="0" * 16, pid=1, host="here")
    for number in range(1, 121):
        store.write(recorder, events_from_run(bare_run(number, number)))
    return store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = filled(open_store(str(tmp_path / "runs.db"), mode="write"))
    yield opened
    opened.close()


def test_no_more_runs_are_settled_than_asked_for_newest_first(store: SqliteStore) -> None:
    assert settle(store, book=PriceBook(), now_ns=0, limit=60) == 60

    rows = store.list_runs(RunQuery(limit=120)).rows
    assert [row.is_settled for row in rows] == [True] * 60 + [False] * 60
    assert settle(store, book=PriceBook(), now_ns=0, limit=1_000) == 60
    assert settle(store, book=PriceBook(), now_ns=0, limit=1_000) == 0


def test_a_run_that_cannot_be_loaded_does_not_hold_up_the_others(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_runs = store.load_runs
    gone = {f"{number:032x}" for number in (120, 119, 60)}

    def load(run_ids: Sequence[str]) -> Iterator[Run]:
        return load_runs([run_id for run_id in run_ids if run_id not in gone])

    monkeypatch.setattr(store, "load_runs", load)

    assert settle(store, book=PriceBook(), now_ns=0, limit=1_000) == 117
    assert {run_id for run_id, _ in store.unsettled_runs(10)} == gone

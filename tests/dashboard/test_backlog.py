"""A backlog is settled by several processes as it would be by one."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from longpole.dashboard import settle as settling
from longpole.dashboard.backlog import settle_backlog
from longpole.dashboard.settle import settle
from longpole.dashboard.web.backlog_worker import BacklogWorker
from longpole.dashboard.working import work_once
from longpole.model.price_file import PriceRule, TokenPrices
from longpole.model.pricing import PriceBook
from longpole.model.settings import LONGPOLE_STORE
from longpole.storage import Recorder, RunQuery, Store, open_store
from longpole.storage.filter_text import parse
from longpole.storage.run_events import events_from_run
from tests.large_store import drawn_runs
from tests.strategies import BEGIN_NS

RUNS = 60
TEN = Decimal(10)
RULE = PriceRule(
    number=1,
    model="gpt*",
    tokens=TokenPrices(input_usd=TEN, output_usd=TEN, cache_read_usd=TEN, cache_write_usd=TEN),
)
BOOK = PriceBook([RULE])


def filled(path: Path) -> Store:
    store = open_store(str(path), mode="write")
    recorder = Recorder(recorder_id="0" * 16, pid=1, host="here")
    runs = drawn_runs(RUNS, seed=9, begin_ns=BEGIN_NS)
    store.write(recorder, [event for run in runs for event in events_from_run(run)])
    return store


def summaries(store: Store) -> dict[str, Any]:
    rows = store.list_runs(RunQuery(limit=RUNS)).rows
    return {row.run_id: row.summary for row in rows if row.is_settled}


def test_several_processes_keep_what_one_keeps(tmp_path: Path) -> None:
    here, beside = filled(tmp_path / "here.db"), filled(tmp_path / "beside.db")
    assert settle(here, book=BOOK, now_ns=0, limit=RUNS) == RUNS

    settled = settle_backlog(beside, book=BOOK, now_ns=0, limit=RUNS, processes=2, batch=7)
    assert settled == RUNS
    assert summaries(beside) == summaries(here)
    assert len(summaries(here)) == RUNS
    for run in summaries(here):
        assert beside.load_run(run) == here.load_run(run)
    query = RunQuery(where=parse("model:gpt*", now_ns=0))
    assert beside.list_runs(query).total == here.list_runs(query).total > 0
    assert not beside.has_unindexed_runs()
    here.close()
    beside.close()


def test_no_more_is_begun_when_it_is_over(tmp_path: Path) -> None:
    store = filled(tmp_path / "runs.db")

    settled = settle_backlog(
        store, book=BOOK, now_ns=0, limit=RUNS, processes=2, is_over=lambda: True
    )
    assert settled == 0
    assert len(store.unsettled_runs(RUNS)) == RUNS
    store.close()


class _Deadly(PriceRule):
    """A rule that ends whichever process it is sent to."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (1,)


def test_a_process_that_is_killed_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path / "runs.db")
    monkeypatch.setattr(settling, "LARGE_RUNS", RUNS)

    book = PriceBook([_Deadly(number=1)])
    assert work_once(store, "one", book=book, now_ns=0, processes=2).settled == RUNS
    store.close()


def test_the_dashboard_has_a_backlog_settled_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path / "runs.db")
    monkeypatch.setenv(LONGPOLE_STORE, store.url)
    worker = BacklogWorker()
    worker.start()
    worker.start()

    assert worker.wait(timeout_s=60) == 0
    assert len(summaries(store)) == RUNS
    worker.stop()
    store.close()

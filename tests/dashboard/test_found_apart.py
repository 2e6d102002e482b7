"""Findings made by another process: the same ones, or why there are none."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from longpole.dashboard.found import found_in
from longpole.dashboard.found_apart import found_apart
from longpole.dashboard.settle import settle
from longpole.model.errors import FindingsError
from longpole.model.pricing import PriceBook
from longpole.storage import Recorder, RunQuery, open_store
from longpole.storage.run_events import events_from_run
from tests.large_store import drawn_runs
from tests.strategies import BEGIN_NS

NOW_NS = BEGIN_NS + 10**15


def test_another_process_finds_the_same(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    with closing(open_store(url, mode="write")) as store:
        recorder = Recorder(recorder_id="0" * 16, pid=1, host="here")
        for run in drawn_runs(40, seed=3, begin_ns=BEGIN_NS):
            store.write(recorder, events_from_run(run))
        settle(store, book=PriceBook(), now_ns=NOW_NS, limit=40)
        here = found_in(store, RunQuery(limit=40), limit=40, book=PriceBook(), now_ns=NOW_NS)
    there = found_apart(url, RunQuery(limit=40), limit=40, now_ns=NOW_NS)

    assert here.findings
    assert there == here


def test_what_it_could_not_do_is_told(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("these are my notes\n" * 400)

    with pytest.raises(FindingsError, match=r"notes\.db"):
        found_apart(f"sqlite:///{path}", RunQuery(), limit=5, now_ns=NOW_NS)

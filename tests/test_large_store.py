"""The generator of large stores writes what Longpole itself would have written."""

from __future__ import annotations

from pathlib import Path

from longpole.analysis import analyse, check_analysis
from longpole.storage import RunQuery, open_store
from tests.large_store import make_large_store

NOW_NS = 1_790_000_000_000_000_000


def test_copies_are_runs_of_their_own_with_other_ids_and_times(tmp_path: Path) -> None:
    runs, spans = make_large_store(tmp_path / "large.db", runs=300, now_ns=NOW_NS, templates=60)
    store = open_store(str(tmp_path / "large.db"), mode="read")
    rows = store.list_runs(RunQuery(limit=1_000)).rows

    assert runs == len(rows) == 300
    assert spans == sum(row.spans for row in rows)
    assert len({row.run_id for row in rows}) == 300
    assert len({row.start_ns for row in rows}) == 300
    assert all(row.is_settled for row in rows)
    for row in rows[::37]:
        run = store.load_run(row.run_id)
        run.check()
        check_analysis(analyse(run, now_ns=NOW_NS))
        assert row.summary is not None
        assert row.summary["run_id"] == row.run_id
        assert row.summary["start_ns"] == run.root.start_ns
        assert row.summary["wall_ns"] == (run.root.end_ns or 0) - run.root.start_ns
    assert store.unsettled_runs(1) == []
    assert store.problems(is_thorough=True) == []
    store.close()


def test_the_same_seed_draws_the_same_runs(tmp_path: Path) -> None:
    stores = []
    for name in ("one.db", "other.db"):
        make_large_store(tmp_path / name, runs=20, seed=7, now_ns=NOW_NS)
        stores.append(open_store(str(tmp_path / name), mode="read"))
    one, other = stores
    for run_id in one.run_ids(RunQuery()):
        assert one.load_run(run_id) == other.load_run(run_id)
    for store in stores:
        store.close()

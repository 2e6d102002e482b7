"""`longpole prune` and `longpole backup`: what goes, what stays, and that the space comes back."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from longpole.dashboard.cli.main import main
from longpole.storage import Recorder, RunQuery, SpanStart, open_store
from longpole.storage.run_events import events_from_run
from longpole.storage.upkeep import free_pages
from tests.small_runs import bare_run

DAY_NS = 86_400_000_000_000
RECORDER = Recorder(recorder_id="a" * 16, pid=1, host="here")


def _longpole(*arguments: str, store: Path) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(main, [*arguments, "--store", str(store)])


def _document(*arguments: str, store: Path) -> Any:
    result = _longpole(*arguments, "--json", store=store)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Sixty runs, one a day, the newest of today, each with 20 kB of input."""
    path = tmp_path / "runs.db"
    opened = open_store(str(path), mode="write")
    now_ns = time.time_ns()
    for day in range(60):
        run = bare_run(day, now_ns - day * DAY_NS)
        start, *rest = events_from_run(run)
        assert isinstance(start, SpanStart)
        text = {**start.attributes, "input.value": f"{day} " * 10_000}
        filled = SpanStart(
            run_id=start.run_id,
            trace_id=start.trace_id,
            span_id=start.span_id,
            parent_span_id=None,
            is_root=True,
            name=start.name,
            start_ns=start.start_ns,
            attributes=text,
        )
        opened.write(RECORDER, [filled, *rest])
    opened.close()
    return path


def _days(store: Path) -> list[int]:
    opened = open_store(str(store), mode="read")
    try:
        return sorted(int(run_id, 16) for run_id in opened.run_ids(RunQuery()))
    finally:
        opened.close()


def _rows(store: Path) -> dict[str, int]:
    connection = sqlite3.connect(store)
    tables = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if any(row[1] == "run" for row in connection.execute(f"PRAGMA table_info({name})"))
    ]
    counts = {
        name: connection.execute(f"SELECT count(DISTINCT run) FROM {name}").fetchone()[0]
        for name in tables
    }
    connection.close()
    return counts


def test_runs_that_are_too_old_go_with_all_that_belongs_to_them(store: Path) -> None:
    _longpole("runs", "--limit", "100", store=store)  # computes summaries
    said = _document("prune", "--older-than", "30d", "--yes", store=store)

    assert _days(store) == list(range(30))
    assert (said["runs"], said["spans"]) == (30, 30)
    assert all(count <= 30 for count in _rows(store).values())
    assert _rows(store)["summaries"] == 30


def test_deleted_space_goes_back_to_the_disk(store: Path) -> None:
    before = store.stat().st_size
    said = _document("prune", "--older-than", "10d", "--yes", store=store)
    assert store.stat().st_size < before / 2
    assert said["after_bytes"] < said["before_bytes"] / 2
    opened = open_store(str(store), mode="read")
    assert opened.size().free_bytes == 0
    assert opened.problems(is_thorough=True) == []
    assert (opened.state().runs, opened.state().spans) == (10, 10)
    opened.close()


def test_pages_go_back_by_the_hundred(store: Path) -> None:
    opened = open_store(str(store), mode="write")
    opened.delete_runs(opened.run_ids(RunQuery())[5:])
    before = opened.size().free_bytes
    opened.close()
    connection = sqlite3.connect(store, isolation_level=None)
    assert not free_pages(connection)
    left = connection.execute("PRAGMA freelist_count").fetchone()[0]
    connection.close()
    assert before > 200 * 4096
    assert left == 0


def test_the_oldest_go_until_the_store_is_small_enough(store: Path) -> None:
    _document("prune", "--max-size", "800kB", "--yes", store=store)
    left = _days(store)
    assert left == list(range(len(left)))
    assert 0 < len(left) < 60
    opened = open_store(str(store), mode="read")
    assert opened.size().used_bytes <= 800_000
    opened.close()


def test_a_filter_chooses_what_may_go(demo: Path) -> None:
    said = _document("prune", "--filter", "name:stock-agent", "--yes", store=demo)
    assert said["runs"] == 1
    names = [run["name"] for run in _document("runs", "--limit", "100", store=demo)["runs"]]
    assert "stock-agent" not in names
    assert names


def test_only_inputs_and_outputs_can_go(demo: Path) -> None:
    before = _document("runs", "--limit", "100", store=demo)
    said = _document("prune", "--older-than", "0s", "--content-only", "--yes", store=demo)
    assert said["spans"] > 0
    assert _document("runs", "--limit", "100", store=demo) == before
    opened = open_store(str(demo), mode="read")
    contents = opened.load_contents(opened.resolve("last")).values()
    assert all(one.input_value is None and one.output_value is None for one in contents)
    assert any(one.attributes for one in contents)
    opened.close()


def test_a_dry_run_deletes_nothing(store: Path) -> None:
    said = _document("prune", "--older-than", "30d", "--dry-run", store=store)
    assert (said["runs"], said["dry_run"]) == (30, True)
    assert said["after_bytes"] < said["before_bytes"]
    assert len(_days(store)) == 60


def test_a_run_under_way_stays(store: Path) -> None:
    opened = open_store(str(store), mode="write")
    start, *_ = events_from_run(bare_run(99, 1))
    alive = Recorder(recorder_id="a11e" * 4, pid=os.getpid(), host="here")
    opened.write(alive, [start])
    opened.close()
    _document("prune", "--older-than", "0s", "--yes", store=store)
    assert _days(store) == [99]


def test_nobody_is_asked_by_a_script(store: Path) -> None:
    result = _longpole("prune", "--older-than", "30d", store=store)
    assert result.exit_code == 2
    assert "Delete 30 runs? This cannot be undone. Add --yes" in result.output
    assert len(_days(store)) == 60


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say which runs go"),
        (["--max-size", "much"], "'much' is no size, expected one such as 500MB or 2GiB"),
        (["--older-than", "soon"], "'soon' is no moment"),
        (["--max-size", "1GB", "--content-only"], "does not go with --content-only"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(
    store: Path, arguments: list[str], message: str
) -> None:
    result = _longpole("prune", *arguments, store=store)
    assert result.exit_code == 2
    assert message in result.output


def test_a_backup_is_a_store_with_the_same_runs(store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    said = _document("backup", str(copy), store=store)
    assert said["bytes"] == copy.stat().st_size
    assert _days(copy) == _days(store)
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.db"]


def test_a_backup_holds_what_was_written_while_it_was_made(store: Path, tmp_path: Path) -> None:
    writer = open_store(str(store), mode="write")
    reader = open_store(str(store), mode="read")
    writer.write(RECORDER, events_from_run(bare_run(77, 5)))
    reader.back_up(tmp_path / "copy.db")
    writer.write(RECORDER, events_from_run(bare_run(78, 5)))
    writer.close()
    reader.close()
    assert 77 in _days(tmp_path / "copy.db")
    assert 78 in _days(store)


def test_a_backup_never_replaces_a_file(store: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    result = _longpole("backup", str(tmp_path / "notes.txt"), store=store)
    assert result.exit_code == 1
    assert "is there already; name a new file" in result.output
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_of_an_empty_store_there_is_no_backup(tmp_path: Path) -> None:
    result = _longpole("backup", str(tmp_path / "copy.db"), store=tmp_path / "none.db")
    assert result.exit_code == 1
    assert "holds nothing yet" in result.output
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize(
    "command",
    [["prune", "--older-than", "1d"], ["reprice"], ["export", "otlp"], ["backup", "copy"]],
)
def test_a_store_that_is_not_there_is_not_made_to_be_changed(
    tmp_path: Path, command: list[str]
) -> None:
    _longpole(*command, store=tmp_path / "mistyped.db")

    assert not list(tmp_path.iterdir())

"""`longpole doctor`: each trouble is found and told, and a sound set-up is called sound."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from longpole.dashboard.cli.main import main
from longpole.dashboard.in_force import in_force
from longpole.model.settings import VARIABLES, read_settings
from longpole.storage import Recorder, open_store
from longpole.storage.run_events import events_from_run
from longpole.storage.spool import spool_folder
from tests.large_store import make_large_store
from tests.small_runs import bare_run

FAR_FUTURE_NS = 4_000_000_000_000_000_000


def _doctor(store: Path, *arguments: str, **environ: str) -> Result:
    runner = CliRunner(env={"COLUMNS": "120", **environ})
    return runner.invoke(main, ["doctor", *arguments, "--store", str(store)])


def _findings(store: Path, *arguments: str, **environ: str) -> dict[str, Any]:
    result = _doctor(store, "--json", *arguments, **environ)
    return {one["subject"]: one for one in json.loads(result.stdout)["findings"]}


def test_a_sound_store_has_no_problem(demo: Path) -> None:
    result = _doctor(demo)
    assert result.exit_code == 0
    assert "15 runs" in result.output
    assert "nothing wrong" in result.output
    assert "✗" not in result.output


def test_nothing_recorded_yet_is_no_problem_and_says_what_to_do(tmp_path: Path) -> None:
    result = _doctor(tmp_path / "none.db")
    assert result.exit_code == 0
    assert "longpole demo --record-only" in result.output


def test_a_file_of_something_else_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("notes " * 1000)
    result = _doctor(tmp_path / "notes.db")
    assert result.exit_code == 1
    assert "✗ store" in result.output
    assert "is no Longpole store" in " ".join(result.output.split())


def test_a_damaged_page_is_found_by_reading_everything(demo: Path) -> None:
    data = bytearray(demo.read_bytes())
    page = 4096
    # The middle of the file lies in tables; the first page, which says what the file is, stays.
    middle = len(data) // page // 2 * page
    data[middle : middle + page] = b"\xff" * page
    demo.write_bytes(data)
    found = _findings(demo, "--thorough")
    verdicts = {found[subject]["verdict"] for subject in ("store", "soundness") if subject in found}
    assert "problem" in verdicts


def test_dropped_spans_are_a_problem(demo: Path) -> None:
    folder = spool_folder(demo)
    folder.mkdir(exist_ok=True)
    (folder / f"{'c' * 16}-000001.spool").write_bytes(b"no frames at all, many bytes of it")
    found = _findings(demo)["dropped spans"]
    assert found["verdict"] == "problem"
    assert "damaged spool" in found["told"] or "not readable" in found["told"]


def test_lost_runs_are_noted(demo: Path) -> None:
    opened = open_store(str(demo), mode="write")
    start, *_ = events_from_run(bare_run(5, time.time_ns()))
    opened.write(Recorder(recorder_id="d" * 16, pid=1, host="elsewhere"), [start])
    opened.close()
    assert _findings(demo)["lost runs"]["verdict"] == "note"


def test_runs_of_the_future_are_noted(demo: Path) -> None:
    opened = open_store(str(demo), mode="write")
    opened.write(
        Recorder(recorder_id="e" * 16, pid=1, host="x"), events_from_run(bare_run(6, FAR_FUTURE_NS))
    )
    opened.close()
    assert _findings(demo)["clocks"]["verdict"] == "note"


def test_calls_without_a_price_are_noted_with_a_way_to_price_them(tmp_path: Path) -> None:
    # Its agents call a model of the user's own machine.
    make_large_store(tmp_path / "runs.db", runs=40, now_ns=time.time_ns())
    found = _findings(tmp_path / "runs.db")["costs"]
    assert found["verdict"] == "note"
    assert "docs/prices.md" in found["advice"]


def test_a_variable_that_means_nothing_is_noted(demo: Path) -> None:
    found = _findings(demo, LONGPOLE_STORR="x")["settings"]
    assert found["verdict"] == "note"
    assert "LONGPOLE_STORR" in found["told"]


def test_a_price_file_that_cannot_be_read_is_a_problem(demo: Path, tmp_path: Path) -> None:
    found = _findings(demo, LONGPOLE_PRICES=str(tmp_path / "nowhere.toml"))
    assert found["prices"]["verdict"] == "problem"


def test_a_full_disk_is_a_problem(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    found = _findings(demo)["disk"]
    assert found["verdict"] == "problem"
    assert "longpole prune" in found["advice"]


def test_secrets_of_the_settings_are_not_told(demo: Path) -> None:
    shown = _doctor(demo, LONGPOLE_TOKEN="hunter2").output
    assert "LONGPOLE_TOKEN=set" in shown
    assert "hunter2" not in shown


def test_what_is_in_force_is_told_of_every_variable_and_no_secret() -> None:
    url = "clickhouse://me:hunter2@127.0.0.1:8123/otel"
    told = in_force(read_settings({"LONGPOLE_STORE": url, "LONGPOLE_TOKEN": "hunter2"}))
    assert tuple(told) == VARIABLES
    assert told["LONGPOLE_TOKEN"] == "set"
    assert "hunter2" not in "".join(told.values())

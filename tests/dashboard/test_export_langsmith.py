"""`longpole export langsmith` as people run it: processes, kills, reports, exit codes."""

from __future__ import annotations

import datetime
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from longpole.dashboard.cli.main import main
from longpole.storage import RunQuery, open_store
from longpole.storage.run_events import events_from_run
from tests.langsmith.faults import Faults
from tests.langsmith.server import API_KEY, StandIn
from tests.storage.exchange.stores import RECORDER, fill, small_run

HOUR_NS = 3600 * 10**9
# The waits between tries are taken out: what is tested is what is tried, not how long it takes.
_WITHOUT_WAITS = (
    "import time; time.sleep = lambda seconds: None\n"
    "from longpole.dashboard.cli.main import main; main()"
)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn(retry_after_s=0) as running:
        yield running


def environment(stand_in: StandIn) -> dict[str, str]:
    return {"LANGSMITH_ENDPOINT": stand_in.url, "LANGSMITH_API_KEY": API_KEY, "COLUMNS": "120"}


def export(stand_in: StandIn, store: Path, *arguments: str) -> Result:
    command = ["export", "langsmith", "--project", "p", "--store", str(store), *arguments]
    return CliRunner(env=environment(stand_in)).invoke(main, command)


def started(stand_in: StandIn, store: Path, *arguments: str) -> subprocess.Popen[str]:
    command = ["export", "langsmith", "--project", "p", "--store", str(store), *arguments]
    return subprocess.Popen(
        [sys.executable, "-c", _WITHOUT_WAITS, *command],
        env={**os.environ, **environment(stand_in)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def edges(spans: Sequence[Any], parent: str) -> set[tuple[str, str | None]]:
    """Each span's name and place with its parent's, told without ids."""
    by_id = {one.get("span_id") or one.get("id"): one for one in spans}

    def at(one: Any) -> str:
        return f"{one['name']} {one['start']}"

    return {(at(one), at(by_id[one[parent]]) if one.get(parent) else None) for one in spans}


def test_an_exported_demo_run_is_the_tree_that_show_shows(stand_in: StandIn, demo: Path) -> None:
    assert export(stand_in, demo).exit_code == 0

    for row in _rows(demo):
        shown = CliRunner().invoke(main, ["show", row, "--json", "--store", str(demo)])
        document = json.loads(shown.stdout)
        spans = [
            {**span, "start": span["start_ns"] // 1000, "parent": span["parent_span_id"]}
            for span in document["spans"]
        ]
        (root,) = [
            run
            for run in stand_in.runs.values()
            if run["extra"]["metadata"]["longpole.run.id"] == row and "parent_run_id" not in run
        ]
        sent = [
            {**run, "start": _micros(run["start_time"]), "parent": run.get("parent_run_id")}
            for run in stand_in.runs.values()
            if run["trace_id"] == root["id"]
        ]
        assert edges(sent, "parent") == edges(spans, "parent")
        assert sorted(one["name"] for one in sent) == sorted(one["name"] for one in spans)
        told = root["extra"]["metadata"]
        assert told["longpole.run.wall_ns"] == document["run"]["wall_ns"]
        assert told["longpole.run.wasted_ns"] == document["run"]["wasted_ns"]


def _rows(path: Path) -> Sequence[str]:
    opened = open_store(str(path), mode="read")
    try:
        return opened.run_ids(RunQuery())
    finally:
        opened.close()


def _micros(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (moment - epoch) // datetime.timedelta(microseconds=1)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_export_under_faults_is_finished_by_the_next(tmp_path: Path, seed: int) -> None:
    fill(tmp_path / "runs.db", time.time_ns() - HOUR_NS, runs=300).close()
    bad = {f"{number:08x}{3:08x}" for number in (7, 150, 299)}
    seen = 0
    child: subprocess.Popen[str] | None = None

    def refuse(run: Any) -> str | None:
        nonlocal seen
        seen += 1
        if seen == 600 and child is not None:
            child.kill()
        return "no such word" if run["inputs"]["asked"] in bad else None

    faults = Faults.random(seed, 25, among=60)
    with StandIn(retry_after_s=0, faults=faults, refuse=refuse) as stand_in:
        child = started(stand_in, tmp_path / "runs.db")
        child.communicate(timeout=120)
        assert child.returncode == -signal.SIGKILL
        assert 0 < len(stand_in.runs) < 1197
        again = started(stand_in, tmp_path / "runs.db", "--json")
        out, err = again.communicate(timeout=120)

    assert again.returncode == 1, err
    report = json.loads(out)
    assert {one["span_id"] for one in report["refused"]} == bad
    assert report["waiting"] == []
    assert report["stopped"] is None
    wanted = {f"{number:08x}{branch:08x}" for number in range(1, 301) for branch in range(4)} - bad
    assert len(stand_in.runs) == 1197
    assert {run["inputs"]["asked"] for run in stand_in.runs.values()} == wanted
    third = export(stand_in, tmp_path / "runs.db", "--dry-run", "--json")
    assert json.loads(third.stdout)["already_there"] == 300


def test_a_dry_run_sends_nothing_and_says_how_much_would_go(stand_in: StandIn, demo: Path) -> None:
    result = export(stand_in, demo, "--dry-run")

    assert result.exit_code == 0
    assert f"would send {len(_rows(demo))} runs" in result.output
    assert stand_in.requests == []


def test_refused_spans_are_named_and_the_exit_code_says_so(tmp_path: Path) -> None:
    fill(tmp_path / "runs.db", time.time_ns() - HOUR_NS, runs=3).close()
    with StandIn(refuse=lambda run: "no" if run["name"] == "expert-1" else None) as stand_in:
        result = export(stand_in, tmp_path / "runs.db")

    assert result.exit_code == 1
    assert "3 spans refused:" in result.output
    assert "Send them again with --retry-failed." in result.output


def test_a_wrong_key_is_one_line(tmp_path: Path, stand_in: StandIn) -> None:
    fill(tmp_path / "runs.db", time.time_ns() - HOUR_NS, runs=3).close()
    stand_in.api_key = "another"
    result = export(stand_in, tmp_path / "runs.db")

    assert result.exit_code == 1
    assert result.stderr.startswith("error: LangSmith at")
    assert result.stderr.count("\n") == 1


def test_chosen_runs_only(tmp_path: Path, stand_in: StandIn) -> None:
    fill(tmp_path / "runs.db", time.time_ns() - HOUR_NS, runs=10).close()

    assert export(stand_in, tmp_path / "runs.db", "last", f"{4:032x}").exit_code == 0
    assert len(stand_in.runs) == 8
    assert export(stand_in, tmp_path / "runs.db", "--limit", "3").exit_code == 0
    assert len(stand_in.runs) == 8 + 12
    assert export(stand_in, tmp_path / "runs.db", "--since", "1s").exit_code == 0
    assert len(stand_in.runs) == 20
    assert export(stand_in, tmp_path / "runs.db", "--since", "soon").exit_code == 2


def test_contents_stay_here_when_asked_to(tmp_path: Path, stand_in: StandIn) -> None:
    fill(tmp_path / "runs.db", time.time_ns() - HOUR_NS, runs=2).close()
    assert export(stand_in, tmp_path / "runs.db", "--no-content").exit_code == 0

    assert {str(run["inputs"]) for run in stand_in.runs.values()} == {"{}"}
    assert all(run["start_time"] for run in stand_in.runs.values())


def test_texts_are_cleaned_on_the_way_out(tmp_path: Path, stand_in: StandIn) -> None:
    fill(tmp_path / "runs.db", time.time_ns() - HOUR_NS, runs=2).close()
    reference = f"{__name__}:hide_digits"
    assert export(stand_in, tmp_path / "runs.db", "--redact", reference).exit_code == 0

    assert {run["inputs"]["asked"] for run in stand_in.runs.values()} == {"x" * 16}
    missing = export(stand_in, tmp_path / "runs.db", "--redact", "no.such:thing")
    assert missing.exit_code == 2


def hide_digits(text: str) -> str:
    return "x" * len(text)


def test_follow_sends_runs_as_they_end(tmp_path: Path, stand_in: StandIn) -> None:
    store = fill(tmp_path / "runs.db", time.time_ns() - HOUR_NS, runs=2)
    following = started(stand_in, tmp_path / "runs.db", "--follow")
    try:
        assert following.stderr is not None
        assert "Following" in following.stderr.readline()
        assert following.stdout is not None
        assert "2 runs, 8 spans sent" in following.stdout.readline()
        store.write(RECORDER, list(events_from_run(small_run(9, time.time_ns()))))
        assert "1 run, 4 spans sent" in following.stdout.readline()
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=30)
    finally:
        following.kill()
        store.close()

    assert following.returncode == 0
    assert len(stand_in.runs) == 12

"""The command line on a store of real runs: what it says, in words and as JSON."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click import Command, Group
from click.testing import CliRunner, Result
from langchain_core.runnables import RunnableLambda, RunnableParallel

from longpole.analysis import analyse
from longpole.dashboard.cli.main import main
from longpole.dashboard.documents import show_document
from longpole.dashboard.settle import settle
from longpole.model import Kind, Run, Span, Status, assemble
from longpole.model.errors import StoreUnavailableError
from longpole.model.pricing import PriceBook, price_run
from longpole.storage import Recorder, RunQuery, open_store
from longpole.storage.run_events import events_from_run
from longpole.storage.sqlite import SqliteStore
from longpole.tracer import LongpoleHandler
from tests.browser.recording import new_store_url, record
from tests.browser.stories import panel
from tests.dashboard.contract import check_document, check_run_object


@pytest.fixture
def store(demo: Path) -> Path:
    """The demo's runs, for a test to change."""
    return demo


def longpole(*arguments: str, store: Path | str | None = None) -> Result:
    where = [] if store is None else ["--store", str(store)]
    return CliRunner(env={"COLUMNS": "120"}).invoke(main, [*arguments, *where])


def as_json(*arguments: str, store: Path) -> Any:
    result = longpole(*arguments, "--json", store=store)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def runs_in(store: Path) -> list[Run]:
    opened = open_store(str(store), mode="read")
    try:
        rows = opened.list_runs(RunQuery(limit=100)).rows
        return [opened.load_run(row.run_id) for row in rows]
    finally:
        opened.close()


def test_every_demo_run_is_shown_as_the_contract_says(store: Path) -> None:
    shown = [as_json("show", run.run_id, store=store) for run in runs_in(store)]

    assert len(shown) >= 14
    for document in shown:
        check_document(document)
    assert {fan_out["kind"] for one in shown for fan_out in one["fan_outs"]} >= {
        "parallel",
        "send",
        "superstep",
        "tools",
        "batch",
    }
    assert any(one["run"]["retries"] and one["run"]["fallbacks"] for one in shown)
    assert any(one["run"]["cost_usd"] is not None for one in shown)


def test_runs_lists_the_same_objects_as_show(store: Path) -> None:
    listed = as_json("runs", "--limit", "100", store=store)["runs"]

    assert len(listed) == len(runs_in(store))
    for run in listed:
        check_run_object(run)
        assert as_json("show", run["run_id"], store=store)["run"] == run
    starts = [run["start_ns"] for run in listed]
    assert starts == sorted(starts, reverse=True)


def test_runs_can_be_filtered_and_ordered(store: Path) -> None:
    failed = as_json("runs", "--status", "error", store=store)["runs"]
    by_wall = as_json("runs", "--order", "wall", "--limit", "5", store=store)["runs"]
    panels = as_json("runs", "--name", "incident-panel", store=store)["runs"]

    assert [run["status"] for run in failed] == ["error"]
    walls = [run["wall_ns"] for run in by_wall]
    assert walls == sorted(walls, reverse=True)
    everything = as_json("runs", "--limit", "100", store=store)["runs"]
    assert walls[0] == max(run["wall_ns"] for run in everything)
    assert len(panels) == 6


@pytest.mark.parametrize(
    ("text", "name"), [("failed to parse", "enrich-lead"), ("to BERGEN", "ferry-help-desk")]
)
def test_a_text_is_looked_for_as_free_text_of_a_filter_is(
    store: Path, text: str, name: str
) -> None:
    told = as_json("runs", "--text", text, store=store)["runs"]

    assert {run["name"] for run in told} == {name}
    assert told == as_json("runs", f'"{text}"', store=store)["runs"]


def test_a_run_is_named_by_a_prefix_or_last(store: Path) -> None:
    newest = runs_in(store)[0].run_id

    assert as_json("show", "last", store=store)["run"]["run_id"] == newest
    assert as_json("show", newest[:12], store=store)["run"]["run_id"] == newest


def test_options_of_every_command_may_stand_before_it(store: Path) -> None:
    before = longpole("--store", str(store), "--json", "runs", "--limit", "3")

    assert json.loads(before.stdout)["runs"] == as_json("runs", "--limit", "3", store=store)["runs"]


def test_every_command_takes_a_store_and_gives_json() -> None:
    def check(command: Command) -> None:
        if isinstance(command, Group):
            for below in command.commands.values():
                check(below)
        else:
            assert {"--store", "--json"} <= {name for one in command.params for name in one.opts}

    check(main)


def test_a_store_that_cannot_be_written_is_listed(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(opened: SqliteStore, summaries: object) -> None:
        raise StoreUnavailableError("the disk is full")

    monkeypatch.setattr(SqliteStore, "save_summaries", refuse)

    assert len(as_json("runs", "--limit", "100", store=store)["runs"]) == len(runs_in(store))


def test_a_filter_that_nothing_fits_says_so(store: Path) -> None:
    assert longpole("runs", "--name", "nobody", store=store).stdout == "no run fits\n"


def test_the_table_of_runs_is_for_people(store: Path) -> None:
    result = longpole("runs", store=store)

    assert result.exit_code == 0
    assert "incident-panel" in result.stdout
    assert "✗ error" in result.stdout
    assert "$" in result.stdout


def test_the_table_names_the_long_pole(tmp_path: Path) -> None:
    record(new_store_url(tmp_path), panel(1))
    (heading, row) = longpole("runs", store=new_store_url(tmp_path)).stdout.splitlines()

    assert "long pole" in heading
    assert "claude" in row


def test_a_run_in_the_terminal_shows_waterfall_path_and_branches(store: Path) -> None:
    (panel, *_) = as_json("runs", "--name", "incident-panel", store=store)["runs"]
    shown = longpole("show", panel["run_id"], store=store).stdout

    assert "critical path" in shown
    assert "long pole" in shown
    assert "█" in shown
    assert "slack" in shown
    assert max(len(line) for line in shown.splitlines()) <= 120


def test_wide_fan_outs_are_folded_and_shown_whole_when_asked(store: Path) -> None:
    (report,) = [run for run in runs_in(store) if len(run.spans) > 60]
    folded = longpole("show", report.run_id, store=store).stdout
    whole = longpole("show", report.run_id, "--all", store=store).stdout

    assert "×" in folded
    assert len(whole.splitlines()) > len(report.spans)
    assert len(folded.splitlines()) < len(report.spans)


def test_settled_numbers_are_those_of_a_fresh_look(store: Path) -> None:
    opened = open_store(str(store), mode="write")
    book = PriceBook()
    count = settle(opened, book=book, now_ns=0, limit=1000)
    again = settle(opened, book=book, now_ns=0, limit=1000)
    rows = opened.list_runs(RunQuery(limit=100)).rows
    fresh = {
        row.run_id: show_document(analyse(price_run(opened.load_run(row.run_id), book), now_ns=0))[
            "run"
        ]
        for row in rows
    }
    opened.close()

    assert (count, again) == (len(rows), 0)
    assert {row.run_id: row.summary for row in rows} == fresh
    assert all(row.is_settled for row in rows)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("f" * 32, f"no run matches '{'f' * 32}'; list them"),
        ("", "no run matches ''; list them"),
        ("panel", "no run matches 'panel', expected an id, the beginning of one, or last; list"),
    ],
)
def test_an_unknown_run_is_said(store: Path, reference: str, said: str) -> None:
    result = longpole("show", reference, store=store)

    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert said in result.stderr


def test_an_ambiguous_prefix_lists_what_it_fits(tmp_path: Path) -> None:
    opened = open_store(str(tmp_path / "runs.db"), mode="write")
    recorder = Recorder(recorder_id="0" * 16, pid=1, host="here")
    for run_id in ("ab" + "1" * 30, "ab" + "2" * 30):
        span = Span(
            span_id=run_id[-16:],
            parent_span_id=None,
            name="one",
            kind=Kind.CHAIN,
            start_ns=1,
            end_ns=2,
            status=Status.OK,
        )
        opened.write(recorder, events_from_run(assemble(run_id, [span])))
    opened.close()
    result = longpole("show", "ab", store=tmp_path / "runs.db")

    assert result.exit_code == 1
    assert "'ab' fits 2 runs: ab1" in result.stderr
    assert "give more digits" in result.stderr
    assert as_json("show", "AB2", store=tmp_path / "runs.db")["run"]["run_id"] == "ab" + "2" * 30


def test_a_store_without_runs_says_how_to_get_some(tmp_path: Path) -> None:
    listed = longpole("runs", store=tmp_path / "none.db")
    shown = longpole("show", "last", store=tmp_path / "none.db")

    assert listed.exit_code == 0
    assert "longpole demo" in listed.stdout
    assert shown.exit_code == 1
    assert "longpole demo" in shown.stderr
    assert as_json("runs", store=tmp_path / "none.db") == {"runs": []}
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, " * 100)
    result = longpole("runs", store=path)

    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "notes.txt" in result.stderr
    assert path.read_text() == "these are notes, " * 100


@pytest.mark.parametrize("place", ["file/runs.db", "folder"])
def test_a_place_that_can_hold_no_store_is_said(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for command in (["runs"], ["show", "last"]):
        result = longpole(*command, store=tmp_path / place)

        assert result.exit_code == 1
        assert result.stderr.startswith("error: ")
        assert place in result.stderr


def test_a_store_url_that_means_nothing_is_wrong_usage() -> None:
    result = longpole("runs", store="mongodb://localhost/x")

    assert result.exit_code == 2
    assert "mongodb" in result.stderr


def test_a_bad_setting_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGPOLE_CONTENT_LIMIT", "many")
    result = longpole("runs")

    assert result.exit_code == 2
    assert "LONGPOLE_CONTENT_LIMIT is 'many'" in result.stderr


def test_text_from_traces_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    handler = LongpoleHandler(str(tmp_path / "runs.db"))

    def fail(value: object) -> object:
        raise ValueError("\x1b[31mred\x1b]52;c;x\x07 [bold]markup[/bold]")

    with pytest.raises(ValueError, match="red"):
        RunnableLambda(fail, name="evil\x1b[2J").invoke(1, {"callbacks": [handler]})
    assert handler.flush(30.0)
    handler.close()
    listed = longpole("runs", store=tmp_path / "runs.db").stdout
    shown = longpole("show", "last", store=tmp_path / "runs.db").stdout

    assert "\x1b" not in listed + shown
    assert "\x07" not in listed + shown
    assert "[bold]markup[/bold]" in shown


@pytest.mark.parametrize("columns", ["60", "200"])
def test_output_fits_the_terminal(store: Path, columns: str) -> None:
    read_end, write_end = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "longpole.dashboard.cli", "show", "last", "--store", str(store)],
        stdout=write_end,
        env={**os.environ, "COLUMNS": columns, "NO_COLOR": "1", "TERM": "xterm"},
    )
    os.close(write_end)
    shown = b""
    try:
        while chunk := os.read(read_end, 65536):
            shown += chunk
    except OSError:  # the other end is closed
        pass
    os.close(read_end)

    assert child.wait(60) == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
    assert len(lines) > 20
    assert max(len(line.rstrip()) for line in lines) <= int(columns)


def test_the_command_line_starts_without_the_heavy_packages() -> None:
    program = (
        "import sys; from longpole.dashboard.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'streamlit', 'plotly', 'langchain_core', 'langsmith', 'genai_prices', "
        "'pandas', 'opentelemetry'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "Usage: " in done.stdout


def test_the_dashboard_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for command in ("dashboard", "demo"):
        result = longpole(command)

        assert result.exit_code == 1
        assert "pip install 'longpole[dashboard]'" in result.stderr


def test_the_demo_records_and_says_where(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "longpole.dashboard.cli",
            "demo",
            "--record-only",
            "--speed",
            "200",
            "--store",
            str(tmp_path / "demo.db"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert f"The runs are in {tmp_path / 'demo.db'}" in done.stdout
    assert len(runs_in(tmp_path / "demo.db")) >= 14


def test_the_demo_keeps_standard_output_for_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recording's own lines go to standard error; what is run here prints one."""
    (tmp_path / "speaking.py").write_text("print('a scene')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    program = (
        "from longpole.dashboard.cli import demo; from longpole.dashboard.cli.main import main\n"
        "run = demo.run_module\n"
        "demo.run_module = lambda _, given, quiet: run('speaking', given, quiet=quiet)\n"
        "main(['demo', '--record-only', '--json', '--store', 'here.db'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert json.loads(done.stdout) == {"store": "here.db"}
    assert done.stderr == b"a scene\n"


def test_the_dashboard_takes_the_place_of_the_command_and_ends_with_it(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "longpole.dashboard.cli", "dashboard", "--no-browser"),
            *("--json", "--store", str(tmp_path / "runs.db")),
        ],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    with child.stdout:
        told = json.loads(child.stdout.readline())
        child.send_signal(signal.SIGTERM)

        assert child.wait(30) == 0
    assert told["store"] == str(tmp_path / "runs.db")
    assert told["address"].startswith("http://127.0.0.1:")


def test_a_pipe_that_closes_early_is_no_accident(store: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "longpole.dashboard.cli", "show", "last", "--store", str(store)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN),
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    said = child.stderr.read().decode()
    child.stderr.close()
    child.wait(60)

    assert "Traceback" not in said


def test_show_tells_a_limit_that_is_ignored_and_a_result_that_is_another_rows(
    tmp_path: Path,
) -> None:
    path = tmp_path / "runs.db"
    handler = LongpoleHandler(str(path))

    def work(value: int) -> int:
        if value == 9 or (value == 1 and next(tries)):
            raise ValueError(f"no {value}")
        return value

    tries = iter([True, False])
    row = RunnableLambda(work, name="row").with_retry(
        stop_after_attempt=2, wait_exponential_jitter=False
    )
    assert row.batch([1, 9], {"callbacks": [handler]}) == [1, 1]
    both = RunnableParallel(a=RunnableLambda(str), b=RunnableLambda(str))
    asyncio.run(both.ainvoke(1, {"callbacks": [handler], "max_concurrency": 1}))
    assert handler.flush(30.0)
    handler.close()

    batch, parallel = sorted(runs_in(path), key=lambda run: run.root.start_ns)
    shown = longpole("show", batch.run_id, store=path).output
    assert "wrong result: the last try of row[1] failed" in shown
    told = as_json("show", batch.run_id, store=path)
    assert [span["branch"] for span in told["spans"] if span["result_swapped"]] == ["1"]
    shown = longpole("show", parallel.run_id, store=path).output
    assert "no limit; limit 1 was asked for and is ignored" in shown
    (fan_out,) = as_json("show", parallel.run_id, store=path)["fan_outs"]
    assert (fan_out["limit"], fan_out["limit_ignored"]) == (None, 1)


def test_the_list_of_commands_says_whole_sentences() -> None:
    told = CliRunner().invoke(main, ["--help"], terminal_width=80).stdout

    lines = told.split("Commands:\n")[1].splitlines()
    assert isinstance(main, Group)
    assert len(lines) == len(main.commands)
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)


def test_more_processes_than_processors_are_refused() -> None:
    most = max(4, os.cpu_count() or 1)
    result = longpole("worker", "--once", "--processes", str(most + 1))

    assert result.exit_code == 2
    assert f"{most + 1} are too many" in result.stderr
    assert f"expected {most} at most" in result.stderr


def test_an_embedded_store_refuses_several_processes(tmp_path: Path) -> None:
    result = longpole("worker", "--once", "--processes", "2", store=f"chdb:///{tmp_path}/lake")

    assert result.exit_code == 2
    assert "lets no second process in" in result.stderr


@pytest.mark.parametrize(
    ("encoding", "good", "bad"), [("ascii", "+", "x"), ("latin-1", "+", "x"), ("utf-8", "✓", "✗")]
)
def test_what_went_well_and_what_did_not_differ_on_every_terminal(
    store: Path, encoding: str, good: str, bad: str
) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "longpole.dashboard.cli", "runs", "--store", str(store)],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    ).stdout.decode(encoding)

    assert f"{good} ok" in told
    assert f"{bad} error" in told


def test_the_demo_can_be_told_in_ascii(tmp_path: Path) -> None:
    demo = [sys.executable, "-m", "longpole.tracer.demo", "--store", str(tmp_path / "demo.db")]
    told = subprocess.run(
        [*demo, "--speed", "200", "--only", "failing-branch"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )

    assert b"failed, as it should" in told.stdout


def test_the_demo_can_be_stopped_while_it_records(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "longpole.dashboard.cli", "demo", "--record-only"]
    demo = subprocess.Popen(
        [*command, "--speed", "4", "--store", str(tmp_path / "demo.db")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout is not None
    assert demo.stdout.readline().startswith("rag ")
    # As a terminal does: to the command and to what it started.
    os.killpg(demo.pid, signal.SIGINT)
    _, said = demo.communicate(timeout=60)

    assert demo.returncode == 130
    assert said == "\nstopped; what was recorded until now is kept\n"
    assert runs_in(tmp_path / "demo.db")

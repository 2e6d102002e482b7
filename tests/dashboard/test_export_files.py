"""`longpole export` to files and to an OTLP backend, and `import`, as people run them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet  # type: ignore[import-untyped]
import pytest
from click.testing import CliRunner, Result

from longpole.dashboard.cli.main import main
from longpole.storage import RunQuery, open_store
from longpole.storage.exchange.otlp_out import to_json, to_request
from tests.storage.exchange.collector import Collector, Reply, collecting
from tests.storage.exchange.packed import packed_run
from tests.storage.exchange.stores import fill, small_run


def longpole(*arguments: str, store: Path) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(main, [*arguments, "--store", str(store)])


def ids_in(path: Path) -> list[str]:
    opened = open_store(str(path), mode="read")
    try:
        return list(opened.run_ids(RunQuery(descending=False)))
    finally:
        opened.close()


def test_json_lines_go_through_a_pipe_and_come_back(tmp_path: Path, demo: Path) -> None:
    written = longpole("export", "jsonl", store=demo)
    file = tmp_path / "runs.jsonl"
    file.write_bytes(written.stdout_bytes)
    taken = longpole("import", str(file), store=tmp_path / "back.db")

    assert taken.exit_code == 0
    assert f"{len(ids_in(demo))} runs" in taken.output
    assert longpole("export", "jsonl", store=tmp_path / "back.db").stdout_bytes == (
        written.stdout_bytes
    )


def test_a_name_that_ends_with_gz_is_compressed(tmp_path: Path, demo: Path) -> None:
    file = tmp_path / "runs.jsonl.gz"
    result = longpole("export", "jsonl", "last", "-o", str(file), store=demo)

    assert result.output.startswith("1 run, ")
    assert b'"longpole"' in gzip.decompress(file.read_bytes())
    assert longpole("import", str(file), store=tmp_path / "back.db").exit_code == 0


def test_tables_hold_every_run_and_span(tmp_path: Path, demo: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(longpole("export", "csv", store=demo).stdout)))
    folder = tmp_path / "tables"
    report = longpole("export", "parquet", "-o", str(folder), "--json", store=demo)

    assert [row["run_id"] for row in rows] == ids_in(demo)
    counts = json.loads(report.stdout)
    assert pyarrow.parquet.read_table(folder / "runs.parquet").num_rows == counts["runs"]
    assert pyarrow.parquet.read_table(folder / "spans.parquet").num_rows == counts["spans"]


def test_pictures_are_of_the_last_run_unless_others_are_chosen(tmp_path: Path, demo: Path) -> None:
    trace, report = tmp_path / "trace.json", tmp_path / "report.html"
    assert longpole("export", "perfetto", "-o", str(trace), store=demo).exit_code == 0
    assert longpole("export", "html", "-o", str(report), store=demo).exit_code == 0

    processes = [
        event for event in json.loads(trace.read_text())["traceEvents"] if event["ph"] == "M"
    ]
    assert {event["pid"] for event in processes} == {1}
    last = longpole("show", "last", "--json", store=demo)
    assert json.loads(last.stdout)["run"]["run_id"] in report.read_text()
    two = longpole("export", "html", "--limit", "2", "-o", str(report), store=demo)
    assert "2 runs, " in two.output


def test_a_report_holds_contents_only_when_asked_to(tmp_path: Path) -> None:
    fill(tmp_path / "runs.db", 1_790_000_000_000_000_000, runs=1).close()
    report = tmp_path / "report.html"
    asked = f"{1:08x}{1:08x}"
    longpole("export", "html", "-o", str(report), store=tmp_path / "runs.db")
    without = report.read_text()
    longpole("export", "html", "--content", "-o", str(report), store=tmp_path / "runs.db")

    assert f'asked": "{asked}' not in without
    assert "asked" in report.read_text()


def test_an_export_that_fails_leaves_what_was_there(tmp_path: Path, demo: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    file = folder / "runs.jsonl"
    file.write_text("before")
    result = longpole("export", "jsonl", "nosuchrun", "-o", str(file), store=demo)

    assert result.exit_code == 1
    assert file.read_text() == "before"
    assert [path.name for path in folder.iterdir()] == ["runs.jsonl"]
    elsewhere = longpole("export", "jsonl", "-o", str(tmp_path / "no" / "x"), store=demo)
    assert elsewhere.stderr.startswith("error: cannot write")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello", "is of no known kind"),
        (b'{"some": "json"}', "is of no known kind"),
        (b'{"resourceSpans": [', "is no JSON"),
    ],
)
def test_a_file_of_the_wrong_kind_is_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    result = longpole("import", str(file), store=tmp_path / "s.db")

    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_trace_for_perfetto_is_no_file_to_import(tmp_path: Path, demo: Path) -> None:
    trace = tmp_path / "trace.json"
    longpole("export", "perfetto", "-o", str(trace), store=demo)
    result = longpole("import", str(trace), store=tmp_path / "s.db")

    assert result.exit_code == 1
    assert "is of no known kind" in result.stderr


def test_files_are_recognised_and_one_bad_one_does_not_stop_the_others(tmp_path: Path) -> None:
    request = to_request([packed_run(small_run(1, 1_790_000_000_000_000_000), tmp_path)])
    (tmp_path / "a.json").write_bytes(to_json(request))
    (tmp_path / "b.pb").write_bytes(request.SerializeToString())
    files = [str(tmp_path / name) for name in ("a.json", "missing.json", "b.pb")]
    result = longpole("import", *files, "--json", store=tmp_path / "s.db")

    assert result.exit_code == 1
    first, missing, second = json.loads(result.stdout)["sources"]
    assert first["spans"] == second["spans"] > 0
    assert "missing.json" in missing["error"]
    assert len(ids_in(tmp_path / "s.db")) == 1


@pytest.fixture
def backend() -> Iterator[Collector]:
    with collecting() as told:
        yield told


def test_otlp_sends_every_span_once(tmp_path: Path, backend: Collector) -> None:
    fill(tmp_path / "runs.db", 1_790_000_000_000_000_000, runs=400).close()
    command = ("export", "otlp", "--endpoint", backend.url)
    first = longpole(*command, store=tmp_path / "runs.db")
    again = longpole(*command, store=tmp_path / "runs.db")

    assert first.exit_code == again.exit_code == 0
    assert "1,600 spans sent" in first.output
    assert "400 runs sent before and unchanged" in again.output
    assert len(backend.span_ids) == len(set(backend.span_ids)) == 1600


def test_otlp_ticks_off_only_what_was_acknowledged(tmp_path: Path, backend: Collector) -> None:
    fill(tmp_path / "runs.db", 1_790_000_000_000_000_000, runs=300).close()
    backend.replies = [Reply(), Reply(code=400)]
    command = ("export", "otlp", "--endpoint", backend.url)
    first = longpole(*command, store=tmp_path / "runs.db")
    again = longpole(*command, "--retry-failed", store=tmp_path / "runs.db")

    assert first.exit_code == 1
    assert "refused" in first.output
    assert again.exit_code == 0
    assert len(backend.span_ids) == len(set(backend.span_ids)) == 1200


def test_a_wrong_otlp_key_ends_the_export_at_once(tmp_path: Path, backend: Collector) -> None:
    fill(tmp_path / "runs.db", 1_790_000_000_000_000_000, runs=3).close()
    backend.replies = [Reply(code=401)]
    result = longpole("export", "otlp", "--endpoint", backend.url, store=tmp_path / "runs.db")

    assert result.exit_code == 1
    assert "does not accept the key" in result.stderr
    bad = longpole("export", "otlp", "--header", "nonsense", store=tmp_path / "runs.db")
    assert bad.exit_code == 2

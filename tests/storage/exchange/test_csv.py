"""The CSV tables: every fact in its cell, nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.model import SpanError
from longpole.storage.exchange.csv_out import Table, iso_time, safe_text, write_csv
from longpole.storage.exchange.exported_tables import RUN_COLUMNS, SPAN_COLUMNS, Column
from longpole.storage.exchange.parcel import NO_CONTENT, Parcel
from longpole.storage.exchange.written import Written
from tests.storage.exchange.packed import packed_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> list[Parcel]:
    return packed_demo(tmp_path_factory.mktemp("csv"))


def table_of(parcels: list[Parcel], table: Table) -> list[dict[str, str]]:
    out = io.StringIO(newline="")
    write_csv(parcels, out, table)
    return list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))


def with_name(parcel: Parcel, name: str) -> Parcel:
    """Return the parcel with its root, and so its run, under another name."""
    spans = [
        {**facts, "name": name} if facts["parent_span_id"] is None else facts
        for facts in parcel.document["spans"]
    ]
    document = {**parcel.document, "run": {**parcel.document["run"], "name": name}, "spans": spans}
    return replace(parcel, document=document)


def test_every_span_is_a_row_with_the_documents_facts(demo: list[Parcel]) -> None:
    rows = table_of(demo, "spans")
    facts = [(parcel.run.run_id, one) for parcel in demo for one in parcel.document["spans"]]

    assert [(row["run_id"], row["span_id"]) for row in rows] == [
        (run_id, one["span_id"]) for run_id, one in facts
    ]
    for row, (_, one) in zip(rows, facts, strict=True):
        for key in ("start_ns", "end_ns", "slack_ns", "drag_ns", "attempt", "cost_usd"):
            assert row[key] == ("" if one[key] is None else str(one[key]))
        assert row["error_type"] == safe_text((one["error"] or {"type": ""})["type"])
        assert row["input_tokens"] == str((one["usage"] or {"input_tokens": ""})["input_tokens"])
        assert row["cache_hit"] == ("true" if one["cache_hit"] else "false")


def test_what_was_recorded_is_in_its_cell(demo: list[Parcel]) -> None:
    rows = table_of(demo, "spans")
    contents = [
        parcel.contents.get(span.span_id, NO_CONTENT)
        for parcel in demo
        for span in parcel.run.spans
    ]

    assert [orjson.loads(row["attributes"]) for row in rows] == [
        content.attributes for content in contents
    ]
    assert [row["output"] for row in rows] == [
        safe_text(content.output_value or "") for content in contents
    ]
    assert {row["fan_out"] for row in rows} > {"", "parallel"}


def test_every_run_is_a_row(demo: list[Parcel]) -> None:
    rows = table_of(demo, "runs")

    assert [row["run_id"] for row in rows] == [parcel.run.run_id for parcel in demo]
    for row, parcel in zip(rows, demo, strict=True):
        facts = parcel.document["run"]
        assert float(row["speedup_ratio"]) == facts["speedup_ratio"]
        assert orjson.loads(row["tags"]) == facts["tags"]
        assert orjson.loads(row["metadata"]) == facts["metadata"]
        assert row["trace_id"] == parcel.run.trace_id
        assert int(row["spans"]) == len(parcel.run.spans)


@pytest.mark.parametrize(("table", "columns"), [("runs", RUN_COLUMNS), ("spans", SPAN_COLUMNS)])
def test_the_first_row_names_the_columns(table: Table, columns: tuple[Column[Any], ...]) -> None:
    out = io.StringIO(newline="")

    assert write_csv([], out, table) == Written(0, 0)
    assert out.getvalue() == ",".join(column.name for column in columns) + "\r\n"


@pytest.mark.parametrize("table", ["runs", "spans"])
def test_what_was_written_is_counted(demo: list[Parcel], table: Table) -> None:
    told = write_csv(demo, io.StringIO(newline=""), table)

    assert told == Written(len(demo), sum(len(parcel.run.spans) for parcel in demo))


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+1", "-1", "@sum", "\tx", "\rx", "\nx", " =1", "\u00a0=1", "\u3000=1"),
        *("＝1", "＋1", "－1", "＠x", "﹦1", "\ufeff=1", "\u200b=1", "\x00=1", "\x1f \t-1"),
    ],
)
def test_a_text_that_looks_like_a_formula_gets_an_apostrophe(demo: list[Parcel], text: str) -> None:
    parcel = with_name(demo[0], text)

    assert table_of([parcel], "runs")[0]["name"] == f"'{text}"
    assert f"'{text}" in [row["name"] for row in table_of([parcel], "spans")]


@pytest.mark.parametrize("text", ["", "plain", "1+1", "'=1", "a=b", "é", "  spaced", "（=1）"])
def test_any_other_text_stays_as_it_is(demo: list[Parcel], text: str) -> None:
    assert table_of([with_name(demo[0], text)], "runs")[0]["name"] == text


@given(st.text())
def test_no_cell_begins_like_a_formula_and_no_text_is_lost(text: str) -> None:
    cell = safe_text(text)

    assert cell in (text, f"'{text}")
    assert cell.lstrip()[:1] not in tuple("=+-@＝＋－＠")


@given(text=st.text(st.sampled_from(",;\"'\r\n\t =a€")))
def test_a_text_with_commas_quotes_and_line_ends_stays_in_its_cell(
    demo: list[Parcel], text: str
) -> None:
    (row,) = table_of([with_name(demo[0], text)], "runs")

    assert row["name"] == safe_text(text)
    assert row["run_id"] == demo[0].run.run_id


def test_a_negative_number_stays_a_number(demo: list[Parcel]) -> None:
    document = {**demo[0].document, "run": {**demo[0].document["run"], "start_ns": -1}}
    (row,) = table_of([replace(demo[0], document=document)], "runs")

    assert row["start_ns"] == "-1"
    assert row["start_time"] == "1969-12-31T23:59:59.999999999Z"


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_time_is_told_to_the_nanosecond(moment_ns: int) -> None:
    text = iso_time(moment_ns)
    seconds = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp()

    assert int(seconds) * 10**9 + int(text[20:29]) == moment_ns
    assert text[19] == "."
    assert text.endswith("Z")


def test_a_failed_span_tells_its_error(demo: list[Parcel]) -> None:
    rows = table_of(demo, "spans")
    errors = [span.error for parcel in demo for span in parcel.run.spans]

    assert any(errors)
    assert [SpanError(type=row["error_type"], message=row["error_message"]) for row in rows] == [
        SpanError(type=safe_text(error.type), message=safe_text(error.message))
        if error
        else SpanError(type="", message="")
        for error in errors
    ]

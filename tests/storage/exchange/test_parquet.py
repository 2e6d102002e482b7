"""The Parquet files: exact values of documented types, and never half a file."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from longpole.model import Run, Usage
from longpole.model.errors import ExchangeError, MissingExtraError
from longpole.storage.exchange import parquet as exporter
from longpole.storage.exchange.exported_tables import (
    RUN_COLUMNS,
    SPAN_COLUMNS,
    Cell,
    Column,
    run_row,
    span_rows,
)
from longpole.storage.exchange.parcel import Parcel
from longpole.storage.exchange.parquet import ARROW_TYPES, write_parquet
from longpole.storage.exchange.written import Written
from tests.storage.exchange.packed import packed_demo

pytest.importorskip("pyarrow", reason="the Parquet export is optional")
pq: Any = pytest.importorskip("pyarrow.parquet")

DOCUMENT = Path(__file__).parents[3] / "docs" / "exchange-files.md"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> list[Parcel]:
    return packed_demo(tmp_path_factory.mktemp("parquet"))


def column_of(folder: Path, table: str, name: str) -> Any:
    return pq.read_table(folder / f"{table}.parquet").column(name)


def with_run_fact(parcel: Parcel, **facts: Any) -> Parcel:
    document = {**parcel.document, "run": {**parcel.document["run"], **facts}}
    return replace(parcel, document=document)


def plain_of(column: Column[Any], value: Any) -> Any:
    """Return a value as pyarrow gives it back."""
    if value is None:
        return None
    match column.cell:
        case Cell.MONEY:
            return Decimal(value)
        case Cell.TEXTS:
            return list(value)
        case Cell.JSON:
            return orjson.dumps(value).decode()
    return value


def values_of(table: Any, column: Column[Any]) -> list[Any]:
    stored = table.column(column.name)
    # As Python times they would end at the microsecond.
    stored = stored.cast("int64") if column.cell is Cell.TIME else stored
    return list(stored.to_pylist())


def test_every_value_of_every_run_comes_back_exactly(demo: list[Parcel], tmp_path: Path) -> None:
    write_parquet(demo, tmp_path)
    table = pq.read_table(tmp_path / "runs.parquet")

    for column in RUN_COLUMNS:
        wanted = [plain_of(column, column.of(run_row(parcel))) for parcel in demo]
        assert values_of(table, column) == wanted, column.name


def test_every_value_of_every_span_comes_back_exactly(demo: list[Parcel], tmp_path: Path) -> None:
    write_parquet(demo, tmp_path)
    table = pq.read_table(tmp_path / "spans.parquet")
    rows = [row for parcel in demo for row in span_rows(parcel)]

    for column in SPAN_COLUMNS:
        wanted = [plain_of(column, column.of(row)) for row in rows]
        assert values_of(table, column) == wanted, column.name


def test_the_demo_says_something_in_nearly_every_column(demo: list[Parcel]) -> None:
    rows = [row for parcel in demo for row in span_rows(parcel)]
    silent = {column.name for column in SPAN_COLUMNS if all(column.of(row) is None for row in rows)}

    assert silent <= {"limit_ignored", "host", "order_after", "unpriced"}


@pytest.mark.parametrize(("table", "columns"), [("runs", RUN_COLUMNS), ("spans", SPAN_COLUMNS)])
def test_each_column_has_the_documented_type_unit_and_meaning(
    tmp_path: Path, table: str, columns: tuple[Column[Any], ...]
) -> None:
    write_parquet([], tmp_path)
    schema = pq.read_schema(tmp_path / f"{table}.parquet")
    names = [column.name for column in columns]

    assert [name for name in schema.names if not name.endswith("_exact")] == names
    for column in columns:
        field = schema.field(column.name)
        assert str(field.type) == ARROW_TYPES[column.cell]
        assert field.metadata[b"meaning"].decode() == column.meaning
        assert field.metadata[b"unit"].decode() == column.unit
        if column.cell is Cell.MONEY:
            assert str(schema.field(f"{column.name}_exact").type) == "string"


def test_times_are_exact_to_the_nanosecond(demo: list[Parcel], tmp_path: Path) -> None:
    moments = [1_790_000_000_123_456_789, -1, 2**63 - 1, None]
    write_parquet([with_run_fact(demo[0], end_ns=moment) for moment in moments], tmp_path)
    stored = column_of(tmp_path, "runs", "end_time")

    assert str(stored.type) == "timestamp[ns, tz=UTC]"
    assert stored.cast("int64").to_pylist() == moments
    assert column_of(tmp_path, "runs", "end_ns").to_pylist() == moments


@pytest.mark.parametrize(
    ("amount", "stored", "exact"),
    [
        ("0.000085800", "0.0000858", None),
        ("0.000000000000000001", "0.000000000000000001", None),
        (
            "99999999999999999999.999999999999999999",
            "99999999999999999999.999999999999999999",
            None,
        ),
        ("0.0000000000000000015", "0.000000000000000002", "0.0000000000000000015"),
        ("0.0000000000000000025", "0.000000000000000002", "0.0000000000000000025"),
        ("100000000000000000000", None, "100000000000000000000"),
        (None, None, None),
    ],
)
def test_money_is_exact_or_says_that_it_is_not(
    demo: list[Parcel], tmp_path: Path, amount: str | None, stored: str | None, exact: str | None
) -> None:
    write_parquet([with_run_fact(demo[0], cost_usd=amount)], tmp_path)

    assert column_of(tmp_path, "runs", "cost_usd").to_pylist() == [stored and Decimal(stored)]
    assert column_of(tmp_path, "runs", "cost_usd_exact").to_pylist() == [exact]


def test_a_number_too_large_for_its_column_is_told_and_leaves_no_file(
    demo: list[Parcel], tmp_path: Path
) -> None:
    with pytest.raises(ExchangeError, match="column 'work_ns' cannot hold a value"):
        write_parquet([with_run_fact(demo[0], work_ns=2**63)], tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_row_groups_stay_small_and_nothing_is_lost_between_them(
    demo: list[Parcel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "ROW_GROUP_SPANS", 100)
    monkeypatch.setattr(exporter, "_SLICE_ROWS", 25)
    told = write_parquet(demo, tmp_path)
    found = pq.ParquetFile(tmp_path / "spans.parquet").metadata
    sizes = [found.row_group(place).num_rows for place in range(found.num_row_groups)]
    span_ids = [one["span_id"] for parcel in demo for one in parcel.document["spans"]]

    assert set(sizes[:-1]) == {100}
    assert 0 < sizes[-1] <= 100
    assert column_of(tmp_path, "spans", "span_id").to_pylist() == span_ids
    assert told == Written(len(demo), len(span_ids))


def test_long_contents_close_a_row_group_sooner(
    demo: list[Parcel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "_SLICE_CHARACTERS", 5_000)
    monkeypatch.setattr(exporter, "_ROW_GROUP_BYTES", 50_000)
    write_parquet(demo, tmp_path)

    assert pq.ParquetFile(tmp_path / "spans.parquet").metadata.num_row_groups > 3


def test_a_run_is_let_go_once_it_is_written(demo: list[Parcel], tmp_path: Path) -> None:
    runs: list[weakref.ref[Run]] = []
    living: list[int] = []

    def parcels() -> Iterator[Parcel]:
        for parcel in demo:
            copy = replace(parcel, run=replace(parcel.run))
            runs.append(weakref.ref(copy.run))
            living.append(sum(run() is not None for run in runs))
            yield copy
            del copy

    write_parquet(parcels(), tmp_path)

    # The one before is let go when the next one has come.
    assert len(living) == len(demo)
    assert max(living) <= 2


def test_an_export_that_breaks_off_leaves_what_was_there(
    demo: list[Parcel], tmp_path: Path
) -> None:
    def broken() -> Iterator[Parcel]:
        yield from demo[1:3]
        raise KeyboardInterrupt

    write_parquet(demo[:1], tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        write_parquet(broken(), tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert set(before) == {"runs.parquet", "spans.parquet"}


def test_the_folder_is_made(demo: list[Parcel], tmp_path: Path) -> None:
    write_parquet(demo[:1], tmp_path / "new" / "folder")

    assert column_of(tmp_path / "new" / "folder", "runs", "run_id").to_pylist() == [
        demo[0].run.run_id
    ]


def test_a_file_in_the_folders_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ExchangeError, match=r"taken' cannot be written \(File exists\)"):
        write_parquet([], tmp_path / "taken")


def test_without_pyarrow_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"longpole\[parquet\]"):
        write_parquet([], tmp_path / "out")

    assert not (tmp_path / "out").exists()


# --- the document -----------------------------------------------------------------------------


@pytest.mark.parametrize(("table", "columns"), [("runs", RUN_COLUMNS), ("spans", SPAN_COLUMNS)])
def test_the_document_holds_the_columns(table: str, columns: tuple[Column[Any], ...]) -> None:
    section = DOCUMENT.read_text().partition(f"\n## Fields of the table {table}\n")[2]
    lines = [line for line in section.partition("\n#")[0].splitlines() if line.startswith("| `")]

    assert lines == [
        f"| `{column.name}` | {column.cell} | {column.unit} | {column.meaning} |"
        for column in columns
    ]


def test_the_document_holds_the_types() -> None:
    section = DOCUMENT.read_text().partition("\n## Types of CSV and Parquet\n")[2]
    lines = [line.split("|") for line in section.partition("\n#")[0].splitlines() if "`" in line]

    assert {line[1].strip(): line[-2].strip(" `") for line in lines} == {
        cell.value: name for cell, name in ARROW_TYPES.items()
    }


def test_the_usage_columns_are_those_of_the_model() -> None:
    names = [column.name for column in SPAN_COLUMNS if column.unit == "tokens"]

    assert names == list(Usage.__dataclass_fields__)

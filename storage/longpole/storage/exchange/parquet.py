"""Runs → a folder with `runs.parquet` and `spans.parquet`, by way of pyarrow.

The columns are those of `columns`, each of the Arrow type that `ARROW_TYPES` gives its cells.
Beside each amount of money stands the same name with `_exact`: it is null unless the amount does
not fit `decimal128(38, 18)` (20 digits before the point, 18 behind it). Then it holds the whole
amount as text, and the decimal is rounded half to even, or null where it is too large. So nothing
is lost, and nothing is rounded without a word.

Both files are written under other names and take their own at the end: an export that breaks off
leaves what was there before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, Final

from longpole.model.errors import ExchangeError, MissingExtraError
from longpole.storage.exchange.csv_out import json_text
from longpole.storage.exchange.exported_tables import (
    RUN_COLUMNS,
    SPAN_COLUMNS,
    Cell,
    Column,
    run_row,
    span_rows,
)
from longpole.storage.exchange.parcel import Parcel
from longpole.storage.exchange.writing import new_file
from longpole.storage.exchange.written import Written

ARROW_TYPES: Final[Mapping[Cell, str]] = {
    Cell.TEXT: "string",
    Cell.INTEGER: "int64",
    Cell.NUMBER: "double",
    Cell.FLAG: "bool",
    Cell.TIME: "timestamp[ns, tz=UTC]",
    Cell.MONEY: "decimal128(38, 18)",
    Cell.TEXTS: "list<element: string>",
    Cell.JSON: "string",
}
"""The Arrow type of each kind of cell, as pyarrow shows it; JSON is text."""

ROW_GROUP_SPANS: Final = 10_000
"""The most rows that a row group holds; one with long contents is closed sooner."""

_ROW_GROUP_BYTES: Final = 32 * 2**20
# Rows become Arrow arrays, which are far smaller, in slices of this many rows or characters.
_SLICE_ROWS: Final = 500
_SLICE_CHARACTERS: Final = 4 * 2**20
_DIGITS: Final = 38
_STEP_USD: Final = Decimal("1e-18")
_MONEY: Final = Context(prec=_DIGITS, rounding=ROUND_HALF_EVEN)


def write_parquet(parcels: Iterable[Parcel], folder: Path) -> Written:
    """Write both tables into a folder, which is made if there is none.

    Raises:
        MissingExtraError: pyarrow is not installed.
        ExchangeError: the folder cannot be written to, or a number is too large for its column.
    """
    arrow = _Arrow()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExchangeError(
            f"{str(folder)!r} cannot be written ({error.strerror or error}), "
            "expected a folder with room in it; name another one"
        ) from error
    with new_file(folder / "spans.parquet") as spans, new_file(folder / "runs.parquet") as runs:
        return _write(arrow, parcels, spans, runs)


def _write(arrow: _Arrow, parcels: Iterable[Parcel], spans: BinaryIO, runs: BinaryIO) -> Written:
    with (
        contextlib.closing(_Table(arrow, SPAN_COLUMNS, spans)) as span_table,
        contextlib.closing(_Table(arrow, RUN_COLUMNS, runs)) as run_table,
    ):
        for parcel in parcels:
            run_table.add(run_row(parcel))
            for row in span_rows(parcel):
                span_table.add(row)
        span_table.finish()
        run_table.finish()
    return Written(run_table.rows, span_table.rows)


class _Arrow:
    """pyarrow, loaded when it is needed; it takes a third of a second and 50 MB."""

    def __init__(self) -> None:
        try:
            import pyarrow  # type: ignore[import-untyped,unused-ignore]
            import pyarrow.parquet  # type: ignore[import-untyped,unused-ignore]
        except ImportError:
            raise MissingExtraError("the Parquet export", "pyarrow", "parquet") from None
        self.arrow: ModuleType = pyarrow
        self.parquet: ModuleType = pyarrow.parquet

    def type_of(self, cell: Cell) -> Any:
        arrow = self.arrow
        match cell:
            case Cell.TEXT | Cell.JSON:
                return arrow.string()
            case Cell.INTEGER:
                return arrow.int64()
            case Cell.NUMBER:
                return arrow.float64()
            case Cell.FLAG:
                return arrow.bool_()
            case Cell.TIME:
                return arrow.timestamp("ns", tz="UTC")
            case Cell.MONEY:
                return arrow.decimal128(_DIGITS, -_exponent(_STEP_USD))
            case Cell.TEXTS:
                return arrow.list_(arrow.field("element", arrow.string()))


def _exponent(step: Decimal) -> int:
    return int(step.as_tuple().exponent)


# --- columns of one file ----------------------------------------------------------------------


def _to_money(text: str | None) -> Decimal | None:
    """Return an amount as the decimal column holds it; `None` where it is too large."""
    if text is None:
        return None
    try:
        return Decimal(text).quantize(_STEP_USD, context=_MONEY)
    except InvalidOperation:
        return None


def _to_exact(text: str | None) -> str | None:
    """Return the amount as text where the decimal column holds another one, or none."""
    return None if text is None or _to_money(text) == Decimal(text) else text


def _to_json(value: Any) -> str | None:
    return None if value is None else json_text(value)


_CONVERTED: Final[Mapping[Cell, Callable[[Any], Any]]] = {
    Cell.MONEY: _to_money,
    Cell.JSON: _to_json,
}


def _stored_columns(columns: Sequence[Column[Any]]) -> Iterator[Column[Any]]:
    """Yield the columns of a file: those of the table, and the exact amounts beside the money."""
    for column in columns:
        yield column
        if column.cell is Cell.MONEY:
            yield Column(
                f"{column.name}_exact",
                Cell.TEXT,
                column.unit,
                f"`{column.name}` where it does not fit; null where it does",
                _exact_of(column.of),
            )


def _exact_of(of: Callable[[Any], Any]) -> Callable[[Any], str | None]:
    return lambda row: _to_exact(of(row))


class _Table:
    """One file in the making."""

    def __init__(self, arrow: _Arrow, columns: Sequence[Column[Any]], file: BinaryIO) -> None:
        self.rows = 0
        self._arrow = arrow
        self._columns = tuple(_stored_columns(columns))
        self._schema = arrow.arrow.schema(
            [
                arrow.arrow.field(
                    column.name,
                    arrow.type_of(column.cell),
                    metadata={"unit": column.unit, "meaning": column.meaning},
                )
                for column in self._columns
            ]
        )
        self._writer = arrow.parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._slice: list[list[Any]] = [[] for _ in self._columns]
        self._slice_characters = 0
        self._batches: list[Any] = []

    def add(self, row: Any) -> None:
        """Take one row in; nothing of it is held but its values."""
        for column, values in zip(self._columns, self._slice, strict=True):
            value = column.of(row)
            convert = _CONVERTED.get(column.cell)
            value = value if convert is None else convert(value)
            values.append(value)
            if type(value) is str:
                self._slice_characters += len(value)
        self.rows += 1
        if len(self._slice[0]) >= _SLICE_ROWS or self._slice_characters >= _SLICE_CHARACTERS:
            self._convert()
            self._write_if_large()

    def finish(self) -> None:
        """Write what is left."""
        self._convert()
        self._write_group()

    def close(self) -> None:
        """Close the file, finished or not."""
        self._writer.close()

    def _convert(self) -> None:
        arrays = [
            self._array(column, values)
            for column, values in zip(self._columns, self._slice, strict=True)
        ]
        self._batches.append(self._arrow.arrow.record_batch(arrays, schema=self._schema))
        self._slice = [[] for _ in self._columns]
        self._slice_characters = 0

    def _array(self, column: Column[Any], values: list[Any]) -> Any:
        try:
            return self._arrow.arrow.array(values, self._schema.field(column.name).type)
        except (ValueError, TypeError, OverflowError) as error:
            raise ExchangeError(
                f"column {column.name!r} cannot hold a value ({error}), expected "
                f"{ARROW_TYPES[column.cell]}; leave that run out, or export JSON lines"
            ) from error

    def _write_if_large(self) -> None:
        rows = sum(batch.num_rows for batch in self._batches)
        size_bytes = sum(batch.nbytes for batch in self._batches)
        if rows >= ROW_GROUP_SPANS or size_bytes >= _ROW_GROUP_BYTES:
            self._write_group()

    def _write_group(self) -> None:
        group = self._arrow.arrow.Table.from_batches(self._batches, schema=self._schema)
        self._writer.write_table(group, row_group_size=ROW_GROUP_SPANS)
        self._batches.clear()

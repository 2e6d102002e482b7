"""Runs or spans → one CSV table (RFC 4180, first row the names of the columns).

A spreadsheet takes a text that begins with `=`, `+`, `-` or `@` for a formula and runs it. Names,
errors and contents come from anywhere, so such a text gets an apostrophe in front; numbers, which
we made ourselves, stay numbers. An empty cell is a value that is not known, or an empty text.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TextIO

import orjson

from longpole.storage.codec import plain
from longpole.storage.exchange.exported_tables import (
    RUN_COLUMNS,
    SPAN_COLUMNS,
    Cell,
    Column,
    run_row,
    span_rows,
)
from longpole.storage.exchange.parcel import Parcel
from longpole.storage.exchange.written import Written

Table = Literal["runs", "spans"]

_FORMULA_BEGINS: Final = frozenset("=+-@")
_CELL_BREAKERS: Final = frozenset("\t\r\n")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_NS: Final = 1_000_000_000


def write_csv(parcels: Iterable[Parcel], out: TextIO, table: Table) -> Written:
    """Write one of the two tables; only one run is held at a time.

    Args:
        parcels: the runs.
        out: opened with `newline=""`, so that line ends stay as they are written.
        table: one row a run, or one row a span.
    """
    columns: tuple[Column[Any], ...] = RUN_COLUMNS if table == "runs" else SPAN_COLUMNS
    writer = csv.writer(out)
    writer.writerow([column.name for column in columns])
    runs = spans = 0
    for parcel in parcels:
        rows: Iterator[Any] = iter([run_row(parcel)]) if table == "runs" else span_rows(parcel)
        writer.writerows([_cell(column, row) for column in columns] for row in rows)
        runs += 1
        spans += len(parcel.document["spans"])
    return Written(runs, spans)


def _cell(column: Column[Any], row: Any) -> str:
    value = column.of(row)
    return "" if value is None else _SHOWN[column.cell](value)


def safe_text(text: str) -> str:
    """Return the text, with an apostrophe in front where a spreadsheet would see a formula.

    >>> safe_text("=1+1"), safe_text("1+1")
    ("'=1+1", '1+1')
    """
    return f"'{text}" if text[:1] in _CELL_BREAKERS or _is_formula(text) else text


def _is_formula(text: str) -> bool:
    for character in text:
        # Invisible characters (spaces, control and format characters) are passed over on import.
        if character.isspace() or unicodedata.category(character)[0] in "CZ":
            continue
        # Full-width and small variants of the four are folded into them here, as there.
        return unicodedata.normalize("NFKC", character)[0] in _FORMULA_BEGINS
    return False


def iso_time(moment_ns: int) -> str:
    """Return a moment to the nanosecond, in UTC.

    >>> iso_time(1_790_000_000_123_456_789)
    '2026-09-21T14:13:20.123456789Z'
    """
    seconds, rest_ns = divmod(moment_ns, _SECOND_NS)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"


def json_text(value: Any) -> str:
    """Return a value as JSON; what JSON lacks as the store would keep it."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return orjson.dumps(plain(value)).decode()


def _flag(value: bool) -> str:
    return "true" if value else "false"


_SHOWN: Final[Mapping[Cell, Callable[[Any], str]]] = {
    Cell.TEXT: safe_text,
    Cell.INTEGER: str,
    Cell.NUMBER: repr,
    Cell.FLAG: _flag,
    Cell.TIME: iso_time,
    Cell.MONEY: str,
    Cell.TEXTS: lambda texts: json_text(list(texts)),
    Cell.JSON: json_text,
}

"""Is everything there, and of our version? What is missing is made.

Nothing is made by looking at an empty database, as no file is made by looking for one. Where the
Collector has filled `otel_traces` already, its spans are taken into the lists once.
"""

from __future__ import annotations

import re

from longpole.model.errors import NewerSchemaError
from longpole.storage.clickhouse.connection import Database
from longpole.storage.clickhouse.ddl import (
    COMMENT,
    OWN_TABLES,
    RUNS,
    SCHEMA,
    TRACES,
    VIEWS,
    fill_statement,
    statements,
)
from longpole.storage.clickhouse.spelling import Layout, layout_of


def existing(database: Database) -> dict[str, str]:
    """Return the comment of each table and view that there is, by name."""
    found = database.query(
        "SELECT name, comment FROM system.tables WHERE database = {database:String}",
        {"database": database.address.database},
    )
    return {row[0]: row[1] for row in found.rows}


def checked_schema(database: Database, tables: dict[str, str]) -> int | None:
    """Return the version of our tables, `None` where there are none yet or it is not told.

    Raises:
        NewerSchemaError: the database was written by one.
    """
    comment = tables.get(f"{RUNS}_local") or tables.get(RUNS, "")
    told = re.fullmatch(rf"{COMMENT}(\d+)", comment)
    if told is None:
        return None
    if int(told[1]) > SCHEMA:
        raise NewerSchemaError(database.address.shown, int(told[1]), SCHEMA)
    return int(told[1])


def missing(tables: dict[str, str]) -> list[str]:
    """Return which tables and views are not there."""
    return [name for name in (TRACES, *OWN_TABLES, *VIEWS) if name not in tables]


def set_up(database: Database, *, makes: bool) -> Layout | None:
    """Return the layout of `otel_traces`; `None` while there is nothing to read.

    Args:
        database: to look at.
        makes: whether to make what is missing; where there are spans already, that is done anyway.

    Raises:
        NewerSchemaError: the tables are those of a newer Longpole.
        NotAStoreError: `otel_traces` is not the Collector's.
    """
    tables = existing(database)
    schema = checked_schema(database, tables)
    is_old = schema is not None and schema < SCHEMA
    lacking = missing(tables)
    if lacking and not makes and TRACES not in tables:
        return None
    if TRACES in tables:
        _layout(database)
    if lacking or is_old:
        _make(database, is_filled=TRACES in tables and RUNS not in tables)
    return _layout(database)


def _make(database: Database, *, is_filled: bool) -> None:
    for statement in statements(database.address):
        database.command(statement)
    if is_filled:
        # After the view is there: a span that comes meanwhile is counted twice, that is once.
        database.command(fill_statement(database.address))


def _layout(database: Database) -> Layout:
    found = database.query(f"DESCRIBE TABLE {database.name(TRACES)}")
    return layout_of({row["name"]: row["type"] for row in found.by_name()}, TRACES)

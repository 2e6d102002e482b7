"""Deleting, measuring and looking over the tables of one server.

ClickHouse deletes by rewriting: a delete here is one mutation of each table for all runs of a
call, waited for. On a cluster that is the operator's decision, and retention belongs to a TTL or to
dropped partitions anyway, so there the way is named and nothing is done.

Source: clickhouse.com/docs, sql-reference/statements/delete, alter/update, check-table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from longpole.model import semconv
from longpole.model.errors import UnsupportedByStoreError
from longpole.storage.clickhouse.connection import Database
from longpole.storage.clickhouse.ddl import (
    EXPORTS,
    INDEX,
    OPEN,
    OWN_TABLES,
    RUNS,
    SUMMARIES,
    TEXTS,
    TRACES,
)
from longpole.storage.clickhouse.facts import run_id_sql
from longpole.storage.clickhouse.setup import existing, missing
from longpole.storage.store import StoreSize

RUNS_AT_ONCE: Final = 1_000

_WAITING: Final = "SETTINGS mutations_sync = 2"
_RUN_COLUMN: Final = {
    RUNS: "run_id",
    SUMMARIES: "run_id",
    INDEX: "run_id",
    TEXTS: "run_id",
    EXPORTS: "run_id",
    OPEN: "RunId",
}
_CONTENT: Final = (
    semconv.INPUT_VALUE,
    semconv.INPUT_MIME_TYPE,
    semconv.OUTPUT_VALUE,
    semconv.OUTPUT_MIME_TYPE,
)


def delete_runs(database: Database, run_ids: Sequence[str]) -> int:
    """Delete runs and all that belongs to them; return how many spans that were."""
    refuse_on_cluster(
        database,
        "deleting single runs",
        f"ALTER TABLE {TRACES}_local MODIFY TTL, or ALTER TABLE … DROP PARTITION",
    )
    spans = _span_count(database, run_ids)
    values = {"ids": list(run_ids)}
    where, more = _of_runs(database, run_ids)
    database.command(f"ALTER TABLE {database.name(TRACES)} DELETE WHERE {where} {_WAITING}", more)
    for table, column in _RUN_COLUMN.items():
        database.command(
            f"ALTER TABLE {database.name(table)} DELETE "
            f"WHERE {column} IN {{ids:Array(String)}} {_WAITING}",
            values,
        )
    return spans


def delete_contents(database: Database, run_ids: Sequence[str]) -> int:
    """Delete inputs and outputs of runs; return of how many spans. All else stays."""
    refuse_on_cluster(
        database,
        "deleting inputs and outputs",
        f"ALTER TABLE {TRACES}_local UPDATE SpanAttributes = mapFilter(…)",
    )
    where, values = _of_runs(database, run_ids)
    keys = ", ".join(f"'{key}'" for key in _CONTENT)
    having = " OR ".join(
        f"mapContains(SpanAttributes, '{key}')" for key in (_CONTENT[0], _CONTENT[2])
    )
    spans = database.query(
        f"SELECT uniqExact({run_id_sql()}, SpanId) FROM {database.name(TRACES)} "
        f"WHERE {where} AND ({having})",
        values,
    ).rows[0][0]
    database.command(
        f"ALTER TABLE {database.name(TRACES)} UPDATE SpanAttributes = "
        f"mapFilter((key, value) -> key NOT IN ({keys}), SpanAttributes) "
        f"WHERE {where} AND ({having}) {_WAITING}",
        values,
    )
    if spans:
        database.command(
            f"ALTER TABLE {database.name(TEXTS)} DELETE "
            f"WHERE run_id IN {{ids:Array(String)}} {_WAITING}",
            {"ids": list(run_ids)},
        )
        _mark_changed(database, run_ids)
    return int(spans)


def _mark_changed(database: Database, run_ids: Sequence[str]) -> None:
    """Move the change token, by a part of each run that tells nothing but when."""
    database.command(
        f"INSERT INTO {database.name(RUNS)} (hour, run_id, changed_ns) "
        "SELECT min(hour), run_id, toUnixTimestamp64Nano(now64(9)) "
        f"FROM {database.name(RUNS)} WHERE run_id IN {{ids:Array(String)}} GROUP BY run_id",
        {"ids": list(run_ids)},
    )


def _span_count(database: Database, run_ids: Sequence[str]) -> int:
    found = database.query(
        f"SELECT sum(spans) FROM (SELECT uniqExactMerge(spans) AS spans FROM {database.name(RUNS)} "
        "WHERE run_id IN {ids:Array(String)} GROUP BY run_id)",
        {"ids": list(run_ids)},
    )
    return int(found.rows[0][0])


def _of_runs(database: Database, run_ids: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return the condition for the spans of runs, bounded by their traces."""
    found = database.query(
        f"SELECT DISTINCT trace_id FROM {database.name(RUNS)} "
        "WHERE run_id IN {ids:Array(String)}",
        {"ids": list(run_ids)},
    )
    values = {"ids": list(run_ids), "traces": [trace for (trace,) in found.rows]}
    return (
        f"TraceId IN {{traces:Array(String)}} AND {run_id_sql()} IN {{ids:Array(String)}}",
        values,
    )


def refuse_on_cluster(database: Database, what: str, way: str) -> None:
    """Refuse what would rewrite the tables of a whole cluster.

    Raises:
        UnsupportedByStoreError: the store is on a cluster.
    """
    if database.address.cluster is not None:
        raise UnsupportedByStoreError(
            f"{what} is not done on a cluster; use ClickHouse's own: {way}"
        )


def size(database: Database, spooled_bytes: int) -> StoreSize:
    """Return what the tables take on disk, with all replicas' parts that this server knows of."""
    names = [TRACES, *OWN_TABLES]
    names += [f"{name}_local" for name in names]
    found = database.query(
        "SELECT sumIf(bytes_on_disk, active), sumIf(bytes_on_disk, NOT active) FROM system.parts "
        "WHERE database = {database:String} AND table IN {names:Array(String)}",
        {"database": database.address.database, "names": names},
    )
    used_bytes, free_bytes = found.rows[0]
    return StoreSize(
        used_bytes=int(used_bytes),
        free_bytes=int(free_bytes),
        log_bytes=0,
        spooled_bytes=spooled_bytes,
    )


def problems_in(database: Database, *, is_thorough: bool) -> list[str]:
    """Return what is wrong with the tables; thorough reads and checks every part."""
    tables = existing(database)
    found = [f"table {name!r} is missing" for name in missing(tables)]
    detached = database.query(
        "SELECT table, count() FROM system.detached_parts WHERE database = {database:String} "
        "AND reason LIKE 'broken%' GROUP BY table",
        {"database": database.address.database},
    )
    found += [
        f"table {table!r} has {count} broken parts set aside" for table, count in detached.rows
    ]
    if database.address.cluster is not None:
        read_only = database.query(
            "SELECT table FROM system.replicas WHERE database = {database:String} AND is_readonly",
            {"database": database.address.database},
        )
        found += [f"replica of {table!r} is read-only" for (table,) in read_only.rows]
    elif is_thorough:
        found += [
            f"table {name!r} does not pass CHECK TABLE"
            for name in (TRACES, *OWN_TABLES)
            if name in tables and not _passes_check(database, name)
        ]
    return found


def _passes_check(database: Database, table: str) -> bool:
    answer = database.query(
        f"CHECK TABLE {database.name(table)} SETTINGS check_query_single_value_result = 1"
    )
    return not answer.rows or bool(answer.rows[0][-1])

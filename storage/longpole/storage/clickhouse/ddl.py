"""The tables, as statements: for one server, or for a cluster of shards with replicas. Pure.

`otel_traces` is the Collector's: whoever comes first makes it, and neither changes what the other
made. Longpole makes it with the Collector's columns but sorted by trace, which is how spans are
asked for here. The other tables are Longpole's own. On a cluster every table is a `…_local` one on
each shard behind a distributed one of the plain name; the spans of a trace share a shard.

Source: clickhouseexporter, internal/sqltemplates at 2bf6b9e1; clickhouse.com/docs (Distributed,
ReplicatedMergeTree, AggregatingMergeTree).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from longpole.storage.clickhouse.address import Address
from longpole.storage.clickhouse.facts import (
    FACT_COLUMNS,
    FOUND_COLUMNS,
    NO_START_NS,
    ROOT_COLUMNS,
    SETTLED_COLUMNS,
    facts_sql,
)

SCHEMA: Final = 2
"""Version of Longpole's own tables; the comment of `longpole_runs` says it."""
COMMENT: Final = "longpole schema "

TRACES: Final = "otel_traces"
OPEN: Final = "longpole_open"
RUNS: Final = "longpole_runs"
SUMMARIES: Final = "longpole_summaries"
INDEX: Final = "longpole_index"
TEXTS: Final = "longpole_texts"
EXPORTS: Final = "longpole_exports"
RECORDERS: Final = "longpole_recorders"
DROPS: Final = "longpole_drops"
WORKERS: Final = "longpole_workers"
OWN_TABLES: Final = (OPEN, RUNS, SUMMARIES, INDEX, TEXTS, EXPORTS, RECORDERS, DROPS, WORKERS)

RUNS_FROM_TRACES: Final = "longpole_runs_from_traces"
RUNS_FROM_OPEN: Final = "longpole_runs_from_open"
RUNS_FROM_SUMMARIES: Final = "longpole_runs_from_summaries"
RUNS_FROM_INDEX: Final = "longpole_runs_from_index"
VIEWS: Final = (RUNS_FROM_TRACES, RUNS_FROM_OPEN, RUNS_FROM_SUMMARIES, RUNS_FROM_INDEX)

OPEN_START: Final = "start"
OPEN_END: Final = "end"
TOLD: Final = 1
DONE: Final = 2
"""Versions of a row of `longpole_open`: as told, and that the span is in `otel_traces` now."""

_SPAN_COLUMNS: Final = """
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(T64, ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested (
        Timestamp DateTime64(9),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1))"""


def _latest(columns: Mapping[str, str], rank: str) -> str:
    """Return columns that keep the value of the highest rank."""
    return ",\n    ".join(_kept(columns, rank))


def _kept(columns: Mapping[str, str], rank: str) -> list[str]:
    return [
        f"{name} AggregateFunction(argMax, {type_name}, {rank}) CODEC(ZSTD(1))"
        for name, type_name in columns.items()
    ]


_RUN_COLUMNS: Final = f"""
    hour DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    run_id String CODEC(ZSTD(1)),
    trace_id SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    first_ns SimpleAggregateFunction(min, Int64) DEFAULT {NO_START_NS} CODEC(ZSTD(1)),
    last_ns SimpleAggregateFunction(max, Int64) CODEC(ZSTD(1)),
    end_ns SimpleAggregateFunction(max, Int64) CODEC(ZSTD(1)),
    spans AggregateFunction(uniqExact, UInt64) CODEC(ZSTD(1)),
    ended AggregateFunction(uniqExactIf, UInt64, UInt8) CODEC(ZSTD(1)),
    rank SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1)),
    {_latest(ROOT_COLUMNS, "UInt64")},
    names SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
    kinds SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
    models SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
    providers SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
    branches SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
    recorders SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
    error_types SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
    error_messages SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
    has_retry SimpleAggregateFunction(max, UInt8),
    has_failed SimpleAggregateFunction(max, UInt8),
    has_fallback SimpleAggregateFunction(max, UInt8),
    has_cache_hit SimpleAggregateFunction(max, UInt8),
    has_queue SimpleAggregateFunction(max, UInt8),
    has_unended SimpleAggregateFunction(max, UInt8),
    {_latest(SETTLED_COLUMNS, "Int64")},
    {_latest(FOUND_COLUMNS, "Int64")},
    changed_ns SimpleAggregateFunction(max, Int64) CODEC(ZSTD(1)),
    INDEX by_run_id run_id TYPE bloom_filter(0.001) GRANULARITY 1"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table, without where it is.

    Attributes:
        engine: of the MergeTree family, without `Replicated`.
        arguments: of the engine.
        tail: what follows the engine, from PARTITION BY or ORDER BY on.
        shard: SQL over its columns; rows that belong together have the same value.
    """

    name: str
    columns: str
    engine: str
    tail: str
    shard: str
    arguments: str = ""


TABLES: Final = (
    Table(
        name=TRACES,
        columns=f"""{_SPAN_COLUMNS},
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1""",
        engine="MergeTree",
        tail="PARTITION BY toDate(Timestamp) ORDER BY (TraceId, Timestamp) "
        "SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1",
        shard="cityHash64(TraceId)",
    ),
    Table(
        name=OPEN,
        columns=f"""
    RunId String CODEC(ZSTD(1)),
    Part LowCardinality(String),
    Version UInt8,
    RecorderId String CODEC(ZSTD(1)),
    ToldAt DateTime DEFAULT now(),{_SPAN_COLUMNS}""",
        engine="ReplacingMergeTree",
        arguments="Version",
        # What is done is kept for a day, so that a start that is told again stays done.
        tail=f"ORDER BY (RunId, SpanId, Part) TTL ToldAt + INTERVAL 1 DAY DELETE "
        f"WHERE Version = {DONE}",
        shard="cityHash64(RunId)",
    ),
    Table(
        name=RUNS,
        columns=_RUN_COLUMNS,
        engine="AggregatingMergeTree",
        tail="PARTITION BY toDate(hour) ORDER BY (hour, run_id)",
        shard="cityHash64(run_id)",
    ),
    Table(
        name=SUMMARIES,
        columns=f"""
    run_id String CODEC(ZSTD(1)),
    hour DateTime('UTC'),
    saved_ns Int64,
    {", ".join(f"{name} {type_name}" for name, type_name in SETTLED_COLUMNS.items())},
    run_object String CODEC(ZSTD(1)),
    costs String CODEC(ZSTD(1))""",
        engine="ReplacingMergeTree",
        arguments="saved_ns",
        tail="PARTITION BY toDate(hour) ORDER BY run_id",
        shard="cityHash64(run_id)",
    ),
    Table(
        name=INDEX,
        columns=f"""
    run_id String CODEC(ZSTD(1)),
    hour DateTime('UTC'),
    saved_ns Int64,
    {", ".join(f"{name} {type_name}" for name, type_name in FOUND_COLUMNS.items())}""",
        engine="ReplacingMergeTree",
        arguments="saved_ns",
        tail="PARTITION BY toDate(hour) ORDER BY run_id",
        shard="cityHash64(run_id)",
    ),
    Table(
        name=TEXTS,
        # The index is one that every server knows, and a fifth of the size of a `text` one.
        columns="""
    run_id String CODEC(ZSTD(1)),
    number UInt32,
    hour DateTime('UTC'),
    saved_ns Int64,
    words String CODEC(ZSTD(3)),
    INDEX by_word words TYPE tokenbf_v1(65536, 3, 0) GRANULARITY 1""",
        engine="ReplacingMergeTree",
        arguments="saved_ns",
        tail="PARTITION BY toDate(hour) ORDER BY (run_id, number) "
        "SETTINGS index_granularity = 1024",
        shard="cityHash64(run_id)",
    ),
    Table(
        name=EXPORTS,
        columns="""
    destination String,
    run_id String,
    revision UInt64,
    sent String CODEC(ZSTD(1)),
    refused String CODEC(ZSTD(1)),
    waiting Nullable(String),
    shift_ns Int64,
    at_ns Int64,
    saved_ns Int64""",
        engine="ReplacingMergeTree",
        arguments="saved_ns",
        tail="ORDER BY (destination, run_id)",
        shard="cityHash64(run_id)",
    ),
    Table(
        name=RECORDERS,
        columns="""
    recorder_id String,
    pid Int64,
    host String,
    seen_at DateTime DEFAULT now()""",
        engine="ReplacingMergeTree",
        arguments="seen_at",
        tail="ORDER BY recorder_id",
        shard="cityHash64(recorder_id)",
    ),
    Table(
        name=DROPS,
        columns="""
    recorder_id String,
    reason String,
    spans SimpleAggregateFunction(max, UInt64)""",
        engine="AggregatingMergeTree",
        tail="ORDER BY (recorder_id, reason)",
        shard="cityHash64(recorder_id)",
    ),
    Table(
        name=WORKERS,
        columns="""
    worker_id String,
    seen_at DateTime DEFAULT now()""",
        engine="ReplacingMergeTree",
        arguments="seen_at",
        tail="ORDER BY worker_id TTL seen_at + INTERVAL 1 DAY",
        shard="cityHash64(worker_id)",
    ),
)


def statements(address: Address) -> Iterator[str]:
    """Yield what makes the database and all that is not there yet in it, in order.

    Tables of an older version are brought to this one, which the last statement notes.
    """
    yield f"CREATE DATABASE IF NOT EXISTS {address.database}{_on_cluster(address)}"
    for table in TABLES:
        yield _created(address, table)
        if address.cluster is not None:
            yield _distributed(address, table)
    yield from _later_columns(address)
    yield from view_statements(address)
    yield (
        f"ALTER TABLE {local_name(address, RUNS)}{_on_cluster(address)} "
        f"MODIFY COMMENT '{COMMENT}{SCHEMA}'"
    )


def view_statements(address: Address) -> Iterator[str]:
    """Yield what makes the materialised views that are not there yet."""
    for name, select in (
        (RUNS_FROM_TRACES, traces_select(address)),
        (
            RUNS_FROM_OPEN,
            facts_sql(
                local_name(address, OPEN),
                recorder="RecorderId",
                where=f"Part = '{OPEN_START}' AND Version = {TOLD}",
            ),
        ),
        (RUNS_FROM_SUMMARIES, _told_of_runs(address, SUMMARIES, SETTLED_COLUMNS)),
        (RUNS_FROM_INDEX, _told_of_runs(address, INDEX, FOUND_COLUMNS)),
    ):
        yield (
            f"CREATE MATERIALIZED VIEW IF NOT EXISTS {address.database}.{name}"
            f"{_on_cluster(address)} TO {local_name(address, RUNS)} AS {select}"
        )


def _told_of_runs(address: Address, table: str, columns: Iterable[str]) -> str:
    """Return the SELECT that makes run rows of what a table says of runs as they are now."""
    kept = ", ".join(f"argMaxState({name}, saved_ns) AS {name}" for name in columns)
    return (
        f"SELECT hour, run_id, {NO_START_NS} AS first_ns, {kept}, max(saved_ns) AS changed_ns "
        f"FROM {local_name(address, table)} GROUP BY hour, run_id"
    )


def _later_columns(address: Address) -> Iterator[str]:
    """Yield what gives `longpole_runs` of the first version the columns that came later."""
    columns = _kept(FOUND_COLUMNS, "Int64")
    names = [local_name(address, RUNS)]
    if address.cluster is not None:
        names.append(f"{address.database}.{RUNS}")
        columns = [column.removesuffix(" CODEC(ZSTD(1))") for column in columns]
    for name in names:
        added = ", ".join(f"ADD COLUMN IF NOT EXISTS {column}" for column in columns)
        yield f"ALTER TABLE {name}{_on_cluster(address)} {added}"


def traces_select(address: Address) -> str:
    """Return the SELECT that makes run rows of all spans that are in `otel_traces`."""
    return facts_sql(local_name(address, TRACES))


def fill_statement(address: Address) -> str:
    """Return what takes in the spans that were there before the views were."""
    columns = ", ".join(FACT_COLUMNS)
    return f"INSERT INTO {local_name(address, RUNS)} ({columns}) {traces_select(address)}"


def local_name(address: Address, table: str) -> str:
    """Return the table that holds rows: itself on a server, its part on a shard of a cluster."""
    suffix = "" if address.cluster is None else "_local"
    return f"{address.database}.{table}{suffix}"


def _created(address: Address, table: Table) -> str:
    engine, arguments = table.engine, table.arguments
    tail = table.tail
    if address.cluster is not None:
        path = "/clickhouse/tables/{shard}/{database}/{table}"
        more = f", {arguments}" if arguments else ""
        engine, arguments = f"Replicated{engine}", f"'{path}', '{{replica}}'{more}"
    elif table.name == TRACES:
        # Replicated tables remember the tokens of inserts by themselves.
        tail += ", non_replicated_deduplication_window = 1000"
    return (
        f"CREATE TABLE IF NOT EXISTS {local_name(address, table.name)}{_on_cluster(address)} "
        f"({table.columns}\n) ENGINE = {engine}({arguments}) {tail}"
    )


def _distributed(address: Address, table: Table) -> str:
    local = f"{table.name}_local"
    return (
        f"CREATE TABLE IF NOT EXISTS {address.database}.{table.name}{_on_cluster(address)} "
        f"AS {address.database}.{local} "
        f"ENGINE = Distributed({address.cluster}, {address.database}, {local}, {table.shard})"
    )


def _on_cluster(address: Address) -> str:
    return "" if address.cluster is None else f" ON CLUSTER {address.cluster}"

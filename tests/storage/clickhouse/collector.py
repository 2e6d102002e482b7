"""`otel_traces` as the Collector's exporter made it in its three generations, and rows of it.

Source: clickhouseexporter v0.100 (July 2024), v0.120 (2025) and 2bf6b9e1 (2026).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

_BEFORE_SCOPE = """
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),"""
_SCOPE = """
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),"""
_AFTER_DURATION = """
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
    ) CODEC(ZSTD(1)),"""
_ATTRIBUTES = "SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),"
_BLOOM = """
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1"""
_TEXT = """
    ResourceAttributeItems Array(String) ALIAS arrayMap(kv -> concat(kv.1, '=', kv.2),
        CAST(ResourceAttributes, 'Array(Tuple(String, String))')),
    SpanAttributeItems Array(String) ALIAS arrayMap(kv -> concat(kv.1, '=', kv.2),
        CAST(SpanAttributes, 'Array(Tuple(String, String))')),
    INDEX idx_trace_id TraceId TYPE text(tokenizer = 'array'),
    INDEX idx_span_attr_items SpanAttributeItems TYPE text(tokenizer = 'array'),
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1,
    INDEX idx_lower_span_name lower(SpanName) TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8"""
_SETTINGS = "SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1"

GENERATIONS = {
    "2024": f"""CREATE TABLE {{name}} ({_BEFORE_SCOPE} {_ATTRIBUTES}
    Duration Int64 CODEC(ZSTD(1)), {_AFTER_DURATION} {_BLOOM}
    ) ENGINE MergeTree() PARTITION BY toDate(Timestamp)
    ORDER BY (ServiceName, SpanName, toUnixTimestamp(Timestamp), TraceId) {_SETTINGS}""",
    "2025": f"""CREATE TABLE {{name}} ({_BEFORE_SCOPE} {_SCOPE} {_ATTRIBUTES}
    Duration UInt64 CODEC(ZSTD(1)), {_AFTER_DURATION} {_BLOOM}
    ) ENGINE MergeTree() PARTITION BY toDate(Timestamp)
    ORDER BY (ServiceName, SpanName, toDateTime(Timestamp)) {_SETTINGS}""",
    "2026": f"""CREATE TABLE {{name}} ({_BEFORE_SCOPE} {_SCOPE} {_ATTRIBUTES}
    Duration UInt64 CODEC(T64, ZSTD(1)), {_AFTER_DURATION} {_TEXT}
    ) ENGINE MergeTree() PARTITION BY toDate(Timestamp)
    PRIMARY KEY (ServiceName, SpanName, toDateTime(Timestamp))
    ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp) {_SETTINGS}""",
    "json": f"""CREATE TABLE {{name}} ({_BEFORE_SCOPE}
    SpanAttributes JSON CODEC(ZSTD(1)), Duration UInt64, {_AFTER_DURATION} {_BLOOM}
    ) ENGINE MergeTree() ORDER BY tuple()""",
}

COLUMNS = (
    *("Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "SpanKind", "ServiceName"),
    *("ResourceAttributes", "SpanAttributes", "Duration", "StatusCode", "StatusMessage"),
    *("Events.Timestamp", "Events.Name", "Events.Attributes"),
    *("Links.TraceId", "Links.SpanId", "Links.TraceState", "Links.Attributes"),
)
TRACE = "0af7651916cd43dd8448eb211c80319c"
BEGIN_NS = 1_790_000_000_123_456_789


def span(number: int, parent: int | None, **told: Any) -> tuple[Any, ...]:
    """One row as the exporter writes it; what is not told is empty."""
    events = told.get("events", [])
    links = told.get("links", [])
    return (
        BEGIN_NS + number * 1_000,
        told.get("trace", TRACE),
        f"{number:016x}",
        "" if parent is None else f"{parent:016x}",
        told.get("name", "span"),
        told.get("kind", "Internal"),
        told.get("service", "shop"),
        told.get("resource", {"service.name": "shop", "host.name": "web-1"}),
        told.get("attributes", {}),
        told.get("length_ns", 1_000_000 - number * 1_000),
        told.get("status", "Unset"),
        told.get("message", ""),
        [BEGIN_NS for _ in events],
        [name for name, _ in events],
        [attributes for _, attributes in events],
        [trace for trace, _ in links],
        [linked for _, linked in links],
        ["" for _ in links],
        [{} for _ in links],
    )


def rows_of(path: Path) -> list[tuple[Any, ...]]:
    """The rows that the exporter makes of a file of OTLP JSON."""
    return [
        _row(told, _texts(resource["resource"].get("attributes", [])))
        for line in path.read_bytes().splitlines()
        for resource in orjson.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for told in scope["spans"]
    ]


_SPAN_KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_CODES = ("Unset", "Ok", "Error")


def _row(told: dict[str, Any], resource: dict[str, str]) -> tuple[Any, ...]:
    start_ns, end_ns = (int(told[f"{which}TimeUnixNano"]) for which in ("start", "end"))
    events = told.get("events", [])
    status = told.get("status", {})
    return (
        start_ns,
        told["traceId"],
        told["spanId"],
        told.get("parentSpanId", ""),
        told["name"],
        _SPAN_KINDS[told.get("kind", 0)],
        resource.get("service.name", ""),
        resource,
        _texts(told.get("attributes", [])),
        end_ns - start_ns,
        _CODES[status.get("code", 0)],
        status.get("message", ""),
        [int(event["timeUnixNano"]) for event in events],
        [event["name"] for event in events],
        [_texts(event.get("attributes", [])) for event in events],
        *([], [], [], []),
    )


def _texts(attributes: list[dict[str, Any]]) -> dict[str, str]:
    return {one["key"]: _text(_value(one["value"])) for one in attributes}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _value(told: dict[str, Any]) -> Any:
    ((kind, value),) = told.items()
    match kind:
        case "arrayValue":
            return [_value(one) for one in value.get("values", [])]
        case "kvlistValue":
            return {one["key"]: _value(one["value"]) for one in value.get("values", [])}
        case "intValue":
            return int(value)
    return value

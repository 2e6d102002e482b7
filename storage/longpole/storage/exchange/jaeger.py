"""Jaeger's JSON (the UI's download, or the answer of its query API) → `Incoming`.

In: `{"data": [{"spans": […], "processes": {…}}]}`, gzipped or not; times in microseconds, which is
all that Jaeger keeps. Out: span events, and a `Refused` for every span that cannot be read. A span
that only follows from another hangs below it, and nobody waits for it.

Source: Jaeger's model/json (spans, references, tags of a type each) and the OpenTelemetry to Jaeger
transformation for `otel.*`, `span.kind`, `error` and exception logs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson

from longpole.model import semconv
from longpole.model.errors import ExchangeError
from longpole.storage.exchange.dialects.values import integer
from longpole.storage.exchange.foreign import (
    EXCEPTION_MESSAGE,
    EXCEPTION_TYPE,
    LONGPOLE,
    SCOPE_NAME,
    SERVICE_NAME,
    ForeignSpan,
    OddSpanError,
    events_from_foreign,
    hex_id,
    moment_ns,
)
from longpole.storage.exchange.opening import opened, whole_json
from longpole.storage.exchange.parcel import Incoming, Refused

_NS_PER_US: Final = 1_000
_CHILD_OF: Final = "CHILD_OF"
_FOLLOWS_FROM: Final = "FOLLOWS_FROM"
_HOST_TAGS: Final = (semconv.LONGPOLE_HOST, "hostname")
_STATUS_CODE: Final = "otel.status_code"
_STATUS_DESCRIPTION: Final = "otel.status_description"
_SPAN_KIND: Final = "span.kind"
# How Jaeger stores a span and what it makes of a status; nothing that was recorded.
_OF_JAEGER: Final = frozenset(
    {"internal.span.format", "error", _STATUS_CODE, _STATUS_DESCRIPTION, _SPAN_KIND}
)
_TRUE: Final = (True, "true")
# What older tracers call the parts of an exception.
_OLD_NAMES: Final = {
    EXCEPTION_TYPE: ("error.kind",),
    EXCEPTION_MESSAGE: ("message", "error.object"),
    semconv.EXCEPTION_STACKTRACE: ("stack",),
}

_Told = tuple[ForeignSpan | Refused, str]
"""A span, and its `span.kind`."""


def read_jaeger(path: Path) -> Iterator[Incoming]:
    """Yield what a file of Jaeger's JSON holds.

    Args:
        path: one document; gzipped or not.

    Raises:
        ExchangeError: it cannot be read, is empty, or is nothing of Jaeger's.
    """
    with opened(path) as stream:
        document = whole_json(path, stream)
    traces = _traces(document)
    if traces is None:
        raise ExchangeError(
            f"{str(path)!r} is no Jaeger JSON: expected an object with traces in 'data'"
        )
    for number, trace in enumerate(traces, 1):
        yield from _incoming(trace, f"trace {number}")


def _traces(document: object) -> list[Any] | None:
    if isinstance(document, list):
        return document
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("spans"), list):
        return [document]
    data = document.get("data")
    return data if isinstance(data, list) else None


def _incoming(trace: object, where: str) -> Iterator[Incoming]:
    if not isinstance(trace, dict) or not isinstance(trace.get("spans"), list):
        yield Refused(where=where, why="it is no trace: no spans in it")
        return
    told = list(_spans(trace, where))
    producers = {
        span.span_id for span, kind in told if kind == "producer" and isinstance(span, ForeignSpan)
    }
    for span, kind in told:
        if isinstance(span, Refused):
            yield span
            continue
        if kind == "consumer" and span.parent_span_id in producers:
            span = replace(span, is_detached=True)
        yield from events_from_foreign(span)


def _spans(trace: Mapping[str, Any], where: str) -> Iterator[_Told]:
    processes = trace.get("processes")
    known = processes if isinstance(processes, dict) else {}
    for number, span in enumerate(trace["spans"], 1):
        try:
            if not isinstance(span, dict):
                raise OddSpanError("it is no object")
            tags = _tags(span.get("tags"))
            yield _foreign(span, tags, _process(span, known)), str(tags.get(_SPAN_KIND, ""))
        except OddSpanError as error:
            yield Refused(where=f"{where}, span {number}", why=str(error)), ""


def _foreign(
    span: Mapping[str, Any], tags: Mapping[str, Any], shared: Mapping[str, Any]
) -> ForeignSpan:
    trace_id = _id(span.get("traceID"), 32, "trace id")
    parent_id, followed_id = _references(span, trace_id)
    start_us = moment_ns(span.get("startTime"), "start time in µs")
    duration_us = moment_ns(span.get("duration"), "duration in µs")
    name = span.get("operationName")
    return ForeignSpan(
        trace_id=trace_id,
        span_id=_id(span.get("spanID"), 16, "span id"),
        parent_span_id=parent_id,
        name=name if type(name) is str else "",
        start_ns=moment_ns(start_us * _NS_PER_US, "start time"),
        end_ns=moment_ns((start_us + duration_us) * _NS_PER_US, "end time"),
        attributes=_attributes(tags, shared),
        is_failed=tags.get("error") in _TRUE or tags.get(_STATUS_CODE) == "ERROR",
        message=str(tags.get(_STATUS_DESCRIPTION, "")),
        exception=_exception(span.get("logs")),
        linked_span_id=followed_id,
    )


def _attributes(tags: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    told = {key: value for key, value in {**shared, **tags}.items() if key not in _OF_JAEGER}
    if told.get(SCOPE_NAME) == LONGPOLE:
        del told[SCOPE_NAME]
        if told.get(SERVICE_NAME) == LONGPOLE:
            del told[SERVICE_NAME]
    # Jaeger knows no lists and keeps them as JSON text.
    after = told.get(semconv.LONGPOLE_AFTER)
    if type(after) is str:
        try:
            told[semconv.LONGPOLE_AFTER] = orjson.loads(after)
        except ValueError:
            del told[semconv.LONGPOLE_AFTER]
    return told


def _process(span: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    process = span.get("process")
    if not isinstance(process, dict):
        process = known.get(str(span.get("processID")))
    if not isinstance(process, dict):
        return {}
    tags = _tags(process.get("tags"))
    shared = {SERVICE_NAME: process.get("serviceName")}
    shared[semconv.LONGPOLE_HOST] = next((tags[key] for key in _HOST_TAGS if key in tags), None)
    return {key: value for key, value in shared.items() if type(value) is str}


def _references(span: Mapping[str, Any], trace_id: str) -> tuple[str | None, str | None]:
    """Return the parent, and the first span of this trace that this one follows from."""
    found: dict[str, str] = {}
    for reference in _objects(span.get("references")):
        if _id(reference.get("traceID"), 32, "trace id of a reference") == trace_id:
            span_id = _id(reference.get("spanID"), 16, "span id of a reference")
            found.setdefault(str(reference.get("refType")), span_id)
    older = span.get("parentSpanID")
    if _CHILD_OF not in found and type(older) is str and older.strip("0"):
        found[_CHILD_OF] = _id(older, 16, "parent span id")
    return found.get(_CHILD_OF), found.get(_FOLLOWS_FROM)


def _id(value: object, digits: int, what: str) -> str:
    # Older versions write ids without leading zeros, and trace ids of 64 bits.
    return hex_id(value.zfill(digits) if type(value) is str else value, digits, what)


def _exception(logs: object) -> dict[str, Any]:
    """Return the parts of the last exception that was logged, under OpenTelemetry's names."""
    told: dict[str, Any] = {}
    for log in _objects(logs):
        fields = _tags(log.get("fields"))
        if fields.get("event") not in ("exception", "error"):
            continue
        told = {}
        for name, older in _OLD_NAMES.items():
            value = next((fields[key] for key in (name, *older) if key in fields), None)
            if value is not None:
                told[name] = value
    return told


def _tags(tags: object) -> dict[str, Any]:
    return {
        tag["key"]: _value(tag.get("type"), tag.get("value"))
        for tag in _objects(tags)
        if type(tag.get("key")) is str
    }


def _value(kind: object, value: Any) -> Any:
    """Return a tag's value; Jaeger writes integers that JavaScript cannot hold as text."""
    if type(value) is not str:
        return value
    if kind == "int64":
        number = integer(value)
        return value if number is None else number
    if kind == "float64" and re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", value, re.ASCII):
        return float(value)
    if kind == "bool":
        return value == "true"
    return value


def _objects(value: object) -> Iterator[dict[str, Any]]:
    items = value if isinstance(value, list) else []
    return (item for item in items if isinstance(item, dict))

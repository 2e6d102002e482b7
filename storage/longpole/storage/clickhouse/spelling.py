"""Spans ⇄ rows of the Collector's `otel_traces`, in all its generations. Pure.

Out: the values of `insert_columns` for one span. In: what `select_columns` finds, as the
`ForeignSpan` that the OTLP import makes too, so that spans of other SDKs mean the same whichever
way they came. The table keeps texts only; which values of ours were none, and what was added to
tell a run from its trace, two attributes of ours say, so that attributes come back as recorded.

Source: clickhouseexporter, exporter_traces.go: ids in hex, empty where absent; all attribute values
as texts (JSON for lists and objects); a missing end makes the length wrap around.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from longpole.model import semconv
from longpole.model.errors import NotAStoreError
from longpole.model.run import Kind, Status
from longpole.storage.exchange.dialects.values import integer
from longpole.storage.exchange.foreign import (
    CONSUMER,
    EXCEPTION_MESSAGE,
    EXCEPTION_TYPE,
    LONGPOLE,
    PRODUCER,
    SCOPE_NAME,
    SERVICE_NAME,
    ForeignSpan,
)
from longpole.storage.store import SpanEnd, SpanStart

UNENDED: Final = 2**64 - 1
"""The length of a span without an end, as the exporter writes it."""
_FIRST_NS: Final = -2_208_988_800_000_000_000
_LAST_NS: Final = 2**63 - 1

_BASE_COLUMNS: Final = (
    "Timestamp",
    "TraceId",
    "SpanId",
    "ParentSpanId",
    "SpanName",
    "SpanKind",
    "ServiceName",
    "ResourceAttributes",
    "SpanAttributes",
    "Duration",
    "StatusCode",
    "StatusMessage",
    "Events.Timestamp",
    "Events.Name",
    "Events.Attributes",
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns a table of spans has, beyond those of every generation.

    Attributes:
        has_scope: a column names the scope; before August 2024 an attribute did.
    """

    has_scope: bool

    @property
    def insert_columns(self) -> tuple[str, ...]:
        """The columns that a row of ours fills."""
        return (*_BASE_COLUMNS, "ScopeName") if self.has_scope else _BASE_COLUMNS

    def select_columns(self, *, with_content: bool) -> str:
        """Return what to select so that `foreign_span` can read it."""
        told = (
            "SpanAttributes"
            if with_content
            else "mapFilter((key, value) -> key NOT IN "
            f"('{semconv.INPUT_VALUE}', '{semconv.OUTPUT_VALUE}'), SpanAttributes)"
        )
        scope = "ScopeName" if self.has_scope else "''"
        return (
            "toUnixTimestamp64Nano(Timestamp) AS start_ns, TraceId AS trace_id, "
            "SpanId AS span_id, ParentSpanId AS parent_id, SpanName AS name, "
            "SpanKind AS span_kind, ServiceName AS service, "
            f"ResourceAttributes['{semconv.LONGPOLE_HOST}'] AS host, {told} AS attributes, "
            "toInt64(Duration) AS length_ns, StatusCode AS status_code, "
            "StatusMessage AS status_message, Events.Name AS event_names, "
            "Events.Attributes AS event_attributes, Links.TraceId AS link_traces, "
            f"Links.SpanId AS link_spans, {scope} AS scope"
        )


def layout_of(columns: Mapping[str, str], table: str) -> Layout:
    """Return the layout of a table, given its columns' types as DESCRIBE tells them.

    Raises:
        NotAStoreError: it is no table of the Collector's, or one with columns of type JSON.
    """
    missing = [name for name in _BASE_COLUMNS if name not in columns]
    if missing:
        raise NotAStoreError(
            f"table {table!r} has no column {missing[0]!r}, expected one that the Collector's "
            "ClickHouse exporter made"
        )
    if not columns["SpanAttributes"].startswith("Map("):
        raise NotAStoreError(
            f"table {table!r} keeps attributes as {columns['SpanAttributes']}, expected Map; set "
            "`json: false` in the Collector's ClickHouse exporter"
        )
    return Layout(has_scope="ScopeName" in columns)


# --- out ------------------------------------------------------------------------------------------


def row_from(start: SpanStart, end: SpanEnd | None, layout: Layout) -> tuple[Any, ...]:
    """Return the row of a span, finished or not."""
    attributes = {**start.attributes, **(end.attributes if end else {})}
    host = attributes.pop(semconv.LONGPOLE_HOST, None)
    is_own = attributes.get(SCOPE_NAME, LONGPOLE) == LONGPOLE
    service = attributes.pop(SERVICE_NAME, LONGPOLE if is_own else "")
    scope = attributes.pop(SCOPE_NAME, LONGPOLE) if layout.has_scope else None
    kind = attributes.get(semconv.LONGPOLE_KIND)
    start_ns = moment(start.start_ns)
    row = (
        start_ns,
        start.trace_id,
        start.span_id,
        start.parent_span_id or "",
        start.name,
        "Client" if kind in (Kind.LLM, Kind.EMBEDDING) else "Internal",
        _text(service),
        {} if host is None else {semconv.LONGPOLE_HOST: _text(host)},
        _texts(attributes, _added(start, end, attributes, layout)),
        UNENDED if end is None else max(0, moment(end.end_ns) - start_ns),
        *_outcome(end),
    )
    return row if scope is None else (*row, _text(scope))


def end_row(end: SpanEnd, layout: Layout) -> tuple[Any, ...]:
    """Return a row that keeps an end whose start has not come yet; `pending_end` reads it."""
    bare = SpanStart(
        run_id=end.run_id,
        trace_id="",
        span_id=end.span_id,
        parent_span_id=None,
        is_root=False,
        name="",
        start_ns=end.end_ns,
    )
    return row_from(bare, end, layout)


def moment(time_ns: int) -> int:
    """Return the time, or the nearest one that `DateTime64(9)` holds."""
    return max(_FIRST_NS, min(time_ns, _LAST_NS))


def _added(
    start: SpanStart, end: SpanEnd | None, attributes: Mapping[str, Any], layout: Layout
) -> dict[str, Any]:
    """Return what a reader of the row needs to know besides what was recorded."""
    told: dict[str, Any] = {}
    # A span without a kind would be read as one of another tool, and put into our words once more.
    is_plain = semconv.LONGPOLE_KIND not in attributes
    if is_plain or start.run_id != start.trace_id:
        told[semconv.LONGPOLE_RUN_ID] = start.run_id
    if start.is_root and start.parent_span_id is not None:
        told[semconv.LONGPOLE_RUN_ROOT] = True
    if not layout.has_scope:
        told.setdefault(SCOPE_NAME, attributes.get(SCOPE_NAME, LONGPOLE))
    status = None if end is None else _told_status(end, is_always=is_plain)
    if status is not None:
        told[semconv.LONGPOLE_STATUS] = status
    return {key: value for key, value in told.items() if attributes.get(key) != value}


def _told_status(end: SpanEnd, *, is_always: bool) -> str | None:
    """Return the status in our words; where OpenTelemetry's says it too, only if always."""
    is_said = end.status is Status.ERROR or (end.status is Status.OK and end.error is None)
    return None if is_said and not is_always else end.status.value


def _texts(attributes: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, str]:
    told = {**attributes, **added}
    texts = {key: _text(value) for key, value in told.items()}
    typed = [key for key, value in told.items() if type(value) is not str]
    replaced = {key: attributes[key] for key in added if key in attributes}
    if typed:
        texts[semconv.LONGPOLE_TYPED] = orjson.dumps(typed).decode()
    if added:
        notes = {key: replaced.get(key) for key in added}
        texts[semconv.LONGPOLE_ADDED] = orjson.dumps(notes).decode()
    return texts


def _text(value: Any) -> str:
    return value if type(value) is str else orjson.dumps(value).decode()


def _outcome(end: SpanEnd | None) -> tuple[Any, ...]:
    """Return status code, message and events."""
    if end is None:
        return "Unset", "", [], [], []
    code = {Status.ERROR: "Error", Status.OK: "Ok"}.get(end.status, "Unset")
    if end.error is None:
        return code, "", [], [], []
    about = {EXCEPTION_TYPE: end.error.type, EXCEPTION_MESSAGE: end.error.message}
    message = end.error.message if end.status is Status.ERROR else ""
    return code, message, [moment(end.end_ns)], ["exception"], [about]


# --- in -------------------------------------------------------------------------------------------

_ERRORS: Final = ("Error", "STATUS_CODE_ERROR")
_KINDS: Final = {
    "Producer": PRODUCER,
    "SPAN_KIND_PRODUCER": PRODUCER,
    "Consumer": CONSUMER,
    "SPAN_KIND_CONSUMER": CONSUMER,
}
_FLAGS: Final = frozenset(
    {
        semconv.LONGPOLE_RUN_ROOT,
        semconv.LONGPOLE_STREAMED,
        semconv.LONGPOLE_DETACHED,
        semconv.LONGPOLE_CACHE_HIT,
        semconv.LONGPOLE_RESULT_SWAPPED,
    }
)

_LANGGRAPH_STEP: Final = ".langgraph_step"
"""How the attribute ends in which tools hand on the number of a superstep."""


def kind_number(row: Mapping[str, Any]) -> int:
    """Return OpenTelemetry's number of a row's span kind; 0 where it makes no difference."""
    return _KINDS.get(row["span_kind"], 0)


def foreign_span(row: Mapping[str, Any]) -> ForeignSpan:
    """Return the span that a row of `select_columns` holds."""
    attributes = _recorded(row["attributes"])
    if row["host"]:
        attributes[semconv.LONGPOLE_HOST] = row["host"]
    scope = row["scope"] or attributes.get(SCOPE_NAME)
    if row["service"] and not (scope == LONGPOLE and row["service"] == LONGPOLE):
        attributes[SERVICE_NAME] = row["service"]
    if row["scope"] and scope != LONGPOLE:
        attributes[SCOPE_NAME] = scope
    length_ns = row["length_ns"]
    noted = [
        told
        for name, told in zip(row["event_names"], row["event_attributes"], strict=True)
        if name == "exception"
    ]
    links = zip(row["link_traces"], row["link_spans"], strict=True)
    return ForeignSpan(
        trace_id=row["trace_id"],
        span_id=row["span_id"],
        parent_span_id=row["parent_id"] or None,
        name=row["name"],
        start_ns=row["start_ns"],
        end_ns=row["start_ns"] + length_ns if length_ns >= 0 else None,
        attributes=attributes,
        is_failed=row["status_code"] in _ERRORS,
        message=row["status_message"],
        exception=noted[-1] if noted else {},
        linked_span_id=next((span for trace, span in links if trace == row["trace_id"]), None),
    )


def without_added(row: Mapping[str, Any], event: SpanStart | SpanEnd) -> SpanStart | SpanEnd:
    """Return an event with the attributes that were recorded, of the row that it came from."""
    text = row["attributes"].get(semconv.LONGPOLE_ADDED)
    if text is None or not event.attributes:
        return event
    attributes = dict(event.attributes)
    for key, before in _object(text).items():
        attributes.pop(key, None)
        if before is not None:
            attributes[key] = before
    return event._replace(attributes=attributes)


def _recorded(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the attributes of a row with their types."""
    told: dict[str, Any] = dict(texts)
    typed = told.pop(semconv.LONGPOLE_TYPED, None)
    told.pop(semconv.LONGPOLE_ADDED, None)
    if typed is None:
        return {key: _guessed(key, text) for key, text in told.items()}
    for key in _list(typed):
        if key in told:
            told[key] = _loaded(told[key])
    return told


def _guessed(key: str, text: str) -> Any:
    """Return the value of an attribute that lost its type on the way."""
    if key in _FLAGS:
        return text == "true" if text in ("true", "false") else text
    if key == semconv.LONGPOLE_AFTER:
        return _list(text)
    if key.endswith(_LANGGRAPH_STEP):
        step = integer(text)
        return text if step is None else step
    if key == semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK:
        try:
            return float(text)
        except ValueError:
            return text
    return text


def _loaded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return text


def _list(text: str) -> list[str]:
    found = _loaded(text)
    return [key for key in found if type(key) is str] if type(found) is list else []


def _object(text: str) -> Mapping[str, Any]:
    found = _loaded(text)
    return found if type(found) is dict else {}

"""OTLP → `Incoming`: files as the Collector writes them, and requests as exporters send them.

In: OTLP/JSON (one document, or a request a line), protobuf (one message, or messages with their
length before each), either of them gzipped; or a request in memory. Out: span events, and a
`Refused` for every span or line that cannot be read. Lines and messages are read one by one, so a
file may be larger than memory. Reading is tolerant: ids in hex or base64, keys in either case,
numbers as text or numbers, enums by number or name.

Source: opentelemetry-proto 1.x, docs/specification.md; the Collector's file exporter.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from longpole.model import semconv
from longpole.model.errors import ExchangeError
from longpole.storage.exchange.dialects.values import integer
from longpole.storage.exchange.foreign import (
    CONSUMER,
    LONGPOLE,
    PRODUCER,
    SCOPE_NAME,
    SERVICE_NAME,
    ForeignSpan,
    HandOvers,
    OddSpanError,
    events_from_foreign,
    hex_id,
    moment_ns,
)
from longpole.storage.exchange.opening import (
    PIECE_BYTES,
    Piece,
    guarded,
    json_lines,
    opened,
    whole,
)
from longpole.storage.exchange.parcel import Incoming, Refused

_LENGTH_BYTES: Final = 4
# A message begins with its field 1, resource_spans; a length of that many bytes is none.
_FIRST_FIELD: Final = b"\x0a"
_DEPTH_LIMIT: Final = 64
_CUT: Final = "[cut]"

_KIND_NAMES: Final = {"SPAN_KIND_PRODUCER": PRODUCER, "SPAN_KIND_CONSUMER": CONSUMER}
_ERROR_CODES: Final = (2, "2", "STATUS_CODE_ERROR")
_EXCEPTION: Final = "exception"
_FIRST_TOKENS: Final = frozenset({"new_token", "First Token Stream Event"})
"""Events that note tokens as they come, of LangSmith and of OpenInference."""
_OF_RESOURCE: Final = (semconv.LONGPOLE_HOST, SERVICE_NAME)
# A file may hold other signals too; an empty request is lawful.
_NO_SPANS: Final = frozenset({"resourceMetrics", "resourceLogs", "resourceProfiles"})

_Told = tuple[ForeignSpan | Refused, int]
"""A span, and its kind."""


def read_otlp_json(path: Path) -> Iterator[Incoming]:
    """Yield what a file of OTLP/JSON holds.

    Args:
        path: one document, or one request a line; gzipped or not.

    Raises:
        ExchangeError: it cannot be read, is empty, or is no JSON.
    """
    reading = _Reading()
    with opened(path) as stream:
        for where, document in guarded(json_lines(path, stream)):
            if isinstance(document, Refused):
                yield document
            else:
                yield from reading.take(_spans_of_document(document, where))


def read_otlp_protobuf(path: Path) -> Iterator[Incoming]:
    """Yield what a file of OTLP protobuf holds.

    Args:
        path: one message, or messages each with its length in four bytes before it, as the
            Collector's file exporter writes them; gzipped or not.

    Raises:
        ExchangeError: it cannot be read, is empty, or is no OTLP.
    """
    reading = _Reading()
    with opened(path) as stream:
        for where, request in guarded(_messages(path, stream)):
            if isinstance(request, Refused):
                yield request
            else:
                yield from reading.take(_spans_of_request(request, where))


def incoming_from_request(request: ExportTraceServiceRequest) -> Iterator[Incoming]:
    """Yield what a request in memory holds."""
    return _Reading().take(_spans_of_request(request, ""))


def incoming_from_document(document: object) -> Iterator[Incoming]:
    """Yield what a request that came as JSON, and is parsed, holds."""
    return _Reading().take(_spans_of_document(document, ""))


class _Reading:
    """One file on its way."""

    def __init__(self) -> None:
        self._hand_overs = HandOvers()

    def take(self, told: Iterator[_Told]) -> Iterator[Incoming]:
        """Yield the events of one request."""
        for span in self._hand_overs.marked(told):
            if isinstance(span, Refused):
                yield span
            else:
                yield from events_from_foreign(span)


def _place(where: str, number: int) -> str:
    return f"{where}, span {number}" if where else f"span {number}"


def _shared(resource: Mapping[str, Any], scope: object) -> dict[str, Any]:
    """Return what the spans of one resource and scope have in common; ours adds no words."""
    shared = {key: resource[key] for key in _OF_RESOURCE if resource.get(key) is not None}
    if scope == LONGPOLE:
        if shared.get(SERVICE_NAME) == LONGPOLE:
            del shared[SERVICE_NAME]
    elif type(scope) is str and scope:
        shared[SCOPE_NAME] = scope
    return shared


# --- protobuf ---------------------------------------------------------------------------------


def _messages(path: Path, stream: IO[bytes]) -> Iterator[Piece]:
    head = stream.read(_LENGTH_BYTES)
    if head[:1] in (b"", _FIRST_FIELD):
        try:
            yield "", ExportTraceServiceRequest.FromString(whole(path, stream, head))
        except DecodeError as error:
            raise ExchangeError(f"{str(path)!r} is no OTLP protobuf: {error}") from error
        return
    number = 0
    while head:
        number += 1
        length = int.from_bytes(head, "big")
        message = stream.read(length) if length <= PIECE_BYTES else b""
        if len(head) < _LENGTH_BYTES or len(message) < length:
            if number == 1:
                raise ExchangeError(f"{str(path)!r} is no OTLP protobuf: it ends too early")
            yield "", Refused(where=f"message {number}", why="the file ends in the middle of it")
            return
        yield _message(message, f"message {number}")
        head = stream.read(_LENGTH_BYTES)


def _message(message: bytes, where: str) -> Piece:
    try:
        return where, ExportTraceServiceRequest.FromString(message)
    except DecodeError as error:
        return where, Refused(where=where, why=f"it is no OTLP request: {error}")


def _spans_of_request(request: ExportTraceServiceRequest, where: str) -> Iterator[_Told]:
    number = 0
    for of_resource in request.resource_spans:
        resource = _values(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            shared = _shared(resource, of_scope.scope.name)
            for span in of_scope.spans:
                number += 1
                try:
                    yield _from_message(span, shared), span.kind
                except OddSpanError as error:
                    yield Refused(where=_place(where, number), why=str(error)), 0


def _from_message(span: OtlpSpan, shared: Mapping[str, Any]) -> ForeignSpan:
    exception, first_token_ns = _from_events(span.events) if span.events else ({}, None)
    parent_id = span.parent_span_id
    return ForeignSpan(
        trace_id=_id(span.trace_id, 16, "trace id"),
        span_id=_id(span.span_id, 8, "span id"),
        parent_span_id=_id(parent_id, 8, "parent span id") if parent_id.strip(b"\0") else None,
        name=span.name,
        start_ns=_start(span.start_time_unix_nano),
        end_ns=_moment(span.end_time_unix_nano, "end time"),
        attributes={**shared, **_values(span.attributes)},
        is_failed=span.status.code in _ERROR_CODES,
        message=span.status.message,
        exception=exception,
        linked_span_id=_link(span) if span.links else None,
        first_token_ns=first_token_ns,
    )


def _from_events(events: Iterable[OtlpSpan.Event]) -> tuple[Mapping[str, Any], int | None]:
    """Return the last exception, and when the first token came."""
    exception: Mapping[str, Any] = {}
    first_token_ns: int | None = None
    for event in events:
        if event.name == _EXCEPTION:
            exception = _values(event.attributes)
        elif event.name in _FIRST_TOKENS and first_token_ns is None:
            first_token_ns = event.time_unix_nano or None
    return exception, first_token_ns


def _link(span: OtlpSpan) -> str | None:
    return next((link.span_id.hex() for link in span.links if link.trace_id == span.trace_id), None)


def _id(value: bytes, size: int, what: str) -> str:
    if len(value) == size and value.strip(b"\0"):
        return value.hex()
    return hex_id(value.hex(), 2 * size, what)


def _start(value: object) -> int:
    start_ns = _moment(value, "start time")
    if start_ns is None:
        raise OddSpanError("start time is not set, expected nanoseconds since the epoch")
    return start_ns


def _moment(value: object, what: str) -> int | None:
    # Zero is how the wire says that there is none.
    return None if value is None else moment_ns(value, what) or None


def _values(attributes: Iterable[KeyValue], depth: int = 0) -> dict[str, Any]:
    # Nearly all are text, and asking for the kind costs more than looking.
    return {
        told.key: (value := told.value).string_value or _value(value, depth) for told in attributes
    }


def _value(value: AnyValue, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if depth >= _DEPTH_LIMIT:
        return _CUT
    if kind == "array_value":
        return [_value(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _values(value.kvlist_value.values, depth + 1)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, kind)


# --- JSON -------------------------------------------------------------------------------------


_RESOURCE_SPANS: Final = ("resourceSpans", "resource_spans")
_SCOPE_SPANS: Final = (
    "scopeSpans",
    "scope_spans",
    "instrumentationLibrarySpans",
    "instrumentation_library_spans",
)


def _spans_of_document(document: object, where: str) -> Iterator[_Told]:
    """Yield the spans of one request, or of a list of them."""
    number = 0
    for request in document if isinstance(document, list) else [document]:
        if not isinstance(request, dict) or _first(request, *_RESOURCE_SPANS) is None:
            if not (isinstance(request, dict) and request.keys() <= _NO_SPANS):
                yield Refused(where=where or "request", why="there is no resourceSpans in it"), 0
            continue
        for span, shared in _json_spans(request):
            number += 1
            try:
                yield _from_json(span, shared), _kind(span.get("kind"))
            except OddSpanError as error:
                yield Refused(where=_place(where, number), why=str(error)), 0


def _json_spans(request: Mapping[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    for of_resource in _objects(_first(request, *_RESOURCE_SPANS)):
        resource = _json_values(_object(of_resource, "resource").get("attributes"))
        for of_scope in _objects(_first(of_resource, *_SCOPE_SPANS)):
            scope = _object(of_scope, "scope", "instrumentationLibrary").get("name")
            shared = _shared(resource, scope)
            for span in _list(_first(of_scope, "spans")):
                yield span, shared


def _from_json(span: Any, shared: Mapping[str, Any]) -> ForeignSpan:
    if not isinstance(span, dict):
        raise OddSpanError("it is no object")
    trace_id = _json_id(_first(span, "traceId", "trace_id"), 32, "trace id")
    status = _object(span, "status")
    name = span.get("name")
    return ForeignSpan(
        trace_id=trace_id,
        span_id=_json_id(_first(span, "spanId", "span_id"), 16, "span id"),
        parent_span_id=_json_parent(_first(span, "parentSpanId", "parent_span_id")),
        name=name if type(name) is str else "",
        start_ns=_start(_first(span, "startTimeUnixNano", "start_time_unix_nano")),
        end_ns=_moment(_first(span, "endTimeUnixNano", "end_time_unix_nano"), "end time"),
        attributes={**shared, **_json_values(span.get("attributes"))},
        is_failed=status.get("code") in _ERROR_CODES,
        message=str(status.get("message") or ""),
        exception=_json_exception(span),
        linked_span_id=_json_link(span, trace_id),
        first_token_ns=_json_first_token(span),
    )


def _json_parent(value: object) -> str | None:
    if value is None or (type(value) is str and not value.strip("0")):
        return None
    return _json_id(value, 16, "parent span id")


def _json_id(value: object, digits: int, what: str) -> str:
    """Return an id in hex; `google.protobuf.json_format` and its like write base64."""
    if type(value) is str and len(value) != digits and len(value) <= digits:
        with suppress(ValueError):
            value = base64.b64decode(value, validate=True).hex()
    return hex_id(value, digits, what)


def _json_exception(span: Mapping[str, Any]) -> Mapping[str, Any]:
    noted = [event for event in _objects(span.get("events")) if event.get("name") == _EXCEPTION]
    return _json_values(noted[-1].get("attributes")) if noted else {}


def _json_first_token(span: Mapping[str, Any]) -> int | None:
    for event in _objects(span.get("events")):
        if event.get("name") in _FIRST_TOKENS:
            return integer(_first(event, "timeUnixNano", "time_unix_nano")) or None
    return None


def _json_link(span: Mapping[str, Any], trace_id: str) -> str | None:
    for link in _objects(span.get("links")):
        try:
            if _json_id(_first(link, "traceId", "trace_id"), 32, "trace id") == trace_id:
                return _json_id(_first(link, "spanId", "span_id"), 16, "span id")
        except OddSpanError:
            continue
    return None


def _kind(value: object) -> int:
    return _KIND_NAMES.get(value, 0) if type(value) is str else integer(value) or 0


def _json_values(attributes: object, depth: int = 0) -> dict[str, Any]:
    return {
        told["key"]: _json_value(told.get("value"), depth)
        for told in _objects(attributes)
        if type(told.get("key")) is str
    }


def _json_value(value: Any, depth: int) -> Any:
    """Return what an AnyValue holds; what is none is kept as it stands."""
    if value == {}:
        return None
    if not isinstance(value, dict) or len(value) != 1:
        return value
    if depth >= _DEPTH_LIMIT:
        return _CUT
    ((kind, held),) = value.items()
    match kind:
        case "stringValue" | "string_value" | "boolValue" | "bool_value":
            return held
        case "intValue" | "int_value":
            number = integer(held)
            return held if number is None else number
        case "doubleValue" | "double_value":
            return _double(held)
        case "bytesValue" | "bytes_value":
            return held
        case "arrayValue" | "array_value":
            items = _list(held.get("values")) if isinstance(held, dict) else []
            return [_json_value(item, depth + 1) for item in items]
        case "kvlistValue" | "kvlist_value":
            return _json_values(_object(value, kind).get("values"), depth + 1)
    return value


def _double(held: object) -> object:
    """Return a number as a float, also one that its writer told without a point or as text."""
    if not isinstance(held, (int, float, str)):
        return held
    try:
        return float(held)
    except (ValueError, OverflowError):
        return held


def _first(held: Mapping[str, Any], *keys: str) -> Any:
    return next((held[key] for key in keys if held.get(key) is not None), None)


def _object(held: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    found = _first(held, *keys)
    return found if isinstance(found, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: object) -> Iterator[dict[str, Any]]:
    return (item for item in _list(value) if isinstance(item, dict))

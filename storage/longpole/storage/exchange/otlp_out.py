"""Parcels → OTLP: one request for a collector, or its JSON for a file.

Every recorded attribute leaves as it was recorded; what the span itself knows is added where the
record is silent, and so are the computed facts (`semconv.NOT_RECORDED`), which no reader of ours
takes back. A span that has not ended leaves too: it ends at the last moment that its run knows of,
and `longpole.status` says that this is no end.

Source: opentelemetry-proto 1.x, docs/specification.md (OTLP/JSON) and trace/v1/trace.proto.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any, Final

import orjson
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status as OtlpStatus

from longpole.model import semconv
from longpole.model.run import Kind, Run, Span, Status
from longpole.storage.codec import plain
from longpole.storage.exchange.foreign import (
    EXCEPTION_MESSAGE,
    EXCEPTION_TYPE,
    INT64_MAX,
    LONGPOLE,
    SERVICE_NAME,
)
from longpole.storage.exchange.parcel import NO_CONTENT, Parcel
from longpole.storage.run_events import events_from_run
from longpole.storage.store import Content

_CALLS_OUT: Final = (Kind.LLM, Kind.EMBEDDING)
# On a span with an end they say nothing that a reader could use.
_OPEN: Final = (Status.RUNNING, Status.LOST)
_FACT_KEYS: Final = {
    semconv.LONGPOLE_ON_PATH_NS: "on_path_ns",
    semconv.LONGPOLE_SLACK_NS: "slack_ns",
    semconv.LONGPOLE_DRAG_NS: "drag_ns",
    semconv.LONGPOLE_WASTED: "wasted",
    semconv.LONGPOLE_COST_USD: "cost_usd",
}
# Decoders of protobuf give up at 100 nested messages, and each level of ours takes three.
_DEPTH_LIMIT: Final = 24


def to_request(parcels: Iterable[Parcel]) -> ExportTraceServiceRequest:
    """Return all spans of these runs; those of one host and service share a resource."""
    request = ExportTraceServiceRequest()
    scopes: dict[tuple[str | None, str], ScopeSpans] = {}
    for parcel in parcels:
        about = _About(parcel)
        for span in parcel.run.spans:
            attributes = about.attributes(span)
            host = attributes.pop(semconv.LONGPOLE_HOST, None)
            service = attributes.pop(SERVICE_NAME, LONGPOLE)
            key = (None if host is None else str(host), str(service))
            if key not in scopes:
                scopes[key] = _add_scope(request, *key)
            _fill(scopes[key].spans.add(), about, span, attributes)
    return request


def to_json(request: ExportTraceServiceRequest) -> bytes:
    """Return the request as OTLP/JSON: ids in hex, 64-bit integers as text, enums as numbers."""
    return orjson.dumps(_json_of(request))


# --- spans ------------------------------------------------------------------------------------


class _About:
    """What all spans of one parcel share."""

    def __init__(self, parcel: Parcel) -> None:
        run = parcel.run
        self.parcel = parcel
        self.trace_id = _trace_id(run)
        self.last_ns = max(max(span.start_ns, span.end_ns or 0) for span in run.spans)
        self._known: dict[str, dict[str, Any]] = {}
        for event in events_from_run(run):
            self._known.setdefault(event.span_id, {}).update(event.attributes)
        self._facts: dict[str, Mapping[str, Any]] = {
            facts["span_id"]: facts for facts in parcel.document.get("spans", ())
        }

    def attributes(self, span: Span) -> dict[str, Any]:
        """Return what is told of a span; where several know, the record counts."""
        content = self.parcel.contents.get(span.span_id, NO_CONTENT)
        facts = self._facts.get(span.span_id, {})
        told: dict[str, Any] = plain(
            {
                **{key: facts[name] for key, name in _FACT_KEYS.items() if name in facts},
                **self._known[span.span_id],
                **_of_content(content),
                **content.attributes,
            }
        )
        told.update(self._identity(span))
        return {key: value for key, value in told.items() if value is not None}

    def _identity(self, span: Span) -> dict[str, Any]:
        """Return what a reader needs to put the span where it was."""
        run, parent_id = self.parcel.run, span.parent_span_id
        is_root = span.span_id == run.root_span_id
        told: dict[str, Any] = {}
        if is_root or run.run_id != self.trace_id:
            told[semconv.LONGPOLE_RUN_ID] = run.run_id
        told[semconv.LONGPOLE_RUN_ROOT] = is_root or None
        told[semconv.LONGPOLE_STATUS] = _told_status(span)
        if not _is_wire_id(span.span_id, 16):
            told[semconv.LONGPOLE_SPAN_ID] = span.span_id
        if parent_id is not None and not _is_wire_id(parent_id, 16):
            told[semconv.LONGPOLE_PARENT_SPAN_ID] = parent_id
        return told


def _of_content(content: Content) -> dict[str, str | None]:
    return {
        semconv.INPUT_VALUE: content.input_value,
        semconv.INPUT_MIME_TYPE: content.input_mime_type,
        semconv.OUTPUT_VALUE: content.output_value,
        semconv.OUTPUT_MIME_TYPE: content.output_mime_type,
    }


def _told_status(span: Span) -> str | None:
    """Return the status in our words where OpenTelemetry's cannot say it."""
    if span.end_ns is None:
        return (Status.LOST if span.status is Status.LOST else Status.RUNNING).value
    is_plain = span.status is Status.OK and span.error is None
    return None if is_plain or span.status in (Status.ERROR, *_OPEN) else span.status.value


def _fill(told: OtlpSpan, about: _About, span: Span, attributes: Mapping[str, Any]) -> None:
    told.trace_id = bytes.fromhex(about.trace_id)
    told.span_id = wire_span_id(span.span_id)
    if span.parent_span_id is not None:
        told.parent_span_id = wire_span_id(span.parent_span_id)
    told.name = plain(span.name)
    told.kind = (
        OtlpSpan.SPAN_KIND_CLIENT if span.kind in _CALLS_OUT else OtlpSpan.SPAN_KIND_INTERNAL
    )
    end_ns = about.last_ns if span.end_ns is None else span.end_ns
    told.start_time_unix_nano = _moment(span.start_ns)
    told.end_time_unix_nano = _moment(end_ns)
    _add_all(told.attributes, attributes)
    if span.status is Status.ERROR:
        told.status.code = OtlpStatus.STATUS_CODE_ERROR
    if span.error is not None:
        if span.status is Status.ERROR:
            told.status.message = plain(span.error.message or span.error.type)
        _add_exception(told, span, attributes.get(semconv.EXCEPTION_STACKTRACE))


def _add_exception(told: OtlpSpan, span: Span, stacktrace: object) -> None:
    if span.error is None:
        return
    event = told.events.add()
    event.name = "exception"
    event.time_unix_nano = told.end_time_unix_nano
    about = {EXCEPTION_TYPE: span.error.type, EXCEPTION_MESSAGE: span.error.message}
    if stacktrace is not None:
        about[semconv.EXCEPTION_STACKTRACE] = str(stacktrace)
    _add_all(event.attributes, plain(about))


def _add_scope(request: ExportTraceServiceRequest, host: str | None, service: str) -> ScopeSpans:
    of_host = request.resource_spans.add()
    about = (
        {SERVICE_NAME: service}
        if host is None
        else {SERVICE_NAME: service, semconv.LONGPOLE_HOST: host}
    )
    _add_all(of_host.resource.attributes, about)
    scope = of_host.scope_spans.add()
    scope.scope.name = LONGPOLE
    return scope


def _moment(time_ns: int) -> int:
    # Zero means "not set" on the wire, and readers hold times in signed 64 bits.
    return max(1, min(time_ns, INT64_MAX))


def _trace_id(run: Run) -> str:
    for candidate in (run.trace_id, run.run_id):
        if candidate is not None and _is_wire_id(candidate, 32):
            return candidate
    return hashlib.blake2b(run.run_id.encode(errors="replace"), digest_size=16).hexdigest()


def wire_span_id(span_id: str) -> bytes:
    """Return the eight bytes of a span id; one of another form gets the bytes of its hash."""
    if _is_wire_id(span_id, 16):
        return bytes.fromhex(span_id)
    return hashlib.blake2b(span_id.encode(errors="replace"), digest_size=8).digest()


def _is_wire_id(text: str, digits: int) -> bool:
    return re.fullmatch(rf"[0-9a-f]{{{digits}}}", text) is not None and text.strip("0") != ""


# --- attributes -------------------------------------------------------------------------------


def _add_all(target: Any, attributes: Mapping[str, Any]) -> None:
    target.extend(_key_values(attributes, 0))


def _key_values(values: Mapping[str, Any], depth: int) -> Iterator[KeyValue]:
    for key, value in values.items():
        yield KeyValue(key=key, value=_any_value(value, depth))


def _any_value(value: Any, depth: int) -> AnyValue:
    """Return a value of the types that `plain` leaves; the deepest parts become JSON text."""
    told = AnyValue()
    match value:
        case bool():
            told.bool_value = value
        case int():
            told.int_value = value
        case float():
            told.double_value = value
        case str():
            told.string_value = value
        case dict() | list() if depth >= _DEPTH_LIMIT:
            told.string_value = orjson.dumps(value).decode()
        case dict():
            told.kvlist_value.SetInParent()
            told.kvlist_value.values.extend(_key_values(value, depth + 1))
        case list():
            told.array_value.SetInParent()
            told.array_value.values.extend(_any_value(item, depth + 1) for item in value)
    return told


# --- JSON -------------------------------------------------------------------------------------

_HEX_FIELDS: Final = frozenset({"trace_id", "span_id", "parent_span_id"})
_WIDE: Final = frozenset(
    {
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_UINT64,
        FieldDescriptor.TYPE_SINT64,
        FieldDescriptor.TYPE_FIXED64,
        FieldDescriptor.TYPE_SFIXED64,
    }
)


def _json_of(message: Message) -> dict[str, Any]:
    """Return every field that is set; `google.protobuf.json_format` writes ids in base64."""
    told: dict[str, Any] = {}
    for described, value in message.ListFields():
        if described.is_repeated:
            told[described.json_name] = [_json_value(described, item) for item in value]
        else:
            told[described.json_name] = _json_value(described, value)
    return told


def _json_value(described: FieldDescriptor, value: Any) -> Any:
    if described.type == FieldDescriptor.TYPE_MESSAGE:
        return _json_of(value)
    if described.type in _WIDE:
        return str(value)
    if described.type == FieldDescriptor.TYPE_BYTES:
        in_hex = described.name in _HEX_FIELDS
        return value.hex() if in_hex else base64.b64encode(value).decode()
    if described.type == FieldDescriptor.TYPE_DOUBLE and not isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value

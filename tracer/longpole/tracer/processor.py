"""OpenTelemetry spans → span events on disk.

An OpenTelemetry `SpanProcessor`: a start is written when the span starts, so that it is visible
while it runs and survives the death of its process; an end carries only what the start did not
have. Both are in the spool when the call returns. Only Longpole's own spans are taken.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.trace import StatusCode

from longpole.model import semconv
from longpole.model.run import SpanError, Status
from longpole.storage import SpanEnd, SpanEvent, SpanStart

SCOPE: Final = "longpole"
"""Name of the instrumentation scope of Longpole's spans."""


class EventSink(Protocol):
    """Takes span events; returns when they are on disk or counted as dropped, never raises."""

    def append(self, event: SpanEvent) -> None:
        """Write one event."""
        ...


class StoreProcessor(SpanProcessor):
    """Writes Longpole's spans to a sink as they start and end."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._started: dict[int, dict[str, Any]] = {}

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Write the start of a span."""
        scope = span.instrumentation_scope
        if scope is None or scope.name != SCOPE:
            return
        context = span.get_span_context()
        attributes = dict(span.attributes or {})
        self._started[context.span_id] = attributes
        trace_id = format(context.trace_id, "032x")
        parent = span.parent
        self._sink.append(
            SpanStart(
                run_id=str(attributes.get(semconv.LONGPOLE_RUN_ID, trace_id)),
                trace_id=trace_id,
                span_id=format(context.span_id, "016x"),
                parent_span_id=None if parent is None else format(parent.span_id, "016x"),
                is_root=semconv.LONGPOLE_RUN_ROOT in attributes,
                name=span.name,
                start_ns=span.start_time or 0,
                attributes=attributes,
            )
        )

    def on_end(self, span: ReadableSpan) -> None:
        """Write the end of a span."""
        context = span.get_span_context()
        started = None if context is None else self._started.pop(context.span_id, None)
        if context is None or started is None:
            return
        attributes = span.attributes or {}
        self._sink.append(
            SpanEnd(
                run_id=str(started.get(semconv.LONGPOLE_RUN_ID, format(context.trace_id, "032x"))),
                span_id=format(context.span_id, "016x"),
                end_ns=span.end_time or 0,
                status=_status(span),
                error=_error(span),
                attributes={
                    key: value
                    for key, value in attributes.items()
                    if key not in started or started[key] is not value
                },
            )
        )


def _status(span: ReadableSpan) -> Status:
    finer = (span.attributes or {}).get(semconv.LONGPOLE_STATUS)
    if finer is not None:
        return Status(str(finer))
    return Status.ERROR if span.status.status_code is StatusCode.ERROR else Status.OK


def _error(span: ReadableSpan) -> SpanError | None:
    error_type = (span.attributes or {}).get(semconv.ERROR_TYPE)
    if error_type is None:
        return None
    return SpanError(type=str(error_type), message=span.status.description or "")

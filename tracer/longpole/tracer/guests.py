"""Other people's spans inside our runs → span events in the same store.

An HTTP or database instrumentation and the user's own code make spans with a provider of theirs.
`LongpoleSpanProcessor` on that provider sees them start and end; those that start inside a run are
recorded below it, or below the recorded span that is their parent, as kind `http` where HTTP's
semantic attributes are there, else `other`. Spans outside all runs are left alone.

Times are shifted to the tracer's clock. Texts are cut, redacted and switched off as the run's own
are (`kept`).

Source: OpenTelemetry semantic conventions for HTTP 1.23 (stable) and the names before.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.trace import StatusCode

from longpole.model import semconv
from longpole.model.run import Kind, SpanError, Status
from longpole.storage import SpanEnd, SpanStart
from longpole.tracer.bodies import Body, current_body
from longpole.tracer.clock import now_ns
from longpole.tracer.context import BODY_KEY
from longpole.tracer.kept import kept_of, text_of
from longpole.tracer.processor import SCOPE
from longpole.tracer.recorder import Recorder

_log = logging.getLogger("longpole")

MAX_OPEN: Final = 10_000
"""Guests that may be open at once; of those beyond it the oldest is given up as cancelled."""

_HTTP_KEYS: Final = frozenset(
    {
        semconv.HTTP_REQUEST_METHOD,
        semconv.HTTP_RESPONSE_STATUS_CODE,
        semconv.HTTP_METHOD,
        semconv.HTTP_STATUS_CODE,
        semconv.HTTP_URL,
    }
)
_SAME_RUNS_AGAIN: Final = frozenset(
    {
        "langfuse-sdk",
        "langsmith",
        "openinference.instrumentation.langchain",
        "opentelemetry.instrumentation.genai.langchain",
        "opentelemetry.instrumentation.langchain",
        "opentelemetry.util.genai.handler",
    }
)
"""Scopes whose spans are the runs that our handler sees, told a second time."""


@dataclass(frozen=True, slots=True, eq=False)
class Guest:
    """A span of somebody else that is open and recorded.

    Attributes:
        body: the run it started in.
        span_id: 16 hex digits.
        ahead_ns: how far the tracer's clock is ahead of the clock of its times.
        told: attributes that its start told.
    """

    body: Body
    span_id: str
    start_ns: int
    ahead_ns: int
    told: Mapping[str, Any]


_open: dict[int, Guest] = {}


def are_there_guests() -> bool:
    """Return whether any span of somebody else is open and recorded."""
    return bool(_open)


def guest_of(context: Context) -> Guest | None:
    """Return the open, recorded span of somebody else that is current in a context."""
    if not _open:
        return None
    return _open.get(trace.get_current_span(context).get_span_context().span_id)


class LongpoleSpanProcessor(SpanProcessor):
    """Add it to your `TracerProvider` to see its spans in the branches of your runs.

    It records spans that start inside a run that a `LongpoleHandler` sees, into that handler's
    store, and changes nothing about them. A handler that was given the provider brings its own; two
    of them on one provider record a span once. Spans that your sampler drops are never made, so
    they are not seen here either.
    """

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Record the start of a span, if it is inside a run."""
        body: Body | None = None
        try:
            body = _body_around(parent_context)
            if body is not None and _scope(span) not in _NOT_GUESTS:
                _start(span, body)
        except Exception as error:  # noqa: BLE001 - the app must not see what goes wrong here
            _swallow("span start", error, body)

    def on_end(self, span: ReadableSpan) -> None:
        """Record the end of a span whose start was recorded."""
        guest: Guest | None = None
        try:
            own = span.get_span_context() if _open else None
            guest = None if own is None else _open.pop(own.span_id, None)
            if guest is not None:
                _end(span, guest)
        except Exception as error:  # noqa: BLE001 - as above
            _swallow("span end", error, None if guest is None else guest.body)


_NOT_GUESTS: Final = _SAME_RUNS_AGAIN | {SCOPE}


def _body_around(parent_context: Context | None) -> Body | None:
    context = otel_context.get_current() if parent_context is None else parent_context
    held = context.get(BODY_KEY)
    return held if isinstance(held, Body) else current_body()


def _swallow(where: str, error: Exception, body: Body | None) -> None:
    if body is not None:
        body.recorder.swallow(where, error)
    else:
        _log.debug("longpole could not record a %s", where, exc_info=error)


def _scope(span: SdkSpan) -> str | None:
    scope = span.instrumentation_scope
    return None if scope is None else scope.name


def _start(span: SdkSpan, body: Body) -> None:
    own = span.get_span_context()
    if own.span_id in _open:  # another processor was first
        return
    above = None if span.parent is None else _open.get(span.parent.span_id)
    if above is not None and above.body.run_id != body.run_id:
        above = None
    ahead_ns = now_ns() - time.time_ns()
    told = kept_of(span.attributes or {}, body.recorder)
    start_ns = (span.start_time or 0) + ahead_ns
    guest = Guest(body, format(own.span_id, "016x"), start_ns, ahead_ns, told)
    event = SpanStart(
        run_id=body.run_id,
        trace_id=format(own.trace_id, "032x"),
        span_id=guest.span_id,
        parent_span_id=body.span_id if above is None else above.span_id,
        is_root=False,
        name=text_of(span.name, body.recorder),
        start_ns=start_ns,
        attributes={semconv.LONGPOLE_KIND: _kind(told).value, **told},
    )
    _open[own.span_id] = guest
    body.recorder.append(event)
    if len(_open) > MAX_OPEN:
        _give_up_oldest(start_ns)


def _give_up_oldest(end_ns: int) -> None:
    oldest = next(iter(_open), None)
    guest = None if oldest is None else _open.pop(oldest, None)
    if guest is not None:
        guest.body.recorder.append(
            SpanEnd(
                run_id=guest.body.run_id,
                span_id=guest.span_id,
                end_ns=max(end_ns, guest.start_ns),
                status=Status.CANCELLED,
            )
        )


def _end(span: ReadableSpan, guest: Guest) -> None:
    recorder = guest.body.recorder
    kept = kept_of(span.attributes or {}, recorder)
    status, error, stack = _outcome(span, recorder)
    new = {key: value for key, value in kept.items() if guest.told.get(key) != value}
    if stack is not None:
        new[semconv.EXCEPTION_STACKTRACE] = stack
    # A status code may be what tells that a span is HTTP's.
    if _kind(kept) is not _kind(guest.told):
        new[semconv.LONGPOLE_KIND] = _kind(kept).value
    if status is Status.CANCELLED:
        new[semconv.LONGPOLE_STATUS] = status.value
    guest.body.recorder.append(
        SpanEnd(
            run_id=guest.body.run_id,
            span_id=guest.span_id,
            end_ns=max((span.end_time or 0) + guest.ahead_ns, guest.start_ns),
            status=status,
            error=error,
            attributes=new,
        )
    )


# --- what they were and how they ended ----------------------------------------------------------


def _kind(attributes: Iterable[str]) -> Kind:
    return Kind.OTHER if _HTTP_KEYS.isdisjoint(attributes) else Kind.HTTP


_STOPS: Final = frozenset({"CancelledError", "GeneratorExit", "asyncio.exceptions.CancelledError"})


def _outcome(span: ReadableSpan, recorder: Recorder) -> tuple[Status, SpanError | None, str | None]:
    """Return how a span ended, its error, and where that was raised."""
    if span.status.status_code is not StatusCode.ERROR:
        return Status.OK, None, None
    noted: Mapping[str, Any] = {}
    for event in span.events:
        if event.name == "exception":
            noted = event.attributes or {}
    attributes = span.attributes or {}
    named = (
        noted.get(semconv.EXCEPTION_TYPE)
        or attributes.get(semconv.ERROR_TYPE)
        or attributes.get(semconv.HTTP_RESPONSE_STATUS_CODE)
        or attributes.get(semconv.HTTP_STATUS_CODE)
        or "Error"
    )
    if str(named) in _STOPS:
        return Status.CANCELLED, None, None
    message = noted.get(semconv.EXCEPTION_MESSAGE) or span.status.description or ""
    stack = noted.get(semconv.EXCEPTION_STACKTRACE) if recorder.captures else None
    return (
        Status.ERROR,
        SpanError(type=text_of(str(named), recorder), message=text_of(str(message), recorder)),
        None if stack is None else text_of(str(stack), recorder),
    )

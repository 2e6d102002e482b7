"""A span as other tools tell it → span events.

In: `ForeignSpan`s, which every reader of a foreign format makes of what it finds. Out: the events
that the store takes. What a run is, which status a span has and which error it ended with is
decided here, once for all formats; what its attributes say is `dialects`' affair. All attributes
travel with the event that says most: the end, or the start of a span that has not ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from longpole.model import semconv
from longpole.model.run import SpanError, Status
from longpole.storage.codec import plain, plain_attributes
from longpole.storage.exchange.dialects.translate import translated
from longpole.storage.exchange.dialects.values import integer
from longpole.storage.exchange.failures import named_in, status_of_error
from longpole.storage.exchange.parcel import Incoming, Refused
from longpole.storage.store import SpanEnd, SpanStart

EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
SERVICE_NAME: Final = "service.name"
SCOPE_NAME: Final = "otel.scope.name"
LONGPOLE: Final = "longpole"
"""Our name as a service and as an instrumentation scope."""

INT64_MAX: Final = 2**63 - 1

_ID: Final = re.compile(r"[\w.:#-]{1,128}", re.ASCII)
_STATUSES: Final = {status.value: status for status in Status}
_OPEN: Final = (Status.RUNNING, Status.LOST)
_STOPPED: Final = (Status.CANCELLED, Status.INTERRUPTED)
_UNNAMED_ERROR: Final = "Error"
_WRAPPER: Final = "Exception"


class OddSpanError(Exception):
    """A span cannot be read; the text says why. Readers turn it into a `Refused`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignSpan:
    """One span, its format left behind.

    Attributes:
        trace_id: 32 hex digits.
        span_id, parent_span_id: 16 hex digits.
        end_ns: `None` when the span has not ended.
        is_failed: whether its status is an error.
        message: the words beside that status.
        exception: attributes of the last exception that was noted on it.
        linked_span_id: a span of the same trace that it links to.
        is_detached: whether it was handed over, so that nobody waits for it.
        first_token_ns: when the first token of an answer arrived, where an event says so.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    start_ns: int
    end_ns: int | None
    attributes: Mapping[str, Any]
    is_failed: bool = False
    message: str = ""
    exception: Mapping[str, Any] = field(default_factory=dict)
    linked_span_id: str | None = None
    is_detached: bool = False
    first_token_ns: int | None = None


PRODUCER: Final = 4
CONSUMER: Final = 5
"""OpenTelemetry's numbers of the span kinds of work that is handed over and not waited for."""


class HandOvers:
    """One source on its way; remembers whose children are handed over."""

    def __init__(self) -> None:
        self._producers: set[tuple[str, str]] = set()

    def marked(
        self, told: Iterable[tuple[ForeignSpan | Refused, int]]
    ) -> Iterator[ForeignSpan | Refused]:
        """Yield the spans of one request, each told with its kind; consumers are detached.

        A producer is known from its own request on.
        """
        spans = list(told)
        for span, kind in spans:
            if kind == PRODUCER and isinstance(span, ForeignSpan):
                self._producers.add((span.trace_id, span.span_id))
        for span, kind in spans:
            if kind == CONSUMER and isinstance(span, ForeignSpan):
                parent = (span.trace_id, span.parent_span_id or "")
                yield replace(span, is_detached=True) if parent in self._producers else span
            else:
                yield span


def events_from_foreign(span: ForeignSpan) -> Iterator[Incoming]:
    """Yield the start of a span, and its end unless it has none.

    The run is the one that `longpole.run.id` names, else the trace. A span without a parent that
    links to one of its own trace hangs below that one, and nobody waits for it.
    """
    status = _status(span)
    attributes = _attributes(span, status)
    is_open = span.end_ns is None or status in _OPEN
    start = _start(span, attributes, keeps_attributes=is_open)
    if span.end_ns is None or is_open:
        yield start
        return
    yield start
    yield SpanEnd(
        run_id=start.run_id,
        span_id=start.span_id,
        end_ns=span.end_ns,
        status=status,
        error=_error(span, status),
        attributes=attributes,
    )


def _start(span: ForeignSpan, attributes: dict[str, Any], *, keeps_attributes: bool) -> SpanStart:
    """Return the start; a span that is detached says so among its attributes from here on."""
    parent_id = _named(span.attributes, semconv.LONGPOLE_PARENT_SPAN_ID) or span.parent_span_id
    is_linked = parent_id is None and span.linked_span_id not in (None, span.span_id)
    if is_linked or span.is_detached:
        attributes.setdefault(semconv.LONGPOLE_DETACHED, True)
    return SpanStart(
        run_id=_named(span.attributes, semconv.LONGPOLE_RUN_ID) or span.trace_id,
        trace_id=span.trace_id,
        span_id=_named(span.attributes, semconv.LONGPOLE_SPAN_ID) or span.span_id,
        parent_span_id=span.linked_span_id if is_linked else parent_id,
        is_root=attributes.get(semconv.LONGPOLE_RUN_ROOT) is True
        or (parent_id is None and not is_linked),
        name=span.name if span.name.isascii() else plain(span.name),
        start_ns=span.start_ns,
        attributes=attributes if keeps_attributes else {},
    )


def moment_ns(value: object, what: str) -> int:
    """Return a time that a column can hold.

    Raises:
        OddSpanError: it is no number of nanoseconds, or lies beyond 64 bits.
    """
    number = integer(value)
    if number is None:
        raise OddSpanError(f"{what} is {_shown(value)}, expected nanoseconds since the epoch")
    if not 0 <= number <= INT64_MAX:
        raise OddSpanError(f"{what} is {_shown(value)}, expected 0 to {INT64_MAX}")
    return number


def hex_id(value: object, digits: int, what: str) -> str:
    """Return an id in lower case hexadecimal.

    Raises:
        OddSpanError: it is none of that length, or all zero.
    """
    if type(value) is str and re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", value):
        if value.strip("0"):
            return value.lower()
        raise OddSpanError(f"{what} is all zero, expected {digits} hex digits")
    raise OddSpanError(f"{what} is {_shown(value)}, expected {digits} hex digits")


def _shown(value: object) -> str:
    text = repr(plain(value))
    return text if len(text) <= 60 else f"{text[:60]}…"


def _named(attributes: Mapping[str, Any], key: str) -> str | None:
    value = attributes.get(key)
    return value if type(value) is str and _ID.fullmatch(value) else None


def _status(span: ForeignSpan) -> Status:
    told = span.attributes.get(semconv.LONGPOLE_STATUS)
    status = _STATUSES.get(told) if type(told) is str else None
    if status is not None:
        return status
    if not span.is_failed:
        return Status.OK
    error = None if _is_ours(span) else _foreign_error(span)
    return Status.ERROR if error is None else status_of_error(error.type)


def _attributes(span: ForeignSpan, status: Status) -> dict[str, Any]:
    told = {key: value for key, value in span.attributes.items() if key not in semconv.NOT_RECORDED}
    is_top = span.parent_span_id is None
    attributes = translated(plain_attributes(told), span.name, is_top=is_top)
    # Only these two are recorded as an attribute; the others are how the wire tells a status.
    if status not in _STOPPED:
        attributes.pop(semconv.LONGPOLE_STATUS, None)
    stack = span.exception.get(semconv.EXCEPTION_STACKTRACE)
    if stack is not None:
        attributes.setdefault(semconv.EXCEPTION_STACKTRACE, plain(stack))
    if span.first_token_ns is not None:
        attributes.setdefault(semconv.LONGPOLE_FIRST_TOKEN_NS, span.first_token_ns)
    return attributes


def _is_ours(span: ForeignSpan) -> bool:
    return semconv.LONGPOLE_KIND in span.attributes or semconv.LONGPOLE_STATUS in span.attributes


def _error(span: ForeignSpan, status: Status) -> SpanError | None:
    """Return what the span ended with; an exception noted on a span that is fine was handled."""
    if status is not Status.ERROR and semconv.LONGPOLE_STATUS not in span.attributes:
        return None
    if not _is_ours(span):
        return _foreign_error(span)
    named = span.exception.get(EXCEPTION_TYPE) or span.attributes.get(semconv.ERROR_TYPE)
    message = span.exception.get(EXCEPTION_MESSAGE, span.message)
    if not span.exception and (status is not Status.ERROR or not (named or message)):
        return None
    return SpanError(type=_text(named) or _UNNAMED_ERROR, message=_text(message))


def _foreign_error(span: ForeignSpan) -> SpanError | None:
    """Return the error of a failed span; its class without the module it lives in."""
    named = span.exception.get(EXCEPTION_TYPE) or span.attributes.get(semconv.ERROR_TYPE)
    message = _text(span.exception.get(EXCEPTION_MESSAGE, span.message))
    if not (named or message or span.exception):
        return None
    # LangSmith's client raises a bare Exception around the text of the real one.
    inner = named_in(message) if named in (None, _WRAPPER) else None
    if inner is not None:
        return inner
    name = _text(named)
    return SpanError(type=name.rpartition(".")[2] or name or _UNNAMED_ERROR, message=message)


def _text(value: object) -> str:
    copied = plain(value)
    return copied if type(copied) is str else "" if copied is None else str(copied)

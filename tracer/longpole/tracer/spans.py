"""Runs that start and end → OpenTelemetry spans that open and close.

The one place where spans are made: it knows the table of open runs, the tracer and the clock, and
nothing of LangChain's events. All handlers of one store share it, so that a run that two of them
see is recorded once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Protocol
from uuid import UUID

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import SpanKind, StatusCode

from longpole.model import semconv
from longpole.model.place import task_of
from longpole.model.run import Kind, SpanError, Status
from longpole.tracer import attributes as attributes_of
from longpole.tracer.attributes import Attributes
from longpole.tracer.bodies import leave
from longpole.tracer.content import Redact, clean_text
from longpole.tracer.context import attached_run, outer_context
from longpole.tracer.direct import DirectSpan
from longpole.tracer.endings import (
    describe,
    is_stop,
    stack_of,
    status_code_of,
    status_of,
    waits_for_answer,
)
from longpole.tracer.guests import are_there_guests, guest_of
from longpole.tracer.limits import limits_of
from longpole.tracer.open_runs import OpenRun, OpenRuns, lighten
from longpole.tracer.standing import BY_STEPS, Stand, Start, kind_of, stand_of
from longpole.tracer.submissions import ready_ns

_LEAVES = frozenset({Kind.LLM, Kind.TOOL, Kind.RETRIEVER})
_NO_METADATA: Mapping[str, Any] = {}


Adopted = tuple[OpenRun | None, int | None]
"""The run a starting run is placed below, and its index where it is a row of a batch call."""


class Umbrella(Protocol):
    """Groups runs that LangChain leaves apart (see `record` and `batches`)."""

    def adopt(
        self, spans: Spans, parent: OpenRun | None, start: Start, redact: Redact | None
    ) -> Adopted:
        """Place a starting run whose parent is this; what is none of its affair stays."""
        ...


class SpanStarter(Protocol):
    """Starts spans: a tracer of OpenTelemetry's, or `longpole.tracer.direct`."""

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes | None = None,
        *,
        start_time: int,
    ) -> OtelSpan:
        """Start a span; `start_time` in nanoseconds since the epoch."""
        ...


UMBRELLA: ContextVar[Umbrella | None] = ContextVar("longpole_umbrella", default=None)


class Spans:
    """Opens and closes the spans of all runs that go to one store."""

    def __init__(self, tracer: SpanStarter) -> None:
        self._tracer = tracer
        self.runs = OpenRuns()

    def open(self, start: Start, redact: Redact | None) -> OpenRun | None:
        """Open a span; `None` when another handler has opened it already."""
        if start.uuid is not None and start.uuid in self.runs:
            return None
        parent = self.runs.parent_for(start.parent_uuid) or attached_run(self.runs)
        row = None
        umbrella = UMBRELLA.get()
        if umbrella is not None:
            parent, row = umbrella.adopt(self, parent, start, redact)
        return self.open_below(parent, start, redact, row)

    def open_below(
        self,
        parent: OpenRun | None,
        start: Start,
        redact: Redact | None,
        row: int | None = None,
    ) -> OpenRun:
        """Open a span below a run that is known, or as a root; `row` is its index in a batch."""
        task = task_of(start.metadata)
        kind = kind_of(start.kind, task, parent)
        stand = stand_of(start, kind, parent, task, row)
        run = self._open_span(start, kind, stand, parent, task, redact)
        run.streamed = start.streamed
        if task is not None and parent is not None and stand.place.fan_out is not None:
            parent.task_tries.setdefault(task, []).append(run.span_id)
        given_up = self.runs.add(run)
        if given_up is not None:
            self._finish(given_up, start.start_ns, Status.CANCELLED, {})
        return run

    def _open_span(
        self,
        start: Start,
        kind: Kind,
        stand: Stand,
        parent: OpenRun | None,
        task: str | None,
        redact: Redact | None,
    ) -> OpenRun:
        inherited = _NO_METADATA if parent is None else parent.metadata
        attributes = {**stand.attributes}
        if start.uuid is not None:
            attributes[semconv.LONGPOLE_LANGCHAIN_RUN_ID] = str(start.uuid)
        if stand.place.fan_out is not None:
            limit, ignored = limits_of(stand.place, start.caller, parent)
            attributes.update(attributes_of.of_limits(limit, ignored))
        if start.metadata:
            attributes.update(attributes_of.of_metadata(start.metadata, inherited, redact))
        attributes.update(start.attributes)
        if start.streamed:
            attributes[semconv.LONGPOLE_STREAMED] = True
        since_ns = ready_ns(start.uuid, start.start_ns)
        if since_ns is not None:
            attributes[semconv.LONGPOLE_READY_NS] = since_ns
        if parent is None:
            attributes[semconv.LONGPOLE_RUN_ROOT] = True
            attributes.update(attributes_of.of_session(start.metadata))
        span, run_id = self._started(start, kind, parent, attributes)
        trace_id, span_id = _ids_of(span)
        return OpenRun(
            uuid=start.uuid,
            run_id=run_id or trace_id,
            span_id=span_id,
            parent=parent,
            span=span,
            kind=kind,
            shape=start.caller.shape,
            asked=start.caller.max_concurrency,
            is_try=stand.is_try,
            start_ns=start.start_ns,
            inherited=stand.handed_down,
            metadata=start.metadata,
            task=task,
        )

    def _started(
        self, start: Start, kind: Kind, parent: OpenRun | None, attributes: Attributes
    ) -> tuple[OtelSpan, str | None]:
        """Start the span itself; return it and the run's id, unless that is the trace's."""
        name = start.name if start.name.isascii() else clean_text(start.name)
        above = None if parent is None else parent.span
        if parent is not None and type(above) is DirectSpan and not are_there_guests():
            # The rule, and what stands below does the same the long way.
            attributes[semconv.LONGPOLE_RUN_ID] = parent.run_id
            return above.child(name, start.start_ns, attributes), parent.run_id
        context, run_id = _whereabouts(parent)
        if run_id is not None:
            attributes[semconv.LONGPOLE_RUN_ID] = run_id
        span = self._tracer.start_span(
            name,
            context=context,
            kind=SpanKind.CLIENT if kind is Kind.LLM else SpanKind.INTERNAL,
            attributes=attributes,
            start_time=start.start_ns,
        )
        return span, run_id

    def close(self, uuid: UUID, end_ns: int, attributes: Attributes) -> None:
        """Close the span of a run that returned; unknown and closed runs are left alone."""
        run = self.runs.pop(uuid)
        if run is not None:
            # A graph returns as usual when one of its nodes waits for an answer.
            status = Status.INTERRUPTED if run.waits else Status.OK
            if run.last_try_failed:
                attributes = {**attributes, semconv.LONGPOLE_RESULT_SWAPPED: True}
            self._finish(run, end_ns, status, attributes)

    def fail(
        self,
        uuid: UUID,
        end_ns: int,
        error: BaseException,
        attributes: Attributes,
        redact: Redact | None,
    ) -> None:
        """Close the span of a run that an exception ended; control flow is not failure."""
        run = self.runs.pop(uuid)
        if run is None:
            return
        # A batch by steps closes all its rows with the exception of the one that failed.
        status = Status.CANCELLED if _is_painted(run, error) else status_of(error)
        if is_stop(error) or not isinstance(error, Exception):
            self._stop_leaves_below(run, end_ns)
        if run.parent is not None and waits_for_answer(error):
            run.parent.waits = True
        if status is not Status.ERROR:
            self._finish(run, end_ns, status, attributes)
            return
        # The same exception passes every ancestor: where it was raised is told once, at the origin.
        if run.raised != id(error):
            attributes = {**attributes, semconv.EXCEPTION_STACKTRACE: stack_of(error)}
        _tell_above(run, error)
        code = status_code_of(error)
        if code is not None and run.kind is Kind.LLM:
            attributes = {**attributes, semconv.HTTP_RESPONSE_STATUS_CODE: code}
        self._finish(run, end_ns, status, attributes, describe(error, redact))

    def fail_as(self, uuid: UUID, end_ns: int, error: SpanError, attributes: Attributes) -> None:
        """Close the span of a run that reported a failure without raising it."""
        run = self.runs.pop(uuid)
        if run is not None:
            self._finish(run, end_ns, Status.ERROR, attributes, error)

    def close_root(
        self, run: OpenRun, end_ns: int, error: BaseException | None, redact: Redact | None
    ) -> None:
        """Close a run that no LangChain event ends."""
        self.runs.close(run)
        if error is None:
            self._finish(run, end_ns, Status.OK, {})
        else:
            status = status_of(error)
            if isinstance(error, asyncio.CancelledError):
                self._stop_leaves_below(run, end_ns)
            if status is Status.ERROR:
                _tell_above(run, error)
            self._finish(
                run, end_ns, status, {}, describe(error, redact) if status is Status.ERROR else None
            )

    def fail_rows(
        self, above: OpenRun, end_ns: int, error: BaseException, redact: Redact | None
    ) -> None:
        """Close the rows that LangChain forgot to end when their batch call raised."""
        for row in list(above.children):
            if row.uuid is not None:
                self.fail(row.uuid, end_ns, error, {}, redact)

    def end(
        self,
        run: OpenRun,
        end_ns: int,
        status: Status,
        attributes: Attributes,
        error: SpanError | None = None,
    ) -> None:
        """Close a run that was opened below another and that no LangChain event ends."""
        self.runs.close(run)
        self._finish(run, end_ns, status, attributes, error)

    def _stop_leaves_below(self, run: OpenRun, end_ns: int) -> None:
        """Close what LangChain never ends below a run that is stopped, or ends too late.

        These are model, tool and retriever calls, and steps of a stream, which end when somebody
        collects their generator. Other runs tell their end, also in tasks that outlive this one.
        """
        for below in run.open_descendants():
            if (below.kind in _LEAVES or below.streamed) and below.uuid is not None:
                stopped = self.runs.pop(below.uuid)
                if stopped is not None:
                    self._finish(stopped, end_ns, Status.CANCELLED, {})

    def _finish(
        self,
        run: OpenRun,
        end_ns: int,
        status: Status,
        attributes: Attributes,
        error: SpanError | None = None,
    ) -> None:
        """End a span; `attributes` are its own from now on."""
        leave(run)
        span = run.span
        if run.tries is not None:
            run.tries.close(self, run, end_ns, status, error)
        if run.is_try and run.parent is not None:
            run.parent.last_try_failed = status is Status.ERROR
        ending = attributes
        if run.waits_ns is not None or run.first_token_ns is not None:
            first_token = attributes_of.of_first_token(run.first_token_ns, run.start_ns)
            ending = {**attributes, **(run.waits_ns or {}), **first_token}
        if run.streamed:
            ending[semconv.LONGPOLE_STREAMED] = True
        if status is Status.CANCELLED or status is Status.INTERRUPTED:
            ending[semconv.LONGPOLE_STATUS] = status.value
        if error is not None:
            ending[semconv.ERROR_TYPE] = error.type
        end_ns = max(end_ns, run.start_ns)
        if type(span) is DirectSpan:
            span.finish(end_ns, status, ending, error)
        else:
            _end_as_told(span, end_ns, status, ending, error)
        lighten(run)


def _ids_of(span: OtelSpan) -> tuple[str, str]:
    """Return the ids of the trace and of the span, in hex digits."""
    if type(span) is DirectSpan:
        return span.around.trace_id, span.span_id
    context = span.get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def _end_as_told(
    span: OtelSpan, end_ns: int, status: Status, attributes: Attributes, error: SpanError | None
) -> None:
    """End a span of the user's provider by OpenTelemetry's means."""
    if error is not None:
        span.set_status(StatusCode.ERROR, error.message)
        span.add_event("exception", attributes_of.of_error(error, attributes), end_ns)
    elif status is Status.OK:
        span.set_status(StatusCode.OK)
    if attributes:
        span.set_attributes(attributes)
    span.end(end_ns)


def _is_painted(run: OpenRun, error: BaseException) -> bool:
    """Tell whether a row is closed with the exception of another row: it did not fail itself."""
    return (
        run.failures is not None
        and run.raised != id(error)
        and run.kind is Kind.CHAIN
        and run.shape in BY_STEPS
        and id(error) in run.failures
    )


def _tell_above(run: OpenRun, error: BaseException) -> None:
    """Note where an exception passes, so that it is told and counted once, where it was raised."""
    if run.parent is not None:
        run.parent.raised = id(error)
    if run.failures is not None:
        run.failures.add(id(error))


def _whereabouts(parent: OpenRun | None) -> tuple[Context, str | None]:
    """Return the OpenTelemetry context to start in, and the run's id unless the trace gives it."""
    outer = outer_context()
    if parent is not None:
        guest = guest_of(outer)
        if guest is not None and guest.body is parent.body:
            # A span of the user's, opened in the parent, is around this run.
            return outer, parent.run_id
        return _below(parent, outer), parent.run_id
    if trace.get_current_span(outer).get_span_context().is_valid:
        # The trace belongs to whoever is around us and may hold other runs as well.
        return outer, secrets.token_hex(16)
    return outer, None


def _below(parent: OpenRun, outer: Context) -> Context:
    """Return `outer` with the parent's span in it; children mostly start in the same one."""
    known = parent.below
    if known is None or known[0] is not outer:
        known = parent.below = (outer, trace.set_span_in_context(parent.span, outer))
    return known[1]

"""`Run` → the span events that make it up, as the tracer would have told them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from longpole.model import semconv
from longpole.model.run import Run, Span
from longpole.storage.codec import plain
from longpole.storage.store import SpanEnd, SpanEvent, SpanStart


def events_from_run(run: Run) -> Iterator[SpanEvent]:
    """Return the events that make up a run; stored and loaded again they are the same run.

    Costs are not among them: they are computed (`Store.save_summaries`).
    """
    trace_id = run.trace_id or ""
    about_run = _known(
        {
            semconv.SESSION_ID: run.session_id,
            semconv.USER_ID: run.user_id,
            semconv.TAG_TAGS: list(run.tags) or None,
            semconv.METADATA: orjson.dumps(plain(dict(run.metadata))).decode()
            if run.metadata
            else None,
        }
    )
    for span in run.spans:
        more = about_run if span.parent_span_id is None else {}
        start, end = events_from_span(run.run_id, span, trace_id=trace_id, attributes=more)
        yield start
        if end is not None:
            yield end


def events_from_span(
    run_id: str,
    span: Span,
    *,
    trace_id: str = "",
    attributes: Mapping[str, Any] | None = None,
) -> tuple[SpanStart, SpanEnd | None]:
    """Return the start of a span, and its end unless it is still running.

    Args:
        run_id: the run it belongs to; a span without a parent is its root.
        span: what to store.
        trace_id: 32 hex digits; empty when there is none.
        attributes: more attributes for the start.
    """
    start = SpanStart(
        run_id=run_id,
        trace_id=trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        is_root=span.parent_span_id is None,
        name=span.name,
        start_ns=span.start_ns,
        attributes={**_known(_of_start(span)), **(attributes or {})},
    )
    if span.end_ns is None:
        return start, None
    end = SpanEnd(
        run_id=run_id,
        span_id=span.span_id,
        end_ns=span.end_ns,
        status=span.status,
        error=span.error,
        attributes=_known(_of_end(span)),
    )
    return start, end


def _of_start(span: Span) -> dict[str, Any]:
    order = span.order
    return {
        semconv.LONGPOLE_KIND: span.kind.value,
        semconv.LONGPOLE_ROLE: span.role and span.role.value,
        semconv.LONGPOLE_BRANCH: span.branch,
        semconv.LONGPOLE_STEP: span.step,
        semconv.LONGPOLE_ATTEMPT: span.attempt if span.attempt > 1 else None,
        semconv.LONGPOLE_FAN_OUT: span.fan_out and span.fan_out.value,
        semconv.LONGPOLE_FAN_OUT_LIMIT: span.fan_out_limit,
        semconv.LONGPOLE_FAN_OUT_LIMIT_IGNORED: span.limit_ignored,
        semconv.LONGPOLE_GROUP: order.group,
        semconv.LONGPOLE_SEQ: order.seq,
        semconv.LONGPOLE_SUPERSTEP: order.superstep,
        semconv.LONGPOLE_AFTER: None if order.after is None else list(order.after),
        semconv.LONGPOLE_DETACHED: order.detached or None,
        semconv.LONGPOLE_READY_NS: span.ready_ns,
        semconv.LONGPOLE_LANGCHAIN_RUN_ID: span.langchain_run_id,
        semconv.LONGPOLE_HOST: span.host,
        semconv.GEN_AI_PROVIDER_NAME: span.provider,
        semconv.GEN_AI_REQUEST_MODEL: span.model,
        **_of_progress(span, is_open=span.end_ns is None),
    }


def _of_end(span: Span) -> dict[str, Any]:
    return {semconv.GEN_AI_RESPONSE_MODEL: span.model, **_of_progress(span, is_open=True)}


def _of_progress(span: Span, *, is_open: bool) -> dict[str, Any]:
    """What is known at the end; of a span without one, all that was known."""
    if not is_open:
        return {}
    usage = span.usage
    return {
        semconv.LONGPOLE_STREAMED: span.order.streamed or None,
        semconv.LONGPOLE_FIRST_TOKEN_NS: span.first_token_ns,
        semconv.LONGPOLE_CACHE_HIT: span.cache_hit or None,
        semconv.LONGPOLE_RESULT_SWAPPED: span.result_swapped or None,
        semconv.GEN_AI_USAGE_INPUT_TOKENS: usage and usage.input_tokens,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: usage and usage.output_tokens,
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: usage and usage.cache_read_tokens,
        semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: usage and usage.cache_write_tokens,
        semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: usage and usage.reasoning_tokens,
    }


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if value is not None}

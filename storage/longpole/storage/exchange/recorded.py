"""Attributes that say what a span says.

In: the attributes recorded of a span, and the `Span` (of a root also the `Run`). Out: the same
attributes; where they would not give back that span, the ones that differ are written anew, under
the names of `longpole.model.semconv`. So a span written with its attributes and read again is the
same span, whatever its store made of them on the way, and doing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

import orjson

from longpole.model import semconv
from longpole.model.run import Run, Span
from longpole.storage import columns, rows, run_events
from longpole.storage.codec import plain

_KEYS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "kind": (semconv.LONGPOLE_KIND,),
    "role": (semconv.LONGPOLE_ROLE,),
    "branch": (semconv.LONGPOLE_BRANCH,),
    "step": (semconv.LONGPOLE_STEP,),
    "attempt": (semconv.LONGPOLE_ATTEMPT,),
    "fan_out": (semconv.LONGPOLE_FAN_OUT,),
    "fan_out_limit": (semconv.LONGPOLE_FAN_OUT_LIMIT,),
    "limit_ignored": (semconv.LONGPOLE_FAN_OUT_LIMIT_IGNORED,),
    "order.group": (semconv.LONGPOLE_GROUP,),
    "order.seq": (semconv.LONGPOLE_SEQ,),
    "order.superstep": (semconv.LONGPOLE_SUPERSTEP,),
    "order.after": (semconv.LONGPOLE_AFTER,),
    "order.streamed": (semconv.LONGPOLE_STREAMED,),
    "order.detached": (semconv.LONGPOLE_DETACHED,),
    "ready_ns": (semconv.LONGPOLE_READY_NS,),
    "first_token_ns": (
        semconv.LONGPOLE_FIRST_TOKEN_NS,
        semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK,
    ),
    "model": (semconv.GEN_AI_RESPONSE_MODEL, semconv.GEN_AI_REQUEST_MODEL),
    "provider": (semconv.GEN_AI_PROVIDER_NAME, semconv.GEN_AI_SYSTEM),
    "usage": (
        semconv.GEN_AI_USAGE_INPUT_TOKENS,
        semconv.GEN_AI_USAGE_PROMPT_TOKENS,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS,
        semconv.GEN_AI_USAGE_COMPLETION_TOKENS,
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
        semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS,
        semconv.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS,
        semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
    ),
    "cache_hit": (semconv.LONGPOLE_CACHE_HIT,),
    "result_swapped": (semconv.LONGPOLE_RESULT_SWAPPED,),
    "langchain_run_id": (semconv.LONGPOLE_LANGCHAIN_RUN_ID,),
    "host": (semconv.LONGPOLE_HOST,),
}
"""Every attribute that a part of a span can come from."""

_FACTS: Final = attrgetter(*_KEYS_OF)


def attributes_of_span(recorded: Mapping[str, Any], span: Span) -> dict[str, Any]:
    """Return attributes from which a store makes this span; `recorded` as far as they do."""
    attributes = dict(recorded)
    told, wanted = _FACTS(_span_told(attributes, span)), _FACTS(span)
    if told == wanted:
        return attributes
    own = _own_attributes(span)
    for keys, is_told, is_wanted in zip(_KEYS_OF.values(), told, wanted, strict=True):
        if is_told != is_wanted:
            _write_anew(attributes, keys, own)
    return attributes


def attributes_of_root(recorded: Mapping[str, Any], run: Run) -> dict[str, Any]:
    """Return attributes that name the run's session, user, tags and metadata as the run does."""
    attributes = dict(recorded)
    text = orjson.dumps(plain(dict(run.metadata))).decode()
    own = {
        semconv.SESSION_ID: run.session_id,
        semconv.USER_ID: run.user_id,
        semconv.TAG_TAGS: list(run.tags) or None,
        semconv.METADATA: text if run.metadata else None,
    }
    for is_same, keys in (
        (
            columns.session_id(attributes) == run.session_id,
            (semconv.SESSION_ID, semconv.GEN_AI_CONVERSATION_ID),
        ),
        (columns.user_id(attributes) == run.user_id, (semconv.USER_ID,)),
        (columns.tags(attributes) == run.tags, (semconv.TAG_TAGS,)),
        (columns.metadata(attributes) == run.metadata, (semconv.METADATA,)),
    ):
        if not is_same:
            _write_anew(attributes, keys, own)
    return attributes


def _span_told(attributes: Mapping[str, Any], span: Span) -> Span:
    """Return the span that a store would make of these attributes."""
    told = columns.columns_from(attributes, span.start_ns)
    row = (
        span.span_id,
        span.parent_span_id,
        span.parent_span_id is None,
        span.name,
        span.start_ns,
        span.end_ns,
        span.status.value,
        None,
        None,
        *map(told.get, columns.ATTRIBUTE_COLUMNS),
    )
    return rows.span_from(row, open_status=span.status)


def _own_attributes(span: Span) -> dict[str, Any]:
    start, end = run_events.events_from_span("", span)
    return {**start.attributes, **(end.attributes if end else {})}


def _write_anew(attributes: dict[str, Any], keys: tuple[str, ...], own: Mapping[str, Any]) -> None:
    for key in keys:
        attributes.pop(key, None)
        if own.get(key) is not None:
            attributes[key] = own[key]

"""Span attributes ⇄ columns ⇄ `Span`: the schema in words. Pure.

Attributes carry the names of `longpole.model.semconv`, from whatever source: own spans, imports,
old conventions. A value that does not fit its column is passed over, it never costs the span. The
columns of one span come from its start and its end; where both have one, the end's counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, TypeVar

import orjson

from longpole.model import semconv
from longpole.model.run import (
    NO_ORDER,
    FanOutKind,
    Kind,
    Order,
    Role,
    Run,
    Span,
    SpanError,
    Status,
)
from longpole.model.usage import Usage
from longpole.storage.codec import plain
from longpole.storage.store import SpanEnd, SpanEvent, SpanStart

Column = str | int | None

ATTRIBUTE_COLUMNS: Final = (
    "kind",
    "role",
    "branch",
    "step",
    "attempt",
    "fan_out",
    "fan_out_limit",
    "order_group",
    "order_seq",
    "order_superstep",
    "order_after",
    "is_streamed",
    "is_detached",
    "ready_ns",
    "first_token_ns",
    "model",
    "provider",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cache_hit",
    "langchain_run_id",
    "host",
    "limit_ignored",
    "result_swapped",
)
"""Columns that come from attributes, in the order of `columns_from`."""

_INT64_END: Final = 2**63
_NO_COST: Final[tuple[str | None, str | None]] = (None, None)

KIND_OF_OPENINFERENCE: Final[Mapping[str, Kind]] = {
    "LLM": Kind.LLM,
    "CHAIN": Kind.CHAIN,
    "AGENT": Kind.CHAIN,
    "TOOL": Kind.TOOL,
    "RETRIEVER": Kind.RETRIEVER,
    "EMBEDDING": Kind.EMBEDDING,
    "PROMPT": Kind.PROMPT,
}
KIND_OF_OPERATION: Final[Mapping[str, Kind]] = {
    "chat": Kind.LLM,
    "text_completion": Kind.LLM,
    "generate_content": Kind.LLM,
    "embeddings": Kind.EMBEDDING,
    "execute_tool": Kind.TOOL,
    "retrieval": Kind.RETRIEVER,
    "invoke_agent": Kind.CHAIN,
    "create_agent": Kind.CHAIN,
    "invoke_workflow": Kind.CHAIN,
}

_KINDS: Final = frozenset(Kind)
_ROLES: Final = frozenset(Role)
_FAN_OUTS: Final = frozenset(FanOutKind)


# --- attributes → columns ---------------------------------------------------------------------


def columns_from(attributes: Mapping[str, Any], start_ns: int | None) -> tuple[Column, ...]:
    """Return the values of `ATTRIBUTE_COLUMNS`; `None` where the attributes say nothing usable.

    Args:
        attributes: of the start, the end, or both.
        start_ns: when the span started, if known; times given as durations count from it.
    """
    row: list[Column] = [None] * len(ATTRIBUTE_COLUMNS)
    row[0] = _kind(attributes)
    is_of_model = False
    # One pass over what is there: a span has a third of the attributes that there are columns for.
    for key, value in attributes.items():
        slot = _SLOTS.get(key)
        if slot is not None:
            row[slot[0]] = slot[1](value)
        elif key in _OF_MODEL:
            is_of_model = True
    if is_of_model:
        row[_FIRST_TOKEN] = _first_token_ns(attributes, start_ns)
        row[_MODEL : _MODEL + 7] = _model_columns(attributes)
    return tuple(row)


def _model_columns(attributes: Mapping[str, Any]) -> tuple[Column, ...]:
    """Return model, provider and the five counts of tokens; each has several names."""
    get = attributes.get
    return (
        _text(get(semconv.GEN_AI_RESPONSE_MODEL)) or _text(get(semconv.GEN_AI_REQUEST_MODEL)),
        _text(get(semconv.GEN_AI_PROVIDER_NAME)) or _text(get(semconv.GEN_AI_SYSTEM)),
        *(_tokens(attributes, *keys) for keys in _TOKEN_KEYS),
    )


def as_int64(number: int) -> int:
    """Return the number, or the nearest one that a column can hold."""
    return max(-_INT64_END, min(number, _INT64_END - 1))


def _text(value: object) -> str | None:
    if value is None or type(value) is str:
        return value
    return orjson.dumps(value).decode()


def _integer(value: object) -> int | None:
    if type(value) is int:
        return value if -_INT64_END <= value < _INT64_END else None
    if type(value) is float and value.is_integer():
        return _integer(int(value))
    if type(value) is str and len(value) < 20 and value.lstrip("-").isdecimal():
        return _integer(int(value)) if value.count("-") <= 1 else None
    return None


def _flag(value: object) -> int | None:
    return int(value) if type(value) is bool else None


def _one_of(value: object, known: frozenset[Any]) -> str | None:
    return value if type(value) is str and value in known else None


def _kind(attributes: Mapping[str, Any]) -> str | None:
    kind = _one_of(attributes.get(semconv.LONGPOLE_KIND), _KINDS)
    if kind is not None:
        return kind
    told = attributes.get(semconv.OPENINFERENCE_SPAN_KIND)
    found = KIND_OF_OPENINFERENCE.get(told) if type(told) is str else None
    if found is None:
        told = attributes.get(semconv.GEN_AI_OPERATION_NAME)
        found = KIND_OF_OPERATION.get(told) if type(told) is str else None
    return None if found is None else found.value


def _ids(value: object) -> str | None:
    if not isinstance(value, (list, tuple)):
        return None
    return orjson.dumps([item for item in value if type(item) is str]).decode()


def _first_token_ns(attributes: Mapping[str, Any], start_ns: int | None) -> int | None:
    moment = _integer(attributes.get(semconv.LONGPOLE_FIRST_TOKEN_NS))
    if moment is not None or start_ns is None:
        return moment
    seconds = attributes.get(semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK)
    if not isinstance(seconds, (int, float)) or not 0 <= seconds < 1e9:
        return None
    return as_int64(start_ns + round(seconds * 1e9))


def _tokens(attributes: Mapping[str, Any], *keys: str) -> int | None:
    for key in keys:
        count = _integer(attributes.get(key))
        if count is not None and count >= 0:
            return count
    return None


_TOKEN_KEYS: Final = (
    (semconv.GEN_AI_USAGE_INPUT_TOKENS, semconv.GEN_AI_USAGE_PROMPT_TOKENS),
    (semconv.GEN_AI_USAGE_OUTPUT_TOKENS, semconv.GEN_AI_USAGE_COMPLETION_TOKENS),
    (semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,),
    (
        semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS,
        semconv.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS,
    ),
    (semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,),
)
_MODEL: Final = ATTRIBUTE_COLUMNS.index("model")
_FIRST_TOKEN: Final = ATTRIBUTE_COLUMNS.index("first_token_ns")
_OF_MODEL: Final = frozenset(
    {
        semconv.GEN_AI_RESPONSE_MODEL,
        semconv.GEN_AI_REQUEST_MODEL,
        semconv.GEN_AI_PROVIDER_NAME,
        semconv.GEN_AI_SYSTEM,
        semconv.LONGPOLE_FIRST_TOKEN_NS,
        semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK,
        *(key for keys in _TOKEN_KEYS for key in keys),
    }
)
"""Attributes whose columns have several names, so that one alone does not say what counts."""

_SLOTS: Final[Mapping[str, tuple[int, Callable[[object], Column]]]] = {
    key: (ATTRIBUTE_COLUMNS.index(column), read)
    for key, column, read in (
        (semconv.LONGPOLE_ROLE, "role", lambda value: _one_of(value, _ROLES)),
        (semconv.LONGPOLE_BRANCH, "branch", _text),
        (semconv.LONGPOLE_STEP, "step", _integer),
        (semconv.LONGPOLE_ATTEMPT, "attempt", _integer),
        (semconv.LONGPOLE_FAN_OUT, "fan_out", lambda value: _one_of(value, _FAN_OUTS)),
        (semconv.LONGPOLE_FAN_OUT_LIMIT, "fan_out_limit", _integer),
        (semconv.LONGPOLE_GROUP, "order_group", _text),
        (semconv.LONGPOLE_SEQ, "order_seq", _integer),
        (semconv.LONGPOLE_SUPERSTEP, "order_superstep", _integer),
        (semconv.LONGPOLE_AFTER, "order_after", _ids),
        (semconv.LONGPOLE_STREAMED, "is_streamed", _flag),
        (semconv.LONGPOLE_DETACHED, "is_detached", _flag),
        (semconv.LONGPOLE_READY_NS, "ready_ns", _integer),
        (semconv.LONGPOLE_CACHE_HIT, "cache_hit", _flag),
        (semconv.LONGPOLE_LANGCHAIN_RUN_ID, "langchain_run_id", _text),
        (semconv.LONGPOLE_HOST, "host", _text),
        (semconv.LONGPOLE_FAN_OUT_LIMIT_IGNORED, "limit_ignored", _integer),
        (semconv.LONGPOLE_RESULT_SWAPPED, "result_swapped", _flag),
    )
}


# --- attributes → what a run is listed by -----------------------------------------------------


def session_id(attributes: Mapping[str, Any]) -> str | None:
    """Return the session or thread that a root names."""
    named = _text(attributes.get(semconv.SESSION_ID))
    return _text(attributes.get(semconv.GEN_AI_CONVERSATION_ID)) if named is None else named


def user_id(attributes: Mapping[str, Any]) -> str | None:
    """Return the user that a root names."""
    return _text(attributes.get(semconv.USER_ID))


def tags(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the caller's tags, each once, in the order given."""
    given = attributes.get(semconv.TAG_TAGS)
    if type(given) is str:
        given = _loaded(given) if given.startswith("[") else [given]
    if not isinstance(given, (list, tuple)):
        return ()
    return tuple(dict.fromkeys(tag for tag in given if type(tag) is str))


def metadata(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the caller's metadata; empty when there is none or it is no JSON object."""
    given = attributes.get(semconv.METADATA)
    found = _loaded(given) if type(given) is str else given
    return found if type(found) is dict else {}


def _loaded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return None


# --- columns → Span ---------------------------------------------------------------------------

SPAN_COLUMNS: Final = (
    "span_id",
    "parent_span_id",
    "is_root",
    "name",
    "start_ns",
    "end_ns",
    "status",
    "error_type",
    "error_message",
    *ATTRIBUTE_COLUMNS,
)
"""What `span_from` reads, in its order."""

_Value = TypeVar("_Value", bound=StrEnum)


def span_from(
    row: Sequence[Any],
    *,
    open_status: Status,
    cost: tuple[str | None, str | None] = _NO_COST,
) -> Span:
    """Return the span that a row holds.

    Args:
        row: the values of `SPAN_COLUMNS`.
        open_status: what a span without an end is: running, or lost with its recorder.
        cost: USD as text, or why there is none.
    """
    (
        span_id,
        parent_span_id,
        is_root,
        name,
        start_ns,
        end_ns,
        status,
        error_type,
        error_message,
        kind,
        role,
        branch,
        step,
        attempt,
        fan_out,
        fan_out_limit,
        group,
        seq,
        superstep,
        after,
        is_streamed,
        is_detached,
        ready_ns,
        first_token_ns,
        model,
        provider,
        *token_counts,
        cache_hit,
        langchain_run_id,
        host,
        limit_ignored,
        result_swapped,
    ) = row
    cost_usd = _cost(cost[0])
    return Span(
        span_id=span_id,
        parent_span_id=None if is_root else parent_span_id,
        name=name,
        kind=_member(_KIND_BY_VALUE, kind) or Kind.OTHER,
        start_ns=start_ns,
        end_ns=end_ns,
        status=open_status if end_ns is None else _member(_STATUS_BY_VALUE, status) or Status.OK,
        role=_member(_ROLE_BY_VALUE, role),
        branch=branch,
        step=step,
        attempt=1 if attempt is None else max(1, attempt),
        fan_out=_member(_FAN_OUT_BY_VALUE, fan_out),
        fan_out_limit=fan_out_limit,
        limit_ignored=limit_ignored,
        order=_order(group, seq, superstep, after, is_streamed, is_detached),
        error=None
        if error_type is None
        else SpanError(type=error_type, message=error_message or ""),
        ready_ns=ready_ns,
        first_token_ns=first_token_ns,
        model=model,
        provider=provider,
        usage=_usage(token_counts),
        cost_usd=cost_usd,
        unpriced=cost[1] if cost_usd is None else None,
        cache_hit=bool(cache_hit),
        result_swapped=bool(result_swapped),
        langchain_run_id=langchain_run_id,
        host=host,
    )


_KIND_BY_VALUE: Final = {kind.value: kind for kind in Kind}
_STATUS_BY_VALUE: Final = {status.value: status for status in Status}
_ROLE_BY_VALUE: Final = {role.value: role for role in Role}
_FAN_OUT_BY_VALUE: Final = {kind.value: kind for kind in FanOutKind}


def _member(members: Mapping[str, _Value], value: str | None) -> _Value | None:
    return None if value is None else members.get(value)


_NOTHING_TOLD: Final = (None, None, None, None)


def _order(
    group: str | None,
    seq: int | None,
    superstep: int | None,
    after: str | None,
    is_streamed: int | None,
    is_detached: int | None,
) -> Order:
    told = (group, seq, superstep, after)
    if told == _NOTHING_TOLD and not is_streamed and not is_detached:
        return NO_ORDER
    ids = None if after is None else _loaded(after)
    return Order(
        group=group,
        seq=seq,
        superstep=superstep,
        after=tuple(ids) if type(ids) is list else None,
        streamed=bool(is_streamed),
        detached=bool(is_detached),
    )


def _usage(counts: Sequence[int | None]) -> Usage | None:
    if counts.count(None) == len(counts):
        return None
    read, output, cache_read, cache_write, reasoning = (count or 0 for count in counts)
    # Some producers count the cached tokens, or the reasoning, beside the whole and not inside.
    if cache_read + cache_write > read:
        read += cache_read + cache_write
    if reasoning > output:
        output += reasoning
    return Usage(
        input_tokens=read,
        output_tokens=output,
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        reasoning_tokens=reasoning,
    )


def _cost(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        cost = Decimal(text)
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and cost >= 0 else None


# --- Span → events ----------------------------------------------------------------------------


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


# --- content ----------------------------------------------------------------------------------

_OF_CONTENT: Final = (
    semconv.INPUT_VALUE,
    semconv.INPUT_MIME_TYPE,
    semconv.OUTPUT_VALUE,
    semconv.OUTPUT_MIME_TYPE,
)


def content_from(attributes: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return input, its MIME type, output, its MIME type."""
    return tuple([_text(attributes.get(key)) for key in _OF_CONTENT])


def without_content(attributes: Mapping[str, Any]) -> str | None:
    """Return the other attributes as JSON text; `None` when there are none."""
    others = dict(attributes)
    for key in _OF_CONTENT:
        others.pop(key, None)
    return orjson.dumps(others).decode() if others else None


def attributes_from(*texts: str | None) -> dict[str, Any]:
    """Return the attributes that JSON texts hold; of two with one name the later counts."""
    attributes: dict[str, Any] = {}
    for text in texts:
        found = None if text is None else _loaded(text)
        if type(found) is dict:
            attributes.update(found)
    return attributes


def search_text(parts: Iterable[str | None]) -> str:
    """Return what a run is found by, in a form that ignores case; also of the words asked for."""
    return "\n".join(part for part in parts if part).casefold()

"""The row of a span → `Span`. Pure.

The columns of one span come from its start and its end; where both have one, the end's counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, TypeVar

import orjson

from longpole.model.run import NO_ORDER, FanOutKind, Kind, Order, Role, Span, SpanError, Status
from longpole.model.usage import Usage
from longpole.storage.columns import ATTRIBUTE_COLUMNS

_NO_COST: Final[tuple[str | None, str | None]] = (None, None)

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
    return Order(
        group=group,
        seq=seq,
        superstep=superstep,
        after=None if after is None else _ids(after),
        streamed=bool(is_streamed),
        detached=bool(is_detached),
    )


def _ids(text: str) -> tuple[str, ...] | None:
    try:
        ids = orjson.loads(text)
    except ValueError:
        return None
    return tuple(ids) if type(ids) is list else None


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

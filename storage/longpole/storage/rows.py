"""The row of a span → `Span`. Pure.

The columns of one span come from its start and its end; where both have one, the end's counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

import orjson

from longpole.model.quick import quick
from longpole.model.run import NO_ORDER, FanOutKind, Kind, Order, Role, Span, SpanError, Status
from longpole.model.usage import Usage
from longpole.storage.columns import ATTRIBUTE_COLUMNS

NO_COST: Final[tuple[str | None, str | None]] = (None, None)
"""A cost that was not computed, as `span_from` takes it."""

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

_KIND_BY_VALUE: Final[Mapping[str | None, Kind]] = {kind.value: kind for kind in Kind}
_STATUS_BY_VALUE: Final[Mapping[str | None, Status]] = {status.value: status for status in Status}
_ROLE_BY_VALUE: Final[Mapping[str | None, Role]] = {role.value: role for role in Role}
_FAN_OUT_BY_VALUE: Final[Mapping[str | None, FanOutKind]] = {
    kind.value: kind for kind in FanOutKind
}
_OTHER, _OK = Kind.OTHER, Status.OK
_make_span: Final[Callable[..., Span]] = quick(Span)
_make_usage: Final[Callable[..., Usage]] = quick(Usage)


def span_from(
    row: Sequence[Any],
    *,
    open_status: Status,
    cost: tuple[str | None, str | None] = NO_COST,
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
        read,
        output,
        cache_read,
        cache_write,
        reasoning,
        cache_hit,
        langchain_run_id,
        host,
        limit_ignored,
        result_swapped,
    ) = row
    cost_usd = None if cost[0] is None else _cost(cost[0])
    # By place, in the order of the fields of `Span`: naming them costs more than all the rest.
    return _make_span(
        span_id,
        None if is_root else parent_span_id,
        name,
        _KIND_BY_VALUE.get(kind, _OTHER),
        start_ns,
        end_ns,
        open_status if end_ns is None else _STATUS_BY_VALUE.get(status, _OK),
        None if role is None else _ROLE_BY_VALUE.get(role),
        branch,
        step,
        1 if attempt is None or attempt < 1 else attempt,
        None if fan_out is None else _FAN_OUT_BY_VALUE.get(fan_out),
        fan_out_limit,
        limit_ignored,
        _order(group, seq, superstep, is_streamed, is_detached)
        if after is None
        else _order_after(group, seq, superstep, after, is_streamed, is_detached),
        None if error_type is None else SpanError(type=error_type, message=error_message or ""),
        ready_ns,
        first_token_ns,
        model,
        provider,
        None
        if read is output is cache_read is cache_write is reasoning is None
        else _usage(read or 0, output or 0, cache_read or 0, cache_write or 0, reasoning or 0),
        cost_usd,
        cost[1] if cost_usd is None else None,
        bool(cache_hit),
        bool(result_swapped),
        langchain_run_id,
        host,
    )


# Most spans of a store share a few orders; those that are one value are also compared at once.
@lru_cache(maxsize=4_096)
def _order(
    group: str | None,
    seq: int | None,
    superstep: int | None,
    is_streamed: int | None,
    is_detached: int | None,
) -> Order:
    streamed, detached = bool(is_streamed), bool(is_detached)
    if group is None and seq is None and superstep is None and not streamed and not detached:
        return NO_ORDER
    return Order(group=group, seq=seq, superstep=superstep, streamed=streamed, detached=detached)


def _order_after(
    group: str | None,
    seq: int | None,
    superstep: int | None,
    after: str,
    is_streamed: int | None,
    is_detached: int | None,
) -> Order:
    ids = _ids(after)
    return Order(
        group=group,
        seq=seq,
        superstep=superstep,
        after=ids,
        streamed=bool(is_streamed),
        detached=bool(is_detached),
    )


def _usage(read: int, output: int, cache_read: int, cache_write: int, reasoning: int) -> Usage:
    # Some producers count the cached tokens, or the reasoning, beside the whole and not inside.
    if cache_read + cache_write > read:
        read += cache_read + cache_write
    if reasoning > output:
        output += reasoning
    return _make_usage(read, output, cache_read, cache_write, reasoning)


def _cost(text: str) -> Decimal | None:
    try:
        cost = Decimal(text)
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and cost >= 0 else None


def _ids(text: str) -> tuple[str, ...] | None:
    try:
        ids = orjson.loads(text)
    except ValueError:
        return None
    return tuple(ids) if type(ids) is list else None

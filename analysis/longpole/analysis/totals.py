"""What a run used: calls, tokens, money, tries.

Usage and cost count once, at the deepest model call: an agent or chain that repeats the totals of
what is below it adds nothing. What is not priced is counted, never taken for 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from longpole.analysis.normalise import Timeline
from longpole.model.run import Kind, Role, Span
from longpole.model.usage import Usage

_CALLS = frozenset({Kind.LLM, Kind.EMBEDDING})
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over the calls of some spans.

    Attributes:
        cost_usd: `None` when calls were made and none is priced.
    """

    llm_calls: int
    cache_hits: int
    usage: Usage
    cost_usd: Decimal | None
    unpriced_calls: int


def calls_of(timeline: Timeline) -> list[int]:
    """Return the numbers of the calls that count: model calls with no model call below them."""
    has_call_below = [False] * len(timeline.spans)
    calls: list[int] = []
    for number in range(len(timeline.spans) - 1, -1, -1):
        is_call = timeline.spans[number].kind in _CALLS
        if is_call and not has_call_below[number]:
            calls.append(number)
        if number and (is_call or has_call_below[number]):
            has_call_below[timeline.parent[number]] = True
    return calls[::-1]


def totals_of(calls: Iterable[Span]) -> Totals:
    """Return the sums over calls from `calls_of`."""
    llm_calls = cache_hits = unpriced = made = 0
    usage = Usage()
    cost_usd: Decimal | None = None
    for span in calls:
        made += 1
        llm_calls += span.kind is Kind.LLM
        if span.cache_hit:
            cache_hits += 1
        elif span.usage is not None:
            usage += span.usage
        if span.cache_hit or span.cost_usd is not None:
            cost_usd = (cost_usd or _NOTHING) + (span.cost_usd or _NOTHING)
        else:
            unpriced += 1
    return Totals(
        llm_calls=llm_calls,
        cache_hits=cache_hits,
        usage=usage,
        cost_usd=cost_usd if made else _NOTHING,
        unpriced_calls=unpriced,
    )


def retries_of(spans: Iterable[Span]) -> int:
    """Return how many tries after the first there were."""
    return sum(1 for span in spans if span.attempt >= 2)


def fallbacks_of(spans: Iterable[Span]) -> int:
    """Return how many fallback candidates were tried."""
    return sum(1 for span in spans if span.role is Role.FALLBACK)

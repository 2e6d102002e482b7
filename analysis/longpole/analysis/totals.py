"""What a run used: calls, tokens, money, tries.

Usage and cost count once, at the deepest model call: an agent or chain that repeats the totals of
what is below it adds nothing. What is not priced is counted, never taken for 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from longpole.analysis.normalise import Timeline
from longpole.model.run import Kind, Role, Span
from longpole.model.usage import Usage

_CALLS = frozenset({Kind.LLM, Kind.EMBEDDING})
_NOTHING = Decimal(0)
# Looking a member up in its enumeration costs more than the rest of a step in a tight loop.
_FALLBACK = Role.FALLBACK


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
    found = [number for number, span in enumerate(timeline.spans) if span.kind in _CALLS]
    has_call_below = set()
    for number in found:
        above = timeline.parent[number]
        while above >= 0 and above not in has_call_below:
            has_call_below.add(above)
            above = timeline.parent[above]
    return [number for number in found if number not in has_call_below]


def cost_of(call: Span) -> Decimal | None:
    """Return what a call cost; a cached one nothing unless a price was noted."""
    if call.cost_usd is None:
        return _NOTHING if call.cache_hit else None
    return call.cost_usd or _NOTHING


def totals_of(calls: Iterable[Span]) -> Totals:
    """Return the sums over calls from `calls_of`."""
    calls = list(calls)
    costs = [cost_usd for call in calls if (cost_usd := cost_of(call)) is not None]
    return Totals(
        llm_calls=sum([call.kind is Kind.LLM for call in calls]),
        cache_hits=sum([call.cache_hit for call in calls]),
        usage=_usage_of(calls),
        cost_usd=sum(costs, _NOTHING) if costs or not calls else None,
        unpriced_calls=len(calls) - len(costs),
    )


def _usage_of(calls: Iterable[Span]) -> Usage:
    """Return the tokens of the calls that were really made."""
    used = [call.usage for call in calls if call.usage is not None and not call.cache_hit]
    return Usage(
        input_tokens=sum([usage.input_tokens for usage in used]),
        output_tokens=sum([usage.output_tokens for usage in used]),
        cache_read_tokens=sum([usage.cache_read_tokens for usage in used]),
        cache_write_tokens=sum([usage.cache_write_tokens for usage in used]),
        reasoning_tokens=sum([usage.reasoning_tokens for usage in used]),
    )


class CostsBelow:
    """What the calls in each subtree cost: every call is added up once, from the leaves upwards."""

    def __init__(self, timeline: Timeline, calls: Iterable[int]) -> None:
        self._has_calls = [False] * len(timeline.spans)
        self._priced: dict[int, Decimal] = {}
        for number in calls:
            self._has_calls[number] = True
            cost_usd = cost_of(timeline.spans[number])
            if cost_usd is not None:
                self._priced[number] = cost_usd
        self._is_free = True not in self._has_calls
        if not self._is_free:
            self._add_upwards(timeline.parent)

    def _add_upwards(self, parent: Sequence[int]) -> None:
        has_calls, priced = self._has_calls, self._priced
        for number in range(len(has_calls) - 1, 0, -1):
            if has_calls[number]:
                above = parent[number]
                has_calls[above] = True
                if number in priced:
                    priced[above] = priced.get(above, _NOTHING) + priced[number]

    def of(self, numbers: Sequence[int]) -> Decimal | None:
        """Return the cost below these spans, none of them inside another; as in `Totals`."""
        if self._is_free:
            return _NOTHING
        known = [self._priced[number] for number in numbers if number in self._priced]
        if known:
            return sum(known, _NOTHING)
        return None if any(self._has_calls[number] for number in numbers) else _NOTHING


def retries_of(spans: Iterable[Span]) -> int:
    """Return how many tries after the first there were."""
    return sum([span.attempt >= 2 for span in spans])


def fallbacks_of(spans: Iterable[Span]) -> int:
    """Return how many fallback candidates were tried."""
    return sum([span.role is _FALLBACK for span in spans])

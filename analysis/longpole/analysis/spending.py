"""What a run costs when its calls cost something else.

In: the calls of a run and what becomes of the cost of each. Out: the expected sum, and how many
calls have no known cost. A cost is changed by an affine step, so the mean needs no draws.
What is unknown stays unknown unless the step replaces it; nothing is taken for 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from longpole.analysis.normalise import Timeline
from longpole.analysis.totals import calls_of

NOTHING_USD = Decimal(0)


class CostStep(NamedTuple):
    """A call costs `times` what it did and `plus_usd` on top; `None`: nobody knows."""

    times: Fraction = Fraction(1)
    plus_usd: Decimal | None = NOTHING_USD


Chances = Sequence[tuple[Fraction, CostStep]]
"""What may become of a cost, each with its probability; they add up to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a run costs.

    Attributes:
        cost_usd: `None` when calls are made and none is priced.
        unpriced_calls: calls whose cost is not known, or not in every case.
    """

    cost_usd: Decimal | None
    unpriced_calls: int


def cost_before(timeline: Timeline) -> Mapping[int, Decimal | None]:
    """Return what each call cost, by number; an answer from a cache costs nothing."""
    costs: dict[int, Decimal | None] = {}
    for number in calls_of(timeline):
        span = timeline.spans[number]
        costs[number] = NOTHING_USD if span.cache_hit else span.cost_usd
    return costs


def mean_cost(cost_usd: Decimal | None, steps: Iterable[Chances]) -> Decimal | None:
    """Return the expected cost of a call after some steps; `None` where one may be unknown."""
    for chances in steps:
        mean: Decimal | None = NOTHING_USD
        for probability, step in chances:
            one = _stepped(cost_usd, step) if probability else NOTHING_USD
            mean = None if mean is None or one is None else mean + times(one, probability)
        cost_usd = mean
    return cost_usd


def _stepped(cost_usd: Decimal | None, step: CostStep) -> Decimal | None:
    if step.plus_usd is None:
        return None
    if not step.times:
        return step.plus_usd
    return None if cost_usd is None else times(cost_usd, step.times) + step.plus_usd


def times(amount: Decimal, ratio: Fraction) -> Decimal:
    """Return an amount of money times a ratio.

    >>> times(Decimal("0.30"), Fraction(1, 3))
    Decimal('0.1')
    """
    product = amount * ratio.numerator / ratio.denominator
    return product.normalize() if product else NOTHING_USD


def spent(costs: Mapping[int, Decimal | None]) -> Spent:
    """Return the sum over calls."""
    known = [cost for cost in costs.values() if cost is not None]
    total = sum(known, NOTHING_USD)
    return Spent(
        cost_usd=total if known or not costs else None,
        unpriced_calls=len(costs) - len(known),
    )

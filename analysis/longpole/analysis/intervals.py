"""How sure a share, a mean or a percentile is: 95 % intervals.

Shares get Wilson's interval. Everything else is resampled (bootstrap): as many runs as there are
are drawn with replacement, the number is computed of them, and that 1,000 times; the interval holds
the middle 95 % of the results, of means somewhat more, for resamples of few runs vary too little.
Draws come from a seed, so equal runs give equal intervals.

Means of many columns at once are drawn by `resampling`. A percentile of a resample is drawn
directly: the k-th of n uniform draws in order is distributed as Beta(k, n-k+1).

Source: Wilson (1927), Probable inference, the law of succession, and statistical inference; Efron
and Tibshirani (1993), An Introduction to the Bootstrap, ch. 13; Hesterberg (2015), What Teachers
Should Know about the Bootstrap, for the expanded interval; David and Nagaraja (2003), Order
Statistics, §2.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from random import Random
from statistics import NormalDist
from typing import Final, Generic, TypeVar

from longpole.analysis.percentiles import rank_of

SEED: Final = 20_270_101
"""Where draws begin unless told otherwise."""
RESAMPLES: Final = 1_000
"""How often runs are drawn anew."""
COLUMNS_MOST: Final = 200
"""For how many positions intervals are computed, those with the greatest difference first."""

_Z95: Final = 1.959963984540054

Number = TypeVar("Number", int, float, Decimal)


@dataclass(frozen=True, slots=True)
class Interval(Generic[Number]):
    """Where the true number lies with 95 % confidence, in the unit of that number."""

    low: Number
    high: Number


def wilson(successes: Fraction | int, trials: int) -> Interval[float]:
    """Return the interval of a share; ties may be split, so successes need not be whole.

    >>> [round(end, 3) for end in (wilson(8, 10).low, wilson(8, 10).high, wilson(0, 10).high)]
    [0.49, 0.943, 0.278]
    """
    if not trials:
        return Interval(0.0, 1.0)
    share = float(Fraction(successes) / trials)
    spread = _Z95 * math.sqrt(share * (1 - share) / trials + (_Z95 / (2 * trials)) ** 2)
    middle, scale = share + _Z95**2 / (2 * trials), 1 + _Z95**2 / trials
    low, high = (middle - spread) / scale, (middle + spread) / scale
    return Interval(min(share, max(0.0, low)), max(share, min(1.0, high)))


def middle_95(draws: Iterable[Number], *, mean_of: int | None = None) -> Interval[Number]:
    """Return the interval that holds the middle 95 % of drawn numbers, at least one.

    Args:
        draws: one number a resample.
        mean_of: of how many runs they are means, on the side that has fewer. Resamples of few runs
            vary too little, so more than the middle 95 % is taken, as Student's t asks for.
    """
    ordered = sorted(draws)
    left_out = 0.025 if mean_of is None else _expanded(mean_of)
    cut = int(len(ordered) * left_out)
    return Interval(ordered[cut], ordered[-1 - cut])


def _expanded(runs: int) -> float:
    """Return which part of the draws to leave out on each side, so that 95 % are covered.

    It is Φ(−√(n/(n−1)) · t), the quantile t of n−1 degrees of freedom by its expansion.
    """
    freedom = max(1, runs - 1)
    z = _Z95
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return NormalDist().cdf(-t * math.sqrt(runs / freedom))


def percentile_draws(
    ordered: Sequence[int], percent: int, *, random: Random, resamples: int
) -> list[int]:
    """Return the percentile of so many resamples of values that are in ascending order."""
    count = len(ordered)
    rank = rank_of(count, percent)
    return [
        ordered[min(count - 1, int(count * random.betavariate(rank, count - rank + 1)))]
        for _ in range(resamples)
    ]

"""Lengths of time → the ones that half, 95 % and 99 % of all do not exceed.

A percentile is one of the recorded lengths, never a value between two (nearest rank): of n lengths
in order, p % is number ⌈n · p / 100⌉. Of one position in one run at most `KEPT_MOST` lengths are
kept, evenly spread over all of them, so that a run with a million rows is no burden; each of those
kept then stands for as many, and percentiles of up to that many are exact.

Source: Hyndman and Fan, Sample quantiles in statistical packages (1996), definition 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

KEPT_MOST: Final = 200
"""How many lengths of one position are kept of one run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Lengths of time of one position in one run.

    Attributes:
        kept_ns: all of them, or `KEPT_MOST` evenly spread ones, in order.
        count: of how many.
    """

    kept_ns: tuple[int, ...]
    count: int


NO_LENGTHS: Final = Lengths(kept_ns=(), count=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """What 50, 95 and 99 % of `count` lengths do not exceed."""

    count: int
    p50_ns: int
    p95_ns: int
    p99_ns: int


def rank_of(count: int, percent: int) -> int:
    """Return which of so many values in order, counted from 1, the percentile is.

    >>> rank_of(20, 50), rank_of(20, 95), rank_of(1, 99)
    (10, 19, 1)
    """
    return max(1, -(-count * percent // 100))


def percentile(ordered: Sequence[int], percent: int) -> int:
    """Return the percentile of values in ascending order, of which there must be one."""
    return ordered[rank_of(len(ordered), percent) - 1]


def lengths_of(lengths_ns: Iterable[int]) -> Lengths:
    """Return what is kept of the lengths of one position."""
    ordered = sorted(lengths_ns)
    count = len(ordered)
    if count > KEPT_MOST:
        # The middle of each of as many equal parts.
        ordered = [ordered[(2 * part + 1) * count // (2 * KEPT_MOST)] for part in range(KEPT_MOST)]
    return Lengths(kept_ns=tuple(ordered), count=count)


def percentiles_of(all_lengths: Iterable[Lengths]) -> Percentiles | None:
    """Return the percentiles over many runs; `None` where there is no length at all."""
    whole: list[int] = []
    thinned: list[Lengths] = []
    for lengths in all_lengths:
        if lengths.count == len(lengths.kept_ns):
            whole.extend(lengths.kept_ns)
        else:
            thinned.append(lengths)
    if thinned:
        return _weighed(whole, thinned)
    if not whole:
        return None
    whole.sort()
    return Percentiles(
        count=len(whole),
        p50_ns=percentile(whole, 50),
        p95_ns=percentile(whole, 95),
        p99_ns=percentile(whole, 99),
    )


def _weighed(whole: Sequence[int], thinned: Sequence[Lengths]) -> Percentiles:
    """Return the percentiles where some of the lengths stand for several."""
    weights = [(length_ns, Fraction(1)) for length_ns in whole]
    for lengths in thinned:
        each = Fraction(lengths.count, len(lengths.kept_ns))
        weights.extend((length_ns, each) for length_ns in lengths.kept_ns)
    weights.sort()
    count = len(whole) + sum(lengths.count for lengths in thinned)
    found: list[int] = []
    passed = Fraction(0)
    ranks = [rank_of(count, percent) for percent in (50, 95, 99)]
    for length_ns, weight in weights:
        passed += weight
        while len(found) < len(ranks) and passed >= ranks[len(found)]:
            found.append(length_ns)
    p50_ns, p95_ns, p99_ns = found
    return Percentiles(count=count, p50_ns=p50_ns, p95_ns=p95_ns, p99_ns=p99_ns)

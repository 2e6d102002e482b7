"""Two sets of runs side by side, in words: by how much, how sure, through what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from longpole.analysis.compare_sets import RUNS_NEEDED, PlaceDelta, SetComparison
from longpole.analysis.intervals import Interval
from longpole.dashboard import words
from longpole.dashboard.difference import signed_duration, signed_usd
from longpole.dashboard.places import below_label


def set_verdict(comparison: SetComparison) -> str:
    """Return the sentence that says what has changed, and whether it can be chance."""
    phrases = [_wall(comparison), _through(comparison), _cost(comparison), _errors(comparison)]
    return " · ".join(phrase for phrase in phrases if phrase)


def what_is_missing(comparison: SetComparison) -> str:
    """Return how many runs are needed to tell a difference from chance; nothing if there are."""
    if comparison.between is not None:
        return ""
    few = [
        f"{word} has {side.runs}"
        for word, side in (("before", comparison.before), ("after", comparison.after))
        if side.runs < RUNS_NEEDED
    ]
    return f"not enough runs: at least {RUNS_NEEDED} a side are needed, {', '.join(few)}"


def interval_words(between_ns: Interval[int] | Interval[float] | None) -> str:
    """Return an interval of differences of times; nothing where there is none.

    >>> interval_words(Interval(-2_000_000, 31_000_000)), interval_words(None)
    ('−2.0 ms … +31.0 ms', '')
    """
    if between_ns is None:
        return ""
    return f"{_signed(between_ns.low)} … {_signed(between_ns.high)}"


@dataclass(frozen=True, slots=True)
class Difference:
    """One number of two sets of runs, written out; `between` is empty with too few runs."""

    what: str
    before: str
    after: str
    delta: str
    between: str


def differences(comparison: SetComparison) -> Sequence[Difference]:
    """Return the numbers of two sets of runs side by side."""
    before, after, between = comparison.before, comparison.after, comparison.between
    return (
        Difference(
            "mean wall",
            words.duration(float(before.mean_wall_ns)),
            words.duration(float(after.mean_wall_ns)),
            signed_duration(round(comparison.mean_wall_delta_ns)),
            interval_words(None if between is None else between.mean_wall_ns),
        ),
        Difference(
            "p50 wall",
            words.duration(before.p50_wall_ns),
            words.duration(after.p50_wall_ns),
            signed_duration(comparison.p50_wall_delta_ns),
            interval_words(None if between is None else between.p50_wall_ns),
        ),
        Difference(
            "p95 wall",
            words.duration(before.p95_wall_ns),
            words.duration(after.p95_wall_ns),
            signed_duration(comparison.p95_wall_delta_ns),
            interval_words(None if between is None else between.p95_wall_ns),
        ),
        Difference(
            "cost a run",
            words.cost(before.mean_cost_usd, before.unpriced_calls),
            words.cost(after.mean_cost_usd, after.unpriced_calls),
            signed_usd(comparison.mean_cost_delta_usd),
            money_interval_words(None if between is None else between.mean_cost_usd),
        ),
        Difference(
            "failed",
            words.share(float(before.error_rate)),
            words.share(float(after.error_rate)),
            signed_share(float(comparison.error_rate_delta)),
            share_interval_words(None if between is None else between.error_rate),
        ),
    )


def money_interval_words(between_usd: Interval[Decimal] | None) -> str:
    """Return an interval of differences of costs; nothing where there is none.

    >>> money_interval_words(Interval(Decimal("-0.01"), Decimal("0.2")))
    '−$0.010 … +$0.20'
    """
    if between_usd is None:
        return ""
    low, high = (signed_usd(end) if end else "0" for end in (between_usd.low, between_usd.high))
    return f"{low} … {high}"


def share_interval_words(between: Interval[float] | None) -> str:
    """Return an interval of differences of shares; nothing where there is none.

    >>> share_interval_words(Interval(-0.01, 0.2))
    '−1.0 … +20 points'
    """
    if between is None:
        return ""
    return f"{signed_share(between.low).removesuffix(' points')} … {signed_share(between.high)}"


def signed_share(delta: float) -> str:
    """Return a difference of shares, in percentage points.

    >>> [signed_share(delta) for delta in (0.2, -0.013, 0.0)]
    ['+20 points', '−1.3 points', '0 points']
    """
    return f"{words.signed_share(delta).removesuffix(' %').removeprefix('±')} points"


def excludes_zero(
    interval: Interval[int] | Interval[float] | Interval[Decimal] | None,
) -> bool:
    """Tell whether a difference with this interval is hardly chance."""
    return interval is not None and (interval.low > 0 or interval.high < 0)


def what_differs(comparison: SetComparison) -> Sequence[PlaceDelta]:
    """Return the positions that contribute more or less than before, the greatest first."""
    return [place for place in comparison.places if place.delta_ns]


def _signed(delta_ns: float) -> str:
    return signed_duration(round(delta_ns)) if round(delta_ns) else "0"


def _wall(comparison: SetComparison) -> str:
    before, after = comparison.before.p50_wall_ns, comparison.after.p50_wall_ns
    walls = f"p50 {words.duration(before)} → {words.duration(after)}"
    delta_ns, between = comparison.p50_wall_delta_ns, comparison.between
    if not delta_ns:
        return f"as long as before: {walls}"
    how = "slower" if delta_ns > 0 else "faster"
    share = f"{words.share(abs(delta_ns) / before)} " if before else ""
    if between is None:
        return f"{share}{how}, which may be chance: {walls}"
    sure = interval_words(between.p50_wall_ns)
    if excludes_zero(between.p50_wall_ns):
        return f"{share}{how}: {walls}, 95 % between {sure}"
    return f"no difference beyond chance: {walls}, 95 % between {sure}"


def _through(comparison: SetComparison) -> str:
    between = comparison.between
    if between is None or not excludes_zero(between.p50_wall_ns):
        return ""
    is_slower = comparison.p50_wall_delta_ns > 0
    place = next((one for one in comparison.places if (one.delta_ns > 0) is is_slower), None)
    if place is None or not excludes_zero(place.between_ns):
        return ""
    label = words.plain(below_label(place.position))
    return f"mostly through {label} ({signed_duration(round(place.delta_ns))} a run)"


def _cost(comparison: SetComparison) -> str:
    delta_usd, between = comparison.mean_cost_delta_usd, comparison.between
    if not delta_usd or between is None or not excludes_zero(between.mean_cost_usd):
        return ""
    is_bound = comparison.before.unpriced_calls or comparison.after.unpriced_calls
    bound = ", as far as priced" if is_bound else ""
    return f"{signed_usd(delta_usd)} a run{bound}"


def _errors(comparison: SetComparison) -> str:
    between = comparison.between
    if between is None or not excludes_zero(between.error_rate):
        return ""
    rates = [words.share(float(side.error_rate)) for side in (comparison.before, comparison.after)]
    return f"{rates[0]} → {rates[1]} failed"

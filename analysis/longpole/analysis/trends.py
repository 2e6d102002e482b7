"""Many runs → how they changed from hour to hour or day to day.

Buckets are whole hours or days of UTC, or whatever length is asked for; those without a run are
left out. Where the walls changed for good is `change_points`' affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from longpole.analysis.many import cost_of
from longpole.analysis.percentiles import percentile
from longpole.analysis.sample import RunSample
from longpole.model.run import Status

HOUR_NS: Final = 3_600 * 10**9
DAY_NS: Final = 24 * HOUR_NS
_HOURS_MOST: Final = 72
_MINUTE_NS: Final = 60 * 10**9
_USUAL_NS: Final = (
    _MINUTE_NS // 12,
    _MINUTE_NS // 4,
    _MINUTE_NS,
    5 * _MINUTE_NS,
    15 * _MINUTE_NS,
    HOUR_NS,
    6 * HOUR_NS,
    DAY_NS,
    7 * DAY_NS,
)
_BUCKETS_MOST: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The runs that started in [start_ns, start_ns + length_ns), at least one.

    Attributes:
        cost_usd: of the priced calls; `None` when there are calls and none is priced.
        errors: runs that ended in an error.
    """

    start_ns: int
    length_ns: int
    runs: int
    p50_wall_ns: int
    p95_wall_ns: int
    cost_usd: Decimal | None
    unpriced_calls: int
    errors: int

    @property
    def error_rate(self) -> Fraction:
        """The share of the runs that ended in an error."""
        return Fraction(self.errors, self.runs)


def trend_of(samples: Sequence[RunSample], *, bucket_ns: int) -> tuple[Bucket, ...]:
    """Return the buckets that hold a run, the earliest first."""
    held: dict[int, list[RunSample]] = {}
    for sample in samples:
        held.setdefault(sample.start_ns // bucket_ns, []).append(sample)
    return tuple(_bucket(number * bucket_ns, bucket_ns, held[number]) for number in sorted(held))


def bucket_for(samples: Sequence[RunSample]) -> int:
    """Return how long buckets should be: an hour for up to three days, else a day."""
    starts = [sample.start_ns for sample in samples]
    is_short = not starts or max(starts) - min(starts) <= _HOURS_MOST * HOUR_NS
    return HOUR_NS if is_short else DAY_NS


def bucket_fitting(samples: Sequence[RunSample], *, most: int = _BUCKETS_MOST) -> int:
    """Return the shortest of the usual lengths that makes at most so many buckets, for a picture.

    5 or 15 seconds, a minute, 5 or 15 of them, an hour or 6, a day, a week; a week also where that
    is too short.
    """
    starts = [sample.start_ns for sample in samples]
    length_ns = max(starts) - min(starts) if starts else 0
    return next((one for one in _USUAL_NS if length_ns // one < most), _USUAL_NS[-1])


def _bucket(start_ns: int, length_ns: int, held: Sequence[RunSample]) -> Bucket:
    walls = sorted(sample.wall_ns for sample in held)
    return Bucket(
        start_ns=start_ns,
        length_ns=length_ns,
        runs=len(held),
        p50_wall_ns=percentile(walls, 50),
        p95_wall_ns=percentile(walls, 95),
        cost_usd=cost_of(sample.cost_usd for sample in held),
        unpriced_calls=sum(sample.unpriced_calls for sample in held),
        errors=sum(sample.status is Status.ERROR for sample in held),
    )

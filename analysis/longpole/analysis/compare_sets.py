"""Two sets of runs, before and after a change: what differs, and whether it can be chance.

In: `RunSample`s of both sides. Out: a `SetComparison`. Positions are matched by name from the root
down; where each side is runs of one chain only, whatever the chain is called. The differences of
the mean contributions add up to the difference of the mean walls exactly (`SetComparison.check`).
Every difference has a 95 % interval from resampling each side by itself (`intervals`); with fewer
than five runs on a side there is none, and it says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Final

from longpole.analysis.intervals import (
    COLUMNS_MOST,
    RESAMPLES,
    SEED,
    Interval,
    middle_95,
    percentile_draws,
)
from longpole.analysis.many import cost_of
from longpole.analysis.percentiles import percentile
from longpole.analysis.positions import Position
from longpole.analysis.resampling import resampled_sums
from longpole.analysis.sample import RunSample
from longpole.model.errors import BrokenLawError
from longpole.model.run import Status

RUNS_NEEDED: Final = 5
"""So many runs a side are needed before anything can be said of chance."""
RUNS_NEEDED_FOR_P95: Final = 20
"""With fewer the p95 is the longest run there happened to be."""
_PICO: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSide:
    """One set of runs.

    Attributes:
        cost_usd: of the priced calls; `None` when there are calls and none is priced.
        errors: runs that ended in an error.
    """

    runs: int
    mean_wall_ns: Fraction
    p50_wall_ns: int
    p95_wall_ns: int
    cost_usd: Decimal | None
    unpriced_calls: int
    errors: int

    @property
    def mean_cost_usd(self) -> Decimal | None:
        """What a run cost, as far as priced."""
        return None if self.cost_usd is None else self.cost_usd / self.runs

    @property
    def error_rate(self) -> Fraction:
        """The share of the runs that ended in an error."""
        return Fraction(self.errors, self.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceDelta:
    """One position on both sides.

    Attributes:
        position: below the root, where the roots are matched whatever their names.
        runs_before, runs_after: in how many runs it occurs.
        before_ns, after_ns: mean contributions; 0 where the position is absent.
        between_ns: 95 % interval of the difference; `None` with too few runs, and beyond the
            `COLUMNS_MOST` greatest differences.
    """

    position: Position
    runs_before: int
    runs_after: int
    before_ns: Fraction
    after_ns: Fraction
    between_ns: Interval[float] | None

    @property
    def delta_ns(self) -> Fraction:
        """How much more it contributes to a run afterwards."""
        return self.after_ns - self.before_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class SetIntervals:
    """95 % intervals of what is afterwards minus what was before.

    Attributes:
        p95_wall_ns: `None` with fewer than `RUNS_NEEDED_FOR_P95` runs on a side.
    """

    mean_wall_ns: Interval[float]
    p50_wall_ns: Interval[int]
    p95_wall_ns: Interval[int] | None
    mean_cost_usd: Interval[Decimal]
    error_rate: Interval[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetComparison:
    """Two sets of runs side by side; positions by their difference, the greatest first.

    Attributes:
        between: `None` with fewer than `RUNS_NEEDED` runs on a side.
    """

    before: SetSide
    after: SetSide
    between: SetIntervals | None
    places: tuple[PlaceDelta, ...]

    @property
    def mean_wall_delta_ns(self) -> Fraction:
        """How much longer a run takes afterwards."""
        return self.after.mean_wall_ns - self.before.mean_wall_ns

    @property
    def p50_wall_delta_ns(self) -> int:
        """How much longer half of the runs take at most."""
        return self.after.p50_wall_ns - self.before.p50_wall_ns

    @property
    def p95_wall_delta_ns(self) -> int:
        """How much longer 95 % of the runs take at most."""
        return self.after.p95_wall_ns - self.before.p95_wall_ns

    @property
    def mean_cost_delta_usd(self) -> Decimal | None:
        """How much dearer a run is; `None` where a side has no known cost."""
        before, after = self.before.mean_cost_usd, self.after.mean_cost_usd
        return None if before is None or after is None else after - before

    @property
    def error_rate_delta(self) -> Fraction:
        """How many more of the runs end in an error."""
        return self.after.error_rate - self.before.error_rate

    def check(self) -> None:
        """Raise `BrokenLawError` unless the contributions explain the mean walls."""
        total_ns = sum((place.delta_ns for place in self.places), Fraction(0))
        if total_ns != self.mean_wall_delta_ns:
            raise BrokenLawError(
                f"differences of contributions add up to {total_ns}, the mean walls differ by "
                f"{self.mean_wall_delta_ns}"
            )


def compare_sets(
    before: Sequence[RunSample],
    after: Sequence[RunSample],
    *,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> SetComparison:
    """Return two sets of runs side by side, at least one run each.

    Raises:
        BrokenLawError: a side has no run.
    """
    if not before or not after:
        raise BrokenLawError("a side of the comparison has no run, expected one or more")
    is_rooted = (
        len({sample.chain for sample in before}) > 1 or len({sample.chain for sample in after}) > 1
    )
    one, other = _Set(before, is_rooted), _Set(after, is_rooted)
    positions = sorted(
        {*one.runs_with, *other.runs_with},
        key=lambda at: (-abs(other.mean_ns(at) - one.mean_ns(at)), at),
    )
    between: SetIntervals | None = None
    each: dict[Position, Interval[float]] = {}
    if min(len(before), len(after)) >= RUNS_NEEDED:
        columns = positions[:COLUMNS_MOST]
        between, each = _intervals(one, other, columns, Random(seed), resamples)
    comparison = SetComparison(
        before=one.side(),
        after=other.side(),
        between=between,
        places=tuple(
            PlaceDelta(
                position=at,
                runs_before=one.runs_with.get(at, 0),
                runs_after=other.runs_with.get(at, 0),
                before_ns=one.mean_ns(at),
                after_ns=other.mean_ns(at),
                between_ns=each.get(at),
            )
            for at in positions
        ),
    )
    comparison.check()
    return comparison


class _Set:
    """One side while it is being compared."""

    def __init__(self, samples: Sequence[RunSample], is_rooted: bool) -> None:
        self.samples = samples
        self.walls_ns = sorted(sample.wall_ns for sample in samples)
        self.runs_with: dict[Position, int] = {}
        self._own_ns: dict[Position, int] = {}
        self._named: dict[Position, list[Position]] = {}
        runs, own_ns = _occurrences(samples)
        # Few positions are in many runs: they are told from each other once, not in every run.
        for position, count in runs.items():
            at = position[0 if is_rooted else 1 :]
            self._named.setdefault(at, []).append(position)
            self.runs_with[at] = self.runs_with.get(at, 0) + count
            self._own_ns[at] = self._own_ns.get(at, 0) + own_ns[position]

    def mean_ns(self, position: Position) -> Fraction:
        return Fraction(self._own_ns.get(position, 0), len(self.samples))

    def side(self) -> SetSide:
        samples = self.samples
        return SetSide(
            runs=len(samples),
            mean_wall_ns=Fraction(sum(self.walls_ns), len(samples)),
            p50_wall_ns=percentile(self.walls_ns, 50),
            p95_wall_ns=percentile(self.walls_ns, 95),
            cost_usd=cost_of(sample.cost_usd for sample in samples),
            unpriced_calls=sum(sample.unpriced_calls for sample in samples),
            errors=sum(sample.status is Status.ERROR for sample in samples),
        )

    def mean_draws(
        self, positions: Sequence[Position], random: Random, resamples: int
    ) -> Iterator[list[float]]:
        """Yield means of wall, cost in millionths of a millionth, error, each one's own time."""
        named = [self._named.get(position, []) for position in positions]
        rows = [_row(sample, named) for sample in self.samples]
        for (sums,) in resampled_sums(rows, random=random, resamples=resamples):
            yield [one / len(rows) for one in sums]


def _occurrences(
    samples: Sequence[RunSample],
) -> tuple[Mapping[Position, int], Mapping[Position, int]]:
    """Return in how many runs each position is, and its own time on the paths of all of them."""
    runs: dict[Position, int] = {}
    own_ns: dict[Position, int] = {}
    for sample in samples:
        for position, place in sample.places.items():
            runs[position] = runs.get(position, 0) + 1
            own_ns[position] = own_ns.get(position, 0) + place.own_path_ns
    return runs, own_ns


def _row(sample: RunSample, named: Sequence[Sequence[Position]]) -> list[int]:
    """Return wall, cost, error and own times; `named` are the positions that make up each one."""
    places = sample.places
    return [
        sample.wall_ns,
        int((sample.cost_usd or Decimal(0)).scaleb(_PICO)),
        int(sample.status is Status.ERROR),
        *(
            sum([places[position].own_path_ns for position in positions if position in places])
            for positions in named
        ),
    ]


def _intervals(
    before: _Set, after: _Set, positions: Sequence[Position], random: Random, resamples: int
) -> tuple[SetIntervals, dict[Position, Interval[float]]]:
    early, late = (list(side.mean_draws(positions, random, resamples)) for side in (before, after))
    drawn = [
        [mean_after - mean for mean, mean_after in zip(one, other, strict=True)]
        for one, other in zip(early, late, strict=True)
    ]
    few = min(len(before.samples), len(after.samples))
    wall_ns, cost, error_rate, *each = (
        middle_95(column, mean_of=few) for column in zip(*drawn, strict=True)
    )
    p50, p95 = (
        _percentile_interval(before, after, percent, random, resamples) for percent in (50, 95)
    )
    between = SetIntervals(
        mean_wall_ns=wall_ns,
        p50_wall_ns=p50,
        p95_wall_ns=p95 if few >= RUNS_NEEDED_FOR_P95 else None,
        mean_cost_usd=Interval(_usd(cost.low), _usd(cost.high)),
        error_rate=error_rate,
    )
    return between, dict(zip(positions, each, strict=True))


def _percentile_interval(
    before: _Set, after: _Set, percent: int, random: Random, resamples: int
) -> Interval[int]:
    one, other = (
        percentile_draws(side.walls_ns, percent, random=random, resamples=resamples)
        for side in (before, after)
    )
    return middle_95(late - early for early, late in zip(one, other, strict=True))


def _usd(pico: float) -> Decimal:
    return Decimal(round(pico)).scaleb(-_PICO)

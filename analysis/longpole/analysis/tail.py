"""Many runs → what makes the slow ones slow.

The slowest 5 % of the runs (at least five) are set beside the middle half. What a position
contributes more to a slow run than to a usual one is its excess; the excesses add up to the
difference of the mean walls exactly (`Tail.check`), so each is a share of the tail. A share may be
negative or above 100 %: a branch that bounds the usual run need not bound a slow one.

Intervals come from whole resamples of the runs, in each of which the slow and the usual runs are
chosen anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Final

from longpole.analysis.intervals import COLUMNS_MOST, RESAMPLES, SEED, Interval, middle_95
from longpole.analysis.positions import Position
from longpole.analysis.resampling import resampled_sums
from longpole.analysis.sample import RunSample
from longpole.model.errors import BrokenLawError

RUNS_NEEDED: Final = 20
"""With fewer runs the slow ones would be among the usual ones."""
_SLOW_LEAST: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TailPlace:
    """What one position contributes to a slow and to a usual run, in the mean.

    Attributes:
        share: of the whole difference; `None` where there is no difference.
        between_ns: 95 % interval of the excess; `None` beyond the `COLUMNS_MOST` greatest.
    """

    position: Position
    slow_ns: Fraction
    usual_ns: Fraction
    share: Fraction | None
    between_ns: Interval[float] | None

    @property
    def excess_ns(self) -> Fraction:
        """How much more it contributes to a slow run."""
        return self.slow_ns - self.usual_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """Slow runs beside usual ones; positions by excess, the greatest first.

    Attributes:
        slow: places of the slow runs among the samples, slowest last.
        usual: the same of the middle half.
        is_widened: whether the slow runs are more than 5 %, as there are few.
        slow_wall_ns, usual_wall_ns: mean walls.
        between_ns: 95 % interval of their difference.
    """

    slow: tuple[int, ...]
    usual: tuple[int, ...]
    is_widened: bool
    slow_wall_ns: Fraction
    usual_wall_ns: Fraction
    between_ns: Interval[float]
    places: tuple[TailPlace, ...]

    @property
    def difference_ns(self) -> Fraction:
        """How much longer a slow run takes."""
        return self.slow_wall_ns - self.usual_wall_ns

    def check(self) -> None:
        """Raise `BrokenLawError` unless the excesses add up to the difference of the walls."""
        total_ns = sum((place.excess_ns for place in self.places), Fraction(0))
        if total_ns != self.difference_ns:
            raise BrokenLawError(
                f"excesses add up to {total_ns}, the walls differ by {self.difference_ns}"
            )


@dataclass(frozen=True, slots=True)
class _Cut:
    """Which ranks of the runs, by wall, are slow and which are usual."""

    slow: range
    usual: range


def tail_of(
    samples: Sequence[RunSample], *, seed: int = SEED, resamples: int = RESAMPLES
) -> Tail | None:
    """Return what makes slow runs slow; `None` with fewer than `RUNS_NEEDED` runs."""
    count = len(samples)
    if count < RUNS_NEEDED:
        return None
    order = slowest_last(samples)
    cut = _cut(count)
    slow, usual = ([samples[order[rank]] for rank in ranks] for ranks in (cut.slow, cut.usual))
    means = _means(slow, usual)
    means.sort(key=lambda one: (one[2] - one[1], one[0]))  # usual minus slow: most excess first
    greatest = sorted(means, key=lambda one: -abs(one[1] - one[2]))[:COLUMNS_MOST]
    columns = [position for position, *_ in greatest]
    whole, *each = _intervals([samples[at] for at in order], columns, cut, seed, resamples)
    between = dict(zip(columns, each, strict=True))
    slow_wall_ns, usual_wall_ns = _mean_wall_ns(slow), _mean_wall_ns(usual)
    difference_ns = slow_wall_ns - usual_wall_ns
    tail = Tail(
        slow=tuple(order[rank] for rank in cut.slow),
        usual=tuple(order[rank] for rank in cut.usual),
        is_widened=len(cut.slow) > -(-count // 20),
        slow_wall_ns=slow_wall_ns,
        usual_wall_ns=usual_wall_ns,
        between_ns=whole,
        places=tuple(
            TailPlace(
                position=position,
                slow_ns=slow_ns,
                usual_ns=usual_ns,
                share=(slow_ns - usual_ns) / difference_ns if difference_ns else None,
                between_ns=between.get(position),
            )
            for position, slow_ns, usual_ns in means
        ),
    )
    tail.check()
    return tail


def slowest_last(samples: Sequence[RunSample]) -> list[int]:
    """Return the places of the samples by wall; equal ones by start, then id."""
    return sorted(
        range(len(samples)),
        key=lambda at: (samples[at].wall_ns, samples[at].start_ns, samples[at].run_id),
    )


def _cut(count: int) -> _Cut:
    slow = max(_SLOW_LEAST, -(-count // 20))
    quarter = count // 4
    return _Cut(slow=range(count - slow, count), usual=range(quarter, count - quarter))


def _mean_wall_ns(samples: Sequence[RunSample]) -> Fraction:
    return Fraction(sum(sample.wall_ns for sample in samples), len(samples))


def _means(
    slow: Sequence[RunSample], usual: Sequence[RunSample]
) -> list[tuple[Position, Fraction, Fraction]]:
    """Return the mean contributions of all positions that are in either of them."""
    one, other = (contributions_ns(samples) for samples in (slow, usual))
    return [
        (
            position,
            Fraction(one.get(position, 0), len(slow)),
            Fraction(other.get(position, 0), len(usual)),
        )
        for position in {**one, **other}
    ]


def contributions_ns(samples: Sequence[RunSample]) -> dict[Position, int]:
    """Return the own time on the critical path of each position, over all runs."""
    total: dict[Position, int] = {}
    for sample in samples:
        for position, place in sample.places.items():
            total[position] = total.get(position, 0) + place.own_path_ns
    return total


def _rows(samples: Sequence[RunSample], positions: Sequence[Position]) -> list[list[int]]:
    """Return the runs as rows: the wall, then the own time on the path of each position."""
    return [
        [
            sample.wall_ns,
            *(
                place.own_path_ns if (place := sample.places.get(position)) else 0
                for position in positions
            ),
        ]
        for sample in samples
    ]


def _intervals(
    ordered: Sequence[RunSample],
    positions: Sequence[Position],
    cut: _Cut,
    seed: int,
    resamples: int,
) -> list[Interval[float]]:
    """Return the intervals of the difference of the walls and of each position's excess."""
    # The runs are in order of their walls, so those drawn are when their ranks are.
    drawn = resampled_sums(
        _rows(ordered, positions),
        (cut.slow, cut.usual),
        random=Random(seed),
        resamples=resamples,
    )
    excesses = [
        [
            one / len(cut.slow) - other / len(cut.usual)
            for one, other in zip(slow, usual, strict=True)
        ]
        for slow, usual in drawn
    ]
    few = len(cut.slow)
    return [middle_95(column, mean_of=few) for column in zip(*excesses, strict=True)]

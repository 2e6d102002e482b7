"""Runs in order of their start → where they became slower or faster for good.

Binary segmentation: the series of log walls is cut where the cumulative sum strays furthest from
the straight line (CUSUM, scaled for where the cut lies), if it strays further than in 99 % of
random orders of the same values; both parts are then searched alike. Series without a change thus
show one in at most 1 % of cases, whatever the distribution of their walls, as long as runs do not
depend on each other. Changes below 5 % are not told.

Long series are first condensed to means of neighbouring runs, then the cut is placed exactly.
Random orders come from a seed, so equal runs give equal answers.

Source: Page (1954), Continuous inspection schemes; Vostrikova (1981) for the segmentation; Matteson
and James (2014, JASA 109) for testing each cut by permutation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final

from longpole.analysis.intervals import SEED
from longpole.analysis.percentiles import percentile
from longpole.analysis.sample import RunSample

RUNS_NEEDED: Final = 20
"""Shorter series are not searched."""
_PART_LEAST: Final = 5
_ORDERS: Final = 399
_CHANCE: Final = 0.01
_WORTH_TELLING: Final = math.log(1.05)
_POINTS_MOST: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoint:
    """The runs from this one on took longer, or less long, than those before.

    Attributes:
        at_ns: start of the first run afterwards.
        runs_before, runs_after: since the change before, until the next one.
        p50_before_ns, p50_after_ns: walls of those runs.
        ratio: geometric mean of the walls after over before.
        chance: how probable so large a deviation is without any change.
    """

    run_id: str
    at_ns: int
    runs_before: int
    runs_after: int
    p50_before_ns: int
    p50_after_ns: int
    ratio: float
    chance: float


def change_points(samples: Sequence[RunSample], *, seed: int = SEED) -> tuple[ChangePoint, ...]:
    """Return where the walls changed, the earliest first; runs may be in any order."""
    ordered = sorted(samples, key=lambda sample: (sample.start_ns, sample.run_id))
    logs = [math.log(max(1, sample.wall_ns)) for sample in ordered]
    cuts = _cuts(logs, Random(seed))
    bounds = [0, *(at for at, _ in cuts), len(ordered)]
    found: list[ChangePoint] = []
    for number, (at, chance) in enumerate(cuts, start=1):
        before, after = slice(bounds[number - 1], at), slice(at, bounds[number + 1])
        found.append(
            ChangePoint(
                run_id=ordered[at].run_id,
                at_ns=ordered[at].start_ns,
                runs_before=before.stop - before.start,
                runs_after=after.stop - after.start,
                p50_before_ns=_median_ns(ordered[before]),
                p50_after_ns=_median_ns(ordered[after]),
                ratio=math.exp(_mean(logs[after]) - _mean(logs[before])),
                chance=chance,
            )
        )
    return tuple(found)


def _cuts(values: Sequence[float], random: Random) -> list[tuple[int, float]]:
    """Return where the series is cut and how probable each cut is by chance, in order."""
    found: list[tuple[int, float]] = []
    waiting = [(0, len(values))]
    while waiting:
        first, end = waiting.pop()
        if end - first < RUNS_NEEDED:
            continue
        part = values[first:end]
        at, chance = _cut(part, random)
        if chance > _CHANCE or abs(_mean(part[at:]) - _mean(part[:at])) < _WORTH_TELLING:
            continue
        found.append((first + at, chance))
        waiting += [(first, first + at), (first + at, end)]
    return sorted(found)


def _cut(values: Sequence[float], random: Random) -> tuple[int, float]:
    """Return the best place to cut a series, and how probable it is by chance."""
    size = -(-len(values) // _POINTS_MOST)
    points = [_mean(values[at : at + size]) for at in range(0, len(values), size)]
    place, strays = _furthest(points, range(_PART_LEAST, len(points) - _PART_LEAST + 1))
    as_far = 0
    for _ in range(_ORDERS):
        random.shuffle(points)
        as_far += _furthest(points, range(_PART_LEAST, len(points) - _PART_LEAST + 1))[1] >= strays
        if (1 + as_far) / (1 + _ORDERS) > _CHANCE:
            break
    near = range(max(1, (place - 1) * size), min(len(values), (place + 1) * size + 1))
    at = place if size == 1 else _furthest(values, near)[0]
    return at, (1 + as_far) / (1 + _ORDERS)


def _furthest(values: Sequence[float], places: range) -> tuple[int, float]:
    """Return where to cut so that the means differ most for the lengths of the parts, and how much.

    Of k values before a cut among n it is |sum of them − k · mean|, over √(k · (n−k)).
    """
    count, mean = len(values), _mean(values)
    sums = list(accumulate(values))
    best, furthest = places.start, -1.0
    for at in places:
        strays = abs(sums[at - 1] - at * mean) / math.sqrt(at * (count - at))
        if strays > furthest:
            best, furthest = at, strays
    return best, furthest


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _median_ns(samples: Sequence[RunSample]) -> int:
    return percentile(sorted(sample.wall_ns for sample in samples), 50)

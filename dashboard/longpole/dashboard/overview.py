"""Samples of runs → what the Overview shows beside the findings: tiles, chains, what bounds walls.

A tile is one number of all the runs with its course over time: the time from the first run to the
last in equal slices, one point each. Slices without a run have a height only where nothing
happening is a number too (no runs, no retries); a wall of no run is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from longpole.analysis import (
    Aggregate,
    Bound,
    RunSample,
    aggregate,
    bound_of,
    by_chain,
    criticality,
)
from longpole.analysis.branch_shares import BranchShares, branch_shares
from longpole.analysis.many import cost_of
from longpole.analysis.percentiles import percentile
from longpole.dashboard import meanings, words
from longpole.model.run import Status

_S: Final = 10**9
_SLICES_MOST: Final = 40
_LENGTHS_S: Final = (1, 5, 15, 60, 300, 900, 3_600, 21_600, 86_400, 604_800)


class Shape(StrEnum):
    """How the course of a number is drawn: amounts as bars from 0, all others as a line."""

    BARS = "bars"
    LINE = "line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One slice of time.

    Attributes:
        height: what is drawn, in any unit; `None` where there is no such number.
        told: the same in words, with how many runs and when.
    """

    height: float | None
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number.

    Attributes:
        value: of all runs.
        last: of the last slice.
        topic: path of the page that tells more.
    """

    label: str
    value: str
    meaning: str
    topic: str
    shape: Shape
    points: tuple[Point, ...]
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts:
    """One chain: what its runs come to, and what bounds them."""

    name: str
    whole: Aggregate
    bound: Bound | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Some runs at first sight.

    Attributes:
        slice_s: how long a slice of a tile is, in seconds.
        chains: the one with most runs first.
    """

    tiles: tuple[Tile, ...]
    slice_s: int
    chains: tuple[ChainFacts, ...]
    shares: BranchShares

    def slowest(self, most: int) -> tuple[ChainFacts, ...]:
        """Return the chains with the greatest p95 of the wall."""
        ranked = sorted(self.chains, key=lambda one: (-one.whole.wall.p95_ns, one.name))
        return tuple(ranked[:most])

    def dearest(self, most: int) -> tuple[ChainFacts, ...]:
        """Return the chains whose runs cost most together, those of no known cost left out."""
        costs = {one.name: one.whole.cost_usd for one in self.chains if one.whole.cost_usd}
        ranked = sorted(
            (one for one in self.chains if one.name in costs),
            key=lambda one: (-costs[one.name], one.name),
        )
        return tuple(ranked[:most])


def overview(samples: Sequence[RunSample]) -> Overview:
    """Return what at least one run tells at first sight.

    Raises:
        BrokenLawError: something does not add up.
    """
    slice_s = _slice_s(samples)
    slices = _slices(samples, slice_s)
    return Overview(
        tiles=tuple(_tile(measure, samples, slices) for measure in _MEASURES),
        slice_s=slice_s,
        chains=tuple(
            ChainFacts(
                name=name,
                whole=(whole := aggregate(runs)),
                bound=bound_of(whole, criticality(runs)),
            )
            for name, runs in by_chain(samples).items()
        ),
        shares=branch_shares(samples),
    )


# --- slices of time ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Slice:
    start_ns: int
    runs: Sequence[RunSample]


def _slice_s(samples: Sequence[RunSample]) -> int:
    """Return the shortest usual length that makes few enough slices, or whole weeks."""
    starts = [sample.start_ns for sample in samples]
    length_s = (max(starts) - min(starts)) // _S
    week_s = _LENGTHS_S[-1]
    fitting = (one for one in _LENGTHS_S if length_s // one < _SLICES_MOST - 1)
    return next(fitting, -(-length_s // week_s // (_SLICES_MOST - 1)) * week_s)


def _slices(samples: Sequence[RunSample], slice_s: int) -> tuple[_Slice, ...]:
    """Return all slices from the first run to the last, empty ones too."""
    held: dict[int, list[RunSample]] = {}
    for sample in samples:
        held.setdefault(sample.start_ns // (slice_s * _S), []).append(sample)
    numbers = range(min(held), max(held) + 1)
    return tuple(_Slice(number * slice_s * _S, held.get(number, ())) for number in numbers)


# --- tiles ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measure:
    """A number of some runs: its height in a picture, and how it is written."""

    label: str
    meaning: str
    topic: str
    height: Callable[[Sequence[RunSample]], float | None]
    told: Callable[[Sequence[RunSample]], str]
    shape: Shape = Shape.LINE


def _tile(measure: _Measure, samples: Sequence[RunSample], slices: Sequence[_Slice]) -> Tile:
    return Tile(
        label=measure.label,
        value=measure.told(samples),
        meaning=measure.meaning,
        topic=measure.topic,
        shape=measure.shape,
        points=tuple(_point(measure, one) for one in slices),
        last=measure.told(slices[-1].runs),
    )


def _point(measure: _Measure, one: _Slice) -> Point:
    since = words.moment(one.start_ns)
    if not one.runs:
        height = 0.0 if measure.shape is Shape.BARS else None
        return Point(height=height, told=f"no runs from {since}")
    told = f"{measure.label} {measure.told(one.runs)}"
    counted = words.count(len(one.runs), "run")
    return Point(height=measure.height(one.runs), told=f"{told}: {counted} from {since}")


def _count(runs: Sequence[RunSample]) -> int:
    return len(runs)


def _failed(runs: Sequence[RunSample]) -> float:
    return sum(run.status is Status.ERROR for run in runs) / len(runs)


def _wall_ns(runs: Sequence[RunSample], percent: int) -> int:
    return percentile(sorted(run.wall_ns for run in runs), percent)


def _p50_ns(runs: Sequence[RunSample]) -> int:
    return _wall_ns(runs, 50)


def _p95_ns(runs: Sequence[RunSample]) -> int:
    return _wall_ns(runs, 95)


def _speedup(runs: Sequence[RunSample]) -> float:
    wall_ns = sum(run.wall_ns for run in runs)
    return sum(run.work_ns for run in runs) / wall_ns if wall_ns else 1.0


def _cost_usd(runs: Sequence[RunSample]) -> Decimal | None:
    """Return what the calls cost; `None` where none was made, or none is priced."""
    known = cost_of(run.cost_usd for run in runs)
    return None if known is None or not any(run.llm_calls for run in runs) else known


def _wasted_usd(runs: Sequence[RunSample]) -> Decimal | None:
    if _cost_usd(runs) is None:
        return None
    return sum((run.wasted_cost_usd for run in runs), Decimal(0))


def _retries(runs: Sequence[RunSample]) -> int:
    return sum(run.retries for run in runs)


def _unpriced(runs: Sequence[RunSample]) -> int:
    return sum(run.unpriced_calls for run in runs)


def _usd_height(amount_usd: Decimal | None) -> float | None:
    return None if amount_usd is None else float(amount_usd)


_MEASURES: Final = (
    _Measure(
        label="Runs",
        meaning="Runs that have ended, of those that are looked at",
        topic="runs",
        height=_count,
        told=lambda runs: f"{len(runs):,}",
        shape=Shape.BARS,
    ),
    _Measure(
        label="Failed",
        meaning=meanings.FAILED,
        topic="failures",
        height=_failed,
        told=lambda runs: words.share(_failed(runs)),
    ),
    _Measure(
        label="p50 wall",
        meaning=meanings.P50,
        topic="chains",
        height=_p50_ns,
        told=lambda runs: words.duration(_p50_ns(runs)),
    ),
    _Measure(
        label="p95 wall",
        meaning=meanings.P95,
        topic="chains",
        height=_p95_ns,
        told=lambda runs: words.duration(_p95_ns(runs)),
    ),
    _Measure(
        label="Speed-up",
        meaning=meanings.SPEEDUP,
        topic="chains",
        height=_speedup,
        told=lambda runs: words.times(_speedup(runs)),
    ),
    _Measure(
        label="Cost",
        meaning=meanings.COST,
        topic="cost",
        height=lambda runs: _usd_height(_cost_usd(runs)),
        told=lambda runs: words.cost(_cost_usd(runs), _unpriced(runs)),
        shape=Shape.BARS,
    ),
    _Measure(
        label="Wasted",
        meaning="Cost of what nobody used: failed tries, cancelled and abandoned branches",
        topic="cost",
        height=lambda runs: _usd_height(_wasted_usd(runs)),
        told=lambda runs: words.cost(_wasted_usd(runs), _unpriced(runs)),
        shape=Shape.BARS,
    ),
    _Measure(
        label="Retries",
        meaning=meanings.RETRIES,
        topic="failures",
        height=_retries,
        told=lambda runs: f"{_retries(runs):,}",
        shape=Shape.BARS,
    ),
)

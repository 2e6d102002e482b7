"""Many runs → what each position contributes to their wall, and what all of it comes to.

In: `RunSample`s of runs that may be compared, in any order. Out: an `Aggregate`. The mean
contribution of a position is its mean own time on the critical path, over all runs and 0 where it
is absent. As every path tiles its run, the contributions add up to the mean wall exactly: all are
whole nanoseconds over the same number of runs (`Aggregate.check`).

Source: CRISP (Zhang et al., USENIX ATC '22) for the aggregation by calling context.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from longpole.analysis.percentiles import (
    Lengths,
    Percentiles,
    lengths_of,
    percentiles_of,
)
from longpole.analysis.positions import Position
from longpole.analysis.sample import PlaceSample, RunSample
from longpole.model.errors import BrokenLawError
from longpole.model.run import Status

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceFacts:
    """One position over many runs; sums are over all of them.

    Attributes:
        of_runs: how many runs were looked at.
        runs: in how many of them the position occurs.
        on_path_runs: in how many it, or something below it, is on the critical path.
        own_path_ns, on_path_ns, drag_ns: as in `PlaceSample`.
        queue_waits: `None` where none is known.
        retries: tries after the first, counted at the first.
    """

    position: Position
    of_runs: int
    runs: int
    on_path_runs: int
    executions: int
    own_path_ns: int
    on_path_ns: int
    drag_ns: int
    durations: Percentiles
    queue_waits: Percentiles | None
    errors: int
    retries: int
    fallbacks: int
    calls: int
    priced_usd: Decimal
    unpriced_calls: int

    @property
    def on_path_rate(self) -> Fraction:
        """The share of the runs that waited for it."""
        return Fraction(self.on_path_runs, self.of_runs)

    @property
    def mean_contribution_ns(self) -> Fraction:
        """Its own time on the critical path a run; 0 counts where it was absent."""
        return Fraction(self.own_path_ns, self.of_runs)

    @property
    def mean_on_path_ns(self) -> Fraction:
        """The same with all below it."""
        return Fraction(self.on_path_ns, self.of_runs)

    @property
    def mean_drag_ns(self) -> Fraction:
        """How much sooner a run would end were it instant."""
        return Fraction(self.drag_ns, self.of_runs)

    @property
    def error_rate(self) -> Fraction:
        """The share of its executions that failed."""
        return Fraction(self.errors, self.executions)

    @property
    def retry_rate(self) -> Fraction:
        """Retries an execution."""
        return Fraction(self.retries, self.executions)

    @property
    def fallback_rate(self) -> Fraction:
        """Fallback candidates tried an execution."""
        return Fraction(self.fallbacks, self.executions)

    @property
    def cost_usd(self) -> Decimal | None:
        """What its calls cost; `None` when there are some and none is priced."""
        is_unknown = self.calls and self.calls == self.unpriced_calls
        return None if is_unknown else self.priced_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """Many runs, at least one; sums are over all of them.

    Attributes:
        errors: runs that ended in an error.
        retried, fell_back: runs with at least one retry or fallback.
        cost_usd: of the priced calls; `None` when there are calls and none is priced.
        places: by mean contribution, the greatest first.
    """

    runs: int
    first_start_ns: int
    last_start_ns: int
    wall: Percentiles
    wall_ns: int
    work_ns: int
    queue_wait_ns: int
    backoff_ns: int
    peak_concurrency: int
    errors: int
    retried: int
    retries: int
    fell_back: int
    fallbacks: int
    llm_calls: int
    cost_usd: Decimal | None
    unpriced_calls: int
    wasted_ns: int
    wasted_cost_usd: Decimal
    places: tuple[PlaceFacts, ...]

    @property
    def mean_wall_ns(self) -> Fraction:
        """How long a run took."""
        return Fraction(self.wall_ns, self.runs)

    @property
    def error_rate(self) -> Fraction:
        """The share of the runs that ended in an error."""
        return Fraction(self.errors, self.runs)

    @property
    def speedup_ratio(self) -> float:
        """Work over wall of all runs together; 1 where there is no wall."""
        return self.work_ns / self.wall_ns if self.wall_ns else 1.0

    @property
    def mean_cost_usd(self) -> Decimal | None:
        """What a run cost, as far as priced."""
        return None if self.cost_usd is None else self.cost_usd / self.runs

    def check(self) -> None:
        """Raise `BrokenLawError` unless the positions add up to the whole."""
        contributed = sum((place.mean_contribution_ns for place in self.places), Fraction(0))
        if contributed != self.mean_wall_ns:
            raise BrokenLawError(
                f"contributions add up to {contributed}, the mean wall is {self.mean_wall_ns}"
            )
        spent = sum((place.priced_usd for place in self.places), _NOTHING)
        if spent != (self.cost_usd or _NOTHING):
            raise BrokenLawError(f"positions cost {spent}, the runs {self.cost_usd}")
        for place in self.places:
            if not 0 <= place.drag_ns <= place.on_path_ns <= self.wall_ns:
                raise BrokenLawError(f"{place.position}: drag exceeds the time on the path")


def aggregate(samples: Sequence[RunSample]) -> Aggregate:
    """Return what many runs come to.

    Raises:
        BrokenLawError: there is no run at all.
    """
    if not samples:
        raise BrokenLawError("there is no run to look at, expected one or more")
    walls = percentiles_of([lengths_of([sample.wall_ns]) for sample in samples])
    assert walls is not None
    starts = [sample.start_ns for sample in samples]
    found = Aggregate(
        runs=len(samples),
        first_start_ns=min(starts),
        last_start_ns=max(starts),
        wall=walls,
        wall_ns=sum(sample.wall_ns for sample in samples),
        work_ns=sum(sample.work_ns for sample in samples),
        queue_wait_ns=sum(sample.queue_wait_ns for sample in samples),
        backoff_ns=sum(sample.backoff_ns for sample in samples),
        peak_concurrency=max(sample.peak_concurrency for sample in samples),
        errors=sum(sample.status is Status.ERROR for sample in samples),
        retried=sum(sample.retries > 0 for sample in samples),
        retries=sum(sample.retries for sample in samples),
        fell_back=sum(sample.fallbacks > 0 for sample in samples),
        fallbacks=sum(sample.fallbacks for sample in samples),
        llm_calls=sum(sample.llm_calls for sample in samples),
        cost_usd=cost_of(sample.cost_usd for sample in samples),
        unpriced_calls=sum(sample.unpriced_calls for sample in samples),
        wasted_ns=sum(sample.wasted_ns for sample in samples),
        wasted_cost_usd=sum((sample.wasted_cost_usd for sample in samples), _NOTHING),
        places=_places(samples),
    )
    found.check()
    return found


def cost_of(costs_usd: Iterable[Decimal | None]) -> Decimal | None:
    """Return the sum of the costs that are known; `None` when none is."""
    known = [cost_usd for cost_usd in costs_usd if cost_usd is not None]
    return sum(known, _NOTHING) if known else None


def by_chain(samples: Iterable[RunSample]) -> Mapping[str, list[RunSample]]:
    """Return the runs of each chain, the chain with most runs first."""
    chains: dict[str, list[RunSample]] = {}
    for sample in samples:
        chains.setdefault(sample.chain, []).append(sample)
    return dict(sorted(chains.items(), key=lambda chain: (-len(chain[1]), chain[0])))


def _places(samples: Sequence[RunSample]) -> tuple[PlaceFacts, ...]:
    standing: dict[Position, list[PlaceSample]] = {}
    for sample in samples:
        for position, place in sample.places.items():
            standing.setdefault(position, []).append(place)
    places = [_place(position, found, len(samples)) for position, found in standing.items()]
    places.sort(key=lambda place: (-place.own_path_ns, place.position))
    return tuple(places)


def _place(position: Position, found: Sequence[PlaceSample], of_runs: int) -> PlaceFacts:
    durations = percentiles_of(place.durations for place in found)
    assert durations is not None  # every position was executed
    waits: Iterable[Lengths] = (place.queue_waits for place in found)
    return PlaceFacts(
        position=position,
        of_runs=of_runs,
        runs=len(found),
        on_path_runs=sum(place.on_path_ns > 0 for place in found),
        executions=sum(place.executions for place in found),
        own_path_ns=sum(place.own_path_ns for place in found),
        on_path_ns=sum(place.on_path_ns for place in found),
        drag_ns=sum(place.drag_ns for place in found),
        durations=durations,
        queue_waits=percentiles_of(waits),
        errors=sum(place.errors for place in found),
        retries=sum(place.retries for place in found),
        fallbacks=sum(place.fallbacks for place in found),
        calls=sum(place.calls for place in found),
        priced_usd=sum((place.cost_usd for place in found), _NOTHING),
        unpriced_calls=sum(place.unpriced_calls for place in found),
    )

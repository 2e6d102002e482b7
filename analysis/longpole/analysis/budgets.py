"""Runs of a chain × what they may take → which budgets hold.

In: a `Budget` and the `RunSample`s it is about. Out: a `Judgement` for each of its limits: what was
measured, what is allowed, and whether it holds. A limit that nothing could be measured for (too few
runs, no priced call) does not hold: a gate that sees nothing must not let everything through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Final

from longpole.analysis.percentiles import percentile
from longpole.analysis.positions import Position
from longpole.analysis.sample import RunSample
from longpole.model.run import Status

Amount = int | Fraction | Decimal
"""Nanoseconds, a ratio or a count, or USD."""


class Unit(StrEnum):
    """What an amount is an amount of."""

    TIME = "ns"
    RATIO = "ratio"
    MONEY = "usd"
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Something of many runs that can be limited.

    Attributes:
        name: as budgets name it.
        means: in words.
        is_floor: whether it may not be less, rather than not more.
        measure: of one run or more; `None` where it cannot be known, with the reason.
    """

    name: str
    unit: Unit
    means: str
    measure: Callable[[Sequence[RunSample]], Amount | None]
    is_floor: bool = False
    missing: str = "nothing to measure"


def _wall(percent: int) -> Callable[[Sequence[RunSample]], Amount]:
    return lambda samples: percentile(sorted(sample.wall_ns for sample in samples), percent)


def _mean_cost(samples: Sequence[RunSample]) -> Amount | None:
    costs = _costs(samples)
    return None if costs is None else sum(costs, Decimal(0)) / len(costs)


def _most_cost(samples: Sequence[RunSample]) -> Amount | None:
    costs = _costs(samples)
    return None if costs is None else max(costs)


def _costs(samples: Sequence[RunSample]) -> list[Decimal] | None:
    """Return the cost of each run; `None` when a call is unpriced, as the sum would be too low."""
    costs = [sample.cost_usd for sample in samples if sample.cost_usd is not None]
    if len(costs) < len(samples) or any(sample.unpriced_calls for sample in samples):
        return None
    return costs


def _of_all(
    part: Callable[[RunSample], int], whole: Callable[[RunSample], int]
) -> Callable[[Sequence[RunSample]], Amount]:
    """Return the share that the parts of all runs together have in their wholes; 0 of nothing."""

    def measure(samples: Sequence[RunSample]) -> Amount:
        total = sum(map(whole, samples))
        return Fraction(sum(map(part, samples)), total) if total else Fraction(0)

    return measure


def _wasted_cost(samples: Sequence[RunSample]) -> Amount | None:
    costs = _costs(samples)
    if costs is None:
        return None
    wasted, total = sum(sample.wasted_cost_usd for sample in samples), sum(costs)
    return Fraction(wasted) / Fraction(total) if total else Fraction(0)


METRICS: Final[Mapping[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric(
            name="p50_wall", unit=Unit.TIME, means="half of the runs end within", measure=_wall(50)
        ),
        Metric(
            name="p95_wall", unit=Unit.TIME, means="95 % of the runs end within", measure=_wall(95)
        ),
        Metric(
            name="p99_wall", unit=Unit.TIME, means="99 % of the runs end within", measure=_wall(99)
        ),
        Metric(name="max_wall", unit=Unit.TIME, means="every run ends within", measure=_wall(100)),
        Metric(
            name="cost_per_run",
            unit=Unit.MONEY,
            means="a run costs, in the mean",
            measure=_mean_cost,
            missing="calls without a price",
        ),
        Metric(
            name="max_cost",
            unit=Unit.MONEY,
            means="no run costs more than",
            measure=_most_cost,
            missing="calls without a price",
        ),
        Metric(
            name="wasted_cost",
            unit=Unit.RATIO,
            means="share of the cost spent on results nobody used",
            measure=_wasted_cost,
            missing="calls without a price",
        ),
        Metric(
            name="wasted_work",
            unit=Unit.RATIO,
            means="share of the work done for results nobody used",
            measure=_of_all(lambda run: run.wasted_ns, lambda run: run.work_ns),
        ),
        Metric(
            name="error_rate",
            unit=Unit.RATIO,
            means="share of the runs that fail",
            measure=_of_all(lambda run: run.status is Status.ERROR, lambda run: 1),
        ),
        Metric(
            name="retries_per_run",
            unit=Unit.COUNT,
            means="retries of a run, in the mean",
            measure=_of_all(lambda run: run.retries, lambda run: 1),
        ),
        Metric(
            name="fallbacks_per_run",
            unit=Unit.COUNT,
            means="fallbacks of a run, in the mean",
            measure=_of_all(lambda run: run.fallbacks, lambda run: 1),
        ),
        Metric(
            name="llm_calls_per_run",
            unit=Unit.COUNT,
            means="model calls of a run, in the mean",
            measure=_of_all(lambda run: run.llm_calls, lambda run: 1),
        ),
        Metric(
            name="queue_wait",
            unit=Unit.RATIO,
            means="share of the wall that queueing costs",
            measure=_of_all(lambda run: run.queue_wait_ns, lambda run: run.wall_ns),
        ),
        Metric(
            name="speedup",
            unit=Unit.RATIO,
            means="work over wall, at least",
            measure=_of_all(lambda run: run.work_ns, lambda run: run.wall_ns),
            is_floor=True,
        ),
        Metric(
            name="efficiency",
            unit=Unit.RATIO,
            means="work over wall times workers, at least",
            measure=_of_all(lambda run: run.work_ns, lambda run: run.wall_ns * run.workers),
            is_floor=True,
        ),
    )
}
"""Everything that a budget can limit, by name, besides the shares of branches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What runs of some chains may take.

    Attributes:
        chain: pattern of chain names; `*` stands for anything.
        runs_needed: with fewer runs nothing of it holds.
        limits: by the name of the metric.
        on_path: by a pattern of branches, the largest share of the wall that may be waited for it.
    """

    chain: str
    runs_needed: int = 1
    limits: Mapping[str, Amount]
    on_path: Mapping[str, Fraction]

    def covers(self, chain: str) -> bool:
        """Tell whether runs of this chain fall under the budget."""
        return fnmatchcase(chain, self.chain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Whether one limit holds for one chain.

    Attributes:
        what: the metric, or `on_path` with the branch.
        measured: `None` where nothing could be measured; then `reason` says why.
    """

    chain: str
    what: str
    unit: Unit
    limit: Amount
    is_floor: bool
    runs: int
    measured: Amount | None
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Whether the limit was measured and kept."""
        if self.measured is None:
            return False
        measured, limit = Fraction(self.measured), Fraction(self.limit)
        return measured >= limit if self.is_floor else measured <= limit


def judge(budget: Budget, chain: str, samples: Sequence[RunSample]) -> tuple[Judgement, ...]:
    """Return a judgement for each limit of a budget, about the runs of one chain."""
    few = ""
    if len(samples) < max(1, budget.runs_needed):
        few = f"{len(samples)} of {max(1, budget.runs_needed)} runs needed"
    judged = []
    for name, limit in budget.limits.items():
        metric = METRICS[name]
        measured = None if few else metric.measure(samples)
        judged.append(
            Judgement(
                chain=chain,
                what=name,
                unit=metric.unit,
                limit=limit,
                is_floor=metric.is_floor,
                runs=len(samples),
                measured=measured,
                reason=few or ("" if measured is not None else metric.missing),
            )
        )
    judged += [
        _judged_branch(chain, pattern, limit, samples, few)
        for pattern, limit in budget.on_path.items()
    ]
    return tuple(judged)


def _judged_branch(
    chain: str, pattern: str, limit: Fraction, samples: Sequence[RunSample], few: str
) -> Judgement:
    measured = None if few else on_path_ratio(samples, pattern)
    return Judgement(
        chain=chain,
        what=f"on_path {pattern}",
        unit=Unit.RATIO,
        limit=limit,
        is_floor=False,
        runs=len(samples),
        measured=measured,
        reason=few or ("" if measured is not None else "no branch is called so"),
    )


def on_path_ratio(samples: Sequence[RunSample], pattern: str) -> Fraction | None:
    """Return the share of all walls that was waited for branches of this name.

    `None` when no run has such a branch. Where one lies in another, only the outer one counts.
    """
    is_found = False
    waited_ns = 0
    for sample in samples:
        outer: list[Position] = []
        for position, place in sample.places.items():  # parents before children
            if any(position[: len(above)] == above for above in outer):
                continue
            if _is_called(position[-1], pattern):
                is_found = True
                outer.append(position)
                waited_ns += place.on_path_ns
    if not is_found:
        return None
    wall_ns = sum(sample.wall_ns for sample in samples)
    return Fraction(waited_ns, wall_ns) if wall_ns else Fraction(0)


def _is_called(label: str, pattern: str) -> bool:
    """Tell whether a label, its name or its branch key fits a pattern."""
    name, bracket, key = label.partition("[")
    names = (label, name, key.partition("]")[0]) if bracket else (label,)
    return any(one == pattern or fnmatchcase(one, pattern) for one in names)

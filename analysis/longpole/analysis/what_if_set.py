"""Changes on several recorded runs → what they would have taken and cost, each and together.

In: runs and changes. Out: a `SetWhatIf`. The change is applied to each recorded run, never to an
average one. Runs it cannot be applied to are counted with their reason. The interval is a bootstrap
over runs with a fixed seed: it says how much another sample of as many runs could differ.

Source: critical-path.md, many runs; Efron and Tibshirani, percentile bootstrap.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean, median

from longpole.analysis.assumptions import Assumption, Trust
from longpole.analysis.changes import Change, in_order
from longpole.analysis.learned import NOTHING, Learned
from longpole.analysis.what_if import WhatIf, quantile, replayable, what_if
from longpole.model.errors import BrokenLawError, NotReplayableError, TargetError
from longpole.model.pricing import PriceBook
from longpole.model.run import Run

_RESAMPLES = 1_000
_INTERVAL = (0.025, 0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How long runs took or would take, in the middle and in the tail; `n` runs."""

    n: int
    mean_ns: int
    p50_ns: int
    p95_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where a number lies in 95 of 100 samples of as many runs."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A run that the changes could not be applied to."""

    run_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetWhatIf:
    """The answer for several runs.

    Attributes:
        answers: one for each run that the changes apply to; at least one.
        refused: the others.
        mean_delta_ns: the mean of the differences, with its interval.
        median_delta_ratio: the middle of the relative differences; one odd run does not move it.
        cost_before_usd, cost_usd: means over the runs whose cost is known before and after.
        costed: how many those are.
    """

    changes: tuple[Change, ...]
    answers: tuple[WhatIf, ...]
    refused: tuple[Refused, ...]
    before: Spread
    after: Spread
    mean_delta_ns: int
    delta_interval: Interval
    median_delta_ratio: float
    cost_before_usd: Decimal | None
    cost_usd: Decimal | None
    costed: int
    assumptions: tuple[Assumption, ...]
    trust: Trust
    notes: tuple[str, ...]

    def check(self) -> None:
        """Raise `BrokenLawError` unless the whole is made of its parts."""
        for answer in self.answers:
            answer.check()
        total = sum(answer.delta_ns for answer in self.answers)
        if abs(self.mean_delta_ns * len(self.answers) - total) > len(self.answers):
            raise BrokenLawError("the mean difference is not the mean of the differences")
        for spread in (self.before, self.after):
            if spread.p50_ns > spread.p95_ns or spread.n != len(self.answers):
                raise BrokenLawError(f"{spread} is not in order")


def what_if_all(
    runs: Iterable[Run],
    changes: Iterable[Change],
    *,
    book: PriceBook,
    learned: Learned = NOTHING,
    now_ns: int,
    seed: int = 0,
) -> SetWhatIf:
    """Return what runs would have taken and cost with some changes.

    Raises:
        TargetError: the changes apply to none of them, and spans are what is missing.
        NotReplayableError: they apply to none of them for another reason, or there is no run.
    """
    changes = in_order(changes)
    answers: list[WhatIf] = []
    refused: list[Refused] = []
    failure: NotReplayableError | TargetError | None = None
    for run in runs:
        try:
            one = replayable(run, now_ns=now_ns)
            answers.append(what_if(one, changes, book=book, learned=learned, seed=seed))
        except (NotReplayableError, TargetError) as error:
            refused.append(Refused(run_id=run.run_id, reason=str(error)))
            failure = failure or error
    if not answers:
        raise failure or NotReplayableError("there is no run to ask about")
    return summed(changes, answers, refused, seed=seed)


def summed(
    changes: tuple[Change, ...],
    answers: Sequence[WhatIf],
    refused: Sequence[Refused],
    *,
    seed: int = 0,
) -> SetWhatIf:
    """Return the answers for single runs as one; there is at least one."""
    deltas = [answer.delta_ns for answer in answers]
    costed = [
        (one.cost_before.cost_usd, one.cost.cost_usd)
        for one in answers
        if not (one.cost_before.unpriced_calls or one.cost.unpriced_calls)
    ]
    assumptions = {one for answer in answers for one in answer.assumptions}
    if len(answers) > 1:
        assumptions.discard(Assumption.A7)
    return SetWhatIf(
        changes=changes,
        answers=tuple(answers),
        refused=tuple(refused),
        before=_spread([((one.wall_before_ns, 1.0),) for one in answers]),
        after=_spread([one.wall.outcomes for one in answers]),
        mean_delta_ns=round(fmean(deltas)),
        delta_interval=bootstrap(deltas, fmean, seed=seed),
        median_delta_ratio=median(
            one.delta_ns / one.wall_before_ns if one.wall_before_ns else 0.0 for one in answers
        ),
        cost_before_usd=_mean_usd([before for before, _ in costed]),
        cost_usd=_mean_usd([after for _, after in costed]),
        costed=len(costed),
        assumptions=tuple(sorted(assumptions, key=lambda one: one.name)),
        trust=Trust(
            recorded=sum(one.trust.recorded for one in answers),
            inferred=sum(one.trust.inferred for one in answers),
            estimated=sum(one.trust.estimated for one in answers),
        ),
        notes=tuple(dict.fromkeys(note for answer in answers for note in answer.notes)),
    )


def _spread(outcomes: Sequence[Sequence[tuple[int, float]]]) -> Spread:
    share = 1 / len(outcomes)
    every = sorted((length, weight * share) for one in outcomes for length, weight in one)
    least_ns = every[0][0]
    return Spread(
        n=len(outcomes),
        mean_ns=least_ns + round(sum((length - least_ns) * weight for length, weight in every)),
        p50_ns=quantile(every, 0.5),
        p95_ns=quantile(every, 0.95),
    )


def bootstrap(
    values: Sequence[float], of: Callable[[Sequence[float]], float], *, seed: int
) -> Interval:
    """Return the 95 % percentile interval of a statistic; of one value it is that value."""
    dice = random.Random(seed)
    found = sorted(of(dice.choices(values, k=len(values))) for _ in range(_RESAMPLES))
    low, high = (found[min(_RESAMPLES - 1, int(ratio * _RESAMPLES))] for ratio in _INTERVAL)
    return Interval(low=low, high=high)


def _mean_usd(costs: Sequence[Decimal | None]) -> Decimal | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) / len(known) if known else None

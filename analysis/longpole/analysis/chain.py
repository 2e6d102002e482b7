"""Runs of one chain → everything that they tell together.

The parts are computed by files of their own; here they are only put side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from longpole.analysis.bound import Bound, bound_of
from longpole.analysis.change_points import ChangePoint, change_points
from longpole.analysis.cost_shares import CostBy, CostShares, cost_shares
from longpole.analysis.criticality import FanOutCriticality, criticality
from longpole.analysis.error_groups import ErrorGroup, error_groups
from longpole.analysis.intervals import RESAMPLES, SEED
from longpole.analysis.many import Aggregate, aggregate
from longpole.analysis.sample import RunSample
from longpole.analysis.structure import ShapeGroup, shape_groups
from longpole.analysis.tail import Tail, tail_of
from longpole.analysis.trends import Bucket, bucket_for, trend_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainAnalysis:
    """Many runs of one chain.

    Attributes:
        bound: what bounds the wall; `None` where it is nothing in particular.
        tail: `None` with too few runs.
        trend: by hour for up to three days, else by day.
    """

    samples: tuple[RunSample, ...]
    whole: Aggregate
    bound: Bound | None
    shapes: tuple[ShapeGroup, ...]
    fan_outs: tuple[FanOutCriticality, ...]
    tail: Tail | None
    trend: tuple[Bucket, ...]
    changes: tuple[ChangePoint, ...]
    errors: tuple[ErrorGroup, ...]
    costs: Mapping[CostBy, CostShares]


def analyse_chain(
    samples: Sequence[RunSample], *, seed: int = SEED, resamples: int = RESAMPLES
) -> ChainAnalysis:
    """Return everything of at least one run of a chain; all laws hold.

    Raises:
        BrokenLawError: there is no run at all.
    """
    whole, fan_outs = aggregate(samples), criticality(samples)
    return ChainAnalysis(
        samples=tuple(samples),
        whole=whole,
        bound=bound_of(whole, fan_outs),
        shapes=shape_groups(samples),
        fan_outs=fan_outs,
        tail=tail_of(samples, seed=seed, resamples=resamples),
        trend=trend_of(samples, bucket_ns=bucket_for(samples)),
        changes=change_points(samples, seed=seed),
        errors=error_groups(samples),
        costs={by: cost_shares(samples, by) for by in CostBy},
    )

"""Many runs → the JSON of `longpole chains --json` and `longpole compare --before … --json`.

Schema 1, as in `documents`: keys are only ever added, times are nanoseconds, money is text, what is
not known is null. Sums are whole numbers and add up; means beside them are rounded to nanoseconds.
A position is the list of its labels from the root down.
"""

from __future__ import annotations

from fractions import Fraction

from longpole.analysis.bound import Bound, bound_of
from longpole.analysis.chain import ChainAnalysis
from longpole.analysis.change_points import ChangePoint
from longpole.analysis.compare_sets import RUNS_NEEDED, SetComparison, SetSide
from longpole.analysis.cost_shares import CostBy, CostShares
from longpole.analysis.criticality import FanOutCriticality, criticality
from longpole.analysis.error_groups import ErrorGroup
from longpole.analysis.intervals import Interval
from longpole.analysis.many import Aggregate, PlaceFacts, aggregate, by_chain
from longpole.analysis.percentiles import Percentiles
from longpole.analysis.structure import ShapeGroup
from longpole.analysis.tail import Tail
from longpole.analysis.trends import Bucket
from longpole.dashboard.documents import SCHEMA, Json, money_text
from longpole.dashboard.sampled import Sampled


def chains_document(found: Sampled) -> Json:
    """Return all chains, the one with most runs first."""
    chains: list[Json] = []
    for name, samples in by_chain(found.samples).items():
        whole = aggregate(samples)
        chains.append(_chain(name, whole, bound_of(whole, criticality(samples))))
    return {"schema": SCHEMA, **_taken(found), "chains": chains}


def chain_document(name: str, chain: ChainAnalysis, found: Sampled) -> Json:
    """Return one chain in full."""
    return {
        "schema": SCHEMA,
        **_taken(found),
        "chain": _chain(name, chain.whole, chain.bound),
        "shapes": [_shape(shape) for shape in chain.shapes],
        "places": [_place(place) for place in chain.whole.places],
        "fan_outs": [_fan_out(fan_out) for fan_out in chain.fan_outs],
        "tail": None if chain.tail is None else _tail(chain.tail, chain),
        "trend": [_bucket(bucket) for bucket in chain.trend],
        "changes": [_change(change) for change in chain.changes],
        "errors": [_error(error) for error in chain.errors],
        "costs": {by.value: _costs(chain.costs[by]) for by in CostBy},
    }


def set_document(comparison: SetComparison) -> Json:
    """Return two sets of runs side by side; the `delta_ns` of the places make the walls'."""
    between = comparison.between
    return {
        "schema": SCHEMA,
        "runs_needed": RUNS_NEEDED,
        "before": _side(comparison.before),
        "after": _side(comparison.after),
        "delta": {
            "mean_wall_ns": _mean(comparison.mean_wall_delta_ns),
            "p50_wall_ns": comparison.p50_wall_delta_ns,
            "p95_wall_ns": comparison.p95_wall_delta_ns,
            "mean_cost_usd": money_text(comparison.mean_cost_delta_usd),
            "error_rate": float(comparison.error_rate_delta),
        },
        "between": None
        if between is None
        else {
            "mean_wall_ns": _whole_ends(between.mean_wall_ns),
            "p50_wall_ns": _whole_ends(between.p50_wall_ns),
            "p95_wall_ns": None
            if between.p95_wall_ns is None
            else _whole_ends(between.p95_wall_ns),
            "mean_cost_usd": [
                money_text(end) for end in (between.mean_cost_usd.low, between.mean_cost_usd.high)
            ],
            "error_rate": [between.error_rate.low, between.error_rate.high],
        },
        "places": [
            {
                "position": list(place.position),
                "runs_before": place.runs_before,
                "runs_after": place.runs_after,
                "before_ns": _mean(place.before_ns),
                "after_ns": _mean(place.after_ns),
                "delta_ns": _mean(place.delta_ns),
                "between_ns": None if place.between_ns is None else _whole_ends(place.between_ns),
            }
            for place in comparison.places
        ],
    }


def _taken(found: Sampled) -> Json:
    return {
        "runs": len(found.samples),
        "matching_runs": found.matching,
        "unfinished_runs": found.unfinished,
        "unreadable_runs": found.unreadable,
    }


def _chain(name: str, whole: Aggregate, bound: Bound | None) -> Json:
    return {
        "name": name,
        "runs": whole.runs,
        "first_start_ns": whole.first_start_ns,
        "last_start_ns": whole.last_start_ns,
        "wall": _percentiles(whole.wall),
        "wall_ns": whole.wall_ns,
        "mean_wall_ns": _mean(whole.mean_wall_ns),
        "work_ns": whole.work_ns,
        "speedup_ratio": whole.speedup_ratio,
        "peak_concurrency": whole.peak_concurrency,
        "queue_wait_ns": whole.queue_wait_ns,
        "backoff_ns": whole.backoff_ns,
        "errors": whole.errors,
        "error_rate": float(whole.error_rate),
        "retried_runs": whole.retried,
        "retries": whole.retries,
        "fallback_runs": whole.fell_back,
        "fallbacks": whole.fallbacks,
        "llm_calls": whole.llm_calls,
        "cost_usd": money_text(whole.cost_usd),
        "mean_cost_usd": money_text(whole.mean_cost_usd),
        "unpriced_calls": whole.unpriced_calls,
        "wasted_ns": whole.wasted_ns,
        "wasted_cost_usd": money_text(whole.wasted_cost_usd),
        "bound_by": None
        if bound is None
        else {
            "position": list(bound.position),
            "is_branch": bound.is_branch,
            "share": float(bound.share),
        },
    }


def _shape(shape: ShapeGroup) -> Json:
    return {
        "runs": len(shape.members),
        "share": float(shape.share),
        "positions": [list(position) for position in sorted(shape.positions)],
    }


def _place(place: PlaceFacts) -> Json:
    return {
        "position": list(place.position),
        "runs": place.runs,
        "executions": place.executions,
        "on_path_rate": float(place.on_path_rate),
        "own_path_ns": place.own_path_ns,
        "mean_contribution_ns": _mean(place.mean_contribution_ns),
        "mean_on_path_ns": _mean(place.mean_on_path_ns),
        "mean_drag_ns": _mean(place.mean_drag_ns),
        "duration": _percentiles(place.durations),
        "queue_wait": None if place.queue_waits is None else _percentiles(place.queue_waits),
        "errors": place.errors,
        "error_rate": float(place.error_rate),
        "retries": place.retries,
        "retry_rate": float(place.retry_rate),
        "fallbacks": place.fallbacks,
        "fallback_rate": float(place.fallback_rate),
        "calls": place.calls,
        "cost_usd": money_text(place.cost_usd),
        "unpriced_calls": place.unpriced_calls,
    }


def _fan_out(fan_out: FanOutCriticality) -> Json:
    return {
        "position": list(fan_out.above),
        "kind": fan_out.kind.value,
        "executions": fan_out.executions,
        "imbalance_ratio": fan_out.imbalance_ratio,
        "branches": [
            {
                "position": list(branch.position),
                "took_part": branch.took_part,
                "share": float(branch.share),
                "between": [branch.between.low, branch.between.high],
            }
            for branch in fan_out.branches
        ],
    }


def _tail(tail: Tail, chain: ChainAnalysis) -> Json:
    return {
        "slow_runs": [chain.samples[at].run_id for at in tail.slow],
        "usual_runs": len(tail.usual),
        "is_widened": tail.is_widened,
        "slow_wall_ns": _mean(tail.slow_wall_ns),
        "usual_wall_ns": _mean(tail.usual_wall_ns),
        "between_ns": _whole_ends(tail.between_ns),
        "places": [
            {
                "position": list(place.position),
                "slow_ns": _mean(place.slow_ns),
                "usual_ns": _mean(place.usual_ns),
                "excess_ns": _mean(place.excess_ns),
                "share": None if place.share is None else float(place.share),
                "between_ns": None if place.between_ns is None else _whole_ends(place.between_ns),
            }
            for place in tail.places
        ],
    }


def _bucket(bucket: Bucket) -> Json:
    return {
        "start_ns": bucket.start_ns,
        "length_ns": bucket.length_ns,
        "runs": bucket.runs,
        "p50_wall_ns": bucket.p50_wall_ns,
        "p95_wall_ns": bucket.p95_wall_ns,
        "cost_usd": money_text(bucket.cost_usd),
        "unpriced_calls": bucket.unpriced_calls,
        "errors": bucket.errors,
        "error_rate": float(bucket.error_rate),
    }


def _change(change: ChangePoint) -> Json:
    return {
        "run_id": change.run_id,
        "at_ns": change.at_ns,
        "runs_before": change.runs_before,
        "runs_after": change.runs_after,
        "p50_before_ns": change.p50_before_ns,
        "p50_after_ns": change.p50_after_ns,
        "ratio": change.ratio,
        "chance": change.chance,
    }


def _error(error: ErrorGroup) -> Json:
    return {
        "position": list(error.position),
        "type": error.type,
        "message": error.message,
        "example": error.example,
        "is_rate_limit": error.is_rate_limit,
        "models": list(error.models),
        "count": error.count,
        "runs": error.runs,
        "rate": float(error.rate),
        "run_id": error.run_id,
        "first_seen_ns": error.first_seen_ns,
        "last_seen_ns": error.last_seen_ns,
    }


def _costs(shares: CostShares) -> list[Json]:
    return [
        {
            "key": list(row.key),
            "runs": row.runs,
            "calls": row.calls,
            "cost_usd": money_text(row.cost_usd),
            "unpriced_calls": row.unpriced_calls,
        }
        for row in shares.rows
    ]


def _side(side: SetSide) -> Json:
    return {
        "runs": side.runs,
        "mean_wall_ns": _mean(side.mean_wall_ns),
        "p50_wall_ns": side.p50_wall_ns,
        "p95_wall_ns": side.p95_wall_ns,
        "cost_usd": money_text(side.cost_usd),
        "mean_cost_usd": money_text(side.mean_cost_usd),
        "unpriced_calls": side.unpriced_calls,
        "errors": side.errors,
        "error_rate": float(side.error_rate),
    }


def _percentiles(found: Percentiles) -> Json:
    return {
        "count": found.count,
        "p50_ns": found.p50_ns,
        "p95_ns": found.p95_ns,
        "p99_ns": found.p99_ns,
    }


def _mean(mean_ns: Fraction) -> int:
    return round(mean_ns)


def _whole_ends(interval: Interval[int] | Interval[float]) -> list[int]:
    return [round(interval.low), round(interval.high)]

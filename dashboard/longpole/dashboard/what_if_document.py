"""A what-if → the JSON of `longpole what-if --json`, schema 1; docs/what-if.md explains it.

Keys are only ever added. Times are integer nanoseconds, money is text, unknown is null.
"""

from __future__ import annotations

from collections.abc import Sequence

from longpole.analysis import analyse
from longpole.analysis.assumptions import Assumption, Trust
from longpole.analysis.change_text import describe
from longpole.analysis.curves import Curve
from longpole.analysis.what_if import WhatIf
from longpole.analysis.what_if_set import SetWhatIf, Spread
from longpole.dashboard.documents import SCHEMA, Json, money_text, show_document


def what_if_document(answer: SetWhatIf | None, curves: Sequence[Curve]) -> Json:
    """Return the answer for one run or several, and the curves that were asked for."""
    answers = () if answer is None else answer.answers
    is_one = len(answers) == 1
    return {
        "schema": SCHEMA,
        "changes": [] if answer is None else [describe(change) for change in answer.changes],
        "runs": [_run(one, is_shown=is_one) for one in answers],
        "refused": []
        if answer is None
        else [{"run_id": one.run_id, "reason": one.reason} for one in answer.refused],
        "together": None if answer is None or is_one else _together(answer),
        "curves": [_curve(one) for one in curves],
    }


def _run(answer: WhatIf, *, is_shown: bool) -> Json:
    wall = answer.wall
    after = answer.after
    return {
        "run_id": answer.run.run_id,
        "name": answer.run.name,
        "wall_before_ns": answer.wall_before_ns,
        "wall_ns": wall.mean_ns,
        "wall_p50_ns": wall.quantile_ns(0.5),
        "wall_p95_ns": wall.quantile_ns(0.95),
        "wall_standard_error_ns": wall.standard_error_ns,
        "draws": wall.draws,
        "delta_ns": answer.delta_ns,
        "cost_before_usd": money_text(answer.cost_before.cost_usd),
        "cost_usd": money_text(answer.cost.cost_usd),
        "unpriced_calls_before": answer.cost_before.unpriced_calls,
        "unpriced_calls": answer.cost.unpriced_calls,
        "touched": list(answer.touched),
        "assumptions": _assumptions(answer.assumptions),
        "trust": _trust(answer.trust),
        "notes": list(answer.notes),
        "after": show_document(analyse(after, now_ns=after.root.end_ns or 0)) if is_shown else None,
    }


def _together(answer: SetWhatIf) -> Json:
    return {
        "before": _spread(answer.before),
        "after": _spread(answer.after),
        "mean_delta_ns": answer.mean_delta_ns,
        "delta_low_ns": round(answer.delta_interval.low),
        "delta_high_ns": round(answer.delta_interval.high),
        "median_delta_ratio": answer.median_delta_ratio,
        "cost_before_usd": money_text(answer.cost_before_usd),
        "cost_usd": money_text(answer.cost_usd),
        "costed_runs": answer.costed,
        "assumptions": _assumptions(answer.assumptions),
        "trust": _trust(answer.trust),
        "notes": list(answer.notes),
    }


def _spread(spread: Spread) -> Json:
    return {
        "runs": spread.n,
        "mean_ns": spread.mean_ns,
        "p50_ns": spread.p50_ns,
        "p95_ns": spread.p95_ns,
    }


def _curve(curve: Curve) -> Json:
    return {
        "position": list(curve.position),
        "runs": curve.runs,
        "gain_ns": curve.gain_ns,
        "kink_percent": curve.kink_percent,
        "walls_ns": [[percent, wall_ns] for percent, wall_ns in curve.walls_ns],
    }


def _assumptions(assumptions: Sequence[Assumption]) -> list[Json]:
    return [{"id": one.name, "text": one.value} for one in assumptions]


def _trust(trust: Trust) -> Json:
    return {
        "label": trust.label,
        "recorded": trust.recorded,
        "inferred": trust.inferred,
        "estimated": trust.estimated,
    }

"""Tries that cost time: after rate limits, for nothing, or before a fallback that does the work.

The subject is the first try of a call. What is waited between two tries belongs to the later one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final

from longpole.analysis.assumptions import Assumption
from longpole.analysis.changes import Change, Without
from longpole.analysis.edits import Edits
from longpole.analysis.error_text import is_rate_limit
from longpole.analysis.findings.claim import (
    GAIN_LEAST_RATIO,
    Case,
    Claim,
    Detector,
    Seen,
    Suppose,
    Supposed,
)
from longpole.analysis.findings.finding import Rule
from longpole.analysis.findings.view import View
from longpole.analysis.positions import Position
from longpole.analysis.what_if import Replayable
from longpole.model.run import Role, Span, Status

RATE_LIMITED_LEAST_RATIO: Final = Fraction(1, 100)
"""In so many runs: rarer ones are a bad minute of the provider."""
HOPELESS_LEAST: Final = 2
"""So many later tries, none of which succeeded: one alone may be bad luck."""
FALLBACK_LEAST_RATIO: Final = Fraction(1, 5)
"""So often the fallback was asked: a fallback is for exceptions, one in five is none."""


def _is_limited(span: Span) -> bool:
    return (
        span.status is Status.ERROR
        and span.error is not None
        and is_rate_limit(span.error.type, span.error.message)
    )


def _waits_ns(tries: Sequence[Span]) -> int:
    """Return how long passed between the tries."""
    return sum(
        max(0, after.start_ns - (before.end_ns or after.start_ns))
        for before, after in pairwise(tries)
    )


def _on_path_ns(view: View, tries: Sequence[Span]) -> int:
    """Return at most what leaving tries out can gain."""
    on_path_ns = sum(view.analysis.spans[one.span_id].on_path_ns for one in tries)
    return on_path_ns + (_waits_ns(tries) if on_path_ns else 0)


# --- rate limits --------------------------------------------------------------------------------


def _see_limited(view: View) -> Iterable[Seen]:
    for tries in view.tries:
        limited = sum(_is_limited(one) for one in tries)
        if limited:
            yield Seen(
                position=view.position[tries[0].span_id],
                counts={
                    "rate_limited": limited,
                    "tries": len(tries),
                    "between_ns": _waits_ns(tries),
                },
                names={"model": tries[0].model or tries[-1].model or ""},
                weight=_on_path_ns(view, tries),
                is_affected=len(tries) > 1,
            )


def _judge_limited(case: Case) -> Iterable[Claim]:
    for position, tally in case.tallies.items():
        if Fraction(tally.runs, case.whole.runs) < RATE_LIMITED_LEAST_RATIO:
            continue
        yield Claim(
            rule=Rule.RATE_LIMIT,
            position=position,
            tally=tally,
            evidence={
                "runs": tally.runs,
                "rate_limited": tally.count("rate_limited"),
                "tries": tally.count("tries"),
                "between_mean_ns": tally.count("between_ns") // tally.runs,
            },
            names=tally.told,
            suppose=_first_try_does(position),
            assumptions=(Assumption.A2,),
        )


def _first_try_does(position: Position) -> Suppose:
    """Return the supposition that what was rate limited is asked but once, for the last time."""

    def suppose(view: View, replayable: Replayable) -> Supposed:
        simulation, gone, lags = replayable.simulation, set[int](), dict[int, int]()
        number = simulation.timeline.number
        for tries in view.tries:
            if view.position[tries[0].span_id] != position or not any(map(_is_limited, tries[:-1])):
                continue
            first, last = number[tries[0].span_id], number[tries[-1].span_id]
            above = simulation.plan_above(first)
            if above is not None:
                plan, at = above
                gone.update(number[one.span_id] for one in tries[:-1])
                lags[last] = plan.lags_ns[at]
        return Supposed(edits=Edits(gone=frozenset(gone), lags_ns=lags))

    return suppose


RATE_LIMIT: Final = Detector(rule=Rule.RATE_LIMIT, see=_see_limited, judge=_judge_limited)


# --- retries that never succeed -----------------------------------------------------------------


def _see_retried(view: View) -> Iterable[Seen]:
    for tries in view.tries:
        if len(tries) < 2:
            continue
        succeeded = tries[-1].status is Status.OK
        yield Seen(
            position=view.position[tries[0].span_id],
            counts={
                "retried": 1,
                "retries": len(tries) - 1,
                "succeeded": int(succeeded),
                "between_ns": _waits_ns(tries),
            },
            names={"error": "" if tries[-1].error is None else tries[-1].error.type},
            weight=_on_path_ns(view, tries),
            is_affected=not succeeded,
        )


def _judge_retried(case: Case) -> Iterable[Claim]:
    for position, tally in case.tallies.items():
        if tally.count("succeeded") or tally.count("retries") < HOPELESS_LEAST:
            continue
        yield Claim(
            rule=Rule.HOPELESS_RETRIES,
            position=position,
            tally=tally,
            evidence={
                "retried": tally.count("retried"),
                "retries": tally.count("retries"),
                "between_mean_ns": tally.count("between_ns") // tally.count("retried"),
            },
            names=tally.told,
            suppose=_without_retries(position),
            assumptions=(Assumption.A2,),
        )


def _without_retries(position: Position) -> Suppose:
    def suppose(view: View, replayable: Replayable) -> Supposed:
        number = replayable.simulation.timeline.number
        gone = {
            number[one.span_id]
            for tries in view.tries
            if view.position[tries[0].span_id] == position
            for one in tries[1:]
        }
        return Supposed(edits=Edits(gone=frozenset(gone)))

    return suppose


HOPELESS_RETRIES: Final = Detector(
    rule=Rule.HOPELESS_RETRIES, see=_see_retried, judge=_judge_retried
)


# --- fallbacks ----------------------------------------------------------------------------------


def _before_fallback(view: View, parent_id: str) -> list[Span]:
    """Return what was tried in vain before the first fallback."""
    found: list[Span] = []
    for child in view.analysis.run.children(parent_id):
        if child.role is Role.FALLBACK:
            break
        if child.role is Role.ATTEMPT:
            found.append(child)
    return found


def _see_fallbacks(view: View) -> Iterable[Seen]:
    fell = {one.parent_span_id for one in view.analysis.run.spans if one.role is Role.FALLBACK}
    for parent_id in sorted(one for one in fell if one is not None):
        primary = _before_fallback(view, parent_id)
        if not primary:
            continue
        on_path_ns = _on_path_ns(view, primary)
        lost_ns = sum(view.length_ns(one) for one in primary)
        models = (call.model for one in primary for call in view.calls_in(one.span_id))
        yield Seen(
            position=view.position[primary[0].span_id],
            counts={"fell_back": 1, "lost_ns": lost_ns},
            names={"model": next((model for model in models if model), "")},
            weight=on_path_ns,
        )


def _judge_fallbacks(case: Case) -> Iterable[Claim]:
    for position, tally in case.tallies.items():
        fell_back, executions = tally.count("fell_back"), case.executions[position]
        if Fraction(fell_back, executions) < FALLBACK_LEAST_RATIO:
            continue
        yield Claim(
            rule=Rule.FREQUENT_FALLBACK,
            position=position,
            tally=tally,
            evidence={
                "executions": executions,
                "fell_back": fell_back,
                "fell_back_ratio": Fraction(fell_back, executions),
                "lost_mean_ns": tally.count("lost_ns") // fell_back,
            },
            names=tally.told,
            change=_left_out,
            suppose=_straight_to_fallback(position),
            least_ratio=GAIN_LEAST_RATIO,
            assumptions=(Assumption.A2,),
        )


def _left_out(target: str) -> Change:
    return Without(target=target)


def _straight_to_fallback(position: Position) -> Suppose:
    def suppose(view: View, replayable: Replayable) -> Supposed:
        number = replayable.simulation.timeline.number
        parents = {
            one.parent_span_id for one in view.analysis.run.spans if one.role is Role.FALLBACK
        }
        gone = {
            number[one.span_id]
            for parent_id in parents
            if parent_id is not None
            for one in _before_fallback(view, parent_id)
            if view.position[one.span_id] == position
        }
        return Supposed(edits=Edits(gone=frozenset(gone)))

    return suppose


FREQUENT_FALLBACK: Final = Detector(
    rule=Rule.FREQUENT_FALLBACK, see=_see_fallbacks, judge=_judge_fallbacks
)

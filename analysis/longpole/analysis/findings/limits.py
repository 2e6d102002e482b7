"""Limits that were asked for and not kept: more branches ran at once than that.

An asynchronous `RunnableParallel` takes no notice of `max_concurrency`. It records no limit, so
what was asked for is read off the fan-outs around it, to which the same limit was handed down.
Breaking a limit costs no time, so nothing is run again; what it may cost are rate limits.

Source: langchain-events.md, `max_concurrency`.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from longpole.analysis.findings.claim import Case, Claim, Detector, Seen
from longpole.analysis.findings.finding import Rule
from longpole.analysis.findings.view import View
from longpole.analysis.held_by import ignores_limit
from longpole.analysis.result import FanOut
from longpole.model.run import FanOutKind

IGNORED_LEAST_RATIO: Final = Fraction(1, 100)
"""In so many executions: a limit that is broken at all was not what it was taken for."""


def _limit_of(view: View, fan_out: FanOut) -> int | None:
    """Return what was asked for: the fan-out's own limit, or the nearest one above it."""
    if fan_out.limit is not None:
        return fan_out.limit
    run = view.analysis.run
    if not ignores_limit(run.span_by_id[fan_out.branches[0].span_id]):
        return None
    at = run.span_by_id[fan_out.span_id]
    while at.parent_span_id is not None:
        # In threads a RunnableParallel has its pool's limit, which nobody need have asked for.
        if at.fan_out_limit is not None and at.fan_out is not FanOutKind.PARALLEL:
            return at.fan_out_limit
        at = run.span_by_id[at.parent_span_id]
    return None


def _see(view: View) -> Iterable[Seen]:
    for fan_out in view.analysis.fan_outs:
        limit = _limit_of(view, fan_out)
        if limit is None:
            continue
        is_ignored = fan_out.peak > limit
        yield Seen(
            position=view.position[fan_out.span_id],
            counts={
                "executions": 1,
                "ignored": int(is_ignored),
                "limit": limit if is_ignored else 0,
                "peak": fan_out.peak if is_ignored else 0,
            },
            names={"kind": fan_out.kind.value},
            weight=fan_out.peak - limit,
            is_affected=is_ignored,
        )


def _judge(case: Case) -> Iterable[Claim]:
    for position, tally in case.tallies.items():
        ignored = tally.count("ignored")
        if not ignored or tally.ratio("ignored", "executions") < IGNORED_LEAST_RATIO:
            continue
        yield Claim(
            rule=Rule.IGNORED_LIMIT,
            position=position,
            tally=tally,
            evidence={
                "executions": tally.count("executions"),
                "ignored_executions": ignored,
                "limit_mean": Fraction(tally.count("limit"), ignored),
                "peak_mean": Fraction(tally.count("peak"), ignored),
            },
            names=tally.told,
            least_ratio=Fraction(0),
        )


IGNORED_LIMIT: Final = Detector(rule=Rule.IGNORED_LIMIT, see=_see, judge=_judge)

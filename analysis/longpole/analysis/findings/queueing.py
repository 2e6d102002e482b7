"""Fan-outs whose branches queue for a place, under a limit that was asked for or a pool's own.

A record does not tell the two apart: without `max_concurrency` a fan-out in threads runs in a pool
of min(32, processors + 4), and that is its limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from longpole.analysis.assumptions import Assumption
from longpole.analysis.changes import Change, Limit
from longpole.analysis.findings.claim import (
    Case,
    Claim,
    Detector,
    Seen,
)
from longpole.analysis.findings.finding import Rule
from longpole.analysis.findings.view import View
from longpole.analysis.normalise import TOLERANCE_NS
from longpole.analysis.result import FanOut

QUEUE_GAIN_LEAST_RATIO: Final = Fraction(5, 100)
"""What no limit must gain: a limit is there for a reason, and a little waiting is its price."""


def _see(view: View) -> Iterable[Seen]:
    lost_ns = view.analysis.facts.queue_wait_ns
    for fan_out in _limited(view):
        waits = [branch.queue_wait_ns or 0 for branch in fan_out.branches]
        queued = [wait_ns for wait_ns in waits if wait_ns > TOLERANCE_NS]
        yield Seen(
            position=view.position[fan_out.span_id],
            counts={
                "executions": 1,
                "branches": len(waits),
                "queued": len(queued),
                "wait_ns": sum(queued),
                "limit": fan_out.limit or 0,
            },
            names={"kind": fan_out.kind.value},
            weight=lost_ns,
            is_affected=bool(queued) and lost_ns > 0,
        )


def _limited(view: View) -> list[FanOut]:
    """Return the fan-outs that have more branches than places."""
    return [
        fan_out
        for fan_out in view.analysis.fan_outs
        if fan_out.limit is not None and fan_out.limit < len(fan_out.branches)
    ]


def _judge(case: Case) -> Iterable[Claim]:
    for position, tally in case.tallies.items():
        executions, queued = tally.count("executions"), tally.count("queued")
        if not queued:
            continue
        yield Claim(
            rule=Rule.QUEUEING,
            position=position,
            tally=tally,
            evidence={
                "executions": executions,
                "limit_mean": Fraction(tally.count("limit"), executions),
                "branches_mean": Fraction(tally.count("branches"), executions),
                "queued_ratio": tally.ratio("queued", "branches"),
                "queue_wait_mean_ns": tally.count("wait_ns") // queued,
            },
            names=tally.told,
            change=_without_limit,
            assumptions=(Assumption.A1, Assumption.A5, Assumption.A8),
            least_ratio=QUEUE_GAIN_LEAST_RATIO,
        )


def _without_limit(target: str) -> Change:
    return Limit(target=target, places=None)


QUEUEING: Final = Detector(rule=Rule.QUEUEING, see=_see, judge=_judge)

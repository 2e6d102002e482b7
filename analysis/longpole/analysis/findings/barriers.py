"""Waits at the barrier between two supersteps of a graph.

LangGraph starts a superstep when all tasks of the one before have ended. Where both have several
tasks, the longest of the second may need nothing but the one of the first that ended earliest:
which one it needs is not recorded, so this is a question, and the gain is what it would be then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

from longpole.analysis.edits import Edits
from longpole.analysis.findings.claim import Case, Claim, Detector, Seen, Suppose, Supposed
from longpole.analysis.findings.finding import Rule
from longpole.analysis.findings.view import View
from longpole.analysis.positions import Position
from longpole.analysis.what_if import Replayable
from longpole.model.run import Role, Span

BARRIER_GAIN_LEAST_RATIO: Final = Fraction(5, 100)
"""What starting early must gain: it takes another shape of the graph."""


@dataclass(frozen=True, slots=True)
class _Barrier:
    """The longest task after a barrier, who it waited for, and who might have been enough."""

    task: Span
    last: Span
    first: Span
    wait_ns: int


def _steps(view: View, parent_id: str) -> list[list[Span]]:
    """Return the tasks of each superstep below a span, in order; of several tries the last."""
    steps: dict[int, dict[tuple[str, str | None], Span]] = {}
    for child in view.analysis.run.children(parent_id):
        if child.order.superstep is not None and child.role is not Role.FALLBACK:
            steps.setdefault(child.order.superstep, {})[child.name, child.branch] = child
    return [list(steps[number].values()) for number in sorted(steps)]


def _barriers(view: View) -> Iterator[_Barrier]:
    for parent_id in view.analysis.run.children_by_id:
        for before, after in pairwise(_steps(view, parent_id)):
            found = _barrier(view, before, after)
            if found is not None:
                yield found


def _barrier(view: View, before: Sequence[Span], after: Sequence[Span]) -> _Barrier | None:
    if min(len({one.name for one in tasks}) for tasks in (before, after)) < 2:
        return None
    ends = {one.span_id: one.start_ns + view.length_ns(one) for one in before}
    first = min(before, key=lambda one: (ends[one.span_id], one.span_id))
    last = max(before, key=lambda one: (ends[one.span_id], one.span_id))
    task = max(after, key=lambda one: (view.length_ns(one), one.span_id))
    wait_ns = ends[last.span_id] - ends[first.span_id]
    return _Barrier(task, last, first, wait_ns) if wait_ns > 0 else None


def _see(view: View) -> Iterable[Seen]:
    for barrier in _barriers(view):
        on_path_ns = view.analysis.spans[barrier.task.span_id].on_path_ns
        yield Seen(
            position=view.position[barrier.task.span_id],
            counts={"waits": 1, "wait_ns": barrier.wait_ns},
            names={"last": barrier.last.name, "first": barrier.first.name},
            weight=min(barrier.wait_ns, on_path_ns),
            is_affected=on_path_ns > 0,
        )


def _judge(case: Case) -> Iterable[Claim]:
    for position, tally in case.tallies.items():
        yield Claim(
            rule=Rule.BARRIER_WAIT,
            position=position,
            tally=tally,
            evidence={
                "waits": tally.count("waits"),
                "wait_mean_ns": tally.count("wait_ns") // tally.count("waits"),
            },
            names=tally.told,
            suppose=_early(position),
            least_ratio=BARRIER_GAIN_LEAST_RATIO,
            is_question=True,
        )


def _early(position: Position) -> Suppose:
    def suppose(view: View, replayable: Replayable) -> Supposed:
        simulation, lags = replayable.simulation, dict[int, int]()
        for barrier in _barriers(view):
            number = simulation.timeline.number[barrier.task.span_id]
            above = simulation.plan_above(number)
            if view.position[barrier.task.span_id] == position and above is not None:
                plan, at = above
                lags[number] = plan.lags_ns[at] - barrier.wait_ns
        return Supposed(edits=Edits(lags_ns=lags))

    return suppose


BARRIER_WAIT: Final = Detector(rule=Rule.BARRIER_WAIT, see=_see, judge=_judge)

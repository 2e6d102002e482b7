"""Tasks that are too small to be worth a branch: starting and joining them takes longer than they.

Looked at are fan-outs that are a span of their own (`RunnableParallel`, map), where nothing else
happens between its start and the join. Supposed is that the tasks are done one after the other, in
one step.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from longpole.analysis.edits import Edit, Edits, Exactly
from longpole.analysis.findings.claim import Case, Claim, Detector, Seen, Suppose, Supposed
from longpole.analysis.findings.finding import Rule
from longpole.analysis.findings.view import View
from longpole.analysis.positions import Position
from longpole.analysis.result import FanOut
from longpole.analysis.what_if import Replayable
from longpole.model.run import FanOutKind

TASK_SMALL_NS: Final = 2_000_000
"""A task shorter than this is small: five times the 0.4 ms that a branch in a thread costs."""
TINY_LEAST_RATIO: Final = Fraction(1, 2)
"""So in half of the executions: else it was a slow start by chance."""
_OF_ITS_OWN: Final = frozenset({FanOutKind.PARALLEL, FanOutKind.MAP})


def _saved_ns(view: View, fan_out: FanOut) -> int:
    """Return how much sooner the tasks would be done one after the other; below 0 later."""
    work_ns = sum(branch.end_ns - branch.start_ns for branch in fan_out.branches)
    return fan_out.joined_ns - view.analysis.run.span_by_id[fan_out.span_id].start_ns - work_ns


def _is_tiny(view: View, fan_out: FanOut) -> bool:
    work_ns = sum(branch.end_ns - branch.start_ns for branch in fan_out.branches)
    return work_ns < TASK_SMALL_NS * len(fan_out.branches) and _saved_ns(view, fan_out) > 0


def _fan_outs(view: View) -> Iterable[FanOut]:
    """Yield the fan-outs whose span has no children but the branches."""
    for fan_out in view.analysis.fan_outs:
        children = view.analysis.run.children(fan_out.span_id)
        if fan_out.kind in _OF_ITS_OWN and len(children) == len(fan_out.branches):
            yield fan_out


def _see(view: View) -> Iterable[Seen]:
    for fan_out in _fan_outs(view):
        is_tiny = _is_tiny(view, fan_out)
        saved_ns = min(_saved_ns(view, fan_out), view.analysis.spans[fan_out.span_id].on_path_ns)
        yield Seen(
            position=view.position[fan_out.span_id],
            counts={
                "executions": 1,
                "tiny": int(is_tiny),
                "branches": len(fan_out.branches),
                "work_ns": sum(one.end_ns - one.start_ns for one in fan_out.branches),
                "saved_ns": max(0, saved_ns) if is_tiny else 0,
            },
            weight=max(0, saved_ns),
            is_affected=is_tiny and saved_ns > 0,
        )


def _judge(case: Case) -> Iterable[Claim]:
    for position, tally in case.tallies.items():
        if tally.ratio("tiny", "executions") < TINY_LEAST_RATIO:
            continue
        executions, branches = tally.count("executions"), tally.count("branches")
        yield Claim(
            rule=Rule.TINY_TASKS,
            position=position,
            tally=tally,
            evidence={
                "executions": executions,
                "branches_mean": Fraction(branches, executions),
                "task_mean_ns": tally.count("work_ns") // branches,
                "overhead_mean_ns": tally.count("saved_ns") // max(1, tally.count("tiny")),
            },
            suppose=_one_after_the_other(position),
        )


def _one_after_the_other(position: Position) -> Suppose:
    def suppose(view: View, replayable: Replayable) -> Supposed:
        run, number = view.analysis.run, replayable.simulation.timeline.number
        edits: dict[int, tuple[Edit, ...]] = {}
        for fan_out in _fan_outs(view):
            if view.position[fan_out.span_id] == position and _is_tiny(view, fan_out):
                length_ns = view.length_ns(run.span_by_id[fan_out.span_id])
                shorter_ns = max(0, length_ns - _saved_ns(view, fan_out))
                edits[number[fan_out.span_id]] = (Exactly(shorter_ns),)
        return Supposed(edits=Edits(lengths=edits))

    return suppose


TINY_TASKS: Final = Detector(rule=Rule.TINY_TASKS, see=_see, judge=_judge)

"""What must hold of every analysis, as code; tests and callers run it.

Each law that is broken raises `BrokenLawError` and names the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from longpole.analysis.result import RunAnalysis, Segment
from longpole.model.errors import BrokenLawError
from longpole.model.run import Run


def check_path(run: Run, path: Sequence[Segment], *, start_ns: int, end_ns: int) -> None:
    """Check that segments tile [start_ns, end_ns) exactly and that each belongs to a span."""
    cursor_ns = start_ns
    for segment in path:
        if segment.span_id not in run.span_by_id:
            raise BrokenLawError(f"a segment belongs to no span: {segment.span_id!r}")
        if segment.start_ns != cursor_ns or segment.end_ns <= segment.start_ns:
            raise BrokenLawError(
                f"segment [{segment.start_ns}, {segment.end_ns}) does not go on at {cursor_ns}"
            )
        cursor_ns = segment.end_ns
    if cursor_ns != end_ns:
        raise BrokenLawError(f"the path ends at {cursor_ns}, the run at {end_ns}")


def check_analysis(analysis: RunAnalysis) -> None:
    """Check that everything in an analysis adds up."""
    run, facts = analysis.run, analysis.facts
    start_ns = facts.end_ns - facts.wall_ns
    check_path(run, analysis.critical_path, start_ns=start_ns, end_ns=facts.end_ns)
    _check_spans(analysis)
    _check_profile(analysis)
    _check_money(analysis)
    _check_breakdown(analysis)
    if facts.span_length_ns > min(facts.wall_ns, facts.work_ns):
        raise BrokenLawError(
            f"span length {facts.span_length_ns} exceeds wall {facts.wall_ns} "
            f"or work {facts.work_ns}"
        )
    ids = {branch.span_id for fan_out in analysis.fan_outs for branch in fan_out.branches}
    if not ids <= set(run.span_by_id):
        raise BrokenLawError("a branch is no span of the run")


def _check_spans(analysis: RunAnalysis) -> None:
    wall_ns = analysis.facts.wall_ns
    for span in analysis.run.spans:
        facts = analysis.spans[span.span_id]
        if not 0 <= facts.drag_ns <= facts.on_path_ns <= wall_ns:
            raise BrokenLawError(
                f"span {span.span_id!r}: drag {facts.drag_ns}, on path {facts.on_path_ns}, "
                f"wall {wall_ns} are not in this order"
            )
        if facts.self_ns < 0 or (facts.slack_ns is not None and facts.slack_ns < 0):
            raise BrokenLawError(f"span {span.span_id!r} has a negative time")
    if analysis.spans[analysis.run.root_span_id].on_path_ns != wall_ns:
        raise BrokenLawError("the root's time on the path is not the wall time")


def _check_profile(analysis: RunAnalysis) -> None:
    steps = analysis.concurrency
    area_ns = sum(one.running * (following.at_ns - one.at_ns) for one, following in pairwise(steps))
    if area_ns != analysis.facts.work_ns:
        raise BrokenLawError(f"the profile holds {area_ns}, the work is {analysis.facts.work_ns}")
    if steps and steps[-1].running != 0:
        raise BrokenLawError("something is still at work when the run ends")


def _check_money(analysis: RunAnalysis) -> None:
    facts = analysis.facts
    known = sum(
        (span.cost_usd for span in analysis.run.spans if span.cost_usd is not None), Decimal(0)
    )
    if (facts.cost_usd or Decimal(0)) > known:
        raise BrokenLawError(f"the run costs {facts.cost_usd}, its spans only {known}")
    if facts.wasted_cost_usd > (facts.cost_usd or Decimal(0)):
        raise BrokenLawError("more money was wasted than spent")
    wasted = sum(one.wasted_ns for one in analysis.wastes)
    lost = sum((one.cost_usd for one in analysis.wastes), Decimal(0))
    if (wasted, lost) != (facts.wasted_ns, facts.wasted_cost_usd):
        raise BrokenLawError(
            f"what was wasted adds up to {wasted} ns and {lost}, "
            f"the run wasted {facts.wasted_ns} ns and {facts.wasted_cost_usd}"
        )


def _check_breakdown(analysis: RunAnalysis) -> None:
    facts, parts = analysis.facts, analysis.breakdown
    overhead_ns = parts.head_ns + parts.between_ns + parts.tail_ns
    for name, total_ns in (
        ("kinds of segments", parts.work_on_path_ns + overhead_ns + facts.backoff_ns),
        ("times at each concurrency", parts.idle_ns + parts.serial_ns + parts.parallel_ns),
    ):
        if total_ns != facts.wall_ns:
            raise BrokenLawError(f"the {name} add up to {total_ns}, the wall is {facts.wall_ns}")
    cost_usd = facts.cost_usd or Decimal(0)
    if parts.on_path_cost_usd + parts.off_path_cost_usd != cost_usd:
        raise BrokenLawError(f"costs on and off the path do not add up to {cost_usd}")
    for name, part, whole in (
        ("back-off on the path", facts.backoff_ns, parts.backoff_total_ns),
        ("wasted wall", parts.wasted_wall_ns, facts.wall_ns),
        ("avoidable work", parts.avoidable_ns, facts.work_ns),
        ("avoidable cost", parts.avoidable_cost_usd, cost_usd),
    ):
        if not 0 <= part <= whole:
            raise BrokenLawError(f"{name} is {part}, expected 0 to {whole}")
    if sum(one.avoidable_ns for one in analysis.fan_outs) != parts.avoidable_ns:
        raise BrokenLawError("what fan-outs could have avoided does not add up to the run's")

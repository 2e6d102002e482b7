"""One run → everything that it tells by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from longpole.analysis.breakdown import breakdown_of
from longpole.analysis.collector import no_cycle_collection
from longpole.analysis.critical_path import path_of
from longpole.analysis.facts import facts_from, grounds_of
from longpole.analysis.failures import after_failures
from longpole.analysis.fan_outs import Measures, fan_outs_of, groups_of, queue_waits_ns, tries_of
from longpole.analysis.normalise import Timeline
from longpole.analysis.replay import Floats, floats_of
from longpole.analysis.result import RunAnalysis, Segment, SpanFacts, Waste, WasteReason
from longpole.analysis.totals import CostsBelow, totals_of
from longpole.analysis.work import profile_of, self_times_ns
from longpole.model.run import Run, Span


def analyse(run: Run, *, now_ns: int) -> RunAnalysis:
    """Analyse a run; one that is still running as it stands at `now_ns`.

    Never raises on a run that `assemble` made, whatever its times.
    """
    with no_cycle_collection():
        return _analyse(run, now_ns)


def _analyse(run: Run, now_ns: int) -> RunAnalysis:
    grounds = grounds_of(run, now_ns=now_ns)
    timeline, siblings = grounds.timeline, grounds.siblings
    intervals, calls = grounds.intervals, grounds.calls
    path = path_of(siblings)
    on_path_ns = _on_path_ns(timeline, path)
    floats = floats_of(grounds.replay, on_path_ns)
    groups = groups_of(timeline)
    waits_ns = queue_waits_ns(siblings, groups)
    profile = profile_of(intervals, timeline.start_ns[0], timeline.end_ns[0])
    tries = [tries_of(timeline, members) for members in groups]
    failures = after_failures(timeline, tries, intervals, calls)
    measures = Measures(
        slack_ns=floats.slack_ns,
        drag_ns=floats.drag_ns,
        on_path_ns=on_path_ns,
        costs=CostsBelow(timeline, calls if groups else ()),
        failures=failures,
    )
    return RunAnalysis(
        run=run,
        now_ns=timeline.now_ns,
        facts=facts_from(grounds, path),
        breakdown=breakdown_of(
            siblings,
            path,
            profile,
            calls,
            on_path_ns=on_path_ns,
            wasted=grounds.wasted,
            failures=failures.values(),
        ),
        spans=_span_facts(timeline, floats, on_path_ns, waits_ns, grounds.waste),
        critical_path=path,
        fan_outs=fan_outs_of(siblings, groups, tries, waits_ns, measures),
        concurrency=profile,
        wastes=_wastes(timeline, intervals, calls, grounds.waste),
    )


def _on_path_ns(timeline: Timeline, path: Sequence[Segment]) -> list[int]:
    """Return the critical-path time of each span and all below it, by number."""
    result = [0] * len(timeline.spans)
    for segment in path:
        result[timeline.number[segment.span_id]] += segment.length_ns
    for number in range(len(result) - 1, 0, -1):
        result[timeline.parent[number]] += result[number]
    return result


def _span_facts(
    timeline: Timeline,
    floats: Floats,
    on_path_ns: Sequence[int],
    waits_ns: Mapping[int, int],
    waste: Mapping[int, WasteReason],
) -> dict[str, SpanFacts]:
    self_ns = self_times_ns(timeline)
    facts: dict[str, SpanFacts] = {}
    for number, span in enumerate(timeline.spans):
        recorded_ns = span.queue_wait_ns
        facts[span.span_id] = SpanFacts(
            self_ns=self_ns[number],
            on_path_ns=on_path_ns[number],
            slack_ns=floats.slack_ns[number],
            drag_ns=floats.drag_ns[number],
            queue_wait_ns=waits_ns.get(number) if recorded_ns is None else recorded_ns,
            queue_wait_inferred=recorded_ns is None and number in waits_ns,
            wasted=waste.get(number),
        )
    return facts


def _wastes(
    timeline: Timeline,
    intervals: Sequence[tuple[int, int, int]],
    calls: Sequence[int],
    waste: Mapping[int, WasteReason],
) -> tuple[Waste, ...]:
    """Return work and cost below each topmost wasted span."""
    if not waste:
        return ()
    top: list[int] = []  # the topmost wasted span that each is in, -1 for none
    for number, parent in enumerate(timeline.parent):
        top.append(number if number in waste else top[parent] if number else -1)
    work_ns = dict.fromkeys(waste, 0)
    for number, low, high in intervals:
        if (at := top[number]) in work_ns:
            work_ns[at] += high - low
    made: dict[int, list[Span]] = {number: [] for number in waste}
    for number in calls:
        if (at := top[number]) in made:
            made[at].append(timeline.spans[number])
    return tuple(
        _wasted(timeline.spans[number], waste[number], work_ns[number], made[number])
        for number in sorted(waste)
    )


def _wasted(span: Span, reason: WasteReason, work_ns: int, calls: Sequence[Span]) -> Waste:
    spent = totals_of(calls)
    return Waste(
        span_id=span.span_id,
        reason=reason,
        wasted_ns=work_ns,
        cost_usd=spent.cost_usd or Decimal(0),
        unpriced_calls=spent.unpriced_calls,
    )

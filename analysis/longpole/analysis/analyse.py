"""One run → everything that it tells by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from longpole.analysis.breakdown import breakdown_of
from longpole.analysis.collector import no_cycle_collection
from longpole.analysis.critical_path import path_of
from longpole.analysis.failures import after_failures
from longpole.analysis.fan_outs import Measures, fan_outs_of, groups_of, queue_waits_ns, tries_of
from longpole.analysis.normalise import Timeline, normalise
from longpole.analysis.replay import Floats, Replay, floats_of
from longpole.analysis.result import (
    Dependencies,
    RunAnalysis,
    RunFacts,
    Segment,
    SegmentKind,
    SpanFacts,
    Waste,
    WasteReason,
)
from longpole.analysis.siblings import Siblings, siblings_of
from longpole.analysis.streamed import first_token_ns
from longpole.analysis.totals import (
    CostsBelow,
    calls_of,
    cost_of,
    fallbacks_of,
    retries_of,
    totals_of,
)
from longpole.analysis.waste import waste_of
from longpole.analysis.work import profile_of, self_times_ns, work_intervals
from longpole.model.run import NO_ORDER, Run, Span


def analyse(run: Run, *, now_ns: int) -> RunAnalysis:
    """Analyse a run; one that is still running as it stands at `now_ns`.

    Never raises on a run that `assemble` made, whatever its times.
    """
    with no_cycle_collection():
        return _analyse(run, now_ns)


def _analyse(run: Run, now_ns: int) -> RunAnalysis:
    timeline = normalise(run, now_ns=now_ns)
    siblings = siblings_of(timeline)
    path = path_of(siblings)
    on_path_ns = _on_path_ns(timeline, path)
    replay = Replay(siblings)
    floats = floats_of(replay, on_path_ns)
    waste = waste_of(timeline)
    groups = groups_of(timeline)
    waits_ns = queue_waits_ns(siblings, groups)
    calls = calls_of(timeline)
    intervals = work_intervals(siblings)
    profile = profile_of(intervals, timeline.start_ns[0], timeline.end_ns[0])
    peak = max([step.running for step in profile])
    wasted = _inside(timeline, waste)
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
        facts=_facts(timeline, replay, path, intervals, peak, calls, wasted),
        breakdown=breakdown_of(
            siblings,
            path,
            profile,
            calls,
            on_path_ns=on_path_ns,
            wasted=wasted,
            failures=failures.values(),
        ),
        spans=_span_facts(timeline, floats, on_path_ns, waits_ns, waste),
        critical_path=path,
        fan_outs=fan_outs_of(siblings, groups, tries, waits_ns, measures),
        concurrency=profile,
        wastes=_wastes(timeline, intervals, calls, waste),
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


def _facts(
    timeline: Timeline,
    replay: Replay,
    path: Sequence[Segment],
    intervals: Sequence[tuple[int, int, int]],
    peak: int,
    calls: Sequence[int],
    wasted: Sequence[bool],
) -> RunFacts:
    wall_ns = timeline.wall_ns
    work_ns = sum(high - low for _, low, high in intervals)
    span_length_ns = min(replay.length_ns(has_limits=False, is_ideal=True), work_ns, wall_ns)
    totals = totals_of(timeline.spans[number] for number in calls)
    wasted_costs = [cost_of(timeline.spans[number]) for number in calls if wasted[number]]
    workers = _workers(timeline, peak)
    return RunFacts(
        end_ns=timeline.end_ns[0],
        wall_ns=wall_ns,
        work_ns=work_ns,
        span_length_ns=span_length_ns,
        speedup_ratio=work_ns / wall_ns if wall_ns else 1.0,
        parallelism_ratio=work_ns / span_length_ns if span_length_ns else 1.0,
        efficiency_ratio=work_ns / (wall_ns * workers) if wall_ns and workers else 1.0,
        peak_concurrency=peak,
        workers=workers,
        queue_wait_ns=max(0, wall_ns - replay.length_ns(has_limits=False)),
        backoff_ns=sum(s.length_ns for s in path if s.kind is SegmentKind.BACKOFF),
        retries=retries_of(timeline.spans),
        fallbacks=fallbacks_of(timeline.spans),
        llm_calls=totals.llm_calls,
        cache_hits=totals.cache_hits,
        usage=totals.usage,
        cost_usd=totals.cost_usd,
        unpriced_calls=totals.unpriced_calls,
        wasted_ns=sum(high - low for number, low, high in intervals if wasted[number]),
        wasted_cost_usd=sum([cost for cost in wasted_costs if cost is not None], Decimal(0)),
        time_to_first_token_ns=first_token_ns(timeline),
        dependencies=_dependencies(replay.siblings),
    )


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


def _inside(timeline: Timeline, waste: Mapping[int, WasteReason]) -> list[bool]:
    inside = [False] * len(timeline.spans)
    if waste:
        for number, above in enumerate(timeline.parent):
            inside[number] = number in waste or (above >= 0 and inside[above])
    return inside


def _workers(timeline: Timeline, peak: int) -> int:
    """Return how many could work at once: the widest recorded limit, or the peak if more did."""
    limits = [span.fan_out_limit for span in timeline.spans if span.fan_out_limit is not None]
    # A limit holds for one fan-out; several of them may run at once.
    return max([peak, *limits])


def _dependencies(siblings: Siblings) -> Dependencies:
    """Tell whether the order of siblings was recorded wherever there is an order to know."""
    spans = siblings.timeline.spans
    recorded = inferred = False
    for units in siblings.units:
        if len(units) < 2:
            continue
        for unit in units:
            order = spans[unit.first].order
            if order is not NO_ORDER and order.is_recorded:
                recorded = True
            else:
                inferred = True
        if recorded and inferred:
            return Dependencies.MIXED
    return Dependencies.INFERRED if inferred else Dependencies.RECORDED

"""One run → the numbers that lists show of it, and no more.

In: a `Run`. Out: its `RunFacts`, the very ones of the whole analysis: both are told from the same
`Grounds` by the same function. What only single spans, branches and segments need (slack, drag,
queue waits, fan-outs, the breakdown) is not computed, which leaves a good third of the time.

Two of the facts tell how long the run would have taken otherwise. These `Lengths` need the run as
something that can be run again; whoever has kept them gets the facts in half of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from longpole.analysis.collector import no_cycle_collection
from longpole.analysis.critical_path import path_of
from longpole.analysis.normalise import Timeline, normalise
from longpole.analysis.replay import Replay
from longpole.analysis.result import Dependencies, RunFacts, Segment, SegmentKind, WasteReason
from longpole.analysis.siblings import Siblings, siblings_of
from longpole.analysis.slots import peak_of
from longpole.analysis.streamed import first_token_ns
from longpole.analysis.totals import calls_of, cost_of, fallbacks_of, retries_of, totals_of
from longpole.analysis.waste import waste_of
from longpole.analysis.work import work_intervals
from longpole.model.run import NO_ORDER, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What everything about a run is told from.

    Attributes:
        intervals: (span number, start, end) of all work.
        calls: numbers of the model calls that count.
        waste: the reason of each topmost wasted span, by number.
        wasted: whether a span lies in a wasted one, by number.
    """

    timeline: Timeline
    siblings: Siblings
    intervals: Sequence[tuple[int, int, int]]
    calls: Sequence[int]
    waste: Mapping[int, WasteReason]
    wasted: Sequence[bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How long a run would have taken: the facts of the same names."""

    span_length_ns: int
    queue_wait_ns: int


def facts_of(run: Run, *, now_ns: int) -> RunFacts:
    """Return the facts of a run, as `analyse` does; one still running as it stands at `now_ns`.

    Never raises on a run that `assemble` made, whatever its times.
    """
    with no_cycle_collection():
        grounds = grounds_of(run, now_ns=now_ns)
        retries = retries_of(grounds.timeline.spans)
        # A pause is back-off only before a further try, so that without one no path is needed.
        path = path_of(grounds.siblings) if retries else ()
        lengths = lengths_of(grounds, Replay(grounds.siblings))
        return facts_from(grounds, path, lengths, peak=peak_of(_times(grounds)))


def grounds_of(run: Run, *, now_ns: int) -> Grounds:
    """Return what the facts of a run are told from, and all the rest."""
    timeline = normalise(run, now_ns=now_ns)
    siblings = siblings_of(timeline)
    waste = waste_of(timeline)
    return Grounds(
        timeline=timeline,
        siblings=siblings,
        intervals=work_intervals(siblings),
        calls=calls_of(timeline),
        waste=waste,
        wasted=_inside(timeline, waste),
    )


def lengths_of(grounds: Grounds, replay: Replay) -> Lengths:
    """Return how long the run would have taken, by running it again."""
    wall_ns = grounds.timeline.wall_ns
    ideal_ns = replay.length_ns(has_limits=False, is_ideal=True)
    return Lengths(
        span_length_ns=min(ideal_ns, _work_ns(grounds), wall_ns),
        queue_wait_ns=max(0, wall_ns - replay.length_ns(has_limits=False)),
    )


def _work_ns(grounds: Grounds) -> int:
    return sum([high - low for _, low, high in grounds.intervals])


def _times(grounds: Grounds) -> list[tuple[int, int]]:
    return [(low, high) for _, low, high in grounds.intervals]


def facts_from(
    grounds: Grounds, path: Iterable[Segment], lengths: Lengths, *, peak: int
) -> RunFacts:
    """Return the facts.

    Args:
        grounds: of the run.
        path: its critical path; may be empty where no span is a further try.
        lengths: of the same run.
        peak: how many spans were at work at once.
    """
    timeline, intervals = grounds.timeline, grounds.intervals
    calls, wasted = grounds.calls, grounds.wasted
    wall_ns, work_ns = timeline.wall_ns, _work_ns(grounds)
    span_length_ns = lengths.span_length_ns
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
        queue_wait_ns=lengths.queue_wait_ns,
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
        dependencies=_dependencies(grounds.siblings),
    )


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


def _inside(timeline: Timeline, waste: Mapping[int, WasteReason]) -> list[bool]:
    inside = [False] * len(timeline.spans)
    if waste:
        for number, above in enumerate(timeline.parent):
            inside[number] = number in waste or (above >= 0 and inside[above])
    return inside
